"""Who gets in, and what those who do not are told."""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from support.server import ServerProcess, make_key, running_server
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

_HERE = "127.0.0.1:{port}"


@attrs.frozen
class Guarded:
    """A server that has accounts, and the keys of its first user."""

    server: ServerProcess
    key: str
    revoked: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    directory = tmp_path_factory.mktemp("guarded")
    with running_server(directory) as server:
        assert server.call("GET", "user").status_code == 200
        key, revoked = make_key(directory, "ann"), make_key(directory, "ann")
        listed = server.call("GET", "keys", key=key).json()
        (record,) = [item for item in listed if item["prefix"] == revoked[:4]]
        assert server.call("DELETE", f"keys/{record['id']}", key=key).status_code == 200
        yield Guarded(server, key, revoked)


def _local(server: ServerProcess, text: str) -> str:
    return text.format(port=server.origin.rpartition(":")[2])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:{port}"}, 200),
        ({"Host": "localhost:{port}"}, 200),
        ({"Host": "LOCALHOST"}, 200),
        ({"Host": "127.8.9.1:80"}, 200),
        ({"Host": "[::1]:{port}"}, 200),
        ({"Host": "evil.example:{port}"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "10.0.0.1"}, 403),
        ({"Host": "[::1].evil.example"}, 400),
        ({"Host": "::1"}, 400),
        ({"Host": "evil.example/@localhost"}, 400),
        ({"Host": "evil.example", "X-Forwarded-Host": "localhost"}, 403),
        ({"Host": "localhost:{port}", "Origin": "http://localhost:{port}"}, 200),
        ({"Host": "localhost:{port}", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost:{port}", "Origin": "http://localhost:1"}, 403),
        ({"Host": "localhost:{port}", "Origin": "http://127.0.0.1:{port}"}, 403),
        ({"Host": "localhost:{port}", "Origin": "null"}, 403),
        ({"Host": "localhost:{port}", "Origin": "http://["}, 403),
        ({"Host": "localhost:{port}", "Origin": ""}, 403),
    ],
)
def test_without_accounts_foreign_names_and_pages_are_refused(
    server: ServerProcess, headers: dict[str, str], status: int
) -> None:
    sent = {name: _local(server, value) for name, value in headers.items()}
    for path in ("user", "/healthz", "openapi.json", "/"):
        response = server.call("GET", path, headers=sent)
        assert response.status_code == status, response.text
        assert "Access-Control-Allow-Origin" not in response.headers


def test_a_write_from_a_foreign_page_changes_nothing(server: ServerProcess) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert server.call("POST", "projects", json={"name": "stolen"}, headers=headers).status_code == 403
    owner = server.call("GET", "user").json()["username"]
    assert server.call("GET", f"projects/{owner}/stolen").status_code == 404


def test_from_the_first_key_on_everyone_needs_one(guarded: Guarded) -> None:
    response = guarded.server.call("GET", "user")
    assert response.status_code == 401
    assert response.json()["error"]["type"] == "AuthenticationError"
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "Basic " in response.headers["WWW-Authenticate"]
    assert guarded.server.call("GET", "user", key=guarded.key).json()["username"] == "ann"


def test_with_accounts_the_server_goes_by_any_name(guarded: Guarded) -> None:
    headers = {"Host": "runs.example.org", "Origin": "https://runs.example.org"}
    assert guarded.server.call("GET", "user", key=guarded.key, headers=headers).status_code == 200
    assert guarded.server.call("GET", "user", headers=headers).status_code == 401


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://["])
def test_credentials_that_a_browser_sends_by_itself_do_not_serve_other_sites(guarded: Guarded, origin: str) -> None:
    headers = {"Authorization": _basic("ann", guarded.key), "Origin": origin}
    paths = {"PATCH": "user", "POST": "projects", "PUT": "workspaces/ann/members/bob", "DELETE": "keys/x"}
    for method, path in paths.items():
        assert guarded.server.call(method, path, json={"name": "stolen"}, headers=headers).status_code == 403
    own = {**headers, "Origin": guarded.server.origin}
    assert guarded.server.call("PATCH", "user", json={"name": "Ann"}, headers=own).status_code == 200
    bearer = {"Origin": origin}
    assert (
        guarded.server.call("PATCH", "user", json={"name": "Ann"}, key=guarded.key, headers=bearer).status_code == 200
    )


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_the_key_may_come_as_a_password(guarded: Guarded) -> None:
    for user in ("ann", "", "whoever"):
        headers = {"Authorization": _basic(user, guarded.key)}
        assert guarded.server.call("GET", "user", headers=headers).json()["username"] == "ann"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer x",
        "Bearer " + "0" * 21,
        "Bearer " + "é" * 21,
        "Basic x",
        "Basic eDp5",
        "Digest x",
        "Bearer a b",
    ],
)
def test_what_is_no_valid_key_is_refused(guarded: Guarded, header: str) -> None:
    response = guarded.server.call("GET", "user", headers={"Authorization": header.encode("latin-1")})
    assert response.status_code == 401


def test_a_key_in_the_wrong_place_is_none(guarded: Guarded) -> None:
    assert guarded.server.call("GET", "user", params={"key": guarded.key}).status_code == 401
    assert guarded.server.call("GET", "user", headers={"Cookie": f"sid={guarded.key}"}).status_code == 401


def test_a_revoked_key_is_none_and_that_takes_effect_at_once(guarded: Guarded) -> None:
    assert guarded.server.call("GET", "user", key=guarded.revoked).status_code == 401
    made = guarded.server.call("POST", "keys", json={}, key=guarded.key).json()
    assert guarded.server.call("GET", "user", key=made["secret"]).status_code == 200
    command = [
        sys.executable,
        "-m",
        "runatlas",
        "keys",
        "revoke",
        made["key"]["id"],
        "--dir",
        str(guarded.server.directory),
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert guarded.server.call("GET", "user", key=made["secret"]).status_code == 401


def test_the_caller_is_known_before_the_body_is_read(guarded: Guarded) -> None:
    host, port = guarded.server.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = [
            "PATCH /atlas/v1/user HTTP/1.1",
            f"Host: {host}",
            "Content-Type: application/json",
            "Content-Length: 9",
            "",
        ]
        connection.sendall("\r\n".join([*head, ""]).encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 401 ")


def test_what_needs_no_key_is_little(guarded: Guarded) -> None:
    assert guarded.server.call("GET", "/healthz").status_code == 200
    assert guarded.server.call("GET", "openapi.json").status_code == 200
    assert guarded.server.call("OPTIONS", "user").status_code == 204
    assert guarded.server.call("GET", "nothing").status_code == 404


def test_no_secret_is_kept_where_answers_are_kept(guarded: Guarded) -> None:
    headers = {"Idempotency-Key": "once"}
    first = guarded.server.call("POST", "keys", json={}, key=guarded.key, headers=headers).json()["secret"]
    for file in guarded.server.directory.glob("runatlas.db*"):
        assert first.encode() not in file.read_bytes()


def test_an_unknown_error_reveals_nothing_but_the_id_of_its_log_entry(tmp_path: Path) -> None:
    with running_server(tmp_path / "store") as server:
        database = server.directory / "runatlas.db"
        for file in server.directory.glob("runatlas.db*"):
            file.write_bytes(b"\xa5" * 200_000)
        response = server.call("POST", "projects", json={"name": "demo"})
        assert response.status_code == 500
        error = response.json()["error"]
        assert error["type"] == "ServerError"
        assert str(tmp_path) not in response.text
        assert "sqlite" not in response.text.lower()
        incident = error["message"].rpartition(" ")[2]
        assert server.call("GET", "/healthz").status_code == 503
        server.stop()
        assert database.exists()
    log = "".join(server.log)
    assert f"incident {incident} at POST /atlas/v1/projects\nTraceback" in log
    assert "1 requests failed with an internal error" in log


def test_an_unknown_error_on_a_socket_is_told_and_logged_as_one_of_a_request_is(tmp_path: Path) -> None:
    with running_server(tmp_path / "store") as server:
        url = server.origin.replace("http", "ws", 1) + "/api/v1/ws/runs/r"
        with connect(url, proxy=None) as socket:
            for file in server.directory.glob("runatlas.db*"):
                file.write_bytes(b"\xa5" * 200_000)
            socket.send('{"type": "create_run"}')
            with pytest.raises(ConnectionClosedError) as caught:
                socket.recv(timeout=60)
        assert caught.value.rcvd is not None
        code, reason = caught.value.rcvd.code, caught.value.rcvd.reason
        incident = reason.rpartition(" ")[2]
        assert (code, reason) == (1011, f"the server failed; its log has more under incident {incident}")
        with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
            pass
        assert refused.value.response.status_code == 500
        assert b"the server failed" in refused.value.response.body
        server.stop()
    log = "".join(server.log)
    assert f"incident {incident} at WEBSOCKET /api/v1/ws/runs/r\nTraceback" in log
    assert "2 requests failed with an internal error" in log

"""The server as a process: how it starts, what it takes, and how it ends."""

from __future__ import annotations

import asyncio
import http.client
import signal
import socket
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest
from support.database import new_schema
from support.forked import command
from support.server import ServerProcess, make_key, running_server

from runatlas.server.process import listen


def _address(server: ServerProcess) -> tuple[str, int]:
    host, port = server.origin.removeprefix("http://").rsplit(":", 1)
    return host, int(port)


def _serve(*options: str) -> subprocess.CompletedProcess[str]:
    return command("serve", *options)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, number: int) -> None:
    with running_server(tmp_path / "store") as server:
        assert server.call("POST", "projects", json={"name": "demo"}).status_code == 201
        assert server.stop(number) == 0
    assert not list((tmp_path / "store").glob("runatlas.db-wal")), "the store was not closed"
    assert "Traceback" not in "".join(server.log)


def test_a_signal_that_comes_at_once_is_not_lost(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        with running_server(tmp_path / "store") as server:
            assert server.stop(number) == 0


def test_a_request_that_runs_when_the_end_comes_is_answered(tmp_path: Path) -> None:
    body = b'{"name": "Ann"}'
    with running_server(tmp_path / "store") as server:
        with socket.create_connection(_address(server), timeout=30) as connection, connection.makefile("rb") as answer:
            head = f"PATCH /atlas/v1/user HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            connection.sendall(head.encode() + b"Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n")
            # The server says so when the route asks for the body: now the request is running.
            assert answer.readline() == b"HTTP/1.1 100 Continue\r\n"
            server.process.send_signal(signal.SIGTERM)
            connection.sendall(body)
            assert answer.readline() == b"\r\n"
            assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
        assert server.process.wait(30) == 0


def test_an_upload_that_stalls_does_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    with running_server(tmp_path / "store", "--grace", "1") as server:
        owner = server.call("GET", "user").json()["username"]
        assert server.call("POST", "projects", json={"name": "demo"}).status_code == 201
        with socket.create_connection(_address(server), timeout=30) as connection, connection.makefile("rb") as answer:
            head = f"POST /atlas/v1/projects/{owner}/demo/blobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
            connection.sendall(f"{head}Content-Type: application/octet-stream\r\nExpect: 100-continue\r\n\r\n".encode())
            assert answer.readline() == b"HTTP/1.1 100 Continue\r\n"
            connection.sendall(b"only a part")
            assert server.stop() == 0
    assert not list((tmp_path / "store" / "blobs").glob(".*.part"))


def test_a_directory_serves_on_where_it_was(tmp_path: Path) -> None:
    with running_server(tmp_path / "store") as server:
        assert server.call("POST", "projects", json={"name": "demo"}).status_code == 201
        owner = server.call("GET", "user").json()["username"]
        server.process.kill()
        server.process.wait(30)
    with running_server(tmp_path / "store") as server:
        assert server.call("GET", f"projects/{owner}/demo").status_code == 200


def test_a_database_is_served_as_a_directory_is(tmp_path: Path, postgresql: str) -> None:
    url = new_schema(postgresql)
    with running_server(tmp_path, database=url) as server:
        owner = server.call("GET", "user").json()["username"]
        run = {"project": {"workspace": owner, "project": "demo"}, "id": "r", "create_project": True}
        assert server.call("POST", "runs", json=run).status_code == 201
        headers = {"Content-Type": "application/octet-stream"}
        blob = server.call("POST", f"projects/{owner}/demo/blobs", data=b"weights", headers=headers).json()
        assert server.stop() == 0
    assert list(tmp_path.rglob(blob["sha256"]))
    options = ["--database", url, "--blobs-dir", str(tmp_path)]
    key = command("keys", "create", "ann", *options).stdout.strip()
    with running_server(tmp_path, database=url) as server:
        assert server.call("GET", f"runs/{owner}/demo/r").status_code == 401
        assert server.call("GET", f"runs/{owner}/demo/r", key=key).status_code == 404
        assert server.call("GET", "user", key=key).json()["username"] == "ann"
    assert not any(url in line for line in server.log)


def test_requests_are_answered_while_another_waits_for_the_store(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, closing(sqlite3.connect(tmp_path / "runatlas.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        answers: list[int] = []
        write = threading.Thread(
            target=lambda: answers.append(server.call("POST", "projects", json={"name": "demo"}).status_code)
        )
        write.start()
        for _ in range(50):
            assert server.call("GET", "user").status_code == 200
        assert not answers
        other.rollback()
        write.join()
        assert answers == [201]


def test_others_may_not_reach_a_server_without_accounts(tmp_path: Path) -> None:
    done = _serve("--dir", str(tmp_path), "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "runatlas keys create" in done.stderr
    assert "Traceback" not in done.stderr


def test_others_may_reach_a_server_with_accounts(tmp_path: Path) -> None:
    key = make_key(tmp_path, "ann")
    with running_server(tmp_path, "--host", "0.0.0.0") as server:
        assert server.call("GET", "user").status_code == 401
        assert server.call("GET", "user", key=key).status_code == 200


def test_a_port_in_use_is_told(server: ServerProcess, tmp_path: Path) -> None:
    done = _serve("--dir", str(tmp_path), "--port", str(_address(server)[1]))
    assert done.returncode == 1
    assert "choose another --port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "runatlas.db").write_bytes(b"not a database" * 1000)
    done = _serve("--dir", str(tmp_path), "--port", "0")
    assert done.returncode == 1
    assert "restore it from a backup" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_request_line_of_60_kib_is_taken_and_a_longer_one_refused(server: ServerProcess) -> None:
    assert server.call("GET", "workspaces?cursor=" + "x" * 60_000).status_code == 422
    connection = http.client.HTTPConnection(*_address(server), timeout=30)
    connection.request("GET", "/atlas/v1/workspaces?cursor=" + "x" * 400_000)
    assert connection.getresponse().status == 400
    connection.close()


def test_many_requests_go_over_one_connection(server: ServerProcess) -> None:
    connection = http.client.HTTPConnection(*_address(server), timeout=30)
    connection.connect()
    kept = connection.sock
    for path, status in [("/healthz", 200), ("/atlas/v1/nothing", 404), ("/atlas/v1/user", 200)] * 5:
        connection.request("GET", path)
        response = connection.getresponse()
        assert (response.status, len(response.read()) > 0) == (status, True)
        assert connection.sock is kept
    connection.close()


def test_a_body_that_is_refused_leaves_the_connection_usable(server: ServerProcess) -> None:
    connection = http.client.HTTPConnection(*_address(server), timeout=30)
    connection.connect()
    kept = connection.sock
    headers = {"Content-Type": "application/json"}
    connection.request("PATCH", "/atlas/v1/user", body=b" " * (20 << 20), headers=headers)
    response = connection.getresponse()
    assert response.status == 413
    response.read()
    connection.request("GET", "/atlas/v1/user")
    assert connection.getresponse().status == 200
    assert connection.sock is kept
    connection.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_small_answers_do_not_wait_for_acknowledgements(host: str) -> None:
    async def accepted_with_no_delay() -> bool:
        found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                accepted = transport.get_extra_info("socket")
                found.set_result(bool(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
                transport.close()

        server = await asyncio.get_running_loop().create_server(Protocol, sock=listen(host, 0))
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.close()
            return await found

    assert asyncio.run(accepted_with_no_delay())


def test_links_begin_with_the_origin_that_was_set(tmp_path: Path) -> None:
    with running_server(tmp_path / "store", "--origin", "https://runs.example.org/") as server:
        owner = server.call("GET", "user").json()["username"]
        run = {"project": {"workspace": owner, "project": "demo"}, "id": "r", "create_project": True}
        assert server.call("POST", "runs", json=run).status_code == 201
        link = server.call("POST", f"runs/{owner}/demo/r/logs/export", json={"start": 0, "rows": 1})
        assert link.json()["url"].startswith("https://runs.example.org/atlas/v1/exports/")

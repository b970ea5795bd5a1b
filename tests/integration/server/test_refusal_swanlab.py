"""What SwanLab's protocol refuses, in its words; what it takes once; and how long a session lasts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import requests
from support.server import ServerProcess, make_key, running_server

from runatlas.model.ids import new_cuid


@attrs.frozen
class World:
    """A server with a project of a workspace, and in it a run."""

    server: ServerProcess
    session: str
    project: str
    run: str

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Make a request below ``/api`` with a session."""
        headers = {"Cookie": f"sid={self.session}", **options.pop("headers", {})}
        return self.server.call(method, f"/api{path}", headers=headers, **options)

    def make(self, method: str, path: str, **options: Any) -> Any:
        """Do something that is needed before the request that is looked at."""
        answer = self.ask(method, path, **options)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def new_run(self) -> str:
        """Make a run, and return its cuid."""
        return str(self.make("POST", "/project/lab/secret/experiment", json={"name": "n", "cuid": new_cuid()})["cuid"])


COLUMNS = [{"experimentId": "RUN", "key": "loss"}]
QUERY = {"projectId": "p", "xType": "step", "range": [0, 0], "num": 10, "columns": COLUMNS}
POINT = {"key": "loss", "index": 1, "data": 0.5, "create_time": "2026-01-02T03:04:05.678Z"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("refusal") / "store"
    key = make_key(directory, "olga")
    with running_server(directory) as server:
        session = server.call("POST", "/api/login/api_key", headers={"authorization": key}).json()["sid"]
        made = World(server, session, "", "")
        assert server.call("POST", "workspaces", key=key, json={"username": "lab"}).ok
        project = made.make("POST", "/project", json={"name": "secret", "username": "lab"})["cuid"]
        made = attrs.evolve(made, project=project)
        made = attrs.evolve(made, run=made.new_run())
        body = {"type": "scalar", "projectId": project, "experimentId": made.run, "metrics": [POINT]}
        made.make("POST", "/house/metrics", json=body)
        yield made


def test_a_session_outlives_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("session") / "store"
    key = make_key(directory, "ann")
    with running_server(directory) as server:
        told = server.call("POST", "/api/login/api_key", headers={"authorization": key}).json()
    assert told["userInfo"]["username"] == "ann"
    with running_server(directory) as server:
        answer = server.call("GET", "/api/user/profile", headers={"Cookie": f"sid={told['sid']}"})
        assert answer.status_code == 200, answer.text


def _scalar(**fields: Any) -> dict[str, Any]:
    return {"type": "scalar", "experimentId": "RUN", "metrics": [{**POINT, **fields}]}


BAD: dict[str, tuple[str, str, Any, int]] = {
    "unknown run": ("POST", "/house/metrics/scalar", {"columns": [{"experimentId": "never", "key": "x"}]}, 404),
    "unknown file": ("POST", "/files/presigned/get", {"paths": [f"exports/{'a' * 21}.csv"]}, 404),
    "a path of the server": ("POST", "/files/presigned/get", {"paths": ["../../etc/passwd"]}, 404),
    "a path upwards": ("POST", "/resources/presigned/put", {"experimentId": "RUN", "paths": ["../x"]}, 400),
    "an absolute path": ("POST", "/experiment/RUN/files/prepare", {"files": [{"path": "/etc/passwd"}]}, 400),
    "a file never sent": (
        "POST",
        "/experiment/RUN/files/complete",
        {"files": [{"path": "never", "state": "UPLOADED"}]},
        400,
    ),
    "an upload never begun": (
        "POST",
        "/experiment/RUN/files/complete-multipart",
        {"files": [{"path": "a", "uploadId": "../..", "parts": [{"partNumber": 1}]}]},
        404,
    ),
    "media never sent": (
        "POST",
        "/house/metrics",
        {"type": "media", "experimentId": "RUN", "metrics": [{"key": "k", "index": 0, "data": ["media/image/1.png"]}]},
        400,
    ),
    "a project's name": ("POST", "/project", {"name": "../x", "username": "lab"}, 400),
    "an unknown workspace": ("POST", "/project", {"name": "x", "username": "never"}, 404),
    "a list for an object": ("POST", "/project", [], 400),
    "a number for a name": ("POST", "/project", {"name": 5}, 400),
    "a run's id": ("POST", "/project/lab/secret/experiment", {"name": "n", "cuid": "a/b"}, 400),
    "a time": ("POST", "/project/lab/secret/experiment", {"name": "n", "createdAt": "yesterday"}, 400),
    "a state": ("PUT", "/project/lab/secret/runs/RUN/state", {"state": "ASLEEP"}, 400),
    "a filter": ("POST", "/project/lab/secret/runs/shows", {"filters": [{"key": "state", "op": "LIKE"}]}, 400),
    "a page": ("GET", "/project/lab?page=0", None, 400),
    "a size": ("GET", "/project/lab?size=1001", None, 400),
    "a kind of metrics": ("POST", "/house/metrics", {"type": "dream", "experimentId": "RUN", "metrics": []}, 400),
    "a value": (
        "POST",
        "/house/metrics",
        _scalar(data="x"),
        400,
    ),
    "a step": (
        "POST",
        "/house/metrics",
        _scalar(index=2**64),
        400,
    ),
    "a key of control characters": (
        "POST",
        "/house/metrics",
        _scalar(key="a\x00"),
        400,
    ),
    "a million points": ("POST", "/house/metrics/scalar", {"columns": [], "num": 0}, 400),
    "too many columns": ("POST", "/house/metrics/scalar", {"columns": COLUMNS * 1001}, 400),
    "too many lines": ("POST", "/house/metrics/log/export", {"experimentId": "RUN", "rows": 500_001}, 400),
    "an address": ("GET", "/nowhere", None, 404),
    "a method": ("PUT", "/login/api_key", None, 405),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_requests_are_told(world: World, bad: str) -> None:
    method, path, body, status = BAD[bad]
    data = None if body is None else json.dumps(body).replace('"RUN"', json.dumps(world.run))
    answer = world.ask(method, path.replace("RUN", world.run), data=data)
    assert answer.status_code == status, answer.text
    assert answer.json()["code"]
    assert answer.json()["message"]


def test_bodies_that_are_no_json_or_too_large_are_told(world: World) -> None:
    deep = b"[" * 100_000
    bomb = gzip.compress(b" " * (200 * 2**20), 1)
    for data, status in ((b"{", 400), (b"", 400), (b"\xff", 400), (deep, 400), (b'{"a": NaN}', 400)):
        answer = world.ask("POST", "/house/metrics", data=data)
        assert answer.status_code == status, answer.text
    packed = world.ask("POST", "/house/metrics", data=bomb, headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 413, packed.text
    assert packed.json()["code"]
    large = world.ask("POST", "/project", data=b'"' + b"x" * (17 * 2**20) + b'"')
    assert large.status_code == 413, large.text


def test_links_are_for_what_they_were_given_for(world: World) -> None:
    body = {"experimentId": world.run, "paths": ["media/image/1.png"]}
    (url,) = world.make("POST", "/resources/presigned/put", json=body)["urls"]
    for wrong in (url.replace("1.png", "2.png"), url[:-4] + "0000", url.replace(world.run, world.new_run()), url[:-80]):
        assert requests.put(wrong, b"x", timeout=60).status_code == 404
    token = world.make("GET", f"/project/lab/secret/runs/{world.run}/sts")["credentials"]["sessionToken"]
    s3 = f"{world.server.origin}/api/resources/s3/runs/{world.project}"
    sent = {"x-amz-security-token": token}
    assert requests.put(f"{s3}/{world.run}/pic/1.png", b"x", headers=sent, timeout=60).status_code == 200
    assert requests.put(f"{s3}/{world.new_run()}/pic/1.png", b"x", headers=sent, timeout=60).status_code == 404
    assert requests.put(f"{s3}/{world.run}/a%2F..%2F..%2Fb", b"x", headers=sent, timeout=60).status_code == 400
    assert requests.put(f"{s3}/{world.run}/pic/1.png", b"x", timeout=60).status_code == 401
    # Nobody reads inline media by the address of an upload.
    inline = url.replace("/objects/", "/inline/")
    assert requests.get(inline, timeout=60).status_code == 404


def test_what_is_sent_twice_is_stored_once(world: World) -> None:
    run = world.new_run()
    metrics = [{**POINT, "index": step, "data": step / 2} for step in range(10)]
    body = {"type": "scalar", "projectId": world.project, "experimentId": run, "metrics": metrics}
    for _ in range(3):
        world.make("POST", "/house/metrics", json=body)
    query = {**QUERY, "columns": [{"experimentId": run, "key": "loss"}]}
    (line,) = world.make("POST", "/house/metrics/scalar", json=query)
    assert [(point["index"], point["data"]) for point in line["metrics"]] == [(step, step / 2) for step in range(10)]
    lines = [{"epoch": 1, "level": "INFO", "message": "once", "create_time": "2026-01-02T03:04:05Z"}]
    for _ in range(2):
        world.make("POST", "/house/metrics", json={"type": "log", "experimentId": run, "metrics": lines})
    told = world.make("GET", f"/house/metrics/summaries/{world.project}/{run}?all=True")
    assert told == {"log": [{"key": "LOG", "step": 1}], "scalar": [{"key": "loss", "step": 9}], "media": []}


def test_a_project_that_is_there_is_told_with_a_conflict(world: World) -> None:
    answer = world.ask("POST", "/project", json={"name": "secret", "username": "lab"})
    assert (answer.status_code, answer.json()["username"], answer.json()["name"]) == (409, "lab", "secret")
    again = world.ask("POST", "/projects/lab", json={"name": "secret"})
    assert again.status_code == 200

"""Every route of SwanLab's protocol asked by everyone, and every bad request told in its words."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
import requests
from support.server import ServerProcess, make_key, running_server

from runatlas.model.ids import new_cuid
from runatlas.server.dialects.swanlab.dialect import ROUTES

ROLES = {"vito": "VISITOR", "vera": "VIEWER", "mia": "MEMBER", "olga": "OWNER"}
NAMES = (*ROLES, "stan", "boss")
OK = 0


def _expected(vito: int, vera: int, mia: int, olga: int, stan: int, boss: int | None = None) -> dict[str, int]:
    return dict(zip(NAMES, (vito, vera, mia, olga, stan, stan if boss is None else boss), strict=True))


ANYONE = _expected(OK, OK, OK, OK, OK)
ADMINISTRATOR = _expected(403, 403, 403, 403, 403, OK)
READ = _expected(404, OK, OK, OK, 404)
WRITE = _expected(404, 403, OK, OK, 404)
MANAGE = _expected(404, 403, 403, OK, 404)
SEE_WORKSPACE = _expected(OK, OK, OK, OK, 404)
WRITE_WORKSPACE = _expected(403, 403, OK, OK, 404)


@attrs.frozen
class World:
    """A server with a private project of a shared workspace, and in it a run."""

    server: ServerProcess
    keys: dict[str, str]
    project: str
    run: str

    def ask(self, method: str, path: str, name: str | None, **options: Any) -> requests.Response:
        """Make a request below ``/api`` with somebody's session."""
        headers = {} if name is None else {"Cookie": f"sid={self.session(name)}"}
        return self.server.call(method, f"/api{path}", headers={**headers, **options.pop("headers", {})}, **options)

    def session(self, name: str) -> str:
        """Log in."""
        answer = self.server.call("POST", "/api/login/api_key", headers={"authorization": self.keys[name]})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["sid"])

    def make(self, method: str, path: str, name: str = "olga", **options: Any) -> Any:
        """Do something that is needed before the request that is looked at."""
        answer = self.ask(method, path, name, **options)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def new_run(self) -> str:
        """Make a run, and return its cuid."""
        return str(self.make("POST", "/project/lab/secret/experiment", json={"name": "n", "cuid": new_cuid()})["cuid"])

    def sent(self, path: str) -> str:
        """Send a file, and return its path."""
        urls = self.make("POST", "/resources/presigned/put", json={"experimentId": self.run, "paths": [path]})["urls"]
        assert requests.put(urls[0], b"bytes", timeout=60).ok
        return path

    def part(self) -> dict[str, Any]:
        """Send a part of a large file, and return what completes it."""
        file = {"path": "big.bin", "size": 5, "md5": "", "mimeType": "text/plain", "count": 1}
        made = self.make("POST", f"/experiment/{self.run}/files/prepare-multipart", json={"files": [file]})["files"][0]
        etag = requests.put(made["parts"][0]["url"], b"part", timeout=60).headers["ETag"].strip('"')
        parts = [{"partNumber": 1, "etag": etag}]
        return {"files": [{"path": "big.bin", "uploadId": made["uploadId"], "parts": parts}]}

    def export(self) -> str:
        """Make a file of lines, and return its key."""
        body = {"experimentId": self.run, "start": 0, "rows": 10}
        return str(self.make("POST", "/house/metrics/log/export", json=body)["cosKey"])


Request = tuple[str, dict[str, Any]]


@attrs.frozen
class Row:
    """A route, what each caller gets, and how it is asked."""

    route: str
    expected: dict[str, int]
    request: Callable[[World], Request]


def _row(route: str, expected: dict[str, int], body: Any = None, *, query: str = "", **options: Any) -> Row:
    """Ask a route with the world's own names in its path; ``RUN`` in a body is the run's cuid."""

    def request(world: World) -> Request:
        path = route.partition(" ")[2]
        names = {"workspace": "lab", "project": "secret", "run": world.run, "cuid": world.run, "username": "lab"}
        for name, value in (*names.items(), ("kind", "scalar")):
            path = path.replace(f"{{{name}:str}}", value)
        if body is not None:
            options["json"] = json.loads(json.dumps(body).replace('"RUN"', json.dumps(world.run)))
        return path.removeprefix("/api") + query, options

    return Row(route, expected, request)


def _made(route: str, expected: dict[str, int], request: Callable[[World], Request]) -> Row:
    return Row(route, expected, request)


COLUMNS = [{"experimentId": "RUN", "key": "loss"}]
QUERY = {"projectId": "p", "xType": "step", "range": [0, 0], "num": 10, "columns": COLUMNS}
EXPERIMENTS = [{"projectId": "p", "experimentId": "RUN"}]
POINT = {"key": "loss", "index": 1, "data": 0.5, "create_time": "2026-01-02T03:04:05.678Z"}
FILES = {"files": [{"path": "a.txt", "size": 5, "md5": "x", "mimeType": "text/plain"}]}
RUNS = "/api/project/{workspace:str}/{project:str}/runs"
RUN = f"{RUNS}/{{run:str}}"
EXPERIMENT = "/api/experiment/{cuid:str}"
HOUSE = "/api/house/metrics"

ROWS = [
    _row("POST /api/login/api_key", ANYONE),
    _row("GET /api/user/profile", ANYONE),
    _row("GET /api/user/{username:str}/groups", SEE_WORKSPACE),
    _row("GET /api/group", ANYONE),
    _row("GET /api/group/{username:str}", SEE_WORKSPACE),
    _row("GET /api/self_hosted/info", ANYONE),
    _row("GET /api/self_hosted/users", ADMINISTRATOR),
    _made(
        "POST /api/self_hosted/users",
        ADMINISTRATOR,
        lambda _: ("/self_hosted/users", {"json": {"users": [{"username": new_cuid(), "password": "pw"}]}}),
    ),
    _row("GET /api/self_hosted/projects", ADMINISTRATOR),
    _row("GET /api/self_hosted/groups", ADMINISTRATOR, query="?type=TEAM&sort=name"),
    _row("GET /api/self_hosted/summary", ADMINISTRATOR),
    _made(
        "POST /api/project",
        WRITE_WORKSPACE,
        lambda _: ("/project", {"json": {"name": new_cuid(), "username": "lab", "visibility": "PRIVATE"}}),
    ),
    _made(
        "POST /api/projects/{workspace:str}",
        WRITE_WORKSPACE,
        lambda _: ("/projects/lab", {"json": {"name": new_cuid(), "visibility": "PRIVATE"}}),
    ),
    _row("GET /api/project/{workspace:str}", SEE_WORKSPACE, query="?page=1&size=100&detail=True"),
    _row("GET /api/project/{workspace:str}/{project:str}", READ),
    _made("DELETE /api/project/{workspace:str}/{project:str}", MANAGE, lambda world: (_doomed(world), {})),
    _made(
        "POST /api/project/{workspace:str}/{project:str}/experiment",
        WRITE,
        lambda _: ("/project/lab/secret/experiment", {"json": {"name": "n", "cuid": new_cuid()}}),
    ),
    _row(f"GET {RUNS}", READ),
    _row(f"POST {RUNS}/shows", READ, {"filters": [], "groups": [], "sorts": []}),
    _made(
        f"POST {RUNS}/del",
        WRITE,
        lambda world: ("/project/lab/secret/runs/del", {"json": {"cuids": [world.new_run()]}}),
    ),
    _row(f"GET {RUN}", READ),
    _made(f"DELETE {RUN}", WRITE, lambda world: (f"/project/lab/secret/runs/{world.new_run()}", {})),
    _row(f"PUT {RUN}/profile", WRITE, {"config": {"lr": {"value": 0.1, "sort": 0, "desc": ""}}}),
    _row(f"PUT {RUN}/state", WRITE, {"state": "FINISHED", "from": "sdk"}),
    _row(f"GET {RUN}/sts", WRITE),
    _row("POST /api/house/experiments/{cuid:str}/heartbeat", WRITE, {"flagId": "123456"}),
    _row(f"POST {EXPERIMENT}/columns", WRITE, [{"key": "loss", "type": "FLOAT"}]),
    _row(
        "POST /api/projects/{workspace:str}/{project:str}/series",
        WRITE,
        {"series": [{"key": "loss", "type": "FLOAT"}, {"key": "__swanlab__.cpu", "type": "SYSTEM"}]},
    ),
    _row(f"GET {EXPERIMENT}/column", READ),
    _row(f"GET {EXPERIMENT}/column/csv", READ, query="?key=loss"),
    _row(f"POST {HOUSE}", WRITE, {"type": "scalar", "projectId": "p", "experimentId": "RUN", "metrics": [POINT]}),
    _row(f"POST {HOUSE}/scalar", READ, QUERY),
    _row(f"POST {HOUSE}/scalar/value", READ, QUERY),
    _row(f"POST {HOUSE}/scalar/export", READ, {"columns": COLUMNS}),
    _row(f"POST {HOUSE}/summaries", READ, {"experiments": EXPERIMENTS}),
    _row(f"GET {HOUSE}/summaries/{{project:str}}/{{cuid:str}}", READ, query="?all=True"),
    _row(f"POST {HOUSE}/media", READ, {"columns": COLUMNS, "step": 0}),
    _row(f"POST {HOUSE}/f_media", READ, {"columns": COLUMNS}),
    _made(f"GET {HOUSE}/log", READ, lambda world: (f"/house/metrics/log?experimentId={world.run}&epoch=0", {})),
    _row(f"POST {HOUSE}/log/export", READ, {"experimentId": "RUN", "start": 0, "rows": 10}),
    _row(f"POST {HOUSE}/{{kind:str}}/keys", READ, {"experiments": EXPERIMENTS}),
    _row(f"POST {HOUSE}/{{kind:str}}/availability", READ, {"experiments": EXPERIMENTS, "keys": ["loss"]}),
    _row("POST /api/resources/presigned/put", WRITE, {"experimentId": "RUN", "paths": ["a.png"]}),
    _made(
        "POST /api/resources/presigned/get",
        READ,
        lambda world: ("/resources/presigned/get", {"json": {"prefix": f"p/{world.run}", "paths": ["a.png"]}}),
    ),
    # Whoever has the key of a file was told it: it is as long as a secret.
    _made(
        "POST /api/files/presigned/get",
        ANYONE,
        lambda world: ("/files/presigned/get", {"json": {"paths": [world.export()]}}),
    ),
    _row(f"POST {EXPERIMENT}/files/prepare", WRITE, FILES),
    _made(
        f"POST {EXPERIMENT}/files/complete",
        WRITE,
        lambda world: (
            f"/experiment/{world.run}/files/complete",
            {"json": {"files": [{"path": world.sent("a.txt"), "state": "UPLOADED"}]}},
        ),
    ),
    _row(f"POST {EXPERIMENT}/files/prepare-multipart", WRITE, {"files": [{**FILES["files"][0], "count": 2}]}),
    _made(
        f"POST {EXPERIMENT}/files/complete-multipart",
        WRITE,
        lambda world: (f"/experiment/{world.run}/files/complete-multipart", {"json": world.part()}),
    ),
]


def _doomed(world: World) -> str:
    name = new_cuid()
    world.make("POST", "/project", json={"name": name, "username": "lab"})
    return f"/project/lab/{name}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("roles") / "store"
    keys = {name: make_key(directory, name) for name in ("boss", *ROLES, "stan")}
    with running_server(directory) as server:
        made = World(server, keys, "", "")
        assert server.call("POST", "workspaces", key=keys["olga"], json={"username": "lab"}).ok
        project = made.make("POST", "/project", json={"name": "secret", "username": "lab"})["cuid"]
        for name, role in ROLES.items():
            assert server.call("PUT", f"workspaces/lab/members/{name}", key=keys["olga"], json={"role": role}).ok
        made = attrs.evolve(made, project=project)
        made = attrs.evolve(made, run=made.new_run())
        body = {"type": "scalar", "projectId": project, "experimentId": made.run, "metrics": [POINT]}
        made.make("POST", "/house/metrics", json=body)
        yield made


def test_the_table_has_every_route() -> None:
    assert {row.route for row in ROWS} == {f"{route.method} {route.path}" for route in ROUTES if not route.public}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route)
def test_everyone_gets_what_the_role_allows(world: World, row: Row, name: str) -> None:
    path, options = row.request(world)
    if "login" in path:
        options = {"headers": {"authorization": world.keys[name]}}
    answer = world.ask(row.route.partition(" ")[0], path, name, **options)
    if row.expected[name] == OK:
        assert answer.ok, answer.text
    else:
        assert answer.status_code == row.expected[name], answer.text
        assert set(answer.json()) == {"code", "message"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route)
def test_without_a_valid_session_nobody_gets_in(world: World, row: Row) -> None:
    made = world.server.call("POST", "keys", key=world.keys["olga"], json={}).json()
    revoked = world.server.call("POST", "/api/login/api_key", headers={"authorization": made["secret"]}).json()["sid"]
    assert world.server.call("DELETE", f"keys/{made['key']['id']}", key=world.keys["olga"]).ok
    method, path = row.route.partition(" ")[0], row.request(world)[0]
    for cookie in (None, "sid=", "sid=nonsense", f"sid={revoked}", f"sid={revoked[:-4]}AAAA", "other=1"):
        answer = world.server.call(method, f"/api{path}", headers={} if cookie is None else {"Cookie": cookie})
        assert (answer.status_code, answer.reason) == (401, "Unauthorized"), answer.text
        assert answer.json()["code"] == "Unauthorized"


def test_a_key_that_is_not_valid_does_not_log_in(world: World) -> None:
    ingestion = world.server.call(
        "POST", f"runs/lab/secret/{world.run}/ingestion-keys", key=world.keys["olga"], json={"name": "k"}
    ).json()["secret"]
    for key in ("0" * 21, "nonsense", "é".encode().decode("latin-1"), ingestion):
        answer = world.server.call("POST", "/api/login/api_key", headers={"authorization": key})
        assert answer.status_code == 401, answer.text


def test_a_session_outlives_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("session") / "store"
    key = make_key(directory, "ann")
    with running_server(directory) as server:
        told = server.call("POST", "/api/login/api_key", headers={"authorization": key}).json()
    assert told["userInfo"]["username"] == "ann"
    with running_server(directory) as server:
        answer = server.call("GET", "/api/user/profile", headers={"Cookie": f"sid={told['sid']}"})
        assert answer.status_code == 200, answer.text


def test_ping_needs_no_key(world: World) -> None:
    answer = world.server.call("GET", "/api")
    assert (answer.status_code, answer.text) == (200, "OK")


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
    answer = world.ask(method, path.replace("RUN", world.run), "olga", data=data)
    assert answer.status_code == status, answer.text
    assert answer.json()["code"]
    assert answer.json()["message"]


def test_bodies_that_are_no_json_or_too_large_are_told(world: World) -> None:
    deep = b"[" * 100_000
    bomb = gzip.compress(b" " * (200 * 2**20), 1)
    for data, status in ((b"{", 400), (b"", 400), (b"\xff", 400), (deep, 400), (b'{"a": NaN}', 400)):
        answer = world.ask("POST", "/house/metrics", "olga", data=data)
        assert answer.status_code == status, answer.text
    packed = world.ask("POST", "/house/metrics", "olga", data=bomb, headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 413, packed.text
    assert packed.json()["code"]
    large = world.ask("POST", "/project", "olga", data=b'"' + b"x" * (17 * 2**20) + b'"')
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
    answer = world.ask("POST", "/project", "olga", json={"name": "secret", "username": "lab"})
    assert (answer.status_code, answer.json()["username"], answer.json()["name"]) == (409, "lab", "secret")
    again = world.ask("POST", "/projects/lab", "olga", json={"name": "secret"})
    assert again.status_code == 200

"""SwanLab's protocol in the table of roles: a cookie holds the session."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import requests
from integration.server.roles.row import (
    ADMINISTRATOR,
    ANYONE,
    GIVEN,
    MANAGE,
    PUBLIC,
    READ,
    SEE_WORKSPACE,
    WRITE,
    WRITE_WORKSPACE,
    Access,
    Door,
    Make,
    Row,
    refused,
)
from integration.server.roles.world import LAB, PROJECT, Request, World

from runatlas.model.ids import new_cuid

__all__ = ["SWANLAB"]

PATH = "/api/project/{workspace}/{project}"
RUNS = f"{PATH}/runs"
RUN = f"{RUNS}/{{run}}"
EXPERIMENT = "/api/experiment/{cuid}"
HOUSE = "/api/house/metrics"
LOGIN = "POST /api/login/api_key"

COLUMNS = [{"experimentId": "RUN", "key": "dread"}]
QUERY = {"projectId": "p", "xType": "step", "range": [0, 0], "num": 10, "columns": COLUMNS}
EXPERIMENTS = [{"projectId": "p", "experimentId": "RUN"}]
POINT = {"key": "dread", "index": 1, "data": 0.5, "create_time": "2026-01-02T03:04:05.678Z"}
FILES = {"files": [{"path": "a.txt", "size": 5, "md5": "x", "mimeType": "text/plain"}]}
NEW = {"name": "NEW", "visibility": "PRIVATE"}


def _filled(world: World, text: str) -> str:
    return text.replace("RUN", world.lab.cuid).replace("NEW", new_cuid())


def _row(route: str, access: Access, body: Any = None, *, note: str = "", **params: Any) -> Row:
    """Ask a route for what is private; ``RUN`` is the run's cuid, ``NEW`` a new name."""

    def make(world: World, _: str) -> Request:
        names = {"workspace": LAB, "project": PROJECT, "username": LAB, "kind": "scalar"}
        path = route.partition(" ")[2].format_map({**names, "run": world.lab.cuid, "cuid": world.lab.cuid})
        options = {"params": params, "json": body} if body is not None else {"params": params}
        return Request(path, json.loads(_filled(world, json.dumps(options))))

    return _made(route, access, make, note)


def _made(route: str, access: Access, make: Make, note: str = "") -> Row:
    return Row(route, access, make, frozenset({200, 201, 204}), note=note)


def _doomed(world: World, _: str) -> Request:
    name = new_cuid()
    world.make("POST", "/api/project", json={"name": name, "username": LAB})
    return Request(f"/api/project/{LAB}/{name}")


def _deleting(world: World, _: str) -> Request:
    return Request(f"/api/project/{LAB}/{PROJECT}/runs/{world.new_run()['cuid']}")


def _deleting_many(world: World, _: str) -> Request:
    return Request(f"/api/project/{LAB}/{PROJECT}/runs/del", {"json": {"cuids": [world.new_run()["cuid"]]}})


def _export(world: World, _: str) -> Request:
    body = {"experimentId": world.lab.cuid, "start": 0, "rows": 10}
    made = world.make("POST", f"{HOUSE}/log/export", json=body)
    return Request("/api/files/presigned/get", {"json": {"paths": [made["cosKey"]]}})


def _link(world: World, path: str = "media/image/1.png") -> str:
    body = {"experimentId": world.lab.cuid, "paths": [path]}
    url: str = world.make("POST", "/api/resources/presigned/put", json=body)["urls"][0]
    return url


def _sent(world: World, _: str) -> Request:
    assert requests.put(_link(world, "a.txt"), b"bytes", timeout=60).ok
    body = {"files": [{"path": "a.txt", "state": "UPLOADED"}]}
    return Request(f"/api/experiment/{world.lab.cuid}/files/complete", {"json": body})


def _parts(world: World, _: str) -> Request:
    path = f"/api/experiment/{world.lab.cuid}/files"
    file = {"path": "big.bin", "size": 5, "md5": "", "mimeType": "text/plain", "count": 1}
    made = world.make("POST", f"{path}/prepare-multipart", json={"files": [file]})["files"][0]
    etag = requests.put(made["parts"][0]["url"], b"part", timeout=60).headers["ETag"].strip('"')
    parts = [{"partNumber": 1, "etag": etag}]
    body = {"files": [{"path": "big.bin", "uploadId": made["uploadId"], "parts": parts}]}
    return Request(f"{path}/complete-multipart", {"json": body})


def _object(world: World, _: str) -> Request:
    return Request(_link(world).removeprefix(world.server.origin), {"data": b"bytes"})


def _forged(make: Make) -> Make:
    def forged(world: World, name: str) -> Request:
        request = make(world, name)
        return Request(request.path.replace("signature=", "signature=0"), request.options)

    return forged


def _by_token(world: World, _: str) -> Request:
    path = f"/api/project/{LAB}/{PROJECT}/runs/{world.lab.cuid}/sts"
    token = world.make("GET", path)["credentials"]["sessionToken"]
    path = f"/api/resources/s3/runs/{world.lab.project_cuid}/{world.lab.cuid}/pic/1.png"
    return Request(path, {"data": b"bytes", "headers": {"x-amz-security-token": token}})


def _without_token(world: World, name: str) -> Request:
    return Request(_by_token(world, name).path, {"data": b"bytes"})


def _with_token_of_another(world: World, name: str) -> Request:
    request = _by_token(world, name)
    return Request(request.path.replace(world.lab.cuid, world.other_run), request.options)


def _inline(world: World, _: str) -> Request:
    path = "media/text/note.txt"
    assert requests.put(_link(world, path), b"bytes", timeout=60).ok
    point = {"key": "dread/text", "index": 1, "data": ["note.txt"], "create_time": POINT["create_time"]}
    body = {"type": "media", "projectId": "p", "experimentId": world.lab.cuid, "metrics": [{**point, "data": [path]}]}
    world.make("POST", HOUSE, json=body)
    asked = {"prefix": f"p/{world.lab.cuid}", "paths": [path]}
    url = world.make("POST", "/api/resources/presigned/get", json=asked)["urls"][0]
    return Request(url.removeprefix(world.server.origin))


ROWS = (
    _row("GET /api", PUBLIC),
    _row(LOGIN, ANYONE),
    _row("GET /api/user/profile", ANYONE),
    _row("GET /api/user/{username}/groups", SEE_WORKSPACE),
    _made("GET /api/user/{username}/groups", ANYONE, lambda *_: Request("/api/user/olga/groups"), "olga's"),
    _row("GET /api/group", ANYONE),
    _row("GET /api/group/{username}", SEE_WORKSPACE),
    _row("GET /api/self_hosted/info", ANYONE),
    _row("GET /api/self_hosted/users", ADMINISTRATOR),
    _row("POST /api/self_hosted/users", ADMINISTRATOR, {"users": [{"username": "NEW", "password": "pw"}]}),
    _row("GET /api/self_hosted/projects", ADMINISTRATOR),
    _row("GET /api/self_hosted/groups", ADMINISTRATOR, type="TEAM", sort="name"),
    _row("GET /api/self_hosted/summary", ADMINISTRATOR),
    _row("POST /api/project", WRITE_WORKSPACE, {**NEW, "username": LAB}),
    _row("POST /api/projects/{workspace}", WRITE_WORKSPACE, NEW),
    _row("GET /api/project/{workspace}", SEE_WORKSPACE, page=1, size=100, detail="True"),
    _row(f"GET {PATH}", READ),
    _made(f"DELETE {PATH}", MANAGE, _doomed),
    _row(f"POST {PATH}/experiment", WRITE, {"name": "n", "cuid": "NEW"}),
    _row(f"GET {RUNS}", READ),
    _row(f"POST {RUNS}/shows", READ, {"filters": [], "groups": [], "sorts": []}),
    _made(f"POST {RUNS}/del", WRITE, _deleting_many),
    _row(f"GET {RUN}", READ),
    _made(f"DELETE {RUN}", WRITE, _deleting),
    _row(f"PUT {RUN}/profile", WRITE, {"config": {"lr": {"value": 0.1, "sort": 0, "desc": ""}}}),
    _row(f"PUT {RUN}/state", WRITE, {"state": "FINISHED", "from": "sdk"}),
    _row(f"GET {RUN}/sts", WRITE),
    _row("POST /api/house/experiments/{cuid}/heartbeat", WRITE, {"flagId": "123456"}),
    _row(f"POST {EXPERIMENT}/columns", WRITE, [{"key": "dread", "type": "FLOAT"}]),
    _row(
        "POST /api/projects/{workspace}/{project}/series",
        WRITE,
        {"series": [{"key": "dread", "type": "FLOAT"}, {"key": "__swanlab__.cpu", "type": "SYSTEM"}]},
    ),
    _row(f"GET {EXPERIMENT}/column", READ),
    _row(f"GET {EXPERIMENT}/column/csv", READ, key="dread"),
    _row(f"POST {HOUSE}", WRITE, {"type": "scalar", "projectId": "p", "experimentId": "RUN", "metrics": [POINT]}),
    _row(f"POST {HOUSE}/scalar", READ, QUERY),
    _row(f"POST {HOUSE}/scalar/value", READ, QUERY),
    _row(f"POST {HOUSE}/scalar/export", READ, {"columns": COLUMNS}),
    _row(f"POST {HOUSE}/summaries", READ, {"experiments": EXPERIMENTS}),
    _row(f"GET {HOUSE}/summaries/{{project}}/{{cuid}}", READ, all="True"),
    _row(f"POST {HOUSE}/media", READ, {"columns": COLUMNS, "step": 0}),
    _row(f"POST {HOUSE}/f_media", READ, {"columns": COLUMNS}),
    _row(f"GET {HOUSE}/log", READ, experimentId="RUN", epoch=0),
    _row(f"POST {HOUSE}/log/export", READ, {"experimentId": "RUN", "start": 0, "rows": 10}),
    _row(f"POST {HOUSE}/{{kind}}/keys", READ, {"experiments": EXPERIMENTS}),
    _row(f"POST {HOUSE}/{{kind}}/availability", READ, {"experiments": EXPERIMENTS, "keys": ["dread"]}),
    _row("POST /api/resources/presigned/put", WRITE, {"experimentId": "RUN", "paths": ["a.png"]}),
    _row("POST /api/resources/presigned/get", READ, {"prefix": "p/RUN", "paths": ["a.png"]}),
    _made("PUT /api/resources/objects/{cuid}/{path}", PUBLIC, _object),
    _made("PUT /api/resources/objects/{cuid}/{path}", refused(404), _forged(_object), "forged"),
    _made("PUT /api/resources/s3/runs/{project}/{cuid}/{path}", PUBLIC, _by_token),
    _made("PUT /api/resources/s3/runs/{project}/{cuid}/{path}", refused(401), _without_token, "without a token"),
    _made("PUT /api/resources/s3/runs/{project}/{cuid}/{path}", refused(404), _with_token_of_another, "of another run"),
    _made("GET /api/resources/inline/{cuid}/{path}", PUBLIC, _inline),
    _made("GET /api/resources/inline/{cuid}/{path}", refused(404), _forged(_inline), "forged"),
    _made("POST /api/files/presigned/get", GIVEN, _export),
    _row(f"POST {EXPERIMENT}/files/prepare", WRITE, FILES),
    _made(f"POST {EXPERIMENT}/files/complete", WRITE, _sent),
    _row(f"POST {EXPERIMENT}/files/prepare-multipart", WRITE, {"files": [{**FILES["files"][0], "count": 2}]}),
    _made(f"POST {EXPERIMENT}/files/complete-multipart", WRITE, _parts),
)


def _carry(world: World, name: str) -> dict[str, str]:
    """Carry the session, and the bare key by which one is begun."""
    return {"Cookie": f"sid={world.sessions.get(name, world.keys[name])}", "Authorization": world.keys[name]}


def _malformed(world: World) -> tuple[dict[str, str], ...]:
    sid = world.sessions["olga"]
    cookies = ("sid=", "sid=nonsense", f"sid={sid[:-4]}AAAA", f"sid={world.sessions['revoked']}", f"other={sid}")
    keys = ("nonsense", "Bearer ", "Basic %%%", "é".encode().decode("latin-1"))
    return (*({"Cookie": text} for text in cookies), *({"Authorization": text} for text in keys))


def _is_failure(status: int, body: Any) -> bool:
    code = HTTPStatus(status).phrase.replace(" ", "_")
    return set(body) == {"code", "message"} and body["code"] == code and bool(body["message"])


SWANLAB = Door("swanlab", ROWS, _carry, _is_failure, _malformed)

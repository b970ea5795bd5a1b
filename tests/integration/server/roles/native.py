"""Our own protocol in the table of roles."""

from __future__ import annotations

import hashlib
from typing import Any

import attrs
from integration.server.roles.row import (
    ADMINISTRATOR,
    ANYONE,
    MANAGE,
    MANAGE_WORKSPACE,
    NOT_YOURS,
    PUBLIC,
    PURGE,
    READ,
    READ_WORKSPACE,
    RESTORE,
    SEE_WORKSPACE,
    WRITE,
    WRITE_WORKSPACE,
    Access,
    Door,
    Make,
    Row,
    bearer,
    no_credentials,
    refused,
)
from integration.server.roles.world import LAB, PROJECT, RUN, Request, World

from runatlas.model.ids import new_cuid
from runatlas.server.dialects.native.dialect import native_routes

__all__ = ["NATIVE"]

PREFIX = "/atlas/v1"
PROJECTS = "/projects/{workspace}/{project}"
RUNS = "/runs/{workspace}/{project}/{run}"
PATH = f"{LAB}/{PROJECT}"
SELECTION = {"workspace": LAB, "project": PROJECT}
POINTS = [{"key": "dread", "steps": [1], "values": [0.5], "times_ms": [1]}]
OLD = {"older_than": "30d"}
OCTETS = {"Content-Type": "application/octet-stream"}
SUCCESSES = {f"{route.method} {route.path}": frozenset(route.statuses) for route in native_routes()}


def _full(path: str) -> str:
    return path if path.startswith(("/healthz", PREFIX)) else PREFIX + path


def _made(route: str, access: Access, make: Make, note: str = "") -> Row:
    method, _, path = route.partition(" ")
    named = f"{method} {_full(path)}"

    def full(world: World, name: str) -> Request:
        request = make(world, name)
        return attrs.evolve(request, path=_full(request.path))

    return Row(named, access, full, SUCCESSES[named], note=note)


def _plain(route: str, access: Access, body: Any = None, note: str = "", **params: str) -> Row:
    """Ask a route with the names of what is private in its path."""
    names = {"workspace": LAB, "project": PROJECT, "run": RUN, "username": "extra", "name": "whisper", "version": "1"}
    path = route.partition(" ")[2].format_map(names)
    options = {} if body is None else {"json": body}
    return _made(route, access, lambda *_: Request(path, {**options, "params": params}), note)


def _new(route: str, access: Access, field: str = "name", **body: Any) -> Row:
    """Ask a route that makes something, each time with a name of its own."""
    path = route.partition(" ")[2].format(workspace=LAB, project=PROJECT)
    return _made(route, access, lambda *_: Request(path, {"json": {**body, field: new_cuid()}}))


def _whole_run() -> Any:
    draft = {"project": {"workspace": LAB, "project": PROJECT}, "id": new_cuid(), "state": "FINISHED"}
    return {"draft": draft, "series": [{"key": "dread", "steps": [1], "values": [0.5]}], "time_ms": 1}


def _plan(world: World) -> Any:
    selection = {**SELECTION, "ids": [world.new_run()["id"]]}
    return world.make("POST", "deletions/plan", json={"runs": selection})


def _trashed(world: World, _: str) -> Request:
    return Request(f"/trash/{world.new_deletion()}/runs")


def _restore_one(world: World, _: str) -> Request:
    plan = _plan(world)
    trash_id = world.make("POST", "deletions", json=plan)["trash_id"]
    return Request(f"/trash/{trash_id}/runs/restore", {"json": {"runs": [item["cuid"] for item in plan["items"]]}})


def _restore(world: World, _: str) -> Request:
    return Request(f"/trash/{world.new_deletion()}/restore")


def _transfer(world: World, **draft: Any) -> Request:
    return Request("/transfers", {"json": world.make("POST", "transfers/plan", json=draft)})


def _move(world: World, _: str) -> Request:
    runs = {**SELECTION, "ids": [world.new_run()["id"]]}
    return _transfer(world, kind="move", target=f"{LAB}/{new_cuid()}", runs=runs, create=True)


def _copy(world: World, _: str) -> Request:
    draft = {"kind": "copy", "target": PATH, "runs": {**SELECTION, "ids": [world.new_run()["id"]]}, "suffix": "-copy"}
    return Request("/transfers/copies", {"json": world.make("POST", "transfers/plan", json=draft)})


def _rename(world: World, name: str) -> Request:
    made = _project(world, name).path.removeprefix("/projects/")
    return _transfer(world, kind="rename", target=f"{LAB}/{new_cuid()}", project=made)


def _rename_metric(world: World, _: str) -> Request:
    run = world.new_run()["id"]
    world.make("POST", f"runs/{PATH}/{run}/append", json={"points": POINTS})
    return _transfer(world, kind="rename_metric", target="x", metric="dread", runs={**SELECTION, "ids": [run]})


def _merging(world: World, name: str) -> Request:
    source, target = (_project(world, name).path.removeprefix("/projects/") for _ in range(2))
    return Request("/transfers/plan", {"json": {"kind": "merge", "target": target, "project": source}})


def _merge(world: World, name: str) -> Request:
    return _transfer(world, **_merging(world, name).options["json"])


def _purge(world: World, _: str) -> Request:
    return Request("/trash/purge", {"json": {"trash_id": world.new_deletion(), "expired_only": False}})


def _update(world: World, _: str) -> Request:
    draft = {"selection": {**SELECTION, "ids": [world.new_run()["id"]]}, "patch": {"description": new_cuid()}}
    return Request("/updates", {"json": world.make("POST", "updates/plan", json=draft)})


def _change(world: World) -> str:
    selection = {**SELECTION, "ids": [world.new_run()["id"]]}
    patch = {"description": new_cuid()}
    return str(world.make("POST", "runs/update", json={"selection": selection, "patch": patch})["change_id"])


def _folder(world: World) -> str:
    made = world.make("POST", f"projects/{PATH}/folders", json={"name": new_cuid()})
    return f"/projects/{PATH}/folders/{made['id']}"


def _policy(world: World) -> str:
    path = f"/projects/{PATH}/policies/{new_cuid()}"
    world.make("PUT", path.removeprefix("/"), json={"policy": OLD})
    return path


def _project(world: World, _: str) -> Request:
    made = world.make("POST", "projects", json={"workspace": LAB, "name": new_cuid()})
    return Request(f"/projects/{LAB}/{made['name']}")


def _own_key(world: World, name: str) -> Request:
    holder = name if name in world.sessions and name != "revoked" else "olga"
    return Request(f"/keys/{world.make('POST', 'keys', holder, json={})['key']['id']}")


def _ingestion_key(world: World, _: str) -> Request:
    path = f"runs/{PATH}/{RUN}/ingestion-keys"
    made = world.make("POST", path, json={"name": new_cuid()})
    return Request(f"/{path}/{made['key']['id']}")


def _blob(world: World, _: str) -> Request:
    found = world.make("GET", f"runs/{PATH}/{RUN}/artifacts")
    return Request(found["items"][0]["url"].removeprefix(world.server.origin))


def _part(*_: Any) -> Request:
    body = new_cuid().encode()
    name = hashlib.sha256(body).hexdigest()
    return Request(f"/bodies/{name}", {"data": body, "headers": OCTETS, "params": {"offset": "0"}})


def _export(world: World, _: str) -> Request:
    found = world.make("POST", f"runs/{PATH}/{RUN}/columns/export", json={"key": "dread"})
    return Request(found["url"].removeprefix(world.server.origin))


def _forged(make: Make) -> Make:
    def forged(world: World, name: str) -> Request:
        request = make(world, name)
        return attrs.evolve(request, path=request.path[:-4] + ("0000" if request.path[-4:] != "0000" else "1111"))

    return forged


ROWS = (
    _plain("GET /healthz", PUBLIC),
    _plain("GET /openapi.json", PUBLIC),
    _made("GET /blobs/{sha256}", PUBLIC, _blob),
    _made("GET /blobs/{sha256}", refused(404), _forged(_blob), "forged"),
    _made("GET /exports/{cuid}", PUBLIC, _export),
    _made("GET /exports/{cuid}", refused(404), _forged(_export), "forged"),
    _plain("GET /server", ANYONE),
    _plain("GET /user", ANYONE),
    _plain("PATCH /user", ANYONE, {"bio": "here"}),
    _plain("GET /workspaces", ANYONE),
    _plain("GET /workspaces", ANYONE, note="olga's", username="olga"),
    _new("POST /workspaces", ANYONE, "username"),
    _plain("GET /workspaces/{workspace}", SEE_WORKSPACE),
    _plain("PATCH /workspaces/{workspace}", MANAGE_WORKSPACE, {"comment": "!"}),
    _plain("PUT /workspaces/{workspace}/members/{username}", MANAGE_WORKSPACE, {"role": "VIEWER"}),
    _plain("GET /keys", ANYONE),
    _plain("GET /keys", ADMINISTRATOR, note="another's", username="extra"),
    _plain("POST /keys", ANYONE, {}),
    _plain("POST /keys", ADMINISTRATOR, {"username": "extra"}, "for another"),
    _made("DELETE /keys/{key_id}", ANYONE, _own_key),
    _made("DELETE /keys/{key_id}", NOT_YOURS, lambda world, _: _own_key(world, "extra"), "another's"),
    _plain("POST /projects/query", SEE_WORKSPACE, {"workspace": LAB, "page": {"with_total": True}}),
    _plain("POST /projects/query", ANYONE, {"search": PROJECT, "page": {"with_total": True}}, "everywhere"),
    _new("POST /projects", WRITE_WORKSPACE, workspace=LAB),
    _plain(f"GET {PROJECTS}", READ),
    _plain(f"PATCH {PROJECTS}", WRITE, {"title": "whisper"}),
    _plain("POST /runs/query", READ, {"selection": SELECTION}),
    _plain("POST /runs/query", SEE_WORKSPACE, {"selection": {"workspace": LAB}}, "of a workspace"),
    _plain("POST /runs/count", READ, SELECTION),
    _plain("POST /runs/count", SEE_WORKSPACE, {"workspace": LAB}, "of a workspace"),
    _plain("POST /runs/groups", READ, {"selection": SELECTION, "fields": [{"type": "STABLE", "key": "name"}]}),
    _new("POST /runs", WRITE, "id", project=SELECTION),
    _made("POST /runs/import", WRITE, lambda *_: Request("/runs/import", {"json": {"runs": [_whole_run()]}})),
    _plain("POST /runs/update", WRITE, {"selection": SELECTION, "patch": {"show": True}}),
    _plain(f"GET {RUNS}", READ),
    _plain(f"POST {RUNS}/append", WRITE, {"points": POINTS}),
    _plain("POST /points/query", READ, {"selection": SELECTION}),
    _plain("POST /points/query", SEE_WORKSPACE, {"selection": {"workspace": LAB}}, "of a workspace"),
    _plain("POST /summaries/query", READ, {"selection": SELECTION}),
    _plain("POST /summaries/query", SEE_WORKSPACE, {"selection": {"workspace": LAB}}, "of a workspace"),
    _plain(f"POST {RUNS}/columns/query", READ, {}),
    _plain(f"POST {RUNS}/media/query", READ, {}),
    _plain(f"POST {RUNS}/logs/query", READ, {}),
    _plain(f"GET {RUNS}/artifacts", READ),
    _plain(f"POST {RUNS}/logs/export", READ, {"start": 0, "rows": 1}),
    _plain(f"POST {RUNS}/columns/export", READ, {"key": "dread"}),
    _made(
        f"POST {PROJECTS}/blobs",
        WRITE,
        lambda *_: Request(f"/projects/{PATH}/blobs", {"data": new_cuid().encode(), "headers": OCTETS}),
    ),
    _made("PUT /bodies/{name}", ANYONE, _part),
    _plain("POST /transfers/plan", WRITE, {"kind": "move", "target": PATH, "runs": {**SELECTION, "ids": [RUN]}}),
    _plain("POST /transfers/plan", WRITE, {"kind": "rename", "target": f"{LAB}/x", "project": PATH}, "of a name"),
    _made("POST /transfers", WRITE, _move),
    _made("POST /transfers", WRITE, _rename, "of a name"),
    _made("POST /transfers", WRITE, _rename_metric, "of a metric"),
    _made("POST /transfers", MANAGE, _merge, "of two projects"),
    _made("POST /transfers/copies", WRITE, _copy),
    _made("POST /transfers/plan", MANAGE, _merging, "of two projects"),
    _plain("POST /deletions/plan", WRITE, {"runs": {**SELECTION, "ids": [RUN]}}),
    _plain("POST /deletions/plan", WRITE, {"run": f"{PATH}/{RUN}", "force": True}, "of a run"),
    _plain("POST /deletions/plan", MANAGE, {"project": PATH}, "of a project"),
    _plain("POST /deletions/cleaning", WRITE, {**SELECTION, "policy": OLD}),
    _plain("POST /deletions/cleaning", WRITE_WORKSPACE, {"workspace": LAB, "policy": OLD}, "of all"),
    _made("POST /deletions", WRITE, lambda world, _: Request("/deletions", {"json": _plan(world)})),
    _made(
        "POST /deletions/runs",
        WRITE,
        lambda world, _: Request("/deletions/runs", {"json": {**SELECTION, "ids": [world.new_run()["id"]]}}),
    ),
    _made(f"DELETE {RUNS}", WRITE, lambda world, _: Request(f"/runs/{PATH}/{world.new_run()['id']}")),
    _made(f"DELETE {PROJECTS}", MANAGE, _project),
    _plain("GET /trash", WRITE_WORKSPACE, workspace=LAB),
    _plain("GET /trash", ANYONE, note="everywhere"),
    _made("POST /trash/{trash_id}/restore", RESTORE, _restore),
    _made("GET /trash/{trash_id}/runs", RESTORE, _trashed),
    _made("POST /trash/{trash_id}/runs/restore", RESTORE, _restore_one),
    _made("POST /trash/purge", PURGE, _purge),
    _plain("POST /updates/plan", WRITE, {"selection": {**SELECTION, "ids": [RUN]}, "patch": {"name": "x"}}),
    _made("POST /updates", WRITE, _update),
    _plain("POST /changes/query", READ, {"path": PATH}),
    _plain("POST /changes/query", READ, {"path": f"{PATH}/{RUN}"}, "of a run"),
    _plain("POST /changes/query", SEE_WORKSPACE, {"path": LAB, "page": {"with_total": True}}, "of a workspace"),
    _plain("POST /changes/query", ANYONE, {"page": {"with_total": True}}, "everywhere"),
    _made("GET /changes/{change_id}", READ, lambda world, _: Request(f"/changes/{_change(world)}")),
    _made("GET /changes/{change_id}/runs", READ, lambda world, _: Request(f"/changes/{_change(world)}/runs")),
    _made(
        "POST /changes/{change_id}/undo",
        WRITE,
        lambda world, _: Request(f"/changes/{_change(world)}/undo"),
    ),
    _plain(f"GET {PROJECTS}/folders", READ),
    _new(f"POST {PROJECTS}/folders", WRITE),
    _made(
        f"PATCH {PROJECTS}/folders/{{folder_id}}",
        WRITE,
        lambda world, _: Request(_folder(world), {"json": {"name": new_cuid()}}),
    ),
    _made(f"DELETE {PROJECTS}/folders/{{folder_id}}", WRITE, lambda world, _: Request(_folder(world))),
    _plain(f"GET {PROJECTS}/policies", READ),
    _plain(f"PUT {PROJECTS}/policies/{{name}}", MANAGE, {"policy": OLD}),
    _made(
        f"PATCH {PROJECTS}/policies/{{name}}",
        MANAGE,
        lambda world, _: Request(_policy(world), {"json": {"acts": False}}),
    ),
    _made(f"DELETE {PROJECTS}/policies/{{name}}", MANAGE, lambda world, _: Request(_policy(world))),
    _plain(f"GET {PROJECTS}/evaluations", READ),
    _plain(f"POST {RUNS}/annotations/query", READ, {}),
    _plain(f"POST {RUNS}/annotations", WRITE, {"text": "whisper"}),
    _plain(f"GET {RUNS}/ingestion-keys", WRITE),
    _plain(f"POST {RUNS}/ingestion-keys", WRITE, {"name": "whisper"}),
    _made(f"DELETE {RUNS}/ingestion-keys/{{key_id}}", WRITE, _ingestion_key),
    _plain(f"GET {RUNS}/catalog", READ),
    _plain("GET /models/{workspace}", READ_WORKSPACE),
    _plain("GET /models/{workspace}/{name}/versions", READ_WORKSPACE),
    _new("POST /models", WRITE, run=f"{PATH}/{RUN}", artifact="relic.pt"),
    _plain("PATCH /models/{workspace}/{name}/versions/{version}", WRITE_WORKSPACE, {"stage": "staging"}),
    _plain("GET /admin/users", ADMINISTRATOR),
    _new("POST /admin/users", ADMINISTRATOR, "username"),
    _plain("POST /admin/users/{username}/password", ADMINISTRATOR),
    _plain("GET /admin/workspaces", ADMINISTRATOR),
    _plain("POST /admin/projects/query", ADMINISTRATOR, {}),
    _plain("GET /admin/usage", ADMINISTRATOR),
    _plain("GET /usage", ANYONE),
)


def _is_failure(status: int, body: Any) -> bool:
    error = body["error"]
    return set(body) == {"error"} and error["status"] == status and bool(error["type"] and error["message"])


NATIVE = Door("native", ROWS, bearer, _is_failure, no_credentials)

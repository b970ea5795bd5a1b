"""matyan's protocol in the table of roles: everyone has a repository of their own, and sees no other."""

from __future__ import annotations

import json
from typing import Any

from integration.server.roles.row import (
    ALONE,
    ANYONE,
    OWN,
    PUBLIC,
    Access,
    Door,
    Make,
    Row,
    bearer,
    no_credentials,
    refused,
)
from integration.server.roles.world import PROJECT, RUN, Request, World

from runatlas.model.ids import new_cuid
from runatlas.server.dialects.matyan.stream import encode_pair

__all__ = ["MATYAN"]

REST = "/api/v1/rest"
EVERYTHING = 'run.hash == "occult" or run.name == "whisper" or run.experiment == "veiled"'


def _row(route: str, access: Access, make: Make, *, note: str = "", status: int = 200, nothing: Any = None) -> Row:
    method, _, path = route.partition(" ")
    full = path if method == "SOCKET" else REST + path
    return Row(f"{method} {full}", access, make, frozenset({status}), nothing, note)


def _plain(route: str, access: Access, *, note: str = "", nothing: Any = None, run: str = RUN, **options: Any) -> Row:
    """Ask a route for what is private; ``cuid`` for a run is the run's cuid."""

    def make(world: World, _: str) -> Request:
        path = route.partition(" ")[2].format(run=world.own.cuid if run == "cuid" else run, tag=new_cuid())
        return Request(REST + path, options)

    return _row(route, access, make, note=note, nothing=nothing)


def _new(route: str, access: Access, *, status: int = 200, **options: Any) -> Row:
    """Ask a route for a private run that was made for it."""

    def make(world: World, _: str) -> Request:
        run = world.new_run("olga")["id"]
        filled = json.loads(json.dumps(options).replace("NEW", run))
        return Request(REST + route.partition(" ")[2].format(run=run), filled)

    return _row(route, access, make, status=status)


def _search(kind: str) -> tuple[Row, Row]:
    route = f"GET /runs/search/{kind}"
    asked = {"q": EVERYTHING, "skip_system": "false"}
    return _plain(route, ANYONE, nothing=b""), _plain(route, ANYONE, nothing=b"", note="by name", params=asked)


def _entity(kind: str, below: str = "", **options: Any) -> Make:
    """Ask for an experiment or a tag that was made for it."""

    def make(world: World, _: str) -> Request:
        made = world.make("POST", f"{REST}/{kind}", json={"name": new_cuid()})
        return Request(f"{REST}/{kind}/{made['id']}{below}", options)

    return make


def _note(**options: Any) -> Make:
    """Ask for a note that was made on a private run."""

    def make(world: World, _: str) -> Request:
        made = world.make("POST", f"{REST}/runs/{RUN}/note", json={"content": "whisper"})
        return Request(f"{REST}/runs/{RUN}/note/{made['id']}", options)

    return make


def _upload(world: World, _: str) -> Request:
    asked = {"run_id": world.new_run("olga")["id"], "artifact_path": "f"}
    link = world.make("POST", f"{REST}/artifacts/presign", json=asked)["upload_url"]
    return Request(link.removeprefix(world.server.origin), {"data": b"bytes"})


def _forged(world: World, name: str) -> Request:
    request = _upload(world, name)
    return Request(request.path[:-4] + ("0000" if request.path[-4:] != "0000" else "1111"), request.options)


def _batch(kind: str) -> Row:
    """Ask for bytes by links that were never given out."""

    def make(world: World, _: str) -> Request:
        forged = f"{world.own.cuid}-{world.own.sha256}-{2**42}-{'0' * 64}"
        return Request(f"{REST}/runs/{kind}/get-batch", {"json": [forged, world.own.sha256, "relic.png"]})

    return _row(f"POST /runs/{kind}/get-batch", ANYONE, make, nothing=b"")


def _socket(world: World, _: str) -> Request:
    said = {"type": "log_metric", "name": "loss", "value": 1.0, "step": 0, "dtype": "float", "context": None}
    frame = {**said, "epoch": None, "client_datetime": "2026-01-02T03:04:05.678+00:00"}
    return Request(f"/api/v1/ws/runs/{world.new_run('olga')['id']}", frame=json.dumps(frame))


TRACE = [{"name": "dread", "context": {}}]
ROWS = (
    _plain("GET /version", ANYONE),
    _plain("GET /projects", ANYONE),
    _plain("GET /experiments", ANYONE, nothing=[]),
    _row("POST /experiments", ANYONE, lambda *_: Request(f"{REST}/experiments", {"json": {"name": new_cuid()}})),
    _plain("GET /projects/activity", ANYONE),
    _plain("GET /experiments/search", ANYONE, nothing=[]),
    _row("GET /experiments/{experiment}", OWN, _entity("experiments")),
    _row("PUT /experiments/{experiment}", OWN, _entity("experiments", json={"archived": True})),
    _row("DELETE /experiments/{experiment}", OWN, _entity("experiments")),
    _row("GET /experiments/{experiment}/runs", OWN, _entity("experiments", "/runs")),
    _row("GET /experiments/{experiment}/activity", OWN, _entity("experiments", "/activity")),
    _plain("GET /tags", ANYONE, nothing=[]),
    _row("POST /tags", ANYONE, lambda *_: Request(f"{REST}/tags", {"json": {"name": new_cuid()}})),
    _plain("GET /tags/search", ANYONE, nothing=[]),
    _row("GET /tags/{tag}", OWN, _entity("tags")),
    _row("PUT /tags/{tag}", OWN, _entity("tags", json={"color": "red"})),
    _row("DELETE /tags/{tag}", OWN, _entity("tags")),
    _row("GET /tags/{tag}/runs", OWN, _entity("tags", "/runs")),
    _plain("GET /runs/active", ANYONE, nothing=b""),
    *_search("run"),
    *_search("metric"),
    *_search("images"),
    *_search("texts"),
    *_search("distributions"),
    *_search("audios"),
    *_search("figures"),
    _batch("images"),
    _batch("audios"),
    _new("POST /runs/delete-batch", ANYONE, json=["NEW"]),
    _new("POST /runs/archive-batch", ANYONE, json=["NEW"]),
    _new("POST /runs/finish-batch", ANYONE, json=["NEW"]),
    _plain("PUT /runs/{run}", OWN, json={"name": "whisper"}),
    _plain("PUT /runs/{run}", OWN, note="by cuid", run="cuid", json={"experiment": PROJECT}),
    _new("DELETE /runs/{run}", OWN),
    _plain("GET /runs/{run}/info", OWN),
    _plain("GET /runs/{run}/info", OWN, note="by cuid", run="cuid"),
    _plain("POST /runs/{run}/metric/get-batch", OWN, json=TRACE),
    _new("POST /runs/{run}/clear-tombstone", ANYONE, status=204),
    _plain("POST /runs/{run}/tags/new", OWN, json={"tag_name": "whisper"}),
    _plain("DELETE /runs/{run}/tags/{tag}", OWN),
    _plain("GET /runs/{run}/note", OWN),
    _new("POST /runs/{run}/note", OWN, status=201, json={"content": "whisper"}),
    _row("GET /runs/{run}/note/{note}", OWN, _note()),
    _row("PUT /runs/{run}/note/{note}", OWN, _note(json={"content": "hush"})),
    _row("DELETE /runs/{run}/note/{note}", OWN, _note()),
    _plain("GET /runs/{run}/logs", ANYONE, nothing=b""),
    _plain("GET /runs/{run}/log-records", ANYONE, nothing=encode_pair(["log_records_count"], 0)),
    _plain("GET /runs/{run}/artifacts/download", OWN, params={"path": "relic.pt"}),
    _plain("GET /runs/{run}/artifacts/download-all", OWN),
    _new("POST /artifacts/presign", ANYONE, json={"run_id": "NEW", "artifact_path": "f"}),
    _row("PUT /artifacts/upload", PUBLIC, _upload),
    _row("PUT /artifacts/upload", refused(404), _forged, note="forged"),
    _row("SOCKET /api/v1/ws/runs/{run}", ANYONE, _socket),
)

CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found"}


def _is_failure(status: int, body: Any) -> bool:
    error = body["error"]
    return error["code"] == CODES[status] and bool(error["message"]) and body["detail"] == error["message"]


MATYAN = Door("matyan", ROWS, bearer, _is_failure, no_credentials, ALONE)

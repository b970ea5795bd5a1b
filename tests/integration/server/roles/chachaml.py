"""chachaml's protocol in the table of roles: everyone has a workspace of their own, and sees no other."""

from __future__ import annotations

import base64
from typing import Any

from integration.server.roles.row import ALONE, ANYONE, OWN, Access, Door, Make, Row, no_credentials
from integration.server.roles.world import PROJECT, RUN, Request, World, artifact_id

from runatlas.model.ids import new_cuid

__all__ = ["CHACHAML"]

OCTETS = {"Content-Type": "application/octet-stream"}


def _plain(route: str, access: Access, *, nothing: Any = None, note: str = "", run: str = RUN, **options: Any) -> Row:
    """Ask a route for what is private; ``cuid`` for a run is the run's cuid."""

    def make(world: World, _: str) -> Request:
        names = {"run": world.own.cuid if run == "cuid" else run, "name": "whisper", "first": "1", "second": "2"}
        path = route.partition(" ")[2].format_map({**names, "artifact": artifact_id(world.own.cuid)})
        return Request(path, options)

    success = frozenset({200})
    return Row(route, access, make, success, nothing, note)


def _open(route: str, **options: Any) -> Row:
    """Ask a route for a run that goes on."""

    def make(world: World, _: str) -> Request:
        return Request(route.partition(" ")[2].format(run=world.new_run("olga", state="RUNNING")["id"]), options)

    return Row(route, OWN, make)


def _compared(of: Make) -> Row:
    return Row("GET /api/compare", OWN, of, note="with a cuid" if of is _both else "")


def _both(world: World, _: str) -> Request:
    return Request("/api/compare", {"params": {"ids": f"{RUN},{world.own.cuid}"}})


def _model(world: World, _: str) -> Request:
    return Request("/api/w/models", {"json": {"name": new_cuid(), "run_id": RUN, "artifact": "relic.pt"}})


HEAD = b"id,experiment,name,status,start-time,end-time\r\n"
ABOVE = {"metric_key": "dread", "op": ">", "metric_value": "0"}

ROWS = (
    _plain("POST /api/w/runs", ANYONE, json={"experiment": "default"}),
    _open("POST /api/w/runs/{run}/params", json={"lr": 0.1}),
    _open("POST /api/w/runs/{run}/metrics", json={"loss": 0.1}),
    _open("POST /api/w/runs/{run}/artifacts", params={"name": "m.bin"}, data=b"bytes", headers=OCTETS),
    _open("POST /api/w/runs/{run}/end", json={"status": "completed"}),
    Row("POST /api/w/models", OWN, _model),
    _plain("POST /api/tags/{run}", OWN, json={"key": "author", "value": "ann"}),
    _plain("POST /api/tags/{run}", OWN, note="by cuid", run="cuid", json={"key": "author", "value": "ann"}),
    _plain("POST /api/note/{run}", OWN, json={"note": "whisper"}),
    _plain("GET /api/runs", ANYONE, nothing=[]),
    _plain("GET /api/runs", ANYONE, nothing=[], note="of an experiment", params={"experiment": PROJECT}),
    _plain("GET /api/runs/{run}", OWN),
    _plain("GET /api/runs/{run}", OWN, note="by cuid", run="cuid"),
    _compared(lambda *_: Request("/api/compare", {"params": {"ids": f"{RUN},other"}})),
    _compared(_both),
    _plain("GET /api/search", ANYONE, nothing=[]),
    _plain("GET /api/search", ANYONE, nothing=[], note="by a metric", params=ABOVE),
    _plain("GET /api/export", ANYONE, nothing=HEAD),
    _plain("GET /api/export", ANYONE, nothing=HEAD, note="of an experiment", params={"experiment": PROJECT}),
    _plain("GET /api/experiments", ANYONE, nothing=[]),
    _plain("GET /api/models", ANYONE, nothing=[]),
    _plain("GET /api/models/{name}", OWN),
    _plain("GET /api/diff/{name}/{first}/{second}", OWN),
    _plain("GET /api/artifacts/{artifact}/download", OWN),
    _plain("GET /api/tags/{run}", OWN),
    _plain("GET /api/datasets/{run}", OWN),
)


def _carry(world: World, name: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f':{world.keys[name]}'.encode()).decode()}"}


def _is_failure(_: int, body: Any) -> bool:
    return set(body) == {"error"} and bool(body["error"])


CHACHAML = Door("chachaml", ROWS, _carry, _is_failure, no_credentials, ALONE)

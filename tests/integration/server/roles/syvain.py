"""Syvain's protocol in the table of roles."""

from __future__ import annotations

import json
from typing import Any

from integration.server.roles.row import (
    ANYONE,
    NOBODY,
    OK,
    READ,
    WRITE,
    Access,
    Door,
    Make,
    Row,
    bearer,
    no_credentials,
    refused,
)
from integration.server.roles.world import RUN, Request, World

from runatlas.model.ids import new_cuid

__all__ = ["SYVAIN"]

EXPERIMENT = "/api/v1/experiments/{experiment}"
EVENTS = "/api/v2/experiments/{experiment}/events"
SERIES = {"order": {"axis": "step", "direction": "asc"}, "stream": False}

ANYONES = ANYONE.with_tokens(403, 403)
READS = READ.with_tokens(403, 403)
WRITES = WRITE.with_tokens(403, 403)
REPLIED = ANYONES.but(vera=403)
"""A message is refused by its reply, unless the caller sees what it may not change: then the request is."""
TOKENS = WRITE.with_tokens(OK, 403)
"""What an ingestion key is for: writing to its experiment."""
FOREIGN = refused(404).with_tokens(403, 403).but(**dict.fromkeys(NOBODY, 401))
"""A folder of another project is none where an experiment is made, whoever may see it."""


def _plain(
    route: str,
    access: Access,
    body: Any = None,
    *,
    nothing: Any = None,
    note: str = "",
    is_question: bool = False,
    **params: str,
) -> Row:
    """Ask a route for what is private; ``RUN`` and ``FOLDER`` in a body or a parameter are its ids."""

    def make(world: World, _: str) -> Request:
        path = route.partition(" ")[2].format(experiment=world.lab.cuid, folder=world.lab.folder, metric="dread")
        ids = {"RUN": world.lab.cuid, "FOLDER": world.lab.folder, "NEW": new_cuid()}
        options = json.dumps({"params": params} if body is None else {"params": params, "json": body})
        for name, found in ids.items():
            options = options.replace(name, found)
        return Request(path, json.loads(options))

    wrapped = None if nothing is None else {"data": nothing, "error": None}
    return Row(route, access, make, nothing=wrapped, note=note, is_question=is_question)


def _event(event: str, **data: Any) -> list[Any]:
    return [{"event": f"syvain.v2.{event}", "messageId": "NEW", "data": data}]


def _revoking(world: World, _: str) -> Request:
    path = f"/api/v1/experiments/{world.lab.cuid}/ingestion-keys"
    made = world.make("POST", path, json={"name": "whisper"})["data"]
    return Request(f"{path}/{made['key']['id']}")


def _moving(world: World, _: str) -> Request:
    data = {"experimentId": world.lab.cuid, "toFolderId": world.lab.folder}
    return Request("/api/v2/events", {"json": [{**_event("folderexperiment.move", **data)[0], "messageId": "m"}]})


def _opening(world: World, name: str) -> Request:
    """Open an experiment, which anyone may, and move one, which is refused."""
    messages = [*_event("experiment.open", slug=new_cuid()), *_moving(world, name).options["json"]]
    return Request("/api/v2/events", {"json": messages})


def _refreshing(world: World, _: str) -> Request:
    data = {"experimentId": world.lab.cuid, "experimentToken": world.keys["stopped"]}
    return Request("/api/v2/events", {"json": [{**_event("experiment.tokenRefresh", **data)[0], "messageId": "m"}]})


def _asked(make: Make, note: str) -> Row:
    return Row("POST /api/v2/events", REPLIED, make, note=note, is_question=True)


METRIC = {"client_event_id": "NEW", "name": "dread", "value": 1, "step": 1}
SELECTOR = json.dumps({"experiment_id": "RUN", "metric_name": "dread"})

ROWS = (
    _plain("GET /api/v1/auth/status", ANYONE.with_tokens(OK, OK)),
    _plain("GET /api/v1/folders", ANYONES, nothing={"folders": []}),
    _plain("GET /api/v1/folders", ANYONES, nothing={"folders": []}, note="of a path", path="/whisper"),
    _plain("POST /api/v1/folders", WRITES, {"name": "NEW", "parent_id": "FOLDER"}),
    _plain("POST /api/v1/folders", ANYONES, {"name": "NEW"}, note="at the top"),
    _plain("GET /api/v1/folders/{folder}", READS),
    _plain("PATCH /api/v1/folders/{folder}", WRITES, {"name": "whisper"}),
    _plain("GET /api/v1/experiments", ANYONES, nothing={"experiments": []}),
    _plain("GET /api/v1/experiments", ANYONES, nothing={"experiments": []}, note="of a slug", slug=RUN),
    _plain("GET /api/v1/experiments", ANYONES, nothing={"experiments": []}, note="that have a text", search=RUN),
    _plain("POST /api/v1/experiments", ANYONES, {"slug": "NEW"}),
    _plain("POST /api/v1/experiments", FOREIGN, {"slug": "NEW", "folder_id": "FOLDER"}, note="in a folder"),
    _plain(f"GET {EXPERIMENT}", READS),
    _plain(f"POST {EXPERIMENT}", WRITES, {"status": "running"}),
    _plain(f"PATCH {EXPERIMENT}", WRITES, {"folder_id": "FOLDER"}),
    _plain(f"GET {EXPERIMENT}/ingestion-keys", WRITES),
    _plain(f"POST {EXPERIMENT}/ingestion-keys", WRITES, {"name": "whisper"}),
    Row(f"DELETE {EXPERIMENT}/ingestion-keys/{{key}}", WRITES, _revoking),
    _plain(f"POST {EXPERIMENT}/ingest", TOKENS, {"data": [METRIC]}),
    _plain(f"GET {EXPERIMENT}/annotations", READS),
    _plain(f"POST {EXPERIMENT}/annotations", TOKENS, {"annotation": "whisper"}),
    _plain(f"GET {EXPERIMENT}/metrics", READS),
    _plain(f"GET {EXPERIMENT}/catalog", READS),
    _plain(f"GET {EXPERIMENT}/catalog/{{metric}}", READS),
    _plain("GET /api/v1/metrics", READS, series=SELECTOR),
    _plain("POST /api/v1/query/metric-catalog", READS, {"experimentIds": ["RUN"]}),
    _plain("POST /api/v1/query/series", READS, {**SERIES, "series": [{"experimentId": "RUN"}]}),
    _plain(
        "POST /api/v1/query/series",
        READS,
        {**SERIES, "stream": True, "series": [{"experimentId": "RUN"}]},
        note="as a stream",
    ),
    _plain("POST /api/v2/events", ANYONES, _event("foldertree.read")),
    _plain("POST /api/v2/events", ANYONES, _event("experiment.open", slug="NEW"), note="to open"),
    _asked(_moving, "to move"),
    _asked(_refreshing, "to refresh a token"),
    Row("POST /api/v2/events", REPLIED, _opening, note="to open and to move"),
    _plain(f"POST {EVENTS}", TOKENS, _event("experiment.start")),
    _plain(f"POST {EVENTS}", TOKENS, _event("experiment.annotate", annotation="whisper"), note="to annotate"),
)

CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found"}


def _is_failure(status: int, body: Any) -> bool:
    error = body["error"]
    return body["data"] is None and bool(error["message"]) and error["details"] == f"code={CODES[status]}"


SYVAIN = Door("syvain", ROWS, bearer, _is_failure, no_credentials)

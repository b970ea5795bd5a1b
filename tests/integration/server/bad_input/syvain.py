"""Syvain's protocol: requests, and the collector's messages."""

from __future__ import annotations

from typing import Any

from integration.server.bad_input.request import (
    BATCH,
    BODY,
    MIB,
    PACKED,
    Answer,
    Bad,
    Door,
    Never,
    Table,
    bomb,
    damaged,
    lies,
    no_json,
)

V1 = "/api/v1"
RUN = f"{V1}/experiments/$run"
EVENTS = "/api/v2/experiments/$run/events"
ITEM = {"client_event_id": "e", "name": "n", "value": 1, "step": None}
ORDER = {"order": {"axis": "step", "direction": "asc"}, "stream": False}
CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


def sentence(answer: Answer) -> str:
    """Check ``{"data": null, "error": {"message", "details": "code=..."}}``, or the refusal of a single message."""
    if answer.status == 200:
        (reply,) = answer.document
        assert (reply["event"], reply["correlationId"]) == ("syvain.v2.error", "m")
        told = reply["data"]
        assert (set(told), CODES[told["status"]]) == ({"status", "code", "message"}, told["code"])
        return str(told["message"])
    assert (set(answer.document), answer.document["data"]) == ({"data", "error"}, None)
    told = answer.document["error"]
    assert (set(told), told["details"]) == ({"message", "details"}, f"code={CODES[answer.status]}")
    return str(told["message"])


def _post(name: str, path: str, json: Any, *told: str, **options: Any) -> Bad:
    return Bad(name, "POST", V1 + path, told, json=json, **options)


def _get(name: str, path: str, *told: str, **options: Any) -> Bad:
    return Bad(name, "GET", V1 + path, told, **options)


def _metric(name: str, /, *told: str, **fields: Any) -> Bad:
    return _post(name, "/experiments/$run/ingest", {"data": [{**ITEM, **fields}]}, *told)


def _said(name: str, event: str, data: Any, *told: str, path: str = EVENTS) -> Bad:
    message = {"event": f"syvain.v2.{event}", "messageId": "m", "data": data}
    return Bad(name, "POST", path, told, 200, json=[message])


def _asked(name: str, event: str, data: Any, *told: str) -> Bad:
    return _said(name, event, data, *told, path="/api/v2/events")


def _without(status: str, who: str | None, *told: str) -> tuple[Bad, ...]:
    return (
        Bad(f"{status}, to read", "GET", RUN, told, 401, who=who),
        Bad(f"{status}, to write", "POST", f"{V1}/folders", told, 401, json={"name": "x"}, who=who),
        Bad(f"{status}, to ingest", "POST", f"{RUN}/ingest", told, 401, json={"data": [ITEM]}, who=who),
        Bad(f"{status}, to say", "POST", EVENTS, told, 401, json=[], who=who),
        Bad(f"{status}, and nothing there", "GET", f"{V1}/folders/a/b", told, 401, who=who),
    )


SAID = {"metricName": "loss", "metricValue": 1, "step": 1, "timestampMs": 5}
OWN = ("the ingestion key is one of another experiment",)

TABLE: Table = {
    "no key": _without("none", None, "an API key is needed", "Authorization: Bearer KEY"),
    "wrong key": _without("unknown", "wrong", "the API key is not valid"),
    "revoked key": (
        *_without("revoked", "revoked", "may have been revoked"),
        *_without("a revoked token", "revoked token", "may have been revoked"),
    ),
    "expired key": _without("expired", "expired token", "not valid"),
    "key of another run": (
        Bad("to ingest", "POST", f"{V1}/experiments/$other/ingest", OWN, 403, json={"data": [ITEM]}, who="token"),
        Bad(
            "to annotate",
            "POST",
            f"{V1}/experiments/$other/annotations",
            OWN,
            403,
            json={"annotation": "x"},
            who="token",
        ),
        Bad("to say", "POST", "/api/v2/experiments/$other/events", OWN, 403, json=[], who="token"),
        Bad(
            "to read",
            "GET",
            f"{V1}/experiments/$other",
            ("an ingestion key can write to its experiment only",),
            403,
            who="token",
        ),
        Bad(
            "to make keys",
            "POST",
            f"{RUN}/ingestion-keys",
            ("this needs an API key",),
            403,
            json={"name": "k"},
            who="token",
        ),
        _asked(
            "of another, to be renewed",
            "experiment.tokenRefresh",
            {"experimentId": "$other", "experimentToken": "x"},
            "the token is none of this experiment",
        ),
    ),
    "unknown id": (
        _get("experiment", "/experiments/none", "none", status=404),
        _get("folder", "/folders/none", "none", status=404),
        _post("folder of a folder", "/folders", {"name": "x", "parent_id": "none"}, "none", status=404),
        _post("folder of an experiment", "/experiments", {"slug": "half", "folder_id": "none"}, "none", status=404),
        Bad("folder to move to", "PATCH", RUN, ("none",), 404, json={"folder_id": "none"}),
        Bad("key", "DELETE", f"{RUN}/ingestion-keys/none", ("none",), 404),
        _post("experiment of metrics", "/experiments/none/ingest", {"data": [ITEM]}, "none", status=404),
        _post(
            "experiment of a series",
            "/query/series",
            {**ORDER, "series": [{"experimentId": "none"}]},
            "none",
            status=404,
        ),
        _asked("experiment to move", "folderexperiment.move", {"experimentId": "none", "toFolderId": None}, "none"),
        _said("event", "experiment.dream", {}, "there is no event 'experiment.dream' here"),
        _asked("event of the organization", "dream", {}, "there is no event 'dream' here"),
    ),
    "unknown address": (
        _get("too long", "/folders/a/b", "nothing at this address", status=404),
        _get("too short", "/query", "nothing at this address", status=404),
        Bad("of the second version", "GET", "/api/v2/nothing", ("nothing at this address",), 404),
        _get("upwards", "/folders/../../../etc/passwd", "nothing at this address", status=404),
    ),
    "wrong method": (
        Bad("of folders", "DELETE", f"{V1}/folders", ("does not take that method",), 405),
        Bad("of events", "PUT", "/api/v2/events", ("does not take that method",), 405),
    ),
    "wrong type": (
        _post("a list for an object", "/folders", [], "the body must be a JSON object"),
        _post("an unknown field", "/folders", {"name": "a", "color": "red"}, "unknown field 'color'"),
        _post("a number for a name", "/folders", {"name": 5}, "name: expected text of 1 to 200 characters"),
        _post("half of what is good", "/experiments/$run/ingest", {"data": [ITEM, {**ITEM, "value": None}]}, "value: "),
        _post("a list for metadata", "/experiments", {"slug": "a", "metadata": []}, "metadata: expected an object"),
        _post("created as a status", "/experiments/$run", {"status": "created"}, "status: expected", "running"),
        Bad("an object for messages", "POST", "/api/v2/events", ("a list of at most 1000 messages",), json={}),
        _metric("text for a value", "value: expected a finite number", value="1"),
        _metric("null for a value", "value: expected a finite number", value=None),
        _metric("a list for metadata of a metric", "metadata: expected an object", metadata=[]),
        _metric("a NUL in a name", "must not have NUL characters", name="a\0"),
        _metric("a line break in a name", "'line\\nbreak' must not have control characters", name="line\nbreak"),
        _post("a way to store", "/experiments/$run/ingest?sync=maybe", {"data": []}, "sync: expected true or false"),
        _post("an order", "/query/series", {"series": [{"experimentId": "a"}], "stream": True}, "order"),
        _post(
            "a list for an axis",
            "/query/series",
            {"series": [{"experimentId": "a"}], "order": {"axis": [], "direction": "asc"}, "stream": True},
            "order: expected an axis of step or timestamp",
        ),
        _get("a status to list", "/experiments?status=odd", "status", "running"),
        _get("a limit", "/experiments?limit=ten", "limit: expected a whole number"),
        _said(
            "a value that is said",
            "experiment.metric",
            {**SAID, "metricValue": "1"},
            "metricValue: expected a finite number",
        ),
        _asked("a slug that is said", "experiment.open", {"slug": 5}, "slug: expected text"),
    ),
    "missing field": (
        _post("a name", "/folders", {}, "name: expected text"),
        Bad("where to move", "PATCH", RUN, ("folder_id",), json={}),
        _post(
            "an event's id",
            "/experiments/$run/ingest",
            {"data": [{"name": "n", "value": 1}]},
            "client_event_id: expected",
        ),
        Bad(
            "a message's id", "POST", "/api/v2/events", ("messageId: expected text",), json=[{"event": "x", "data": {}}]
        ),
        _said("a message's value", "experiment.metric", {"metricName": "loss"}, "expected"),
    ),
    "limit exceeded": (
        _post("a name", "/folders", {"name": "x" * 201}, "name: expected text of 1 to 200 characters"),
        _post("an empty slug", "/experiments", {"slug": ""}, "slug: expected text of 1 to 200 characters"),
        _post(
            "a description",
            "/experiments",
            {"slug": "a", "description": "x" * 4001},
            "description: expected text",
            "4000",
        ),
        _post(
            "a time", "/experiments/$run", {"status": "done", "timestamp_ms": -1}, "timestamp_ms: expected", "from 0"
        ),
        _post(
            "a life",
            "/experiments/$run/ingestion-keys",
            {"name": "k", "ttl_ms": 30 * 86_400_000},
            "ttl_ms",
            "604800000",
        ),
        _post(
            "metrics", "/experiments/$run/ingest", {"data": [ITEM] * 1001}, "data: expected 0 to 1000 items, got 1001"
        ),
        _metric("a negative step", "step: expected a whole number from 0", step=-1),
        _post(
            "an empty note",
            "/experiments/$run/annotations",
            {"annotation": ""},
            "annotation: expected text of 1 to 16000",
        ),
        _post("no experiments", "/query/metric-catalog", {"experimentIds": []}, "experimentIds", "64"),
        _post("series", "/query/series", {**ORDER, "series": [{"experimentId": "a"}] * 65}, "series: expected 1 to 64"),
        _get("no page", "/experiments?limit=0", "limit: expected a whole number from 1 on"),
        Bad("messages", "POST", EVENTS, ("at most 1000 messages",), json=[{}] * 1001),
    ),
    "body too large": (
        Bad("a document, as it says", "POST", f"{V1}/folders", (BATCH,), 413, declared=129 * MIB),
        Bad("a batch", "POST", f"{RUN}/ingest", (BATCH,), 413, declared=129 * MIB),
        Bad("messages", "POST", EVENTS, (BATCH,), 413, declared=129 * MIB),
    ),
    "malformed body": (
        *no_json("POST", f"{V1}/folders"),
        *no_json("POST", "/api/v2/events"),
        Bad("empty", "POST", f"{V1}/folders", ("needs a JSON body",)),
        Bad("NaN", "POST", f"{V1}/folders", ("not JSON",), data=b'{"name": NaN}'),
        _get("a path that is no text", "/folders/%FF", "UTF-8"),
    ),
    "wrong media type": Never("The type that a body is said to be of is not looked at: its clients send none."),
    "gzip bomb": (
        Bad("a document", "POST", f"{V1}/folders", (BODY,), 413, data=bomb(17 * MIB), headers=PACKED),
        Bad("a batch", "POST", f"{RUN}/ingest", (BATCH,), 413, data=bomb(129 * MIB), headers=PACKED),
        Bad("messages", "POST", "/api/v2/events", (BATCH,), 413, data=bomb(129 * MIB), headers=PACKED),
        _get("to read", "/experiments/none", BATCH, status=413, data=bomb(129 * MIB), headers=PACKED),
    ),
    "damaged gzip": damaged("POST", f"{V1}/folders"),
    "content length that lies": lies("POST", f"{V1}/folders"),
    "name that leads elsewhere": (
        _get("an experiment", "/experiments/..%2F..", "no experiment", "'../..'", status=404),
        _get("an experiment and more", "/experiments/a%2Fingest", "no experiment 'a/ingest'", status=404),
        _get("an experiment upwards", "/experiments/%2e%2e", "'..'", status=404),
        _get("an experiment with a NUL", "/experiments/a%00b", "must not have NUL characters"),
        _get("a folder", "/folders/..%2F..", "there is no folder '../..'", status=404),
        _get("a folder with a NUL", "/folders/a%00b", "must not have NUL characters"),
        Bad("a key", "DELETE", f"{RUN}/ingestion-keys/..%2F..", ("no ingestion key '../..'",), 404),
    ),
    "file in parts": Never("This protocol knows no files."),
}

DOOR = Door("syvain", TABLE, sentence, lambda secret: {"Authorization": f"Bearer {secret}"})

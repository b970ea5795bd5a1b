"""The ways of five protocols by which several records come at once, each with records that it does not take."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from integration.server.batches.way import (
    KEYS,
    LONG,
    NOW,
    NUMBERS,
    PARAMS,
    WHOLE,
    Record,
    Send,
    Target,
    Told,
    Way,
    fields,
    http,
)
from websockets.sync.client import ClientConnection, connect

__all__ = ["WAYS", "socket"]

_LINE = {"number": 5, "long": "x" * (2**20 + 1)}
_INSTANT = "2026-01-02T03:04:05Z"
_TEXT = {"text": "t"}


def _joined(records: list[Record]) -> Record:
    return {name: value for record in records for name, value in record.items()}


def _param(n: int) -> Record:
    return {f"a{n}": n}


# -- our own ----------------------------------------------------------------------------------------------------------


def _append(part: str) -> Send:
    # A writer counts its batches: that is how one that comes again is known.
    return http("{run}/append", lambda _, records: {part: records, "writer": "w", "sequence": 1})


def _points(n: int) -> Record:
    return {"key": f"k{n}", "steps": [n], "values": [0.5], "times_ms": [n]}


def _media(n: int) -> Record:
    item = {"path": f"a/{n}", "data": _TEXT, "mime_type": "text/plain"}
    return {"key": f"k{n}", "step": n, "column_type": "TEXT", "items": [item]}


def _item(**changed: Any) -> Record:
    return {"items": [{"path": "a", "data": _TEXT, **changed}]}


_NATIVE = [
    Way(
        "native points", _append("points"), _points,
        {
            **fields("key", KEYS),
            **fields("steps", {what: [value] for what, value in WHOLE.items()}),
            **fields("values", {what: [value] for what, value in NUMBERS.items()}),
            **fields("context", {"list": [["a", [1]]], "long": [["a", LONG]]}),
            "uneven": {"values": [1.0, 2.0]}, "type": {"column_type": "TEXT"}, "no object": 5,
        },
    ),
    Way(
        "native lines", _append("logs"), lambda n: {"message": f"m{n}", "time_ms": n},
        {
            **fields("line", WHOLE), **fields("message", _LINE), **fields("tag", {"NUL": "\0", "long": LONG}),
            "level": {"level": "LOUD"}, "time": {"time_ms": -1}, "fields": {"fields": [1]}, "no object": 5,
        },
    ),
    Way(
        "native media", _append("media"), _media,
        {
            **fields("key", KEYS), **fields("step", WHOLE), "none": {"items": []}, "type": {"column_type": "FLOAT"},
            "unknown blob": {"items": [{"path": "a", "sha256": "0" * 64}]}, "path": _item(path="../a"),
            "NUL in a caption": _item(caption="\0"), "NUL in a path": _item(path="a\0"),
        },
    ),
    Way(
        "native columns", _append("columns"), lambda n: {"key": f"k{n}", "column_type": "FLOAT"},
        {**fields("key", KEYS), **fields("name", {"NUL": "\0", "long": LONG}), "type": {"column_type": "ODD"}},
    ),
    Way(
        "native params",
        http(
            "runs/update",
            lambda target, records: {
                "selection": {"workspace": target.owner, "project": "demo", "ids": [target.cuid]},
                "patch": {"config": _joined(records)},
            },
        ),
        _param, PARAMS,
    ),
]  # fmt: skip


# -- SwanLab ----------------------------------------------------------------------------------------------------------


def _house(kind: str) -> Send:
    return http(
        "/api/house/metrics",
        lambda target, records: {"type": kind, "experimentId": target.cuid, "metrics": records},
    )


_SWANLAB = [
    Way(
        "SwanLab scalars", _house("scalar"),
        lambda n: {"key": f"k{n}", "index": n, "data": 0.5, "create_time": _INSTANT},
        {
            **fields("key", KEYS), **fields("index", WHOLE), **fields("data", NUMBERS), "time": {"create_time": "noon"},
            "no object": 5,
        },
    ),
    Way(
        "SwanLab lines", _house("log"), lambda n: {"message": f"m{n}", "epoch": n, "create_time": _INSTANT},
        {**fields("epoch", {**WHOLE, "zero": 0}), **fields("message", _LINE), "time": {"create_time": 5}},
    ),
    Way(
        "SwanLab media", _house("media"),
        lambda n: {"key": f"k{n}", "index": n, "data": ["a text"], "create_time": _INSTANT},
        {
            **fields("key", KEYS), **fields("index", WHOLE),
            **fields("data", {"nothing": [], "never sent": ["media/image/1.png"], "surrogate": ["\ud800"]}),
            "NUL in a caption": {"more": [{"caption": "\0"}]},
        },
    ),
    Way(
        "SwanLab columns", http("/api/experiment/{cuid}/columns", lambda _, records: records),
        lambda n: {"key": f"k{n}", "type": "FLOAT"},
        {**fields("key", KEYS), **fields("name", {"NUL": "\0", "long": LONG}), "class": {"class": 5}},
    ),
    Way(
        "SwanLab params",
        http("/api/project/{owner}/demo/runs/{cuid}/profile", lambda _, records: {"config": _joined(records)}, "PUT"),
        _param, PARAMS,
    ),
]  # fmt: skip


# -- Syvain -----------------------------------------------------------------------------------------------------------


def _metric(n: int) -> Record:
    return {"client_event_id": f"e{n}", "name": f"k{n}", "value": 0.5, "timestamp_ms": n}


def _tell(target: Target, records: list[Any]) -> Told:
    answer = target.ask(f"/api/v2/experiments/{target.cuid}/events", records)
    replies = answer.json() if answer.ok else []
    assert len(replies) in {0, len(records)}
    return Told(answer.status_code, not answer.ok or any("status" in one["data"] for one in replies), answer.text)


def _event(name: str, **data: Any) -> Record:
    return {"event": f"syvain.v2.experiment.{name}", "data": data}


def _said(n: int) -> Record:
    return {"messageId": f"e{n}", **_event("metric", metricName=f"k{n}", metricValue=0.5, timestampMs=n)}


_SYVAIN = [
    Way(
        "Syvain metrics", http("/api/v1/experiments/{cuid}/ingest", lambda _, records: {"data": records}), _metric,
        {
            **fields("client_event_id", {"NUL": "\0", "long": LONG, "null": None}), **fields("name", KEYS),
            **fields("step", WHOLE), **fields("value", NUMBERS),
            **fields("metadata", {"list": [1], "NaN": {"a": 1e999}}),
            "unknown field": {"color": 1}, "time": {"timestamp_ms": -1}, "no object": 5,
        },
    ),
    Way(
        "Syvain events", _tell, _said,
        {
            what: _event("metric", **{"metricName": "k", "metricValue": 0.5, **data})
            for what, data in {
                **fields("metricName", KEYS), **fields("metricValue", NUMBERS), **fields("step", WHOLE),
                "meta": {"meta": 5},
            }.items()
        } | {
            "unknown": _event("dream"), "NUL in a note": _event("annotate", annotation="\0"),
            "NUL in an error": _event("error", error="\0"), "NUL in an id": {"messageId": "\0"},
            "NUL in the id of a note": {"messageId": "a\0", **_event("annotate", annotation="n")}, "no object": 5,
        },
        alone=True,
    ),
    Way(
        "Syvain notes", _tell, lambda n: {"messageId": f"e{n}", **_event("annotate", annotation=f"n{n}")},
        {"metric": _event("metric", metricName="", metricValue=1), "empty": _event("annotate", annotation="")},
        alone=True,
    ),
]  # fmt: skip


# -- matyan -----------------------------------------------------------------------------------------------------------


def socket(target: Target) -> ClientConnection:
    """Open the socket of a run."""
    return connect(f"{target.server.origin.replace('http', 'ws', 1)}/api/v1/ws/runs/{target.id}", proxy=None)


def _frame(target: Target, records: list[Any]) -> Told:
    with socket(target) as connection:
        connection.send(json.dumps(records))
        answer = json.loads(connection.recv(timeout=60))
    return Told(200, answer["status"] == "error", str(answer["error"]))


def _lost(target: Target, records: list[Any]) -> Told:
    with socket(target) as connection:
        connection.send(json.dumps(records))
    return Told(200, refused=False, text="")


def _frames(name: str, kind: str, good: Callable[[int], Record], bad: Record, *, replaces: bool = False) -> Way:
    def make(n: int) -> Record:
        return {"type": kind, **good(n)}

    return Way(f"matyan {name}", _frame, make, bad, alone=True, replaces=replaces, lose=_lost)


def _tracked(n: int) -> Record:
    # What has no step comes after the last, and would again.
    return {"name": f"k{n}", "step": n if n == 1 else None, "client_datetime": NOW, "context": {"a": 1}}


_CONTEXTS = {"text": "x", "long": {"a": LONG}, "surrogate": {"a": "\ud800"}}
_HALF = {"name": "half", "description": "half"}

_MATYAN = [
    _frames(
        "points", "log_metric", lambda n: {**_tracked(n), "value": 0.5},
        {
            **fields("name", KEYS), **fields("step", WHOLE), **fields("value", NUMBERS), **fields("context", _CONTEXTS),
            "epoch": {"epoch": 2**63}, "unknown": {"type": "dream"}, "no object": 5, "null": None,
            "another type": {"name": "k1", "value": {"type": "text", "data": "x"}},
        },
    ),
    _frames(
        "objects", "log_custom_object", lambda n: {**_tracked(n), "value": {"type": "text", "data": f"t{n}"}},
        {
            **fields("name", KEYS), **fields("step", WHOLE), **fields("context", _CONTEXTS),
            **fields("value", {
                "unknown": {"type": "odd"}, "surrogate": {"type": "text", "data": "\ud800"},
                "weights": {"type": "distribution", "data": ["x"]}, "NUL": {"type": "image", "caption": "\0"},
            }),
            "another type": {"type": "log_metric", "name": "k1", "value": 0.5},
        },
    ),
    _frames(
        "lines", "log_terminal_line", lambda n: {"line": f"l{n}", "step": n},
        {**fields("step", WHOLE), **fields("line", _LINE)},
    ),
    _frames(
        "records", "log_record", lambda n: {"message": f"l{n}", "level": 20, "timestamp": 1_700_000_000.5},
        {
            "number": {"message": 5}, "level": {"level": "loud"}, "surrogate": {"extra_args": {"a": "\ud800"}},
            "time": {"timestamp": None},
        },
    ),
    _frames(
        "params", "log_hparams", lambda n: {"value": _param(n)},
        fields("value", {"list": [], "surrogate": {"b": "\ud800"}, "surrogate in a name": {"\ud800": 1}}),
    ),
    _frames(
        "properties", "set_run_property", lambda n: {"name": "n"} if n == 1 else {"description": "d"},
        {
            "experiment": {**_HALF, "experiment": LONG}, "NUL in an experiment": {**_HALF, "experiment": "a\0"},
            "NUL": {"name": "\0"}, "NUL in the second": {**_HALF, "description": "\0"},
            "flag": {**_HALF, "archived": 5},
        },
        replaces=True,
    ),
    _frames(
        "tags", "add_tag", lambda n: {"tag_name": f"t{n}"},
        {
            "NUL": {"tag_name": "a\0"}, "surrogate": {"tag_name": "\ud800"}, "long": {"tag_name": LONG},
            "empty": {"tag_name": " "}, "upload": {"type": "blob_ref", "artifact_path": "never"},
        },
    ),
]  # fmt: skip


# -- chachaml ---------------------------------------------------------------------------------------------------------

_CHACHAML = [
    Way(
        "chachaml metrics",
        http("/api/w/runs/{id}/metrics", lambda _, records: {"metrics": _joined(records), "step": 5}),
        lambda n: {f"k{n}": 0.5},
        {
            "NUL": {"a\0": 1}, "surrogate": {"\ud800": 1}, "long": {LONG: 1}, "empty": {"": 1}, "flag": {"b": True},
            **fields("b", NUMBERS),
        },
    ),
    Way("chachaml params", http("/api/w/runs/{id}/params", lambda _, records: _joined(records)), _param, PARAMS),
]  # fmt: skip

WAYS = [*_NATIVE, *_SWANLAB, *_SYVAIN, *_MATYAN, *_CHACHAML]

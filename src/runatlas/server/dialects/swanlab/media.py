"""Routes that read media and lines."""

from __future__ import annotations

from typing import Any

from runatlas.errors import ValidationError
from runatlas.model.log import LOG_LEVELS, LogQuery
from runatlas.model.media import MediaPage, MediaQuery, MediaRecord
from runatlas.server.dialects.swanlab.body import answer, query_number, read_object
from runatlas.server.dialects.swanlab.record import log_object, wire_key
from runatlas.server.dialects.swanlab.reference import Reference, base_keys, locate, read_references
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import INT64, optional, whole

__all__ = ["read_all_media", "read_log", "read_media"]

_LINES_MAX = 10_000


def _pages(
    call: EndpointCall, columns: list[Reference], step: int | None, *, every: bool
) -> tuple[list[MediaRecord], set[int]]:
    """Read the media of columns, and the steps that have any."""
    wanted = {(column.cuid, column.key) for column in columns}
    found: list[MediaRecord] = []
    steps: set[int] = set()
    for cuid, run in locate(call, [column.cuid for column in columns]).items():
        keys = base_keys(key for of, key in wanted if of == cuid)
        query = MediaQuery(keys, step, every)
        page: MediaPage = call.services.media.list_media(call.user, run, query)
        found += [record for record in page.items if (cuid, wire_key(record.key, record.context)) in wanted]
        steps.update(page.steps)
    return found, steps


def _entry(record: MediaRecord) -> dict[str, Any]:
    captions = [item.caption for item in record.items]
    more = [{"caption": caption} if caption else None for caption in captions] if any(captions) else []
    return {"index": record.step, "data": [item.path for item in record.items], "more": more}


def read_media(call: EndpointCall) -> Answer:
    """Read the media of one step, of the latest of each key without one."""
    body = read_object(call)
    columns = read_references(body)
    step = optional(whole, body, "step", *INT64)
    found, steps = _pages(call, columns, step, every=False)
    metrics = [{"key": wire_key(record.key, record.context), **_entry(record)} for record in found]
    shown = max((record.step for record in found), default=0) if step is None else step
    return answer({"steps": sorted(steps), "step": shown, "metrics": metrics})


def read_all_media(call: EndpointCall) -> Answer:
    """Read the media of all steps."""
    columns = read_references(read_object(call))
    found, _ = _pages(call, columns, None, every=True)
    entries: dict[str, list[dict[str, Any]]] = {column.key: [] for column in columns}
    for record in found:
        entries[wire_key(record.key, record.context)].append(_entry(record))
    return answer([{"key": key, "metrics": metrics} for key, metrics in entries.items()])


def read_log(call: EndpointCall) -> Answer:
    """Read lines behind ``epoch``, at least as severe as ``level``."""
    cuid = call.value("experimentId") or ""
    level = (call.value("level") or "INFO").upper()
    if level not in LOG_LEVELS:
        raise ValidationError(f"level: expected one of {', '.join(LOG_LEVELS)}")
    known = next(found for found in LOG_LEVELS if found == level)
    query = LogQuery(
        offset=query_number(call, "epoch", 0, 2**53, least=0),
        level=known,
        limit=query_number(call, "size", 1000, _LINES_MAX),
    )
    page = call.services.logs.read_logs(call.user, locate(call, [cuid])[cuid], query)
    return answer({"logs": [log_object(line) for line in page.logs], "count": page.count})

"""Routes that read points and what series amount to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import attrs
from arro3.core import Array

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.page import each_item
from runatlas.model.series import (
    MEDIA_TYPES,
    SAMPLE_MAX,
    ColumnQuery,
    PointBlock,
    PointQuery,
    SeriesSlice,
    Statistic,
    SummaryQuery,
    SummaryRecord,
    each_block,
)
from runatlas.server.dialects.swanlab.body import answer, read_json, read_object
from runatlas.server.dialects.swanlab.column import all_columns
from runatlas.server.dialects.swanlab.record import number, wire_key
from runatlas.server.dialects.swanlab.reference import (
    Reference,
    base_keys,
    locate,
    read_experiments,
    read_keys,
    read_references,
    selections,
)
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import text, whole

__all__ = ["list_keys", "list_runs_of_keys", "read_last_steps", "read_lines", "read_statistics", "read_summaries"]

_AXES = ("step", "time", "timestamp", "relative_time")


class _Line(NamedTuple):
    """The points of a series, one a step."""

    steps: list[int]
    values: list[float]
    times: list[int]


def _lines(call: EndpointCall, wanted: Iterable[tuple[str, str]], sample: int | None) -> dict[tuple[str, str], _Line]:
    """Read series by cuid and key; those without points are left out."""
    asked = set(wanted)
    keys = base_keys(sorted({key for _, key in asked}))
    found: dict[tuple[str, str], _Line] = {}
    for selection in selections(call, [cuid for cuid, _ in asked]) if keys else ():
        read = partial(call.services.points.read_whole, call.user)
        for block in each_block(read, PointQuery(selection, keys, sample=sample)):
            for part in block.series:
                name = (block.runs[part.run][0], wire_key(part.key, part.context))
                if name in asked:
                    found[name] = _line(block, part)
    return found


def _line(block: PointBlock, part: SeriesSlice) -> _Line:
    """Take a series out of a block; of several points of one step the last counts."""
    steps: list[int] = _rows(block.steps, part)
    values: list[float] = _rows(block.values, part)
    times: list[int] = _rows(block.times_ms, part)
    if len(set(steps)) == len(steps):
        return _Line(steps, values, times)
    last = {step: place for place, step in enumerate(steps)}
    places = last.values()
    return _Line(list(last), [values[place] for place in places], [times[place] for place in places])


def _rows(column: Array, part: SeriesSlice) -> Any:
    return column.slice(part.start, part.length).to_pylist()


def _axis(body: dict[str, Any]) -> str:
    axis = text(body, "xType", "step")
    if axis not in _AXES:
        raise ValidationError(f"xType: expected one of {', '.join(_AXES)}")
    return axis


def read_lines(call: EndpointCall) -> Answer:
    """Read sampled series, one object a column in the order asked for."""
    body = {"num": SAMPLE_MAX, **read_object(call)}
    columns = read_references(body)
    count = whole(body, "num", 1)
    axis, x_key = _axis(body), text(body, "xKey", "")
    found = _lines(call, [(column.cuid, column.key) for column in columns], min(count, SAMPLE_MAX))
    x_lines = _lines(call, [(column.cuid, x_key) for column in columns], None) if x_key else {}
    return answer(
        [
            {
                "experimentId": column.cuid,
                "key": column.key,
                "metrics": _points(found.get((column.cuid, column.key)), axis, x_lines.get((column.cuid, x_key)))
                if not x_key or (column.cuid, x_key) in x_lines
                else [],
            }
            for column in columns
        ]
    )


def _points(line: _Line | None, axis: str, x_line: _Line | None) -> list[dict[str, Any]]:
    if line is None:
        return []
    rows = zip(_indices(line, axis, x_line), line.values, line.times, strict=True)
    return [
        {"index": index, "data": number(value), "timestamp": time} for index, value, time in rows if index is not None
    ]


def _indices(line: _Line, axis: str, x_line: _Line | None) -> Sequence[int | float | str | None]:
    """Return where the points lie on the axis: ``None`` for a step at which a custom axis has nothing."""
    if x_line is not None:
        places = {step: number(value) for step, value in zip(x_line.steps, x_line.values, strict=True)}
        return [places.get(step) for step in line.steps]
    if axis == "step":
        return line.steps
    if axis == "relative_time":
        return [time - line.times[0] for time in line.times]
    return line.times


def _summaries(
    call: EndpointCall, cuids: Iterable[str], keys: Iterable[str] | None, *, median: bool = True
) -> dict[tuple[str, str], SummaryRecord]:
    """Read summaries by cuid and key."""
    wanted = None if keys is None else base_keys(keys)
    found: dict[tuple[str, str], SummaryRecord] = {}
    for selection in selections(call, cuids) if wanted is None or wanted else ():
        for item in _each_summary(call, SummaryQuery(selection, wanted, median)):
            found[item.run, wire_key(item.key, item.context)] = item
    return found


def _each_summary(call: EndpointCall, query: SummaryQuery) -> Iterator[SummaryRecord]:
    points = call.services.points
    return each_item(lambda page: points.read_summaries(call.user, attrs.evolve(query, page=page)))


def read_statistics(call: EndpointCall) -> Answer:
    """Read what series amount to, one object a column in the order asked for."""
    body = read_object(call)
    columns = read_references(body)
    by_step = _axis(body) == "step"
    found = _summaries(call, [column.cuid for column in columns], [column.key for column in columns])
    return answer([_statistics(column, found.get((column.cuid, column.key)), by_step=by_step) for column in columns])


def _statistics(column: Reference, summary: SummaryRecord | None, *, by_step: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"experimentId": column.cuid, "key": column.key}
    if summary is None:
        return made
    for name, found in (("min", summary.min), ("max", summary.max), ("latest", summary.latest)):
        if found is not None:
            made[name] = _place(found, by_step=by_step)
    for name, value in (("avg", summary.avg), ("median", summary.median)):
        if value is not None:
            made[name] = {"data": number(value)}
    return made


def _place(found: Statistic, *, by_step: bool = True) -> dict[str, Any]:
    return {"index": found.step if by_step else found.time_ms, "data": number(found.value)}


def read_summaries(call: EndpointCall) -> Answer:
    """Read what the series of runs amount to, by cuid and key; the oldest clients send a bare list of runs."""
    body = read_json(call)
    keys = None
    if isinstance(body, dict):
        keys = read_keys(body)
        body = body.get("experiments")
    cuids = read_experiments(body)
    made: dict[str, dict[str, Any]] = {cuid: {} for cuid in cuids}
    for (cuid, key), summary in _summaries(call, cuids, keys).items():
        if keys is None or key in keys:
            made[cuid][key] = _summary(summary)
    return answer(made)


def _summary(summary: SummaryRecord) -> dict[str, Any]:
    # Objects even where only NaN was logged: the oldest clients look into both.
    return {
        "step": summary.latest.step,
        "value": number(summary.latest.value),
        "min": _place(summary.min or summary.latest),
        "max": _place(summary.max or summary.latest),
        "avg": None if summary.avg is None else number(summary.avg),
        "median": None if summary.median is None else number(summary.median),
        "stdDev": None if summary.std is None else number(summary.std),
    }


def read_last_steps(call: EndpointCall) -> Answer:
    """Tell how far a run got: the last line, and the last step of each key."""
    cuid = call.params["cuid"]
    run = locate(call, [cuid])[cuid]
    made: dict[str, Any] = {"scalar": [], "media": []}
    for column in all_columns(call, run, ColumnQuery()):
        if column.last_step is not None and not column.context:
            section = "media" if column.column_type in MEDIA_TYPES else "scalar"
            made[section].append({"key": column.key, "step": column.last_step})
    last = call.services.logs.last_line(call.user, run, None)
    # Left out when there are no lines: the oldest clients take an empty list for one with items.
    return answer({"log": [{"key": "LOG", "step": last}], **made} if last else made)


def _known_keys(call: EndpointCall, cuid: str, kind: str) -> set[str]:
    run = locate(call, [cuid])[cuid]
    return {
        wire_key(column.key, column.context)
        for column in all_columns(call, run, ColumnQuery())
        if (column.column_type in MEDIA_TYPES) == (kind == "media")
    }


def _kind(call: EndpointCall) -> str:
    kind = call.params["kind"]
    if kind not in {"scalar", "media"}:
        raise NotFoundError(f"there are no metrics of the kind {kind!r}")
    return kind


def list_keys(call: EndpointCall) -> Answer:
    """List the keys that runs have, by name; the cursor is the last key of the page before."""
    body = {"limit": 2000, **read_object(call)}
    kind = _kind(call)
    limit, after = whole(body, "limit", 1), text(body, "cursor", "")
    found: set[str] = set()
    for cuid in read_experiments(body.get("experiments")):
        found |= _known_keys(call, cuid, kind)
    behind = sorted(key for key in found if key > after)
    shown = behind[:limit]
    more = len(behind) > limit
    return answer({"keys": shown, "hasMore": more, "nextCursor": shown[-1] if more else ""})


def list_runs_of_keys(call: EndpointCall) -> Answer:
    """Tell which of the runs have each key."""
    body = read_object(call)
    kind = _kind(call)
    keys = read_keys(body) or []
    known = {cuid: _known_keys(call, cuid, kind) for cuid in read_experiments(body.get("experiments"))}
    return answer({key: [cuid for cuid, has in known.items() if key in has] for key in keys})

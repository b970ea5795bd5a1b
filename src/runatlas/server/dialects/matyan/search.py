"""The searches: runs, metrics, and the sequences of objects."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from litestar.types import ASGIApp

from runatlas.compat.matyanql.queried_run import MatyanRun, MatyanTrace
from runatlas.compat.matyanql.query import MatyanQuery
from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.filters import And, Comparison, Field, Or, Sort
from runatlas.model.media import MediaRecord
from runatlas.model.run import RunRecord
from runatlas.model.series import ColumnRecord, Context, SummaryRecord
from runatlas.server.dialects.matyan.body import has_flag, parse, read_range, whole_of
from runatlas.server.dialects.matyan.experiment_place import find_run
from runatlas.server.dialects.matyan.param import shown_params
from runatlas.server.dialects.matyan.query import is_matching, read_query
from runatlas.server.dialects.matyan.reading import BUCKETS, NEWEST, Reading
from runatlas.server.dialects.matyan.sequence import (
    Thinned,
    Trace,
    evenly,
    object_ranges,
    object_trace,
    read_objects,
    read_traces,
)
from runatlas.server.dialects.matyan.stream import MEDIA_TYPE, encode_tree, number_array
from runatlas.server.wire.endpoint import Endpoint, EndpointCall
from runatlas.server.wire.streamed import Streamed

__all__ = ["SEARCHES", "list_active_runs", "search_metrics", "search_runs"]

_POINTS = 50
_BUNDLE = 200
_SORTS = {
    "run": "name",
    "experiment": "project",
    "hash": "id",
    "date": "created_at",
    "duration": "duration",
    "description": "description",
    "creator": "user",
}
"""What runs are sorted by, and the field that it is here."""

_ACTIVE = Or(tuple(Comparison(Field("STABLE", "state"), "EQ", state) for state in ("RUNNING", "OFFLINE")))


class _Writer:
    """Runs on their way out. Two of one id would be one for the client: the second goes by its cuid."""

    def __init__(self, call: EndpointCall, reading: Reading) -> None:
        self._reading = reading
        self._skips = has_flag(call, "skip_system", default=True)
        self._seen: set[str] = set()

    def write(self, run: RunRecord, **found: Any) -> bytes:
        name = run.id if run.id not in self._seen else run.cuid
        self._seen.add(name)
        held = {"params": shown_params(run.config, skip_system=self._skips), "props": self._reading.props(run)}
        return encode_tree([name], {**held, **found})


def search_runs(call: EndpointCall) -> ASGIApp:
    """Find runs, newest first or in the order asked for."""
    reading = Reading(call.services, call.user)
    query = read_query(call, reading.projects_of)
    sorts = _read_sorts(call.value("sort") or "")
    limit = whole_of(call, "limit", 0)
    found = _after(reading, query, call.value("offset") or "", sorts)
    return _write_runs(call, reading, islice(found, limit) if limit > 0 else found)


def _read_sorts(text: str) -> tuple[Sort, ...]:
    """Read ``[{"field": ..., "order": "asc" or "desc"}, ...]``; without any the newest come first.

    Raises:
        ValidationError: 400 when it is none.
    """
    if not text:
        return NEWEST
    given = parse(text)
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given) or len(given) > len(_SORTS):
        raise ValidationError("sort: expected a list of objects with field and order", code=400)
    found = []
    for item in given:
        field, order = item.get("field"), item.get("order", "asc")
        if not isinstance(field, str) or field not in _SORTS:
            raise ValidationError(f"sort: field must be one of {', '.join(_SORTS)}", code=400)
        if order not in ("asc", "desc"):
            raise ValidationError("sort: order must be asc or desc", code=400)
        found.append(Sort(Field("STABLE", _SORTS[field]), "ASC" if order == "asc" else "DESC"))
    return tuple(found) or NEWEST


def list_active_runs(call: EndpointCall) -> ASGIApp:
    """List the runs that go on, newest first, also archived ones."""
    reading = Reading(call.services, call.user)
    return _write_runs(call, reading, reading.iterate_runs(_ACTIVE))


def _write_runs(call: EndpointCall, reading: Reading, found: Iterator[RunRecord]) -> ASGIApp:
    writer = _Writer(call, reading)

    def pieces() -> Iterator[bytes]:
        while runs := list(islice(found, _BUNDLE)):
            summaries = reading.summaries(runs)
            metrics = ({"metric": [_standing(item) for item in summaries[run.cuid]]} for run in runs)
            yield b"".join([writer.write(run, traces=traces) for run, traces in zip(runs, metrics, strict=True)])

    return Streamed.of(pieces(), MEDIA_TYPE)


def _after(reading: Reading, query: MatyanQuery, offset: str, sorts: tuple[Sort, ...]) -> Iterator[RunRecord]:
    """The runs that a query holds for, behind the one with the id ``offset``; none if that is not among them."""
    wanted, first = query.runs, ""
    if offset:
        try:
            run = find_run(reading.services, reading.caller, offset)
        except NotFoundError:
            return
        first = run.cuid
        if sorts == NEWEST:
            newer = Comparison(Field("STABLE", "created_at"), "LTE", run.created_at_ms)
            wanted = newer if wanted is None else And((wanted, newer))
    for candidates in reading.candidates(query, wanted, sorts):
        for candidate in candidates.values():
            if not is_matching(query, candidate):
                continue
            if not first:
                yield candidate.record
            elif candidate.record.cuid == first:
                first = ""


def _standing(item: SummaryRecord) -> dict[str, Any]:
    last = item.latest.value
    return {
        "name": item.key,
        "context": dict(item.context),
        "values": {
            "last": last,
            "last_step": item.last_step,
            "first": last,
            "min": last if item.min is None else item.min.value,
            "max": last if item.max is None else item.max.value,
        },
    }


def search_metrics(call: EndpointCall) -> ASGIApp:
    """Find metrics, with some of their points."""
    reading = Reading(call.services, call.user)
    query = read_query(call, reading.projects_of, "metric")
    most = whole_of(call, "p", _POINTS)
    writer = _Writer(call, reading)

    def pieces() -> Iterator[bytes]:
        for candidates in reading.candidates(query, query.runs):
            runs = [candidate.record for candidate in candidates.values()]
            wanted = {
                cuid: [item for item in items if is_matching(query, candidates[cuid], _metric(candidates[cuid], item))]
                for cuid, items in reading.summaries(runs).items()
            }
            yield _write_metrics(reading, writer, runs, wanted, most)

    return Streamed.of(pieces(), MEDIA_TYPE)


def _write_metrics(
    reading: Reading, writer: _Writer, runs: list[RunRecord], wanted: dict[str, list[SummaryRecord]], most: int
) -> bytes:
    names = sorted({item.key for items in wanted.values() for item in items})
    traces = read_traces(reading, [cuid for cuid, items in wanted.items() if items], names)
    out = []
    for run in runs:
        found = [
            _points(item, traces[run.cuid, item.key, item.context], most)
            for item in wanted[run.cuid]
            if (run.cuid, item.key, item.context) in traces
        ]
        if found:
            out.append(writer.write(run, traces=found))
    return b"".join(out)


def _metric(run: MatyanRun, item: SummaryRecord) -> MatyanTrace:
    return MatyanTrace(item.key, dict(item.context), item.latest.value, item.last_step, run)


def _points(item: SummaryRecord, trace: Trace, most: int) -> dict[str, Any]:
    shown = trace.taken(evenly(len(trace.steps), most))
    return {
        "name": item.key,
        "context": dict(item.context),
        "slice": [0, item.last_step, 1],
        "values": number_array(shown.values),
        "iters": number_array(shown.steps),
        "epochs": number_array(shown.epochs),
        "timestamps": number_array(shown.times_s),
    }


def _search_objects(call: EndpointCall, kind: str) -> ASGIApp:
    reading = Reading(call.services, call.user)
    query = read_query(call, reading.projects_of, kind)
    thinned = Thinned(whole_of(call, "record_density", _POINTS), read_range(call))
    writer = _Writer(call, reading)

    def pieces() -> Iterator[bytes]:
        for candidates in reading.candidates(query, query.runs):
            for candidate in candidates.values():
                run = candidate.record
                columns = reading.columns(run.path, BUCKETS[kind])
                wanted = [column for column in columns if is_matching(query, candidate, _objects(candidate, column))]
                found = _read_sequences(reading, run, wanted)
                if found:
                    traces = [object_trace(reading, run, kind, records, thinned) for records in found]
                    yield writer.write(run, traces=traces, ranges=object_ranges(kind, found, thinned))

    return Streamed.of(pieces(), MEDIA_TYPE)


def _objects(run: MatyanRun, column: ColumnRecord) -> MatyanTrace:
    return MatyanTrace(column.key, dict(column.context), 0.0, column.last_step, run)


def _read_sequences(reading: Reading, run: RunRecord, columns: list[ColumnRecord]) -> list[list[MediaRecord]]:
    """The objects of each column, by step."""
    if not columns:
        return []
    held: dict[tuple[str, Context], list[MediaRecord]] = {(column.key, column.context): [] for column in columns}
    for record in read_objects(reading, run, {column.key for column in columns}):
        if (record.key, record.context) in held:
            held[record.key, record.context].append(record)
    return [sorted(records, key=lambda record: record.step) for records in held.values() if records]


def _searching(kind: str) -> Endpoint:
    def search(call: EndpointCall) -> ASGIApp:
        return _search_objects(call, kind)

    return search


SEARCHES: dict[str, Endpoint] = {kind: _searching(kind) for kind in BUCKETS}
"""The searches for objects, by kind."""

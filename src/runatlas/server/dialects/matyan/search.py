"""The searches: runs, metrics, and the sequences of objects."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from runatlas.errors import NotFoundError
from runatlas.model.filters import And, Comparison, Field, Filter, Or
from runatlas.model.media import MediaRecord
from runatlas.model.run import RunRecord
from runatlas.model.series import ColumnRecord, Context, SummaryRecord
from runatlas.server.dialects.matyan.body import has_flag, read_range, stream, whole_of
from runatlas.server.dialects.matyan.param import shown_params
from runatlas.server.dialects.matyan.place import find_run
from runatlas.server.dialects.matyan.query import Query, read_query
from runatlas.server.dialects.matyan.reading import BUCKETS, Reading
from runatlas.server.dialects.matyan.sequence import Thinned, Trace, evenly, object_trace, read_objects, read_traces
from runatlas.server.dialects.matyan.stream import encode_tree, number_array
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import Endpoint, EndpointCall

__all__ = ["SEARCHES", "list_active_runs", "search_metrics", "search_runs"]

_POINTS = 50
_BUNDLE = 200
_ACTIVE = Or(tuple(Comparison(Field("STABLE", "state"), "EQ", state) for state in ("RUNNING", "OFFLINE")))


class _Writer:
    """Runs on their way out. Two of one id would be one for the client: the second goes by its cuid."""

    def __init__(self, call: EndpointCall, reading: Reading) -> None:
        self._reading = reading
        self._skips = has_flag(call, "skip_system", default=True)
        self._seen: set[str] = set()
        self._out: list[bytes] = []

    def add(self, run: RunRecord, traces: Any) -> None:
        name = run.id if run.id not in self._seen else run.cuid
        self._seen.add(name)
        held = {"params": shown_params(run.config, skip_system=self._skips), "props": self._reading.props(run)}
        self._out.append(encode_tree([name], {**held, "traces": traces}))

    def done(self) -> Answer:
        return stream(b"".join(self._out))


def search_runs(call: EndpointCall) -> Answer:
    """Find runs, newest first."""
    query = read_query(call.value("q") or "")
    limit = whole_of(call, "limit", 0)
    reading = Reading(call.services, call.user)
    found = _after(reading, query.runs, call.value("offset") or "")
    return _write_runs(call, reading, islice(found, limit) if limit > 0 else found)


def list_active_runs(call: EndpointCall) -> Answer:
    """List the runs that go on, newest first, also archived ones."""
    reading = Reading(call.services, call.user)
    return _write_runs(call, reading, reading.iterate_runs(_ACTIVE))


def _write_runs(call: EndpointCall, reading: Reading, found: Iterator[RunRecord]) -> Answer:
    writer = _Writer(call, reading)
    while runs := list(islice(found, _BUNDLE)):
        summaries = reading.summaries(runs)
        for run in runs:
            writer.add(run, {"metric": [_standing(item) for item in summaries[run.cuid]]})
    return writer.done()


def _after(reading: Reading, wanted: Filter, offset: str) -> Iterator[RunRecord]:
    """The runs behind the one with the id ``offset``; none if that is not among them."""
    if not offset:
        yield from reading.iterate_runs(wanted)
        return
    try:
        first = find_run(reading.services, reading.caller, offset)
    except NotFoundError:
        return
    field = Field("STABLE", "created_at")
    is_behind = False
    for run in reading.iterate_runs(And((wanted, Comparison(field, "LTE", first.created_at_ms)))):
        if is_behind:
            yield run
        is_behind = is_behind or run.cuid == first.cuid


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


def search_metrics(call: EndpointCall) -> Answer:
    """Find metrics, with some of their points."""
    query = read_query(call.value("q") or "", "metric")
    most = whole_of(call, "p", _POINTS)
    reading = Reading(call.services, call.user)
    writer = _Writer(call, reading)
    for runs, answers in reading.bundles(query.runs, query.conditions):
        wanted = {
            cuid: [item for item in items if _is_wanted(query, item, answers[cuid])]
            for cuid, items in reading.summaries(runs).items()
        }
        names = sorted({item.key for items in wanted.values() for item in items})
        traces = read_traces(reading, [cuid for cuid, items in wanted.items() if items], names)
        for run in runs:
            found = [
                _points(item, traces[run.cuid, item.key, item.context], most)
                for item in wanted[run.cuid]
                if (run.cuid, item.key, item.context) in traces
            ]
            if found:
                writer.add(run, found)
    return writer.done()


def _is_wanted(query: Query, item: SummaryRecord, answers: list[bool]) -> bool:
    facts = {
        "name": item.key,
        "context": dict(item.context),
        "last": item.latest.value,
        "last_step": item.last_step,
    }
    return query.traces.matches(facts, answers)


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


def _search_objects(call: EndpointCall, kind: str) -> Answer:
    query = read_query(call.value("q") or "", kind)
    thinned = Thinned(whole_of(call, "record_density", _POINTS), read_range(call))
    reading = Reading(call.services, call.user)
    writer = _Writer(call, reading)
    for runs, answers in reading.bundles(query.runs, query.conditions):
        for run in runs:
            columns = reading.columns(run.path, BUCKETS[kind])
            wanted = [column for column in columns if query.traces.matches(_facts(column), answers[run.cuid])]
            traces = _object_traces(reading, run, kind, wanted, thinned)
            if traces:
                writer.add(run, traces)
    return writer.done()


def _facts(column: ColumnRecord) -> dict[str, Any]:
    return {"name": column.key, "context": dict(column.context), "last": 0.0, "last_step": column.last_step}


def _object_traces(
    reading: Reading, run: RunRecord, kind: str, columns: list[ColumnRecord], thinned: Thinned
) -> list[dict[str, Any]]:
    if not columns:
        return []
    held: dict[tuple[str, Context], list[MediaRecord]] = {(column.key, column.context): [] for column in columns}
    for record in read_objects(reading, run, {column.key for column in columns}):
        if (record.key, record.context) in held:
            held[record.key, record.context].append(record)
    return [object_trace(reading, run, kind, records, thinned) for records in held.values() if records]


def _searching(kind: str) -> Endpoint:
    def search(call: EndpointCall) -> Answer:
        return _search_objects(call, kind)

    return search


SEARCHES: dict[str, Endpoint] = {kind: _searching(kind) for kind in BUCKETS}
"""The searches for objects, by kind."""

"""The sequences that a query asks for, run by run, in document 001's form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from runatlas.backends.base import Backend
from runatlas.model.codec import context_text
from runatlas.model.filters import Filter
from runatlas.model.matyan_query import MatyanQuery
from runatlas.model.media import MediaItem, MediaQuery, MediaRecord
from runatlas.model.page import each_item
from runatlas.model.run import RunPart, RunQuery, RunRecord, RunSelection
from runatlas.model.series import PointBlock, PointQuery, SeriesSlice
from runatlas.tracking.trace import column_type_of, list_columns, metric_traces, read_summaries

__all__ = ["describe_run", "list_runs", "read_metric_sequences", "read_object_sequences", "run_props"]

_RUNS_AT_ONCE = 100


def list_runs(
    backend: Backend, selection: RunSelection, parts: tuple[RunPart, ...] = ("config",)
) -> Iterator[RunRecord]:
    """List runs, page by page."""
    return each_item(lambda page: backend.list_runs(RunQuery(selection, parts=parts, page=page)))


def run_props(record: RunRecord) -> dict[str, Any]:
    """Return a run's own fields."""
    ended_ms = record.finished_at_ms
    return {
        "name": record.name,
        "description": record.description,
        "experiment": {"id": record.project_cuid or None, "name": record.project, "description": ""},
        "tags": [{"id": label, "name": label, "color": None, "description": ""} for label in record.labels],
        "creation_time": record.created_at_ms / 1000,
        "end_time": None if ended_ms is None else ended_ms / 1000,
        "archived": record.archived,
        "active": record.state in {"RUNNING", "OFFLINE"},
    }


def describe_run(record: RunRecord) -> dict[str, Any]:
    """Return a run's id, params and own fields."""
    return {"hash": record.id, "params": dict(record.config or {}), "props": run_props(record)}


def read_metric_sequences(
    backend: Backend, selection: RunSelection, query: MatyanQuery, sample: int | None
) -> Iterator[dict[str, Any]]:
    """Read the metrics that a query asks for, with their values; runs without any are left out.

    Args:
        backend: Where to read.
        selection: The runs that can have some.
        query: What is asked for.
        sample: Points a metric at the most; ``None`` for all.
    """
    for records, answers in _bundles(backend, selection, query):
        chosen = RunSelection(selection.workspace, ids=tuple(record.cuid for record in records))
        wanted: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        for item in read_summaries(backend, chosen):
            trace = metric_traces([item])[0]
            if query.matches(_facts(trace), answers[item.run]):
                wanted.setdefault(item.run, {})[item.key, context_text(item.context)] = trace
        keys = sorted({key for traces in wanted.values() for key, _ in traces})
        if keys:
            _add_points(backend, attrs.evolve(chosen, ids=tuple(wanted)), keys, sample, wanted)
        for record in records:
            if record.cuid in wanted:
                yield describe_run(record) | {"traces": list(wanted[record.cuid].values())}


def read_object_sequences(
    backend: Backend, selection: RunSelection, query: MatyanQuery, kind: str
) -> Iterator[dict[str, Any]]:
    """Read the sequences of objects of one kind that a query asks for; runs without any are left out.

    Args:
        backend: Where to read.
        selection: The runs that can have some.
        query: What is asked for.
        kind: ``images``, ``audios``, ``texts``, ``distributions`` or ``figures``.
    """
    for records, answers in _bundles(backend, selection, query):
        for record in records:
            traces = [
                {"name": item.key, "context": dict(item.context), "last_step": item.last_step}
                for item in list_columns(backend, record.path)
                if item.column_type == column_type_of(kind)
            ]
            traces = [trace for trace in traces if query.matches(_facts(trace), answers[record.cuid])]
            if traces:
                found = _read_objects(backend, record, traces)
                yield describe_run(record) | {"traces": [_object_trace(trace, found, kind) for trace in traces]}


def _bundles(
    backend: Backend, selection: RunSelection, query: MatyanQuery
) -> Iterator[tuple[list[RunRecord], dict[str, list[bool]]]]:
    """Runs, some at a time, each with the answers that the query needs of it."""
    bundle: list[RunRecord] = []
    for record in list_runs(backend, selection):
        bundle.append(record)
        if len(bundle) == _RUNS_AT_ONCE:
            yield bundle, _answers(backend, selection.workspace, bundle, query.run_conditions)
            bundle = []
    if bundle:
        yield bundle, _answers(backend, selection.workspace, bundle, query.run_conditions)


def _answers(
    backend: Backend, workspace: str, records: Iterable[RunRecord], conditions: Sequence[Filter]
) -> dict[str, list[bool]]:
    ids = tuple(record.cuid for record in records)
    holding = [
        {record.cuid for record in list_runs(backend, RunSelection(workspace, ids=ids, filter=condition), ())}
        for condition in conditions
    ]
    return {cuid: [cuid in found for found in holding] for cuid in ids}


def _facts(trace: Mapping[str, Any]) -> dict[str, Any]:
    """What a query can ask of a trace."""
    return {
        "name": trace["name"],
        "context": trace["context"],
        "last": trace.get("last_value", 0.0),
        "last_step": trace["last_step"],
    }


def _add_points(
    backend: Backend,
    selection: RunSelection,
    keys: Sequence[str],
    sample: int | None,
    wanted: Mapping[str, Mapping[tuple[str, str], dict[str, Any]]],
) -> None:
    for traces in wanted.values():
        for trace in traces.values():
            trace.update({"values": [], "iters": [], "epochs": [], "timestamps": []})
    cursor: str | None = None
    while True:
        block = backend.read_points(PointQuery(selection, tuple(keys), sample=sample, cursor=cursor))
        for series in block.series:
            trace = wanted[block.runs[series.run][0]].get((series.key, context_text(series.context)))  # type: ignore[assignment]
            if trace is not None:
                _extend(trace, block, series)
        cursor = block.next_cursor
        if cursor is None:
            return


def _extend(trace: dict[str, Any], block: PointBlock, series: SeriesSlice) -> None:
    def part(column: Any) -> list[Any]:
        cut: list[Any] = column.slice(series.start, series.length).to_pylist()
        return cut

    trace["values"].extend(part(block.values))
    trace["iters"].extend(part(block.steps))
    trace["timestamps"].extend(time_ms / 1000 for time_ms in part(block.times_ms))
    trace["epochs"].extend([None] * series.length if block.epochs is None else part(block.epochs))


def _read_objects(
    backend: Backend, record: RunRecord, traces: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str], list[MediaRecord]]:
    keys = tuple(dict.fromkeys(str(trace["name"]) for trace in traces))
    found: dict[tuple[str, str], list[MediaRecord]] = {}
    for item in backend.list_media(record.path, MediaQuery(keys=keys, all=True)).items:
        found.setdefault((item.key, context_text(item.context)), []).append(item)
    return found


def _object_trace(
    trace: Mapping[str, Any], found: Mapping[tuple[str, str], Sequence[MediaRecord]], kind: str
) -> dict[str, Any]:
    context = tuple(sorted(trace["context"].items()))
    steps = sorted(found.get((trace["name"], context_text(context)), ()), key=lambda item: item.step)
    return {
        "name": trace["name"],
        "context": trace["context"],
        "values": [[_object(item, index, kind) for index, item in enumerate(step.items)] for step in steps],
        "iters": [step.step for step in steps],
        "epochs": [step.epoch for step in steps],
        "timestamps": [step.time_ms / 1000 for step in steps],
    }


def _object(item: MediaItem, index: int, kind: str) -> dict[str, Any]:
    content = item.data or {}
    if kind == "texts":
        return {"data": content.get("text", ""), "index": index}
    if kind == "distributions":
        return {"data": content.get("data"), "bin_count": content.get("bin_count"), "range": content.get("range")}
    if kind == "figures":
        return {"data": content, "index": index}
    sizes = {"width": item.meta.get("width"), "height": item.meta.get("height")} if kind == "images" else {}
    facts = {"caption": item.caption, "format": item.meta.get("format"), "blob_uri": item.url, "index": index}
    return facts | sizes

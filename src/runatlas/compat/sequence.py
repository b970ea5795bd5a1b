"""The sequences that match a query, run by run, in the form that matyan's client has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import attrs

from runatlas.backends.contract import Backend
from runatlas.compat.matyanql.queried_run import MatyanRun, MatyanTrace
from runatlas.compat.matyanql.query import MatyanQuery
from runatlas.model.codec import context_text
from runatlas.model.media import MediaItem, MediaQuery, MediaRecord
from runatlas.model.page import each_item
from runatlas.model.run import RunPart, RunQuery, RunRecord, RunSelection
from runatlas.model.series import PointBlock, PointQuery, SeriesSlice, SummaryRecord, each_block
from runatlas.tracking.overview import column_type_of, list_columns, metric_traces, read_summaries, run_props

__all__ = [
    "describe_run",
    "list_candidates",
    "list_runs",
    "read_metric_sequences",
    "read_object_sequences",
]

_RUNS_AT_ONCE = 100


def list_runs(
    backend: Backend, selection: RunSelection, parts: tuple[RunPart, ...] = ("config",)
) -> Iterator[RunRecord]:
    """List runs, page by page."""
    return each_item(lambda page: backend.list_runs(RunQuery(selection, parts=parts, page=page)))


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
    for candidates in list_candidates(backend, selection, query):
        chosen = RunSelection(selection.workspace, ids=tuple(candidates))
        wanted: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        for item in read_summaries(backend, chosen):
            run = candidates[item.run]
            trace = MatyanTrace(item.key, dict(item.context), item.latest.value, item.last_step, run)
            if query.matches(run, trace):
                wanted.setdefault(item.run, {})[item.key, context_text(item.context)] = metric_traces([item])[0]
        keys = sorted({key for traces in wanted.values() for key, _ in traces})
        if keys:
            _add_points(backend, attrs.evolve(chosen, ids=tuple(wanted)), keys, sample, wanted)
        for cuid, run in candidates.items():
            if cuid in wanted:
                yield describe_run(run.record) | {"traces": list(wanted[cuid].values())}


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
    for candidates in list_candidates(backend, selection, query):
        for run in candidates.values():
            traces = [
                {"name": item.key, "context": dict(item.context), "last_step": item.last_step}
                for item in list_columns(backend, run.record.path)
                if item.column_type == column_type_of(kind)
                and query.matches(run, MatyanTrace(item.key, dict(item.context), 0.0, item.last_step, run))
            ]
            if traces:
                found = _read_objects(backend, run.record, traces)
                yield describe_run(run.record) | {"traces": [_object_trace(trace, found, kind) for trace in traces]}


def list_candidates(backend: Backend, selection: RunSelection, query: MatyanQuery) -> Iterator[dict[str, MatyanRun]]:
    """List the runs that a query may hold for, some at a time, by cuid.

    Args:
        backend: Where to read.
        selection: The runs that can have a match.
        query: What is asked for.
    """
    listed = list_runs(backend, selection)
    while records := list(islice(listed, _RUNS_AT_ONCE)):
        summaries: dict[str, list[SummaryRecord]] = {record.cuid: [] for record in records}
        if query.needs_metrics:
            for item in read_summaries(backend, RunSelection(selection.workspace, ids=tuple(summaries))):
                summaries[item.run].append(item)
        yield {record.cuid: _as_asked(record, summaries[record.cuid]) for record in records}


def _as_asked(record: RunRecord, summaries: list[SummaryRecord]) -> MatyanRun:
    ordered = sorted(summaries, key=lambda item: (item.key, context_text(item.context)))
    return MatyanRun(record, name=record.name, experiment=record.project, summaries=ordered)


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
    for block in each_block(backend.read_points, PointQuery(selection, tuple(keys), sample=sample)):
        for series in block.series:
            trace = wanted[block.runs[series.run][0]].get((series.key, context_text(series.context)))  # type: ignore[assignment]
            if trace is not None:
                _extend(trace, block, series)


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

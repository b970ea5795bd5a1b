"""Overviews of a run and of what it tracked, in the form that matyan's client has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from runatlas.backends.contract import Backend
from runatlas.entities.run import Run as StoredRun
from runatlas.model.ids import RunPath
from runatlas.model.page import each_item
from runatlas.model.ranges import RangeQuery, ValueRange
from runatlas.model.run import RunRecord, RunSelection
from runatlas.model.series import ColumnQuery, ColumnRecord, ColumnType, SummaryQuery, SummaryRecord
from runatlas.response import ApiResponse
from runatlas.tables.metric import MetricTable
from runatlas.tracking.checks import as_context, as_name

if TYPE_CHECKING:
    from runatlas.tracking.run import Run

__all__ = [
    "SEQUENCE_TYPES",
    "check_sequence_types",
    "collect_sequence_info",
    "column_type_of",
    "get_metric",
    "iter_metrics_info",
    "list_columns",
    "metric_traces",
    "metrics",
    "object_traces",
    "read_summaries",
    "run_props",
]

R = TypeVar("R", bound="Run")

SEQUENCE_TYPES: tuple[str, ...] = ("metric", "images", "figures", "texts", "audios", "distributions")
"""The kinds of sequences that can be asked for."""

_COLUMN_TYPES: Mapping[str, ColumnType] = {
    "images": "IMAGE",
    "figures": "FIGURE",
    "texts": "TEXT",
    "audios": "AUDIO",
    "distributions": "DISTRIBUTION",
}


def check_sequence_types(sequence_types: Any) -> tuple[str, ...]:
    """Return the kinds asked for; one alone, several, or none for all.

    Raises:
        TypeError: They are no strings.
        ValueError: There is no such kind.
    """
    asked = (sequence_types,) if isinstance(sequence_types, str) else tuple(sequence_types)
    for name in asked:
        if not isinstance(name, str):
            raise TypeError(f"sequence_types: expected strings, got {type(name).__name__}")
        if name not in SEQUENCE_TYPES:
            raise ValueError(f"sequence_types: {name!r} is none of {', '.join(SEQUENCE_TYPES)}")
    return asked or SEQUENCE_TYPES


def column_type_of(sequence_type: str) -> ColumnType:
    """Return the column type of a kind of objects."""
    return _COLUMN_TYPES[sequence_type]


def read_summaries(backend: Backend, selection: RunSelection) -> Iterator[SummaryRecord]:
    """Read what the scalar series of runs amount to, page by page."""
    return each_item(lambda page: backend.read_summaries(SummaryQuery(selection, median=False, page=page)))


def list_columns(backend: Backend, run: RunPath) -> Iterator[ColumnRecord]:
    """List everything that a run tracked, page by page."""
    return each_item(lambda page: backend.list_columns(run, ColumnQuery(page=page)))


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


def metric_traces(summaries: Iterable[SummaryRecord]) -> list[dict[str, Any]]:
    """Describe metrics: name, context, and how they stand."""
    return [
        {
            "name": item.key,
            "context": dict(item.context),
            "last_value": item.latest.value,
            "last_step": item.last_step,
            "first_step": item.first_step,
            "count": item.count,
            "min": None if item.min is None else item.min.value,
            "max": None if item.max is None else item.max.value,
        }
        for item in summaries
    ]


def object_traces(columns: Iterable[ColumnRecord], sequence_type: str) -> list[dict[str, Any]]:
    """Describe the sequences of one kind of objects: name, context, and how far they are."""
    wanted = column_type_of(sequence_type)
    return [
        {
            "name": item.key,
            "context": dict(item.context),
            "last_value": None,
            "last_step": item.last_step,
            "count": item.count,
        }
        for item in columns
        if item.column_type == wanted
    ]


@overload
def metrics(self: Run) -> list[dict[str, Any]]: ...
@overload
def metrics(
    self: Run,
    keys: Sequence[str] | None,
    sample: int = 1500,
    all: bool = False,
    range_query: RangeQuery | ValueRange | Mapping[str, Any] | None = None,
    ignore_timestamp: bool = False,
    *,
    context: Mapping[str, Any] | None = None,
    x_axis: str = "step",
) -> ApiResponse[MetricTable[str]]: ...
def metrics(self: Run, *args: Any, **kwargs: Any) -> list[dict[str, Any]] | ApiResponse[MetricTable[str]]:  # noqa: D417 - nobody gives self
    """Without arguments: an overview of all tracked metrics. With keys: their values, as every run gives them.

    Args:
        *args: ``keys``, ``sample``, ``all``, ``range_query``, ``ignore_timestamp``.
        **kwargs: The same by name, ``context`` and ``x_axis``.

    Returns:
        A list of ``{"name", "context", "last_value", "last_step", "first_step", "count", "min", "max"}``; or the
        answer with a table.

    Raises:
        RunAtlasError: The overview could not be read.
    """
    if not args and not kwargs:
        return metric_traces(read_summaries(self._handle.backend, self.selection))
    return StoredRun.metrics(self, *args, **kwargs)


def get_metric(self: Run, name: str, context: Mapping[str, Any] | None = None) -> dict[str, Any] | None:  # noqa: D417 - nobody gives self
    """Return the overview of one metric.

    Args:
        name: The metric's name.
        context: Its context; the metric without one if left out.

    Returns:
        One item of ``metrics()``; ``None`` if the run has no such metric.

    Raises:
        TypeError: An argument has another type.
        RunAtlasError: It could not be read.
    """
    wanted, place = as_name(name), dict(as_context(context))
    return next((item for item in self.metrics() if item["name"] == wanted and item["context"] == place), None)


def iter_metrics_info(self: R) -> Iterator[tuple[str, dict[str, Any], R]]:
    """Iterate over the tracked metrics.

    Returns:
        ``(name, context, run)`` of each.

    Raises:
        RunAtlasError: They could not be read.
    """
    for item in self.metrics():
        yield item["name"], item["context"], self


def collect_sequence_info(self: Run, sequence_types: str | tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:  # noqa: D417 - nobody gives self
    """Return overviews of what was tracked, by kind.

    Args:
        sequence_types: ``metric``, ``images``, ``figures``, ``texts``, ``audios``, ``distributions``; one,
            several in a tuple, or none for all.

    Returns:
        ``{"metric": [...], "images": [...]}``.

    Raises:
        ValueError: There is no such kind.
        RunAtlasError: They could not be read.
    """
    kinds = check_sequence_types(sequence_types)
    backend = self._handle.backend
    columns = list(list_columns(backend, self._path)) if any(kind != "metric" for kind in kinds) else []
    return {
        kind: metric_traces(read_summaries(backend, self.selection))
        if kind == "metric"
        else object_traces(columns, kind)
        for kind in kinds
    }

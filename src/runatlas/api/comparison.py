"""Series of whatever runs, read into one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import attrs

from runatlas.entities.argument import text
from runatlas.entities.backend_handle import BackendHandle, UsesBackend
from runatlas.entities.metric_reading import MetricRequest, make_metric_request, read_metrics
from runatlas.entities.run import Run
from runatlas.model.codec import make_context
from runatlas.model.ids import RunPath
from runatlas.model.ranges import RangeQuery
from runatlas.model.run import RunSelection
from runatlas.model.series import Context, SummaryRecord
from runatlas.response import ApiResponse
from runatlas.tables.metric import MetricTable, Reading, make_metric_table
from runatlas.tables.statistic import Statistics

__all__ = ["compare"]

_Group = tuple[str, str, str, "Context | None"]


def compare(  # noqa: D417 - nobody gives self
    self: UsesBackend,
    series: Iterable[tuple[Run | str, str] | tuple[Run | str, str, Mapping[str, Any]]],
    sample: int = 1500,
    all: bool = False,
    range_query: RangeQuery | Mapping[str, Any] | None = None,
) -> ApiResponse[MetricTable[tuple[str, str]]]:
    """Read chosen series of chosen runs into one table: one request for each key and project among them.

    Args:
        series: ``(run, key)`` or ``(run, key, context)`` each; a run is an entity or its path.
        sample: Points a series at the most, up to 1500. Ignored with ``all`` or ``range_query``.
        all: Whether every point is wanted.
        range_query: A range of each series.

    Returns:
        Series by run id and key; runs of the same id in two projects go by their cuids.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is out of bounds, or there is no series.
    """
    request = make_metric_request(
        None, sample=sample, all=all, range_query=range_query, context=None, ignore_timestamp=False
    )
    groups = _grouped(series)
    return ApiResponse.of(lambda: make_metric_table(_read(self._handle, groups, request)))


def _read(handle: BackendHandle, groups: Mapping[_Group, Sequence[str]], request: MetricRequest) -> Reading:
    readings = []
    for (workspace, project, key, context), ids in groups.items():
        selection = RunSelection(workspace, project, ids=tuple(ids))
        wanted = attrs.evolve(request, keys=(key,), context=context)
        readings.append(read_metrics(handle, selection, wanted, project_id=str))
    blocks = tuple(block for reading in readings for block in reading.blocks)
    return attrs.evolve(
        readings[0],
        blocks=blocks,
        keys=None,
        statistics=Statistics(partial(_load_all, [reading.statistics for reading in readings])),
    )


def _load_all(statistics: Iterable[Statistics]) -> Iterator[SummaryRecord]:
    return chain.from_iterable(item.load() for item in statistics)


def _grouped(series: Iterable[Any]) -> dict[_Group, list[str]]:
    groups: dict[_Group, list[str]] = {}
    for place, item in enumerate(series):
        if not isinstance(item, (tuple, list)) or len(item) not in {2, 3}:
            raise TypeError(f"series[{place}]: expected (run, key) or (run, key, context)")
        run, key = item[0], text(item[1], f"series[{place}]")
        path = run.run_path if isinstance(run, Run) else RunPath.named(run, argument=f"series[{place}]")
        context = make_context(item[2]) if len(item) == 3 else None
        groups.setdefault((path.workspace, path.project, key, context), []).append(path.run)
    if not groups:
        raise ValueError("series: name at least one")
    return groups

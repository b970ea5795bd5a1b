"""Metrics of a run, as its pages show them: a few at a time, each with its last, smallest and largest value."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from runatlas.model.page import PAGE_LIMIT, Page, PageRequest, each_item
from runatlas.model.run import RunRecord, RunSelection
from runatlas.model.series import ColumnClass, PointQuery, SummaryQuery, SummaryRecord
from runatlas.server.pages.curves.points import series_name
from runatlas.server.pages.page import count_of
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["SHOWN", "Metric", "MetricList", "only", "read_metrics", "with_courses"]

SHOWN = 100
"""How many metrics are shown at once."""
_SEARCH = 200
_LOOKED_AT = 10_000
_SPARK_POINTS = 60
_SPARK_SERIES, _SPARK_TOTAL = 20, 200_000


@attrs.frozen
class Metric:
    """A metric of a run.

    Attributes:
        course: What it went through in a few points; ``None`` where a script asks for it.
        drawn: What its chart shows: all of its key, for the first of them.
    """

    summary: SummaryRecord
    drawn: tuple[SummaryRecord, ...]
    course: tuple[float, ...] | None = None

    @property
    def name(self) -> str:
        """What tells it from the others of its run."""
        return series_name(self.summary.key, self.summary.context)

    @property
    def prefix(self) -> str:
        """What its key has before the first slash."""
        before, slash, _ = self.summary.key.partition("/")
        return before if slash else ""


@attrs.frozen
class MetricList:
    """Some metrics of a run.

    Attributes:
        search: What their keys have in them.
        skip: How many come before these.
        fitting: How many there are that fit the search.
        total: How many the run has, of those that were looked at.
    """

    metrics: tuple[Metric, ...]
    search: str
    skip: int
    fitting: int
    total: int


def read_metrics(call: EndpointCall, run: RunRecord, column_class: ColumnClass) -> MetricList:
    """Read what an address asks for: ``metric``, a part of keys, and ``skip``.

    Args:
        call: Who asks, and how.
        run: The run.
        column_class: Whether what it recorded itself, or what the machine did.
    """
    search, skip = (call.value("metric") or "").strip()[:_SEARCH], count_of(call, "skip") or 0

    def read(request: PageRequest) -> Page[SummaryRecord]:
        query = SummaryQuery(only(run), median=False, column_class=column_class, page=request)
        return call.services.points.read_summaries(call.user, query)

    if not search:
        found = read(PageRequest(limit=SHOWN, offset=skip, with_total=True))
        total = found.total or 0
        return MetricList(_metrics(found.items), "", skip, total, total)
    seen, fitting = 0, []
    for summary in each_item(read, limit=PAGE_LIMIT):
        seen += 1
        if search.casefold() in summary.key.casefold():
            fitting.append(summary)
        if seen == _LOOKED_AT:
            break
    return MetricList(_metrics(fitting[skip : skip + SHOWN]), search, skip, len(fitting), seen)


def _metrics(summaries: Sequence[SummaryRecord]) -> tuple[Metric, ...]:
    """Put metrics together whose keys have the same part before the first slash; those without one come first."""
    by_key: dict[str, list[SummaryRecord]] = {}
    for summary in summaries:
        by_key.setdefault(summary.key, []).append(summary)
    made = [
        Metric(summary, () if place else tuple(each)) for each in by_key.values() for place, summary in enumerate(each)
    ]
    return tuple(sorted(made, key=lambda metric: metric.prefix))


def with_courses(call: EndpointCall, run: RunRecord, metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """Add the courses where reading them is little work; a script asks for others when they are seen.

    Args:
        call: Who asks.
        run: The run.
        metrics: Its metrics.
    """
    points = sum(each.summary.count or 0 for each in metrics)
    if not metrics or len(metrics) > _SPARK_SERIES or points > _SPARK_TOTAL:
        return tuple(metrics)
    keys = tuple(dict.fromkeys(each.summary.key for each in metrics))
    block = call.services.points.read_points(
        call.user, PointQuery(only(run), keys=keys, sample=_SPARK_POINTS, column_class="CUSTOM")
    )
    values = block.values.to_pylist()
    courses = {(part.key, part.context): tuple(values[part.start : part.start + part.length]) for part in block.series}
    return tuple(
        attrs.evolve(each, course=courses.get((each.summary.key, each.summary.context), ())) for each in metrics
    )


def only(run: RunRecord) -> RunSelection:
    """Select one run."""
    return RunSelection(run.workspace, run.project, ids=(run.cuid,))

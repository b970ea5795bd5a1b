"""Statistics of whole series, read once and only when asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, TypedDict

from runatlas.model.series import Context, PointBlock, Statistic, SummaryRecord
from runatlas.process.fork import ProcessLock
from runatlas.tables.resampling import mean_of

__all__ = ["StatisticItem", "Statistics", "SummaryItem", "make_summary_item", "summarize_points"]


class StatisticItem(TypedDict):
    """One point that a statistic names; times in Unix milliseconds."""

    step: int | None
    value: float
    timestamp: int | None


class SummaryItem(TypedDict):
    """What one series amounts to: ``value`` at ``step`` is the latest and counts as the authoritative value.

    ``count`` and ``first_step`` are ``None`` when the server does not tell.
    """

    step: int
    value: float
    latest: StatisticItem
    min: StatisticItem | None
    max: StatisticItem | None
    avg: float | None
    median: float | None
    std: float | None
    count: int | None
    first_step: int | None


def make_summary_item(record: SummaryRecord) -> SummaryItem:
    """Return a summary in the form that users see."""
    return {
        "step": record.last_step if record.latest.step is None else record.latest.step,
        "value": record.latest.value,
        "latest": _item(record.latest),
        "min": _item(record.min) if record.min else None,
        "max": _item(record.max) if record.max else None,
        "avg": record.avg,
        "median": record.median,
        "std": record.std,
        "count": record.count,
        "first_step": record.first_step,
    }


def _item(statistic: Statistic) -> StatisticItem:
    return {"step": statistic.step, "value": statistic.value, "timestamp": statistic.time_ms}


def summarize_points(block: PointBlock) -> Iterator[SummaryRecord]:
    """Yield what the series of a block amount to by the points that are in it.

    Args:
        block: The points.
    """
    for item in block.series:
        if not item.length:
            continue
        steps, values, times = (
            column.slice(item.start, item.length).to_pylist() for column in (block.steps, block.values, block.times_ms)
        )
        points = list(map(Statistic, values, steps, times))
        numbers = sorted(value for value in values if not math.isnan(value))
        known = [point for point in points if not math.isnan(point.value)]
        mean = mean_of(numbers) if numbers else None
        yield SummaryRecord(
            run=block.runs[item.run][0],
            key=item.key,
            context=item.context,
            count=item.length,
            column_class="CUSTOM",
            column_type="FLOAT",
            first_step=steps[0],
            last_step=steps[-1],
            latest=points[-1],
            min=min(known, key=attrgetter("value"), default=None),
            max=max(known, key=attrgetter("value"), default=None),
            avg=mean,
            std=None if mean is None else _deviation(numbers, mean),
            median=mean_of(numbers[(len(numbers) - 1) // 2 : len(numbers) // 2 + 1]) if numbers else None,
        )


def _deviation(values: Sequence[float], mean: float) -> float:
    largest = max(abs(value - mean) for value in values)
    if not 0 < largest < math.inf:
        return largest if math.isfinite(mean) else math.nan
    return largest * math.sqrt(math.fsum(((value - mean) / largest) ** 2 for value in values) / len(values))


class Statistics:
    """The summaries that belong to a table: one reading for all its series, at the first question.

    Args:
        load: Reads them; a failure is raised to whoever asked, and tried again at the next question.
    """

    def __init__(self, load: Callable[[], Iterable[SummaryRecord]]) -> None:
        self._load = load
        self._lock = ProcessLock()
        self._found: dict[tuple[str, str, Context], SummaryItem] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (self._load, self._found)

    def load(self) -> Iterable[SummaryRecord]:
        """Read the summaries anew."""
        return self._load()

    def get(self, run: str, key: str, context: Context) -> SummaryItem | None:
        """Return the summary of one series.

        Args:
            run: The run's cuid.
            key: The metric's key.
            context: The series' context.

        Returns:
            The summary, ``None`` if the run has no such series.

        Raises:
            RunAtlasError: The summaries could not be read.
        """
        with self._lock:
            if self._found is None:
                self._found = {(item.run, item.key, item.context): make_summary_item(item) for item in self._load()}
            return self._found.get((run, key, context))


def _revive(load: Callable[[], Iterable[SummaryRecord]], found: dict[Any, SummaryItem] | None) -> Statistics:
    made = Statistics(load)
    made._found = found  # noqa: SLF001 - its own class
    return made

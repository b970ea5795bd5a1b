"""Running summaries: what a series amounts to, without its points.

NaN is left out of minimum, maximum and sums; the sums also leave out the infinities, which minimum and maximum tell.
Squares are summed as deviations from the mean and merged as in Chan, Golub and LeVeque, "Updating formulae and a
pairwise algorithm for computing sample variances" (1979), which does not cancel as sums of plain squares do.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from runatlas.server.store.point_chunk import Floats, Whole

__all__ = ["COLUMNS", "Extreme", "Row", "Summary", "average", "deviation", "summarise"]

COLUMNS = (
    "count",
    "finite_count",
    "first_step",
    "last_step",
    "last_value",
    "last_kind",
    "last_time_ms",
    "max_time_ms",
    "min_value",
    "min_step",
    "min_time_ms",
    "max_value",
    "max_step",
    "max_value_time_ms",
    "value_sum",
    "value_sum_squares",
)
"""The columns of ``series`` that hold a summary, in the order of ``Summary.row``."""

Row: TypeAlias = "tuple[Any, ...]"
"""The values of ``COLUMNS``."""


class Extreme(NamedTuple):
    """A smallest, largest or latest value, and where it is."""

    value: float
    step: int
    time_ms: int


class Summary(NamedTuple):
    """What points amount to.

    Attributes:
        finite_count: How many values are finite.
        low, high: ``None`` when every value is NaN.
        value_sum: Of the finite values.
        squares: The sum of the squared deviations of the finite values from their mean.
    """

    points: int
    finite_count: int
    first_step: int
    last: Extreme
    max_time_ms: int
    low: Extreme | None
    high: Extreme | None
    value_sum: float
    squares: float

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Summary | None:
        """Read the columns ``COLUMNS``; ``None`` for a series without points."""
        return cls.of(row) if row[0] else None

    @classmethod
    def of(cls, row: Sequence[Any]) -> Summary:
        """Read the columns ``COLUMNS`` of a series that has points."""
        value = row[4] if row[4] is not None else math.nan
        low = None if row[8] is None else Extreme(row[8], row[9], row[10])
        high = None if row[11] is None else Extreme(row[11], row[12], row[13])
        last = Extreme(value, row[3], row[6])
        return cls(row[0], row[1], row[2], last, row[7], low, high, row[14], row[15])

    @property
    def row(self) -> Row:
        """The values of ``COLUMNS``: NaN as NULL, since SQLite has none, and no negative zero, for the same reason."""
        last, low, high = self.last, self.low, self.high
        is_nan = math.isnan(last.value)
        return (
            self.points,
            self.finite_count,
            self.first_step,
            last.step,
            None if is_nan else last.value + 0.0,
            "nan" if is_nan else "num",
            last.time_ms,
            self.max_time_ms,
            *((None, None, None) if low is None else (low.value + 0.0, low.step, low.time_ms)),
            *((None, None, None) if high is None else (high.value + 0.0, high.step, high.time_ms)),
            self.value_sum,
            self.squares,
        )

    def merge(self, later: Summary) -> Summary:
        """Return the summary of both, ``later`` having arrived after this one."""
        return Summary(
            self.points + later.points,
            self.finite_count + later.finite_count,
            min(self.first_step, later.first_step),
            later.last if later.last.step >= self.last.step else self.last,
            max(self.max_time_ms, later.max_time_ms),
            _pick(self.low, later.low, 1),
            _pick(self.high, later.high, -1),
            _bounded(self.value_sum + later.value_sum),
            _bounded(self.squares + later.squares + _between(self, later)),
        )


def average(finite_count: int, value_sum: float, low: float | None, high: float | None) -> float | None:
    """Return the mean of what is not NaN; NaN when both infinities are among it, ``None`` when nothing is left."""
    if low is None or high is None:
        return None
    if math.isinf(low) or math.isinf(high):
        return low if low == high or math.isfinite(high) else high if math.isfinite(low) else math.nan
    return value_sum / finite_count


def deviation(finite_count: int, squares: float, low: float | None, high: float | None) -> float | None:
    """Return the population standard deviation of what is not NaN; NaN when an infinity is among it."""
    if low is None or high is None:
        return None
    if math.isinf(low) or math.isinf(high):
        return math.nan
    return math.sqrt(squares / finite_count)


def summarise(steps: Whole, times: Whole, values: Floats) -> list[Row]:
    """Summarise several series of equally many points at once.

    Args:
        steps: A row a series, with at least one point, in their order of arrival.
        times: As many.
        values: As many.

    Returns:
        One summary a series.
    """
    newest = times.max(axis=1)
    if (steps[:, 1:] < steps[:, :-1]).any():
        order = np.argsort(steps, axis=1, kind="stable")
        steps, times = np.take_along_axis(steps, order, axis=1), np.take_along_axis(times, order, axis=1)
        values = np.take_along_axis(values, order, axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        gaps: npt.NDArray[np.bool_] = np.asarray(np.isnan(values).any(axis=1))
        if not gaps.any():
            return _summaries(steps, times, values, newest)
        known = iter(_summaries(steps[~gaps], times[~gaps], values[~gaps], newest[~gaps]))
        return [
            _summary_with_gaps(steps[row], times[row], values[row], int(newest[row])) if has_gaps else next(known)
            for row, has_gaps in enumerate(gaps.tolist())
        ]


def _summaries(steps: Whole, times: Whole, values: Floats, newest: Whole) -> list[Row]:
    """Summarise rows that are sorted by step and have no NaN."""
    rows, size = values.shape
    counts = np.full(rows, size)
    sums = values.sum(axis=1)
    if np.isfinite(sums).all():
        deviations = values - (sums / size)[:, None]
    else:
        finite = np.isfinite(values)
        counts = finite.sum(axis=1)
        sums = np.where(finite, values, 0.0).sum(axis=1)
        deviations = np.where(finite, values - (sums / np.maximum(counts, 1))[:, None], 0.0)
    squares = np.einsum("ij,ij->i", deviations, deviations)
    columns = (
        *(counts, steps[:, 0], steps[:, -1], values[:, -1] + 0.0),
        *(times[:, -1], newest),
        *_extremes(steps, times, values, values.argmin(axis=1)),
        *_extremes(steps, times, values, values.argmax(axis=1)),
        *(_all_bounded(sums), _all_bounded(squares)),
    )
    finite_counts, first, last, latest, *rest = (column.tolist() for column in columns)
    return list(zip(repeat(size, rows), finite_counts, first, last, latest, repeat("num"), *rest, strict=False))


def _summary_with_gaps(steps: Whole, times: Whole, values: Floats, newest: int) -> Row:
    """Summarise a series that is sorted by step and has NaN in it."""
    last = Extreme(float(values[-1]), int(steps[-1]), int(times[-1]))
    known = Summary(0, 0, last.step, last, newest, None, None, 0.0, 0.0)
    there = ~np.isnan(values)
    if there.any():
        (row,) = _summaries(steps[None, there], times[None, there], values[None, there], times[:1])
        known = Summary.of(row)
    return known._replace(points=len(values), first_step=int(steps[0]), last=last, max_time_ms=newest).row


def _extremes(steps: Whole, times: Whole, values: Floats, places: npt.NDArray[np.intp]) -> tuple[npt.NDArray[Any], ...]:
    rows, size = values.shape
    flat = np.arange(0, rows * size, size) + places
    return values.ravel().take(flat) + 0.0, steps.ravel().take(flat), times.ravel().take(flat)


def _all_bounded(sums: Floats) -> Floats:
    """Do what ``_bounded`` does to all of them."""
    if np.isfinite(sums).all():
        return sums
    most = sys.float_info.max
    return np.nan_to_num(sums, nan=most, posinf=most, neginf=-most)


def _pick(left: Extreme | None, right: Extreme | None, sign: int) -> Extreme | None:
    """Return the smaller of two (``sign`` 1) or the larger (-1); of equal values the one of the lower step."""
    if left is None or right is None:
        return left or right
    if left.value == right.value:
        return right if right.step < left.step else left
    return left if (left.value < right.value) == (sign > 0) else right


def _between(left: Summary, right: Summary) -> float:
    """Return what the distance of two means adds to the squared deviations."""
    if not left.finite_count or not right.finite_count:
        return 0.0
    distance = right.value_sum / right.finite_count - left.value_sum / left.finite_count
    return distance * distance * left.finite_count * right.finite_count / (left.finite_count + right.finite_count)


def _bounded(value: float) -> float:
    """Keep a sum that grew beyond the range of doubles at its end: a sum column is never NULL."""
    if math.isfinite(value):
        return value
    return -sys.float_info.max if value < 0 else sys.float_info.max

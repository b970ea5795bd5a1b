"""The centre of several curves at each step, with its interval and with how many curves there are at that step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import attrs

from runatlas.statistics.estimate import Center, Estimate, Spread, estimate
from runatlas.statistics.grouping import (
    Grouping,
    LeftOut,
    Member,
    choose_members,
    left_out_words,
    split,
    unknown_fields,
)
from runatlas.tables.resampling import even_steps, read_at
from runatlas.tables.series import Series
from runatlas.tables.value import ValueTable
from runatlas.terminal import are, counted

__all__ = [
    "BANDS",
    "BAND_WORDS",
    "Band",
    "CurveBand",
    "CurvePoint",
    "aggregate_curves",
    "aggregate_runs",
    "band_notes",
    "curve_band",
]

Band: TypeAlias = Literal["minmax", "sd", "ci95"]
BANDS: tuple[Band, ...] = get_args(Band)
BAND_WORDS: dict[Band, str] = {
    "minmax": "mean, lowest to highest",
    "sd": "mean ± standard deviation",
    "ci95": "mean and its 95 % interval",
}
_BAND_STEPS = 200


@attrs.frozen
class CurvePoint:
    """What curves amount to at one step.

    Attributes:
        step: The step.
        estimate: The centre and interval of those that count; ``estimate.n`` is their number.
        left_out: How many are NaN or infinite there.
    """

    step: int
    estimate: Estimate
    left_out: int


@attrs.frozen
class CurveBand:
    """The mean of several curves and the band around it.

    Attributes:
        points: At each step.
        is_between: Whether curves were read between their points, as they have not the same steps.
    """

    points: tuple[CurvePoint, ...]
    is_between: bool

    @property
    def n(self) -> str:
        """How many curves count: at the step with fewest of them, and with most if that is another number."""
        numbers = {point.estimate.n for point in self.points} or {0}
        fewest, most = min(numbers), max(numbers)
        return f"n = {most}" if fewest == most else f"n = {fewest} to {most}"


def curve_band(curves: Sequence[Mapping[int, float]], band: Band) -> CurveBand:
    """Return the mean and the band of curves, at the steps that all of them have.

    If some have not, at 200 steps, linear between the points of each. Where a curve ends n falls: nothing is carried
    forward.

    Args:
        curves: The value of each step, of each curve.
        band: What lies around the mean.

    Raises:
        ImportError: SciPy is needed and not installed.

    Example:
        >>> found = curve_band([{0: 1.0, 1: 2.0}, {0: 3.0, 1: 4.0, 2: 5.0}], "minmax")
        >>> [(point.step, point.estimate.center, point.estimate.low) for point in found.points], found.n
        ([(0, 2.0, 1.0), (1, 3.0, 2.0), (2, 5.0, None)], 'n = 1 to 2')
    """
    points, left_out = aggregate_curves(curves, "mean", band)
    if left_out:
        points, _ = aggregate_curves(curves, "mean", band, resample=_BAND_STEPS)
    return CurveBand(tuple(points), is_between=bool(left_out))


def band_notes(bands: Iterable[CurveBand]) -> tuple[str, ...]:
    """Say where bands are read between points, and how many values do not count."""
    found = list(bands)
    notes = []
    if any(band.is_between for band in found):
        notes.append(
            f"the runs logged at different steps: each is read at {_BAND_STEPS} evenly spaced ones, "
            "on the line between its points"
        )
    unknown = sum(point.left_out for band in found for point in band.points)
    if unknown:
        notes.append(_unknown_words(unknown))
    return tuple(notes)


def _unknown_words(unknown: int) -> str:
    return f"{counted(unknown, 'value')} {are(unknown)} NaN or infinite, and not counted"


def aggregate_curves(
    curves: Sequence[Mapping[int, float]],
    center: Center = "mean",
    spread: Spread = "ci95",
    *,
    resample: int | None = None,
) -> tuple[list[CurvePoint], int]:
    """Return what curves amount to at each step that they have in common.

    A step counts if every curve that begins before and ends after it has a point there: where one ends, n falls, and
    nothing is carried forward. Where a value is NaN or infinite, n falls too.

    Args:
        curves: The value of each step, of each curve.
        center: The centre.
        spread: The interval.
        resample: How many steps, equally far apart, curves are read at instead, each on the straight line between its
            own points; beyond its first and last point a curve has nothing.

    Returns:
        The points, and how many steps are left out, as some curves have no point there.

    Raises:
        ImportError: SciPy or NumPy is needed and not installed.

    Example:
        >>> points, left_out = aggregate_curves([{0: 1.0, 1: 2.0, 2: 3.0}, {0: 3.0, 2: 5.0}, {0: 5.0}], spread="sd")
        >>> [(point.step, point.estimate.n, point.estimate.center) for point in points], left_out
        ([(0, 3, 3.0), (2, 2, 4.0)], 1)
    """
    filled = [curve for curve in curves if curve]
    if resample is not None:
        steps = even_steps(filled, resample)
        filled = [read for curve in filled if (read := read_at(curve, steps))]
    ends = [(min(curve), max(curve)) for curve in filled]
    points: list[CurvePoint] = []
    left_out = 0
    for step in sorted({step for curve in filled for step in curve}):
        reaching = [curve for curve, (first, last) in zip(filled, ends, strict=True) if first <= step <= last]
        if not all(step in curve for curve in reaching):
            left_out += 1
            continue
        values = [curve[step] for curve in reaching]
        known = [value for value in values if math.isfinite(value)]
        points.append(CurvePoint(step, estimate(known, center, spread), len(values) - len(known)))
    return points, left_out


def aggregate_runs(
    members: Sequence[Member],
    keys: Sequence[str],
    grouping: Grouping,
    read: Callable[[Sequence[str], Sequence[str]], Iterable[Series]],
    *,
    resample: int | None = None,
) -> ValueTable:
    """Make one row a group of runs, metric and step.

    Args:
        members: The runs.
        keys: The metrics.
        grouping: What is grouped by what, averaged over what, and how.
        read: Reads all points of metrics of runs: of those with these cuids, of these keys.
        resample: How many steps curves are read at; ``None`` for those that they have in common.

    Raises:
        ImportError: SciPy or NumPy is needed and not installed.
        ValueError: Several runs of a group have one value of ``over``.
    """
    groups = [(group, *choose_members(held, grouping)) for group, held in split(members, lambda one: one.group)]
    left_out = [item for _, _, items, _ in groups for item in items]
    chosen = [member for _, kept, _, _ in groups for member in kept]
    curves: dict[str, dict[str, dict[int, float]]] = {}
    read_keys: set[str] = set()
    for series in read([member.cuid for member in chosen], keys) if chosen else ():
        if len(series):
            curves.setdefault(series.label, {})[series.run] = series.to_dict()
            read_keys.add(series.key)
    rows: list[tuple[Any, ...]] = []
    dropped = unknown = 0
    for label in (*curves, *(key for key in keys if key not in read_keys)):
        for group, kept, _, _ in groups:
            known = curves.get(label, {})
            # Runs of several projects that share an id go by their cuids.
            held = {one.cuid: found for one in kept if (found := known.get(one.run) or known.get(one.cuid))}
            left_out += [LeftOut(one.run, label, f"no {label}") for one in kept if one.cuid not in held]
            points, missed = aggregate_curves(list(held.values()), grouping.center, grouping.spread, resample=resample)
            dropped += missed
            unknown += sum(point.left_out for point in points)
            rows += [(*group, label, point.step, *_numbers(point.estimate)) for point in points]
    names = (*grouping.by, "metric", "step", "n", "center", "low", "high")
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
    notes = [*unknown_fields(members, grouping), *left_out_words(left_out, len(members))]
    if dropped:
        notes.append(
            f"{counted(dropped, 'step')} {are(dropped)} left out, as some runs that go on have no point there; "
            "resample= reads all"
        )
    if unknown:
        notes.append(_unknown_words(unknown))
    where = (
        "at the steps that runs have in common" if resample is None else f"at {resample} steps, linear between points"
    )
    return ValueTable(dict(zip(names, columns, strict=True)), description=f"{grouping.words}, {where}", notes=notes)


def _numbers(found: Estimate) -> tuple[int, float | None, float | None, float | None]:
    return found.n, found.center, found.low, found.high

"""Bands around the mean of several runs' lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import attrs

from runatlas.charts.lines import Line, LineChart
from runatlas.entities.argument import choice
from runatlas.model.run_group import Place, place_of
from runatlas.statistics.curve import aggregate_curves
from runatlas.terminal import are, counted

__all__ = ["Band", "check_band", "gather"]

Band: TypeAlias = Literal["minmax", "sd", "ci95"]
_WORDS: dict[Band, str] = {
    "minmax": "mean, lowest to highest",
    "sd": "mean ± standard deviation",
    "ci95": "mean and its 95 % interval",
}
_STEPS = 200


def check_band(band: Band, x: str, smooth: float | None) -> Band:
    """Check that a band can be drawn.

    Args:
        band: What it shows.
        x: What lies across.
        smooth: How lines are smoothed.

    Raises:
        TypeError: ``band`` is no text.
        ValueError: There is no such band, or it does not go with the rest.
    """
    known: tuple[Band, ...] = ("minmax", "sd", "ci95")
    found = choice(band, known, "band")
    if x != "step":
        raise ValueError("band= works over steps only; leave out x")
    if smooth is not None:
        raise ValueError("a band cannot be smoothed; leave out smooth")
    return found


def gather(lines: Sequence[Line], chart: LineChart, band: Band) -> tuple[list[Line], LineChart]:
    """Return a line and a band each colour, panel and style, in place of the lines of single runs.

    They are at the steps that all have; if some have not, at 200 steps, linear between the points of each. Where a run
    ends n falls: nothing is carried forward.

    Args:
        lines: The lines of single runs.
        chart: What is drawn around them.
        band: What the band shows.

    Raises:
        ImportError: SciPy is needed and not installed.
    """
    groups: dict[tuple[Place, Place, str], list[Line]] = {}
    for line in lines:
        groups.setdefault((place_of(line.color), place_of(line.panel), line.dash), []).append(line)
    found, is_between, unknown = [], False, 0
    for group in groups.values():
        curves = [dict(zip(line.x, line.y, strict=True)) for line in group if len(line.x)]
        points, left_out = aggregate_curves(curves, "mean", band)
        if left_out:
            points, _ = aggregate_curves(curves, "mean", band, resample=_STEPS)
            is_between = True
        unknown += sum(point.left_out for point in points)
        numbers = {point.estimate.n for point in points} or {0}
        fewest, most = min(numbers), max(numbers)
        found.append(
            attrs.evolve(
                group[0],
                x=[point.step for point in points],
                y=[math.nan if point.estimate.center is None else point.estimate.center for point in points],
                band=([point.estimate.low for point in points], [point.estimate.high for point in points]),
                told=f" (n = {most})" if fewest == most else f" (n = {fewest} to {most})",
            )
        )
    notes = list(chart.notes)
    if is_between:
        notes.append(
            f"the runs logged at different steps: each is read at {_STEPS} evenly spaced ones, "
            "on the line between its points"
        )
    if unknown:
        notes.append(f"{counted(unknown, 'value')} {are(unknown)} NaN or infinite, and not counted")
    name = f"{chart.y_name or 'value'}: {_WORDS[band]}"
    return found, attrs.evolve(chart, y_name=name, of=chart.of or chart.y_name, notes=tuple(notes))

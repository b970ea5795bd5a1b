"""Bands around the mean of several runs' lines."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from runatlas.charts.lines import Line, LineChart
from runatlas.entities.argument import choice
from runatlas.model.run_group import Place, place_of
from runatlas.statistics.curve import BAND_WORDS, BANDS, Band, CurveBand, band_notes, curve_band

__all__ = ["check_band", "gather"]


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
    found = choice(band, BANDS, "band")
    if x != "step":
        raise ValueError("band= works over steps only; leave out x")
    if smooth is not None:
        raise ValueError("a band cannot be smoothed; leave out smooth")
    return found


def gather(lines: Sequence[Line], chart: LineChart, band: Band) -> tuple[list[Line], LineChart]:
    """Return a line and a band each colour, panel and style, in place of the lines of single runs.

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
    bands = [
        curve_band([dict(zip(line.x, line.y, strict=True)) for line in group if len(line.x)], band)
        for group in groups.values()
    ]
    found = [_drawn(group[0], held) for group, held in zip(groups.values(), bands, strict=True)]
    name = f"{chart.y_name or 'value'}: {BAND_WORDS[band]}"
    notes = (*chart.notes, *band_notes(bands))
    return found, attrs.evolve(chart, y_name=name, of=chart.of or chart.y_name, notes=notes)


def _drawn(line: Line, band: CurveBand) -> Line:
    return attrs.evolve(
        line,
        x=[point.step for point in band.points],
        y=[math.nan if point.estimate.center is None else point.estimate.center for point in band.points],
        band=([point.estimate.low for point in band.points], [point.estimate.high for point in band.points]),
        told=f" ({band.n})",
    )

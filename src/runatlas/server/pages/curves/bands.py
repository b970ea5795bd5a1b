"""Curves of runs with equal values put together: their mean, and the band that they lie in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from runatlas.display.markup import written
from runatlas.model.filter_language import FilterSyntaxError, parse_field
from runatlas.model.filters import Field
from runatlas.model.run import RunPart, RunRecord
from runatlas.model.run_group import Place, place_of
from runatlas.model.run_value import field_value
from runatlas.model.series import Context, PointBlock
from runatlas.statistics.curve import BANDS, Band, CurveBand, band_notes, curve_band
from runatlas.terminal import counted, printable

__all__ = ["RunBand", "color_field", "color_parts", "gather_bands", "read_band", "value_words"]

_WORDS = 60
_BANDS = 10
"""How many means are drawn of one metric: each has twice the numbers of a curve."""


def color_field(text: str) -> Field | None:
    """Return what colours stand for; ``None`` for the run itself, and for what cannot be read."""
    try:
        return parse_field(text, argument="color") if text else None
    except FilterSyntaxError:
        return None


def color_parts(field: Field | None) -> tuple[RunPart, ...]:
    """Return what has to be read of runs to know what they have in a field."""
    kind = None if field is None else field.type
    return ("config",) if kind == "CONFIG" else ("summary",) if kind == "SCALAR" else ()


def read_band(text: str) -> Band | None:
    """Return what lies around means; ``None`` for curves of single runs, and for what is no band."""
    return next((band for band in BANDS if band == text), None)


def value_words(value: Any) -> str:
    """Write what colours stand for."""
    return "none" if value is None else printable(written(value, _WORDS))


@attrs.frozen
class RunBand:
    """Curves of one metric of runs with one value, put together.

    Attributes:
        key, context: The metric.
        value: What the runs have in common.
        runs: The runs that have curves, by cuid.
        band: Their mean and the band around it.
    """

    key: str
    context: Context
    value: Any
    runs: tuple[str, ...]
    band: CurveBand


@attrs.define
class _Group:
    value: Any
    runs: list[str] = attrs.field(factory=list)
    curves: list[dict[int, float]] = attrs.field(factory=list)


def gather_bands(
    block: PointBlock, runs: Mapping[str, RunRecord], field: Field | None, band: Band
) -> tuple[list[RunBand], list[str]]:
    """Return the means that are drawn, in the order of their values, and what is to be said of them.

    Args:
        block: All points of one metric.
        runs: The runs with what ``color_parts`` names, by cuid.
        field: What tells apart which curves are put together; ``None`` for all of them.
        band: What lies around a mean.

    Raises:
        ImportError: SciPy is needed and not installed.
    """
    groups = _groups(block, runs, field)
    found = [
        RunBand(key, context, group.value, tuple(group.runs), curve_band(group.curves, band))
        for (key, context, _), group in sorted(groups.items())[:_BANDS]
    ]
    having = {cuid for group in groups.values() for cuid in group.runs}
    notes = list(band_notes(each.band for each in found))
    if len(having) < len(runs):
        notes.append(f"{len(having)} of {counted(len(runs), 'run')} have this metric")
    if len(groups) > len(found):
        notes.append(f"{len(found)} of {len(groups)} lines are drawn: colour by what has fewer values")
    return found, notes


def _groups(
    block: PointBlock, runs: Mapping[str, RunRecord], field: Field | None
) -> dict[tuple[str, Context, Place], _Group]:
    found: dict[tuple[str, Context, Place], _Group] = {}
    steps, values = block.steps.to_pylist(), block.values.to_pylist()
    for part in block.series:
        run = runs.get(block.runs[part.run][0])
        if run is None or not part.length:
            continue
        value = None if field is None else field_value(run, field)
        rows = slice(part.start, part.start + part.length)
        group = found.setdefault((part.key, part.context, place_of(value)), _Group(value))
        group.runs.append(run.cuid)
        group.curves.append(dict(zip(steps[rows], values[rows], strict=True)))
    return found

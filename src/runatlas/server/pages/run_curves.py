"""The curves beside a table of runs: of which metrics and runs, and in which colours."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from runatlas.model.config_name import Section
from runatlas.model.filter_language import FilterSyntaxError, field_name, parse_field
from runatlas.model.filters import Field
from runatlas.model.page import PageRequest
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.model.run_group import place_of
from runatlas.model.run_value import value_of
from runatlas.server.pages.curves import CURVE_RUNS, View, read_view
from runatlas.server.pages.run_list import RunList
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["RunCurves", "run_curves"]

_METRICS, _BY_ITSELF = 12, 2
_KEY, _CUID = 1000, 64
_VALUES_SHOWN = 12
_COLORS = ("#2a7fc0", "#d0611a", "#1a9270", "#b85a96", "#9a7410", "#8466c2", "#3a9ea5", "#7a8590")
"""Colours that stand out on light and on dark ground, for values that have no order."""


@attrs.frozen
class RunCurves:
    """What is drawn.

    Attributes:
        keys: The metrics.
        known: Those that may be drawn.
        runs: The runs, by cuid.
        chosen: Whether the runs were chosen, and are not just those on the page.
        view: How they are drawn.
        color: The field that colours are by; ``""`` for a colour each.
        colors: The colour of each run.
        legend: The values of that field, each with its colour.
    """

    keys: tuple[str, ...]
    known: tuple[str, ...]
    runs: tuple[str, ...]
    chosen: bool
    view: View
    color: str
    colors: Mapping[str, str]
    legend: tuple[tuple[Any, str], ...]


def run_curves(call: EndpointCall, listing: RunList, everything: RunSelection) -> RunCurves:
    """Read what an address asks for: ``curves``, once a metric, ``drawn`` for chosen runs, and ``color``.

    Args:
        call: Who asks, and how.
        listing: The runs that it asks for.
        everything: The runs that are there.
    """
    drawn = tuple(dict.fromkeys(name for text in call.values("drawn") for name in text.split(",") if name))[:CURVE_RUNS]
    known = tuple(each.column.field.key for each in listing.keys if each.column.is_metric)
    keys = tuple(dict.fromkeys(key for key in call.values("curves") if 0 < len(key) <= _KEY))[:_METRICS]
    if drawn and not keys:
        keys = known[:_BY_ITSELF]
    runs: Sequence[RunRecord] = listing.runs
    if drawn:
        selection = attrs.evolve(everything, ids=tuple(name[:_CUID] for name in drawn))
        query = RunQuery(selection, page=PageRequest(limit=CURVE_RUNS))
        runs = call.services.runs.list_runs(call.user, query).items
    field = _field((call.value("color") or "")[:_KEY])
    colors, legend = _colored(runs, field) if field is not None and keys else ({}, ())
    return RunCurves(
        keys,
        known,
        tuple(run.cuid for run in runs[:CURVE_RUNS]),
        bool(drawn),
        read_view(call),
        "" if field is None else field_name(field),
        colors,
        legend,
    )


def _field(text: str) -> Field | None:
    try:
        return parse_field(text, argument="color") if text else None
    except FilterSyntaxError:
        return None


def _colored(runs: Sequence[RunRecord], field: Field) -> tuple[dict[str, str], tuple[tuple[Any, str], ...]]:
    """Give runs with equal values one colour: along a scale if there are many numbers."""
    held = {run.cuid: _held(run, field) for run in runs}
    values = {place_of(value): value for value in held.values()}
    places = sorted(values)
    is_scale = len(places) > len(_COLORS) and all(_is_number(value) for value in values.values())
    made = {
        place: _along(at / (len(places) - 1)) if is_scale else _COLORS[at % len(_COLORS)]
        for at, place in enumerate(places)
    }
    legend = tuple((values[place], made[place]) for place in places[:_VALUES_SHOWN])
    return {cuid: made[place_of(value)] for cuid, value in held.items()}, legend


def _held(run: RunRecord, field: Field) -> Any:
    found = value_of(run, field)
    if isinstance(found, tuple):
        return ", ".join(found)
    return None if isinstance(found, Section) else found


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not math.isnan(value))


def _along(share: float) -> str:
    """Return a colour between blue and orange."""
    red, green, blue = colorsys.hls_to_rgb(0.6 - 0.53 * share, 0.47, 0.7)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"

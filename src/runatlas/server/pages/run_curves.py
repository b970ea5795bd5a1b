"""The curves beside a table of runs: of which metrics and runs, and in which colours."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from runatlas.model.filter_language import field_name
from runatlas.model.filters import Field
from runatlas.model.page import PageRequest
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.model.run_group import place_of
from runatlas.model.run_value import field_value
from runatlas.server.pages.curves.bands import color_field, read_band, value_words
from runatlas.server.pages.curves.points import CURVE_RUNS, View, read_view
from runatlas.server.pages.run_list import RunList
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.statistics.curve import BAND_WORDS, Band

__all__ = ["Colored", "RunCurves", "colored", "run_curves"]

Colored: TypeAlias = tuple[str, str, int]
"""A colour, what it stands for, and where that comes among the others."""

_METRICS, _BY_ITSELF = 12, 2
_KEY, _CUID = 1000, 64
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
        band: What lies around the mean of the runs with one value; ``None`` for curves of single runs.
        hidden: Whether the curves are not shown for now.
    """

    keys: tuple[str, ...]
    known: tuple[str, ...]
    runs: tuple[str, ...]
    chosen: bool
    view: View
    color: str
    colors: Mapping[str, Colored]
    band: Band | None
    hidden: bool

    @property
    def bands(self) -> Mapping[Band, str]:
        """What may lie around means, in words."""
        return BAND_WORDS


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
    field = color_field((call.value("color") or "")[:_KEY])
    band = read_band(call.value("band") or "")
    view = read_view(call)
    return RunCurves(
        keys,
        known,
        tuple(run.cuid for run in runs[:CURVE_RUNS]),
        bool(drawn),
        view if band is None else View("step", view.log, "0"),
        "" if field is None else field_name(field),
        colored(runs[:CURVE_RUNS], field) if field is not None and keys else {},
        band,
        call.value("hidden") == "1",
    )


def colored(runs: Sequence[RunRecord], field: Field) -> dict[str, Colored]:
    """Give runs with equal values one colour: along a scale if there are many numbers.

    Args:
        runs: The runs.
        field: What they have values in.

    Returns:
        Each run's, by cuid.
    """
    held = {run.cuid: field_value(run, field) for run in runs}
    values = {place_of(value): value for value in held.values()}
    places = sorted(values)
    is_scale = len(places) > len(_COLORS) and all(_is_number(value) for value in values.values())
    made = {
        place: (
            _along(at / (len(places) - 1)) if is_scale else _COLORS[at % len(_COLORS)],
            value_words(values[place]),
            at,
        )
        for at, place in enumerate(places)
    }
    return {cuid: made[place_of(value)] for cuid, value in held.items()}


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not math.isnan(value))


def _along(share: float) -> str:
    """Return a colour between blue and orange."""
    red, green, blue = colorsys.hls_to_rgb(0.6 - 0.53 * share, 0.47, 0.7)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"

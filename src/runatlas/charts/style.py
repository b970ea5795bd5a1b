"""How charts look: colours that colour-blind people can tell apart, on white whatever the page, and plain text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import attrs

from runatlas.extra import load_extra
from runatlas.model.run_group import Place, place_of
from runatlas.terminal import printable

__all__ = [
    "COLORS",
    "DASHES",
    "INK",
    "NONE",
    "SIZE",
    "Scale",
    "fonts",
    "is_number",
    "make_scale",
    "name_values",
    "plain",
    "spans_decades",
    "value_text",
]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A7F00")
"""Okabe and Ito's colours, darkest against white first; their yellow is darker here, as lines of it are not seen."""
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.")
INK, NONE = "#222222", "#9A9A9A"
SIZE = 9
_LABEL_MAX = 40
_MISSING = "\u25a1"
_DECADES = 2
_FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans",
    "Arial Unicode MS",
)
"""Fonts that have what the first one lacks, where they are installed."""


@lru_cache(maxsize=1)
def fonts() -> tuple[str, ...]:
    """Return the families that texts are set in, of those that are installed."""
    manager = load_extra("matplotlib.font_manager", "a chart").fontManager
    known = {entry.name for entry in manager.ttflist}
    return ("DejaVu Sans", *(name for name in _FALLBACKS if name in known))


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    """Return what the fonts have a glyph of."""
    manager = load_extra("matplotlib.font_manager", "a chart")
    found = (manager.get_font(manager.findfont(name)).get_charmap() for name in fonts())
    return frozenset().union(*found)


def plain(text: str, most: int = _LABEL_MAX) -> str:
    r"""Return a text as matplotlib shows it as it is: no formula, no missing glyph, on one line, and not too long.

    Args:
        text: What somebody wrote.
        most: How many characters are shown; the middle of longer ones is left out.

    Example:
        >>> plain("cost in $ and $\\alpha$")
        'cost in \\$ and \\$\\alpha\\$'
    """
    told = printable(" ".join(text.split()))
    if len(told) > most:
        told = f"{told[: most * 2 // 3 - 1]}…{told[len(told) - most // 3 :]}"
    letters = _letters()
    told = "".join(letter if ord(letter) in letters else _MISSING for letter in told)
    return told.replace("$", r"\$")


def value_text(value: Any) -> str:
    """Return what a value of a config is called in a legend: two values may be called the same.

    Example:
        >>> value_text(1e-4), value_text(None), value_text("none"), value_text(True)
        ('0.0001', 'none', "'none'", 'True')
    """
    if value is None or value == "none":
        return "none" if value is None else repr(value)
    if isinstance(value, float):
        return f"{value:g}"
    try:
        return str(value)
    except ValueError:  # a whole number of more digits than Python writes
        return "a huge number"


def name_values(values: Iterable[Any]) -> dict[Place, str]:
    """Return what different values are called, by their places; texts and long numbers in full where two agree.

    Example:
        >>> list(name_values([True, "True", 1, "a"]).values())
        ['True', "'True'", 'a']
    """
    known: dict[Place, Any] = {}
    for value in values:
        known.setdefault(place_of(value), value)
    short = {place: value_text(value) for place, value in known.items()}
    several = Counter(short.values())
    return {
        place: repr(known[place]) if several[text] > 1 and isinstance(known[place], (str, float)) else text
        for place, text in short.items()
    }


def is_number(value: Any) -> bool:
    """Tell whether a value has a place on an axis of numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 1e150 if isinstance(value, int) else math.isfinite(value) and abs(value) < 1e150


def spans_decades(values: Iterable[float]) -> bool:
    """Tell whether positive values lie so far apart that they belong on a log axis."""
    known = [value for value in values if value > 0]
    return bool(known) and min(known) * 10**_DECADES <= max(known)


@attrs.frozen
class Scale:
    """Which colour stands for which value.

    Attributes:
        names: What each value is called; values go by their places.
        colors: The colour of each value.
        dashes: The line's style of each value.
        bar: ``(norm, colour map)`` where there are too many numbers to list: a colour bar tells them.
    """

    names: Mapping[Place, str]
    colors: Mapping[Place, Any]
    dashes: Mapping[Place, Any]
    bar: tuple[Any, Any] | None = None


def make_scale(values: Sequence[Any], *, dashed: bool) -> Scale:
    """Choose colours: a perceptual map for numbers in their order, else colours that can be told apart.

    Args:
        values: The values, of which ``None`` means that there is none.
        dashed: Whether lines beyond the eighth may be dashed, as nothing else is told by dashes.
    """
    names = name_values(values)
    known = {place_of(value): value for value in values if value is not None}
    numbers = [value for value in known.values() if is_number(value)]
    none = {place_of(None): NONE}
    if len(numbers) == len(known) > 2:
        low, high = min(numbers), max(numbers)
        colors = load_extra("matplotlib.colors", "a chart")
        is_log = low > 0 and spans_decades(numbers)
        norm = colors.LogNorm(low, high) if is_log else colors.Normalize(low, high)
        whole = load_extra("matplotlib", "a chart").colormaps["viridis"]
        shades = colors.ListedColormap([whole(0.92 * place / 255) for place in range(256)])
        found = {place: shades(float(norm(value))) for place, value in known.items()}
        return Scale(names, none | found, {}, (norm, shades) if len(known) > len(COLORS) else None)
    places = dict(zip(known, range(len(known)), strict=True))
    found = {value: COLORS[place % len(COLORS)] for value, place in places.items()}
    dashed = dashed and len(known) <= len(COLORS) * len(DASHES)
    dashes = {value: DASHES[place // len(COLORS)] for value, place in places.items()} if dashed else {}
    return Scale(names, none | found, dashes)

"""A chart of lines as a picture of its own: SVG that is read on light and on dark ground."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

import attrs

from runatlas.terminal import counted, printable

__all__ = ["COLORS", "DASHES", "Axis", "Line", "line_chart"]

DASHES = ("none", "6 4", "2 3", "6 3 2 3")
_LIGHT = ("#0072b2", "#c24e00", "#008060", "#b0508a", "#8f6800", "#2a8ac4", "#6a51a3", "#5b6570")
_DARK = ("#5aaee8", "#ff8a4c", "#3fc79a", "#e58fc0", "#e6b84a", "#8fd3ff", "#b3a2f0", "#aab4bf")
COLORS = len(_LIGHT)
"""How many colours there are that differ on light and on dark ground: those of ``static/chart.js``."""

_WIDTH, _HEIGHT = 480, 260
_TOP, _RIGHT, _BOTTOM = 10, 16, 44
_LETTER, _LABEL_MOST = 6.6, 110.0
_ENTRIES, _ENTRY, _ROW = 20, 60, 16
_NOTES, _TEXT = 3, 80
_TICKS = 6
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
_DAY_S = 86_400
_TIMES_MOST = 6e13
"""Later, or as long before 1970, a time is a number: calendars end."""
_PLAIN_LEAST, _PLAIN_MOST = 1e-4, 1e6
_POWER_MOST = 308.25
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)

_STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#57606a}.entry{font-size:12px;fill:#1b1f24}.grid{stroke:#d5d9df}"
    + "".join(f".c{place}{{color:{color}}}" for place, color in enumerate(_LIGHT))
    + "@media(prefers-color-scheme:dark){text{fill:#a3adb8}.entry{fill:#e6e9ed}.grid{stroke:#3a424d}"
    + "".join(f".c{place}{{color:{color}}}" for place, color in enumerate(_DARK))
    + "}.grid{fill:none}.line{fill:none;stroke:currentColor;stroke-width:1.7;stroke-linecap:round;"
    "stroke-linejoin:round}.raw{opacity:.28;stroke-width:1}.band{fill:currentColor;opacity:.18}"
)

Point: TypeAlias = tuple[float | None, float | None]
_Tick: TypeAlias = tuple[float, str]
_NO_TICKS: tuple[_Tick, ...] = ()


@attrs.frozen
class Axis:
    """How values lie along an axis.

    Attributes:
        title: What is written beside it.
        kind: Whether they are numbers, or times in Unix milliseconds.
        log: Whether it is logarithmic; what is 0 or less has no place there.
    """

    title: str = ""
    kind: Literal["number", "time"] = "number"
    log: bool = False

    def place(self, value: float | None) -> float | None:
        """Return where a value lies; ``None`` for one that lies nowhere."""
        if value is None or not math.isfinite(value):
            return None
        if not self.log:
            return value
        return math.log10(value) if value > 0 else None


@attrs.frozen
class Line:
    """A line.

    Attributes:
        points: Where it goes; one without a place is a gap.
        color: As CSS has it, or which of the ``COLORS``.
        entry: What it is called; lines with one name are one entry.
        order: Where its entry comes among the others.
        dash: One of ``DASHES``.
        band: What lies around it: ``x``, the lower, and the upper end.
        is_raw: Whether it lies faint behind one that is smooth.
    """

    points: Sequence[Point]
    color: str | int
    entry: str
    order: int = 0
    dash: str = DASHES[0]
    band: Sequence[tuple[float | None, float | None, float | None]] = ()
    is_raw: bool = False


@attrs.frozen
class _Scale:
    """Where places on an axis lie in the picture."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, place: float) -> float:
        # Halves, as the difference of two numbers may be more than a number can be.
        span = self.high / 2 - self.low / 2
        share = (place / 2 - self.low / 2) / span if span > 0 else 0.5
        return self.begin + (self.end - self.begin) * share


def line_chart(title: str, lines: Sequence[Line], x: Axis, y: Axis, *, notes: Sequence[str] = ()) -> bytes:
    """Draw lines between the bounds of what they show.

    Args:
        title: What is read where the picture cannot be seen.
        lines: The lines; their entries stand below if they are several.
        x: What they go along.
        y: What they have there.
        notes: What has to be said of them.

    Returns:
        An SVG document.

    Example:
        >>> picture = line_chart("loss", [Line([(0, 2.0), (1, None), (2, 1.0)], 0, "first")], Axis("step"), Axis())
        >>> picture.count(b'class="line"'), b">step</text>" in picture
        (1, True)
    """
    below = _HEIGHT
    pieces = [_drawing(lines, x, y)]
    entries = {line.entry: line for line in lines if not line.is_raw}
    told = sorted(entries.values(), key=lambda line: line.order)
    if len(told) > 1 or any(line.band for line in told):
        for place, line in enumerate(told[:_ENTRIES]):
            left = (place % 2) * _WIDTH // 2
            pieces.append(_entry(line, left, below + place // 2 * _ROW))
        below += (min(len(told), _ENTRIES) + 1) // 2 * _ROW
        if len(told) > _ENTRIES:
            notes = (f"and {counted(len(told) - _ENTRIES, 'more line')}", *notes)
    for note in notes[:_NOTES]:
        pieces.append(_text(8, below + 12, "start", note, _TEXT))
        below += _ROW
    size = f'width="{_WIDTH}" height="{below + 4}" viewBox="0 0 {_WIDTH} {below + 4}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>'
    return f"{head}<title>{_said(title, _TEXT)}</title><style>{_STYLE}</style>{''.join(pieces)}</svg>".encode(
        "utf-8", "backslashreplace"
    )


def _drawing(lines: Sequence[Line], x: Axis, y: Axis) -> str:
    floor = _least_above(lines) if y.log else None
    drawn = [([(x.place(one), y.place(other)) for one, other in line.points], line) for line in lines]
    bands = [([(x.place(at), *_ends(y, low, high, floor)) for at, low, high in line.band], line) for line in lines]
    corners = [*(point for points, _ in drawn for point in points)]
    corners += [
        (at, end) for band, _ in bands for at, low, high in band if None not in {low, high} for end in (low, high)
    ]
    across = [one for one, other in corners if one is not None and other is not None]
    up = [other for one, other in corners if one is not None and other is not None]
    if not across:
        return _text(_WIDTH / 2, _HEIGHT / 2, "middle", "There is nothing to draw.", _TEXT)
    heights = _Scale(min(up), max(up), _HEIGHT - _BOTTOM, _TOP)
    y_ticks = _ticks(y, heights.low, heights.high, _TICKS)
    left = min(14 + _LETTER * max((len(said) for _, said in y_ticks), default=0), _LABEL_MOST)
    widths = _Scale(min(across), max(across), left, _WIDTH - _RIGHT)
    pieces = [
        f'<path class="grid" d="M{left:.1f} {heights.at(place):.1f}H{widths.end:.1f}"/>'
        + _text(left - 6, heights.at(place) + 4, "end", said, _TEXT)
        for place, said in y_ticks
    ]
    pieces += _below(x, widths)
    pieces += [_band(band, line, widths, heights) for band, line in bands if line.band]
    pieces += [_line(points, line, widths, heights) for points, line in drawn]
    return "".join(pieces)


def _below(x: Axis, widths: _Scale) -> list[str]:
    """Write what stands below the drawing: ticks as far as they have room, and what they are."""
    bottom = _HEIGHT - _BOTTOM
    frame = f'<path class="grid" d="M{widths.begin:.1f} {_TOP}V{bottom}H{widths.end:.1f}"/>'
    fitting = (_ticks(x, widths.low, widths.high, most) for most in range(_TICKS, 0, -1))
    room = widths.end - widths.begin
    ticks = next((found for found in fitting if sum(len(said) + 2 for _, said in found) * _LETTER < room), _NO_TICKS)
    pieces = [frame]
    for place, said in ticks:
        at, half = widths.at(place), len(said) * _LETTER / 2
        pieces.append(f'<path class="grid" d="M{at:.1f} {bottom}v5"/>')
        pieces.append(_text(min(at, _WIDTH - half - 2), bottom + 17, "middle", said, _TEXT))
    middle = (widths.begin + widths.end) / 2
    return [*pieces, _text(middle, _HEIGHT - 9, "middle", x.title, _ENTRY)]


def _line(points: Sequence[Point], line: Line, widths: _Scale, heights: _Scale) -> str:
    pieces: list[list[str]] = [[]]
    for x, y in points:
        if x is not None and y is not None:
            pieces[-1].append(f"{widths.at(x):.1f} {heights.at(y):.1f}")
        elif pieces[-1]:
            pieces.append([])
    # One point by itself is a dot: a line of no length with round ends.
    path = "".join(f"M{'L'.join(piece)}" if len(piece) > 1 else f"M{piece[0]}h0" for piece in pieces if piece)
    dots = ' stroke-width="5"' if all(len(piece) < 2 for piece in pieces) else ""
    return (
        f'<g {_ink(line.color)}><path class="line{" raw" if line.is_raw else ""}"{_dashed(line)}{dots} d="{path}"/></g>'
    )


def _band(
    band: Sequence[tuple[float | None, float | None, float | None]], line: Line, widths: _Scale, heights: _Scale
) -> str:
    parts: list[list[tuple[float, float, float]]] = [[]]
    for x, low, high in band:
        if x is not None and low is not None and high is not None:
            parts[-1].append((widths.at(x), heights.at(low), heights.at(high)))
        else:
            parts.append([])
    outlines = [
        [*(f"{x:.1f} {high:.1f}" for x, _, high in part), *(f"{x:.1f} {low:.1f}" for x, low, _ in reversed(part))]
        for part in parts
        if len(part) > 1
    ]
    path = "".join(f"M{'L'.join(corners)}Z" for corners in outlines)
    return f'<g {_ink(line.color)}><path class="band" d="{path}"/></g>'


def _entry(line: Line, left: int, top: int) -> str:
    """Write what a line is called, cut where the next one begins."""
    mark = f'<path class="line"{_dashed(line)} d="M8 8h22"/>'
    box = f'x="{left}" y="{top}" width="{_WIDTH // 2 - 4}" height="{_ROW}"'
    name = f'<text class="entry" x="36" y="12">{_said(line.entry, _ENTRY)}</text>'
    return f"<svg {box}><g {_ink(line.color)}>{mark}</g>{name}</svg>"


def _ink(color: str | int) -> str:
    return f'class="c{color % COLORS}"' if isinstance(color, int) else f'color="{html.escape(color)}"'


def _dashed(line: Line) -> str:
    return "" if line.dash == DASHES[0] else f' stroke-dasharray="{line.dash}"'


def _text(x: float, y: float, anchor: str, said: str, most: int) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_said(said, most)}</text>'


def _said(text: str, most: int) -> str:
    return html.escape(printable(text if len(text) <= most else f"{text[:most]}…"))


def _least_above(lines: Sequence[Line]) -> float | None:
    values = [value for line in lines for _, value in line.points]
    values += [low for line in lines for _, low, _ in line.band]
    return min((value for value in values if value is not None and value > 0), default=None)


def _ends(y: Axis, low: float | None, high: float | None, floor: float | None) -> tuple[float | None, float | None]:
    """Return where a band lies; on a logarithmic axis it ends at the smallest value that has a place there."""
    if low is not None and floor is not None:
        low = max(low, floor)
    return y.place(low), y.place(high)


def _ticks(axis: Axis, low: float, high: float, most: int) -> Sequence[_Tick]:
    if axis.log:
        return _log_ticks(low, high, most)
    if axis.kind == "time" and max(-low, high) < _TIMES_MOST:
        return _time_ticks(low, high, most)
    return _number_ticks(low, high, most)


def _number_ticks(low: float, high: float, most: int) -> Sequence[_Tick]:
    rough = (high / 2 - low / 2) / most * 2
    if not rough > 0:
        return [(low, _number(low, 0.0))]
    step = _round_step(rough)
    if step < math.ulp(max(abs(low), abs(high))) or not math.isfinite(high / step):
        return [(low, _number(low, 0.0)), (high, _number(high, 0.0))]
    return [(value, _number(value, step)) for value in _multiples(low, high, step)]


def _round_step(rough: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, and so on."""
    exponent = math.floor(math.log10(rough))
    return next((step for step in (float(f"{each}e{exponent}") for each in (1, 2, 5, 10)) if step >= rough), rough)


def _multiples(low: float, high: float, step: float) -> list[float]:
    found = (place * step for place in range(math.ceil(low / step), math.floor(high / step) + 1))
    return [value for value in found if low <= value <= high]


def _log_ticks(low: float, high: float, most: int) -> Sequence[_Tick]:
    """Return the powers of ten between two of them; 1, 2 and 5 of each, or round numbers, where these are few."""
    powers = range(math.ceil(low), math.floor(high) + 1)
    if len(powers) > 1:
        return [(power, _number(10.0**power, 0.0)) for power in powers[:: math.ceil(len(powers) / most)]]
    between = [float(f"{each}e{power}") for power in range(math.floor(low), math.ceil(high) + 1) for each in (1, 2, 5)]
    fitting = [value for value in between if value > 0 and low <= math.log10(value) <= high]
    if 1 < len(fitting) <= most:
        return [(math.log10(value), _number(value, 0.0)) for value in fitting]
    found = _number_ticks(10.0 ** min(low, _POWER_MOST), 10.0 ** min(high, _POWER_MOST), most)
    return [(math.log10(value), said) for value, said in found if value > 0]


def _time_ticks(low: float, high: float, most: int) -> Sequence[_Tick]:
    rough_s = (high - low) / 1000 / most
    step_s = next((step for step in _STEPS_S if step >= rough_s), None)
    step_s = step_s or _DAY_S * math.ceil(_round_step(rough_s / _DAY_S))
    return [(time_ms, _time(time_ms, step_s)) for time_ms in _multiples(low, high, step_s * 1000) or (low,)]


def _time(time_ms: float, step_s: float) -> str:
    time = _BEGIN + timedelta(milliseconds=time_ms)
    return time.strftime("%Y-%m-%d" if step_s >= _DAY_S else "%m-%d %H:%M" if step_s >= 60 else "%H:%M:%S")


def _number(value: float, step: float) -> str:
    """Write a number with as many digits as tell it from one that is a step away."""
    size = abs(value)
    if step >= _PLAIN_LEAST and size < _PLAIN_MOST:
        return f"{value or 0.0:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"
    digits = 6 if not step or not size else max(1, math.floor(math.log10(size)) - math.floor(math.log10(step)) + 1)
    said = f"{value or 0.0:.{min(digits, 17)}g}"
    whole, mark, exponent = said.partition("e")
    return f"{whole}e{int(exponent)}" if mark else whole

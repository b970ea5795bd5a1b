"""What runs have against each other: points, and parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import attrs

from runatlas.charts.chart import Chart, label, write_notes
from runatlas.charts.lines import Line, LineChart, draw_lines
from runatlas.charts.style import INK, SIZE, is_number, spans_decades, value_text
from runatlas.terminal import counted

__all__ = ["draw_parallel", "draw_scatter"]

Rows: TypeAlias = Sequence[Mapping[str, Any]]
"""What each run has, by name."""

_NAMED = 5
_CATEGORIES = 30


@attrs.frozen
class _Axis:
    """Where values stand: numbers at their place, other values one after another."""

    name: str
    labels: tuple[str, ...]
    is_log: bool

    @classmethod
    def of(cls, name: str, values: Sequence[Any]) -> _Axis:
        """Make the axis of values."""
        if all(map(is_number, values)):
            is_log = all(value > 0 for value in values) and spans_decades(values)
            return cls(name, (), is_log)
        return cls(name, tuple(sorted({value_text(value) for value in values})), is_log=False)

    def place(self, value: Any) -> float:
        """Return where a value stands."""
        return float(self.labels.index(value_text(value))) if self.labels else float(value)

    def share(self, value: Any, values: Sequence[Any]) -> float:
        """Return where a value stands between the first and the last of all, from 0 to 1."""
        places = [math.log(self.place(each)) if self.is_log else self.place(each) for each in (value, *values)]
        low, high = min(places), max(places)
        return 0.5 if low == high else (places[0] - low) / (high - low)


def _complete(rows: Rows, names: Sequence[str], runs: Sequence[str]) -> tuple[list[Any], list[str]]:
    """Return the rows that have a value everywhere, and sentences that name the runs of the others."""
    kept, notes = list(range(len(rows))), []
    for name in names:
        for words, is_so in (("no", _is_none), ("NaN or infinity in", _is_odd)):
            absent = [place for place in kept if is_so(rows[place][name])]
            if absent:
                named = ", ".join(runs[place] for place in absent[:_NAMED]) + (", …" if len(absent) > _NAMED else "")
                verb = "has" if len(absent) == 1 else "have"
                notes.append(f"left out: {len(absent)} of {counted(len(rows), 'run')} {verb} {words} {name}: {named}")
                kept = [place for place in kept if place not in set(absent)]
    return [rows[place] for place in kept], notes


def _is_none(value: Any) -> bool:
    return value is None


def _is_odd(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not is_number(value)


def draw_scatter(rows: Rows, runs: Sequence[str], x: str, y: str, color: str | None, *, ax: Any = None) -> Chart:
    """Draw a point each run; an axis is logarithmic if its values span two decades, and has places for other values.

    Args:
        rows: What each run has, by name.
        runs: What each run is called.
        x: What lies across.
        y: What lies up.
        color: What colours stand for; ``None`` for nothing.
        ax: Axes to draw on; those of a new figure if ``None``.

    Raises:
        ImportError: matplotlib is not installed.
    """
    kept, notes = _complete(rows, (x, y), runs)
    across, up = (_Axis.of(name, [row[name] for row in kept]) for name in (x, y))
    for axis in (across, up):
        if len(axis.labels) > _CATEGORIES:
            notes.append(f"{axis.name} has {len(axis.labels)} different texts")
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in kept:
        groups.setdefault("" if color is None else value_text(row[color]), []).append(row)
    lines = [
        Line(
            [across.place(row[x]) for row in group],
            [up.place(row[y]) for row in group],
            color="" if color is None else group[0][color],
        )
        for group in groups.values()
    ]
    chart = LineChart(
        x_name=x,
        y_name=y,
        color_name=color or "",
        log=("x" if across.is_log else "") + ("y" if up.is_log else ""),
        x_labels=across.labels,
        y_labels=up.labels,
        words=f"{counted(len(kept), 'run')} by {x} and {y}",
        notes=tuple(notes),
    )
    return draw_lines(lines, chart, ax=ax, options={"linestyle": "", "markersize": 5, "alpha": 0.8})


def draw_parallel(rows: Rows, runs: Sequence[str], keys: Sequence[str], result: str) -> Chart:
    """Draw a line each run across an axis for each key and for the result, which colours stand for.

    Args:
        rows: What each run has, by name.
        runs: What each run is called.
        keys: The axes.
        result: The last axis.

    Raises:
        ImportError: matplotlib is not installed.
    """
    names = [*dict.fromkeys((*keys, result))]
    kept, notes = _complete(rows, names, runs)
    columns = {name: [row[name] for row in kept] for name in names}
    axes = [_Axis.of(name, columns[name]) for name in names]
    lines = [
        Line(range(len(names)), [axis.share(row[axis.name], _ends(axis, columns)) for axis in axes], color=row[result])
        for row in kept
    ]
    chart = LineChart(
        x_name="",
        y_name="",
        color_name=result,
        x_labels=tuple(f"{axis.name} (log)" if axis.is_log else axis.name for axis in axes),
        words=f"{counted(len(kept), 'run')} across {', '.join(names)}",
    )
    drawn = draw_lines(lines, chart)
    panel = drawn.axes
    panel.grid(visible=False)
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
    panel.set_xlim(-0.15, len(names) - 0.6)
    for place, axis in enumerate(axes):
        panel.axvline(place, color="#888888", linewidth=0.8)
        for height, text in _marks(axis, columns[axis.name]):
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1}
            options = {"fontsize": SIZE - 2, "va": "center", "bbox": box, "color": INK}
            label(partial(panel.text, place + 0.02, height), text, 20, **options)
    write_notes(drawn.figure, notes)
    return Chart([panel], chart.words, notes)


def _ends(axis: _Axis, columns: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
    values = columns[axis.name]
    return axis.labels or (min(values), max(values))


def _marks(axis: _Axis, values: Sequence[Any]) -> Iterator[tuple[float, str]]:
    """Yield what stands at an axis, and how high."""
    if axis.labels:
        step = -(-len(axis.labels) // 12)
        for text in axis.labels[::step]:
            yield axis.share(text, axis.labels), text
    elif values:
        for value in dict.fromkeys((min(values), max(values))):
            yield axis.share(value, (min(values), max(values))), f"{value:.4g}"

"""What runs have against each other: points, and parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

import attrs

from runatlas.charts.chart import Chart, label, write_notes
from runatlas.charts.lines import Line, LineChart, draw_lines
from runatlas.charts.style import INK, SIZE, is_number, name_values, spans_decades
from runatlas.model.run_group import Place, place_of
from runatlas.terminal import counted

__all__ = ["draw_parallel", "draw_scatter"]

Rows: TypeAlias = Sequence[Mapping[str, Any]]
"""What each run has, by name."""

_NAMED = 5
_CATEGORIES = 30


@attrs.frozen
class _Axis:
    """Where values stand: numbers at their place, other values one after another.

    Attributes:
        name: What it is an axis of.
        labels: What values are called that are no numbers.
        ends: The first and the last number on it; none if there is no value.
        is_log: Whether it is logarithmic.
    """

    name: str
    labels: Mapping[Place, str]
    ends: tuple[float, ...]
    is_log: bool
    _counts: Mapping[Place, int] = attrs.field(factory=dict)

    @classmethod
    def of(cls, name: str, values: Sequence[Any], *, is_log: bool | None = None) -> _Axis:
        """Make the axis of values; without ``is_log`` it is logarithmic if they span two decades."""
        if all(map(is_number, values)):
            if is_log is None:
                is_log = all(value > 0 for value in values) and spans_decades(values)
            return cls(name, {}, (min(values), max(values)) if values else (), is_log)
        if is_log:
            raise ValueError(f"log: {name} has values that are no numbers")
        labels = dict(sorted(name_values(values).items(), key=lambda item: item[1]))
        counts = {place: count for count, place in enumerate(labels)}
        return cls(name, labels, (0, len(labels) - 1), is_log=False, counts=counts)

    def place(self, value: Any) -> float:
        """Return where a value stands."""
        return float(self._counts[place_of(value)]) if self.labels else float(value)

    def share(self, place: float) -> float:
        """Return where a place is between the first and the last of all, from 0 to 1."""
        at, low, high = (math.log(each) if self.is_log else each for each in (place, *self.ends))
        return 0.5 if low == high else (at - low) / (high - low)


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


def draw_scatter(
    rows: Rows,
    runs: Sequence[str],
    x: str,
    y: str,
    color: str | None,
    *,
    ax: Any = None,
    log: str | None = None,
    units: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Draw a point each run; an axis has places for values that are no numbers.

    Args:
        rows: What each run has, by name.
        runs: What each run is called.
        x: What lies across.
        y: What lies up.
        color: What colours stand for; ``None`` for nothing.
        ax: Axes to draw on; those of a new figure if ``None``.
        log: Which axes are logarithmic; ``None`` for those whose values span two decades.
        units: The units of what has one, by name.
        notes: What is to be said before.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: An axis is to be logarithmic, and has values that are no numbers.
    """
    kept, left_out = _complete(rows, (x, y), runs)
    told = [*notes, *left_out]
    across, up = (
        _Axis.of(name, [row[name] for row in kept], is_log=None if log is None else axis in log)
        for name, axis in ((x, "x"), (y, "y"))
    )
    crowded = [axis for axis in (across, up) if len(axis.labels) > _CATEGORIES]
    told += [f"{axis.name} has {len(axis.labels)} different texts" for axis in crowded]
    groups: dict[Place | None, list[Mapping[str, Any]]] = {}
    for row in kept:
        groups.setdefault(None if color is None else place_of(row[color]), []).append(row)
    lines = [
        Line(
            [across.place(row[x]) for row in group],
            [up.place(row[y]) for row in group],
            color="" if color is None else group[0][color],
        )
        for group in groups.values()
    ]
    chart = LineChart(
        x_name=_with_unit(x, units),
        y_name=_with_unit(y, units),
        color_name=_with_unit(color or "", units),
        log=("x" if across.is_log else "") + ("y" if up.is_log else ""),
        x_labels=tuple(across.labels.values()),
        y_labels=tuple(up.labels.values()),
        words=f"{counted(len(kept), 'run')} by {x} and {y}",
        notes=tuple(told),
    )
    return draw_lines(lines, chart, ax=ax, options={"linestyle": "", "markersize": 5, "alpha": 0.8})


def _with_unit(name: str, units: Mapping[str, str] | None) -> str:
    unit = (units or {}).get(name)
    return f"{name} ({unit})" if unit else name


def draw_parallel(
    rows: Rows,
    runs: Sequence[str],
    keys: Sequence[str],
    result: str,
    *,
    units: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Draw a line each run across an axis for each key and for the result, which colours stand for.

    Args:
        rows: What each run has, by name.
        runs: What each run is called.
        keys: The axes.
        result: The last axis.
        units: The units of what has one, by name.
        notes: What is to be said before.

    Raises:
        ImportError: matplotlib is not installed.
    """
    names = [*dict.fromkeys((*keys, result))]
    kept, left_out = _complete(rows, names, runs)
    told = [*notes, *left_out]
    axes = [_Axis.of(name, [row[name] for row in kept]) for name in names]
    lines = [
        Line(range(len(names)), [axis.share(axis.place(row[axis.name])) for axis in axes], color=row[result])
        for row in kept
    ]
    chart = LineChart(
        x_name="",
        y_name="",
        color_name=_with_unit(result, units),
        x_labels=tuple(
            f"{name} (log)" if axis.is_log else name for axis in axes for name in [_with_unit(axis.name, units)]
        ),
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
        for height, text in _marks(axis):
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1}
            options = {"fontsize": SIZE - 2, "va": "center", "bbox": box, "color": INK}
            label(partial(panel.text, place + 0.02, height), text, 20, **options)
    write_notes(drawn.figure, told)
    return Chart([panel], chart.words, told)


def _marks(axis: _Axis) -> Iterator[tuple[float, str]]:
    """Yield what stands at an axis, and how high."""
    if axis.labels:
        step = -(-len(axis.labels) // 12)
        for place, text in islice(enumerate(axis.labels.values()), 0, None, step):
            yield axis.share(place), text
    else:
        for value in dict.fromkeys(axis.ends):
            yield axis.share(value), f"{value:.4g}"

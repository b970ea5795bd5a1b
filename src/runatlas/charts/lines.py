"""Lines over steps, times or another metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import attrs

from runatlas.charts.chart import Chart, dress, label, make_axes, number_axis, write_notes
from runatlas.charts.style import DASHES, INK, NONE, SIZE, Scale, fonts, is_number, make_scale, name_values, plain
from runatlas.extra import load_extra
from runatlas.model.run_group import Place, place_of
from runatlas.terminal import are, counted

__all__ = ["Line", "LineChart", "draw_lines"]

_PANELS = 12
_LEGEND, _NAME = 12, 34
"""How many entries a legend has of colours, and how long they are."""
_SHORT, _LETTER = 16, 0.075
"""For longer entries the figure is wider: by how many inches a letter."""
_TICK, _ACROSS = 20, 70
"""How long a text at an axis is, and how long all of them may be together to lie flat."""
_MARKERS = ("o", "^", "s", "D")
"""Of points, in place of a line's style."""
_MANY, _THRONG = 12, 60
_LARGEST = 1e150
"""Beyond it an axis cannot be worked out."""


@attrs.frozen(eq=False)
class Line:
    """A line.

    Attributes:
        x: Numbers, or times.
        y: Values; one that is NaN or infinite is a gap.
        color: What its colour stands for.
        dash: What its style stands for, such as the metric; ``""`` for nothing.
        panel: What its panel stands for.
        raw: The values before they were smoothed, which are drawn faint behind it.
        band: The lower and the upper end of the band around it; ``None`` where there is none.
        told: What the legend says behind its colour's name.
    """

    x: Sequence[Any]
    y: Sequence[float]
    color: Any = None
    dash: str = ""
    panel: Any = None
    raw: Sequence[float] | None = None
    band: tuple[Sequence[float | None], Sequence[float | None]] | None = None
    told: str = ""


@attrs.frozen(eq=False)
class LineChart:
    """What is drawn around lines.

    Attributes:
        x_name, y_name: What the axes are.
        color_name: What colours stand for; ``""`` where the legend says it.
        panel_name: What panels stand for.
        log: ``"x"``, ``"y"``, ``"xy"`` or ``""``.
        share_y: Whether panels have one range of values.
        whole_x: Whether the numbers across are whole ones.
        of: What the lines are of, in words.
        x_labels, y_labels: What stands at 0, 1, 2, … of an axis that has no numbers.
        words: What is drawn, in words; empty for the lines.
        notes: Sentences on what is missing or sampled.
    """

    x_name: str
    y_name: str
    color_name: str = ""
    panel_name: str = ""
    log: str = ""
    share_y: bool = True
    whole_x: bool = False
    of: str = ""
    x_labels: tuple[str, ...] = ()
    y_labels: tuple[str, ...] = ()
    words: str = ""
    notes: tuple[str, ...] = ()


def draw_lines(
    lines: Sequence[Line], chart: LineChart, *, ax: Any = None, options: Mapping[str, Any] | None = None
) -> Chart:
    """Draw lines.

    Args:
        lines: The lines; those without points are left out.
        chart: What is drawn around them.
        ax: Axes to draw on; those of a new figure if ``None``.
        options: What matplotlib's ``plot`` takes.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: There are several panels and one ``ax``.
    """
    drawn = [line for line in lines if len(line.x)]
    names = name_values(line.panel for line in drawn)
    panels = list(names) or [place_of("")]
    if ax is not None and len(panels) > 1:
        raise ValueError(f"ax: {len(panels)} panels do not fit on one; leave out facet, or ax")
    notes = list(chart.notes)
    if len(panels) > _PANELS:
        notes.append(f"{_PANELS} of {len(panels)} panels are drawn")
        panels = panels[:_PANELS]
        drawn = [line for line in drawn if place_of(line.panel) in panels]
    dashes = list(dict.fromkeys(line.dash for line in drawn))
    scale = make_scale([line.color for line in drawn], dashed=len(dashes) < 2)
    all_axes = [ax] if ax is not None else make_axes(len(panels), share_y=chart.share_y)
    pen = _Pen(scale, dashes, chart.log, len(drawn) / len(panels), dict(options or {}))
    for panel, axes in zip(panels, all_axes, strict=True):
        for line in (line for line in drawn if place_of(line.panel) == panel):
            pen.draw(axes, line)
        if len(panels) > 1:
            name = names[panel]
            label(axes.set_title, f"{chart.panel_name} = {name}" if chart.panel_name else name, 40)
    if not drawn:
        label(partial(all_axes[0].text, 0.5, 0.5), "no points", ha="center", transform=all_axes[0].transAxes)
    _name_axes(all_axes, chart, drawn)
    notes += pen.notes()
    figure = all_axes[0].get_figure(root=True)
    if ax is None:
        write_notes(figure, notes)
    _Legend(drawn, scale, chart, pen).write(all_axes, figure if ax is None else ax, dashes)
    words = chart.words or f"{counted(len(drawn), 'line')} of {chart.of or chart.y_name} by {chart.x_name}"
    if len(panels) > 1:
        words += f" in {len(panels)} panels"
    return Chart(all_axes, words, notes)


class _Pen:
    """Draws lines, and counts what has no place."""

    def __init__(self, scale: Scale, dashes: Sequence[str], log: str, lines: float, options: dict[str, Any]) -> None:
        self._scale = scale
        self._dashes = dict(zip(dashes, [*DASHES, *DASHES[1:] * len(dashes)], strict=False)) if len(dashes) > 1 else {}
        self._log = log
        self._options = options
        self._gaps = self._below = self._huge = 0
        is_many = lines > _MANY
        self._width = 1.5 if not is_many else 1.0 if lines <= _THRONG else 0.7
        self._alpha = 1.0 if not is_many else 0.8 if lines <= _THRONG else 0.55

    def look(self, line: Line) -> dict[str, Any]:
        """Return how a line looks."""
        place = place_of(line.color)
        found = {
            "color": self._scale.colors.get(place, NONE),
            "linestyle": self._dashes.get(line.dash) or self._scale.dashes.get(place, "-"),
            "linewidth": self._width,
            "alpha": self._alpha,
        }
        if self._options.get("linestyle") == "":
            found["marker"] = _MARKERS[DASHES.index(found["linestyle"])]
        short = {"c": "color", "ls": "linestyle", "lw": "linewidth"}
        return found | {short.get(name, name): value for name, value in self._options.items()}

    def draw(self, axes: Any, line: Line) -> None:
        """Draw a line, its band, and what it was before it was smoothed."""
        look = self.look(line)
        across, values = self._placed(line.x, line.y)
        if line.raw is not None:
            _, raw = self._placed(line.x, line.raw, counted=False)
            axes.plot(across, raw, **{**look, "alpha": 0.25, "linewidth": 0.7, "linestyle": "-", "label": "_raw"})
        if line.band is not None:
            low, high = (self._placed(line.x, [_number(end) for end in ends], counted=False)[1] for ends in line.band)
            axes.fill_between(across, low, high, color=look["color"], alpha=0.18, linewidth=0, label="_band")
        told = self._scale.names[place_of(line.color)]
        name = _shown_name(plain(f"{told} {line.dash}".strip() if line.dash else told))
        alone = _alone(values)
        is_marked = "marker" in look or not alone
        marked = {} if is_marked else {"marker": "o", "markersize": 3.5, "markevery": alone}
        axes.plot(across, values, **{"label": name, **marked, **look})

    def _placed(
        self, across: Sequence[Any], values: Sequence[float], *, counted: bool = True
    ) -> tuple[list[Any], list[float]]:
        """Return the points with gaps in place of what has no place on the axes."""
        kept_x, kept_y = [], []
        for x, y in zip(across, values, strict=True):
            is_time = isinstance(x, datetime)
            is_known = math.isfinite(y) and (is_time or math.isfinite(x))
            is_huge = is_known and (abs(y) > _LARGEST or (not is_time and abs(x) > _LARGEST))
            is_below = is_known and (("y" in self._log and y <= 0) or ("x" in self._log and not is_time and x <= 0))
            is_there = is_known and not is_huge and not is_below
            if counted:
                self._gaps += not is_known
                self._huge += is_huge
                self._below += is_below and not is_huge
            kept_y.append(y if is_there else math.nan)
            kept_x.append(x if is_there or is_time or not (is_huge or math.isinf(x)) else math.nan)
        return kept_x, kept_y

    def notes(self) -> list[str]:
        """Say what has no place."""
        found = []
        if self._gaps:
            found.append(f"{counted(self._gaps, 'point')} with NaN or infinity {are(self._gaps)} a gap")
        if self._below:
            found.append(
                f"{counted(self._below, 'point')} {are(self._below)} not above 0, which has no place on a log axis"
            )
        if self._huge:
            found.append(f"{counted(self._huge, 'point')} beyond 1e150 {are(self._huge)} a gap")
        return found


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _alone(values: Sequence[float]) -> list[int]:
    """Return the places of points with a gap to either side, of which a line shows nothing."""
    known = [False, *(not math.isnan(value) for value in values), False]
    return [place - 1 for place in range(1, len(known) - 1) if known[place - 1 : place + 2] == [False, True, False]]


def _name_axes(all_axes: Sequence[Any], chart: LineChart, lines: Sequence[Line]) -> None:
    figure_columns = 3 if len(all_axes) > 2 else len(all_axes)
    is_timed = any(isinstance(x, datetime) for line in lines[:1] for x in line.x[:1])
    for place, axes in enumerate(all_axes):
        logs = {name for name in chart.log if _has_positive(axes, name) and not (is_timed and name == "x")}
        axes.set(**{f"{name}scale": "log" for name in logs})
        if is_timed:
            dates = load_extra("matplotlib.dates", "a chart")
            locator = dates.AutoDateLocator()
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
            axes.xaxis.get_offset_text().set(color=INK, fontsize=SIZE - 1)
        else:
            number_axis(axes.xaxis, is_log="x" in logs, whole=chart.whole_x)
        number_axis(axes.yaxis, is_log="y" in logs)
        axes.yaxis.get_offset_text().set(color=INK, fontsize=SIZE - 1)
        _name_places(axes, chart)
        if place + figure_columns >= len(all_axes):
            label(axes.set_xlabel, chart.x_name)
        if place % figure_columns == 0:
            label(axes.set_ylabel, chart.y_name)


def _has_positive(axes: Any, name: str) -> bool:
    """Tell whether anything was drawn that has a place on a log axis; there is no such axis of nothing."""
    return math.isfinite(axes.dataLim.minposx if name == "x" else axes.dataLim.minposy)


def _name_places(axes: Any, chart: LineChart) -> None:
    """Write what stands along axes that have no numbers."""
    for labels, set_ticks in ((chart.x_labels, axes.set_xticks), (chart.y_labels, axes.set_yticks)):
        if labels:
            set_ticks(range(len(labels)), labels=[plain(text, _TICK) for text in labels])
    if sum(min(len(text), _TICK) + 2 for text in chart.x_labels) > _ACROSS:
        for text in axes.get_xticklabels():
            text.set(rotation=35, ha="right", rotation_mode="anchor")


class _Legend:
    """Says what colours and styles stand for: once, beside the chart."""

    def __init__(self, lines: Sequence[Line], scale: Scale, chart: LineChart, pen: _Pen) -> None:
        self._lines, self._scale, self._chart, self._pen = lines, scale, chart, pen
        self._made = load_extra("matplotlib.lines", "a chart").Line2D

    def write(self, axes: Sequence[Any], place: Any, dashes: Sequence[str]) -> None:
        """Write it.

        Args:
            axes: The axes of all panels.
            place: The figure, beside whose panels it stands; or axes of somebody else.
            dashes: What styles stand for.
        """
        if self._scale.bar is not None:
            self._write_bar(axes, self._scale.bar)
        entries = self._colors()
        if len(dashes) > 1:
            looks = (self._pen.look(attrs.evolve(self._lines[0], dash=dash)) for dash in dashes[:_LEGEND])
            grey = [self._sample({**look, "color": "#555555"}) for look in looks]
            entries += zip(map(plain, dashes), grey, strict=False)
        if not entries:
            return
        title = self._chart.color_name if self._scale.bar is None else ""
        if place not in axes:
            width, height = place.get_size_inches()
            longest = max(len(text) for text in (title, *(text for text, _ in entries)))
            place.set_size_inches(width + _LETTER * max(min(longest, _NAME) - _SHORT, 0), height)
        is_inside = place in axes
        font = {"family": list(fonts()), "size": SIZE - 1}
        legend = place.legend(
            [sample for _, sample in entries],
            [_shown_name(text) for text, _ in entries],
            loc="best" if is_inside else "outside right upper",
            frameon=is_inside,
            facecolor="white",
            labelcolor=INK,
            prop=font,
            title=plain(title) if title else None,
            title_fontproperties=font,
            alignment="left",
        )
        legend.get_title().set_color(INK)

    def _colors(self) -> list[tuple[str, Any]]:
        first: dict[Place, Line] = {}
        for line in self._lines:
            first.setdefault(place_of(line.color), line)
        if len(first) == 1 and not self._chart.color_name and not any(line.told for line in self._lines):
            return []
        is_barred = self._scale.bar is not None
        shown = [line for line in first.values() if not is_barred or line.color is None]
        shown.sort(key=lambda line: _order(line.color))
        looks = (self._pen.look(attrs.evolve(line, dash="")) for line in shown)
        texts = (plain(f"{self._scale.names[place_of(line.color)]}{line.told}", _NAME) for line in shown)
        entries = list(zip(texts, map(self._sample, looks), strict=True))
        left = len(entries) - _LEGEND
        return entries if left < 2 else [*entries[:_LEGEND], (f"… and {left} more", self._made([], [], linestyle=""))]

    def _sample(self, look: Mapping[str, Any]) -> Any:
        kept = {name: look[name] for name in ("color", "linestyle", "marker") if name in look}
        return self._made([], [], linewidth=1.8, **kept)

    def _write_bar(self, axes: Sequence[Any], scale: tuple[Any, Any]) -> None:
        mappable = load_extra("matplotlib.cm", "a chart").ScalarMappable(*scale)
        bar = axes[0].get_figure(root=True).colorbar(mappable, ax=list(axes), pad=0.02, aspect=30)
        dress(bar.ax)
        bar.ax.grid(visible=False)
        bar.outline.set_visible(False)
        label(bar.set_label, self._chart.color_name)
        number_axis(bar.ax.yaxis, is_log=type(scale[0]).__name__ == "LogNorm")


def _shown_name(text: str) -> str:
    """Return a name that matplotlib shows: it leaves out those that begin with an underscore."""
    return f" {text}" if text.startswith("_") else text


def _order(value: Any) -> tuple[int, float]:
    """Return where numbers stand among each other in a legend; the rest keeps its order, and nothing comes last."""
    return (2, 0.0) if value is None else (0, float(value)) if is_number(value) else (1, 0.0)

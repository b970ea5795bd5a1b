"""What a table of metrics draws: its series as lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from runatlas.charts.chart import Chart
from runatlas.charts.lines import Line, LineChart, draw_lines
from runatlas.tables.resampling import check_smoothing, read_between, smoothed
from runatlas.tables.series import Series
from runatlas.terminal import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from runatlas.tables.metric import MetricTable

__all__ = ["Gather", "Plot", "RunFacts", "plot_metrics"]

_TIMED = frozenset({"time", "relative"})
_OWN = frozenset({"run", "metric"})
_UNITS = (("d", 86_400.0), ("h", 3600.0), ("min", 60.0))
_NAMED = 3


@attrs.frozen
class Plot:
    """How metrics are to be drawn; see ``MetricTable.plot``."""

    x: str = "step"
    color: str | None = None
    facet: str | None = None
    smooth: float | int | None = None
    log: str = ""
    ax: Axes | None = None
    path: str | Path | None = None
    line: Mapping[str, Any] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        if self.log not in {"", "x", "y", "xy"}:
            raise ValueError(f"log: expected 'x', 'y' or 'xy', got {self.log!r}")
        for name in ("x", "color", "facet"):
            given = getattr(self, name)
            if given is not None and not isinstance(given, str):
                raise TypeError(f"{name}: expected text, got {type(given).__name__}")
        if self.smooth is not None:
            check_smoothing(self.smooth)

    @property
    def smoothing(self) -> str:
        """What is done to the values, in words."""
        if self.smooth is None:
            return ""
        return f"mean of {self.smooth} points" if isinstance(self.smooth, int) else f"EMA {self.smooth:g}"


@attrs.frozen
class RunFacts:
    """What is known of runs beside their points, by the name that they go by in the table.

    Attributes:
        fields: ``{"config.lr": {run: value}}``.
        starts_ms: When each run began, Unix milliseconds; without it the first point counts.
        units: The unit of each metric.
        notes: Sentences on what is missing.
    """

    fields: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    starts_ms: Mapping[str, int] = attrs.field(factory=dict)
    units: Mapping[str, str] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()


Gather: TypeAlias = Callable[[Sequence[Line], LineChart], tuple[Sequence[Line], LineChart]]
"""Makes other lines of those of single runs, such as one for all of a group."""


def plot_metrics(
    table: MetricTable[Any], plot: Plot, facts: RunFacts | None = None, gather: Gather | None = None
) -> Chart:
    """Draw the series of a table.

    Args:
        table: The table.
        plot: How.
        facts: What is known of the runs.
        gather: What makes other lines of them.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: Something is asked for that the table does not have.
    """
    maker = _Maker(table, plot, facts or RunFacts())
    lines: Sequence[Line] = list(maker.lines())
    around = maker.chart()
    if gather is not None:
        lines, around = gather(lines, around)
    chart = draw_lines(lines, around, ax=plot.ax, options=plot.line)
    if plot.path is not None:
        chart.save(plot.path)
    return chart


class _Maker:
    """Makes lines of series."""

    def __init__(self, table: MetricTable[Any], plot: Plot, facts: RunFacts) -> None:
        self._table, self._plot, self._facts = table, plot, facts
        for name in ("color", "facet"):
            wanted = getattr(plot, name)
            if wanted and wanted not in {*_OWN, *facts.fields}:
                raise ValueError(
                    f"{name}: expected 'run' or 'metric', got {wanted!r}; a table of metrics knows no configs: "
                    f"runs.plot({name}={wanted!r}) does"
                )
        is_across = plot.x not in {"step", *_TIMED}
        self._series = [item for item in table.series if not (is_across and item.key == plot.x)]
        self._across = (
            {item.run: item for item in table.series if item.key == plot.x and len(item)} if is_across else {}
        )
        if is_across and not self._across:
            raise ValueError(
                f"x: expected 'step', 'time', 'relative' or a metric; no run of these has points of {plot.x!r}"
            )
        drawn = [item for item in self._series if len(item)]
        self._drawn = drawn
        if plot.x in _TIMED and any(item.timestamps is None for item in drawn):
            raise ValueError(f"x: {plot.x!r} needs times; read the metrics without ignore_timestamp")
        self._labels = list(dict.fromkeys(item.label for item in drawn))
        self._names = _run_names(drawn)
        self._several = len({item.run for item in drawn}) > 1
        self._unit, self._scale = self._relative_unit() if plot.x == "relative" else ("", 1.0)
        self._unmatched = 0
        self._between = False

    def lines(self) -> Iterator[Line]:
        """Yield a line each series."""
        plot = self._plot
        for item in self._drawn:
            across, values = self._points(item)
            raw = None
            if plot.smooth is not None:
                raw, values = values, smoothed(values, plot.smooth)
            yield Line(
                across,
                values,
                color=self._of(item, self._color),
                dash=item.label if self._is_dashed else "",
                panel=None if plot.facet is None else self._of(item, plot.facet),
                raw=raw,
            )

    @property
    def _color(self) -> str:
        """What colours stand for; nothing where the panels say it."""
        if self._plot.color == "":
            return ""
        found = self._plot.color or ("run" if self._several else "metric")
        return "" if found == self._plot.facet else found

    @property
    def _is_dashed(self) -> bool:
        return len(self._labels) > 1 and "metric" not in {self._color, self._plot.color, self._plot.facet}

    def _of(self, item: Series, field: str) -> Any:
        if not field:
            return ""
        if field == "metric":
            return item.label
        return self._names[item.run] if field == "run" else self._facts.fields[field].get(item.run)

    def _points(self, item: Series) -> tuple[list[Any], list[float]]:
        values: list[float] = list(item.values.to_pylist())
        steps: list[int] = list(item.steps.to_pylist())
        if self._plot.x == "step":
            return steps, values
        if self._plot.x == "time":
            return list(item.times), values
        if self._plot.x == "relative":
            start = self._start(item)
            stamps: list[int] = [] if item.timestamps is None else list(item.timestamps.to_pylist())
            return [(stamp - start) / 1000 / self._scale for stamp in stamps], values
        return self._joined(item.run, steps, values)

    def _joined(self, run: str, steps: Sequence[int], values: Sequence[float]) -> tuple[list[Any], list[float]]:
        """Return the points whose step the metric that lies across has."""
        across = self._across.get(run)
        if across is None:
            self._unmatched += len(steps)
            return [], []
        known = across.to_dict()
        at = sorted(known)
        read = known.get if not across.sampled else lambda step: read_between(known, at, step)
        found = [(read(step), value) for step, value in zip(steps, values, strict=True)]
        self._between |= across.sampled
        kept = [(x, value) for x, value in found if x is not None]
        self._unmatched += len(found) - len(kept)
        return [x for x, _ in kept], [value for _, value in kept]

    def _start(self, item: Series) -> int:
        """Return when a run began: no later than its first point, as clocks may differ."""
        firsts = (_first_ms(other) for other in self._drawn if other.run == item.run)
        known = (self._facts.starts_ms.get(item.run), *firsts)
        return min(first for first in known if first is not None)

    def _relative_unit(self) -> tuple[str, float]:
        spans = [(_last_ms(item) or 0) - self._start(item) for item in self._drawn]
        longest = max(spans, default=0) / 1000
        return next(((name, size) for name, size in _UNITS if longest >= 2 * size), ("s", 1.0))

    def chart(self) -> LineChart:
        """Return what is drawn around the lines, once they are made."""
        plot = self._plot
        keys = list(dict.fromkeys(item.key for item in self._drawn))
        names = self._labels or self._table.keys_asked or ()
        values = names[0] if len(names) == 1 else ""
        units = {self._facts.units.get(key, "") for key in keys}
        unit = units.pop() if len(units) == 1 else ""
        named = values or ("value" if unit or plot.smooth else "")
        details = ", ".join(text for text in (unit, plot.smoothing) if text)
        color = self._color
        return LineChart(
            x_name=self._x_name(),
            y_name=f"{named} ({details})" if details else named,
            color_name="" if color in {"", *_OWN} else color,
            panel_name="" if plot.facet in {None, *_OWN} else str(plot.facet),
            log=plot.log,
            share_y=plot.facet != "metric",
            whole_x=plot.x == "step",
            of=" and ".join(self._labels[:_NAMED]) + (", …" if len(self._labels) > _NAMED else ""),
            notes=(*self._facts.notes, *self._notes()),
        )

    def _x_name(self) -> str:
        plot = self._plot
        if plot.x == "time":
            return "time (UTC)"
        if plot.x == "relative":
            since = "start" if self._facts.starts_ms else "first point"
            return f"time since the run's {since} ({self._unit})"
        unit = self._facts.units.get(plot.x, "")
        return f"{plot.x} ({unit})" if unit else plot.x

    def _notes(self) -> Iterator[str]:
        table, plot = self._table, self._plot
        if plot.x not in {"step", *_TIMED}:
            how = ", linear between its sampled points" if self._between else ""
            left = f"; {counted(self._unmatched, 'point')} without it left out" if self._unmatched else ""
            yield f"across lies {plot.x} of the same step{how}{left}"
        absences = table.absences
        yield from (told for key, told in absences.items() if key != plot.x)
        if not absences and not self._series:
            yield "there is nothing to draw"
        thinned = [item for item in self._drawn if item.sampled]
        if thinned:
            kept, totals = sum(map(len, thinned)), [item.total for item in thinned]
            whole = "" if None in totals else f" of {sum(total or 0 for total in totals):,}"
            yield f"sampled: {kept:,}{whole} points of {len(thinned):,} series"
        if table.missing_runs:
            absent = len(table.missing_runs)
            yield f"{counted(absent, 'run')} asked for by id {'is' if absent == 1 else 'are'} not there"
        if failures := len(table.failures) - len(table.missing_runs):
            yield f"{failures} series could not be read"
        yield from (told for told in table.notes if told not in absences.values())


def _run_names(series: Sequence[Series]) -> dict[str, str]:
    """Return what runs are called: by their names, with the id where several have one name."""
    names = {item.run: item.run_name or item.run for item in series}
    several = Counter(names.values())
    return {run: name if several[name] == 1 else f"{name} ({run})" for run, name in names.items()}


def _first_ms(item: Series) -> int | None:
    stamps = item.timestamps
    return min(stamps.to_pylist()) if stamps is not None and len(item) else None


def _last_ms(item: Series) -> int | None:
    stamps = item.timestamps
    return max(stamps.to_pylist()) if stamps is not None and len(item) else None

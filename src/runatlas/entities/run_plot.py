"""Charts of a run or of many."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, Unpack

import attrs

from runatlas.charts.points import draw_parallel, draw_scatter
from runatlas.entities.argument import integer, one_or_more, text, texts
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.metric_name import make_value_field
from runatlas.entities.run_band import check_band, gather
from runatlas.model.filter_language import parse_field
from runatlas.model.filters import Field
from runatlas.model.ids import ProjectPath
from runatlas.model.metric import find_definition
from runatlas.model.page import each_item
from runatlas.model.project import ProjectRecord
from runatlas.model.run import RunPart, RunQuery, RunRecord, RunSelection
from runatlas.model.run_value import field_value
from runatlas.model.text import did_you_mean
from runatlas.response import ApiResponse
from runatlas.statistics.curve import Band
from runatlas.tables.metric import MetricTable
from runatlas.tables.plot import Plot, RunFacts, plot_metrics
from runatlas.terminal import none_has

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from runatlas.charts.chart import Chart

__all__ = ["PlotOptions", "PlottedRuns", "RunPlots", "draw", "plot"]

_OWN = frozenset({"run", "metric"})
_STEPS = frozenset({"step", "time", "relative"})
_RUNS = 500
"""How many runs a chart draws unless it is told otherwise."""
_X_AXES = {"relative_time": "relative"}


class PlotOptions(TypedDict, total=False):
    """How ``plot`` draws."""

    x: str
    x_axis: str
    color: str | None
    facet: str | None
    smooth: float | int | None
    band: Band | None
    log: Literal["", "x", "y", "xy"]
    sample: int
    limit: int
    ax: Axes | None
    path: str | Path | None


class PlottedRuns(Protocol):
    """A run or many, whose metrics can be drawn."""

    _handle: BackendHandle

    @abstractmethod
    def metrics(self, keys: Sequence[str] | None, sample: int = 1500) -> ApiResponse[MetricTable[Any]]:
        """Read scalar metrics."""

    @abstractmethod
    def _selected(self) -> RunSelection:
        """Return them as a selection."""

    @abstractmethod
    def _place(self) -> tuple[str, str | None]:
        """Return the workspace, and the project if all of them are of one."""

    @abstractmethod
    def _at_most(self, limit: int, most: int | None) -> tuple[PlottedRuns, str]:
        """Return no more than so many of the runs, and say so; ``most`` is how many there can be, if that is known."""


def plot(self: PlottedRuns, keys: str | Sequence[str] | None = None, **options: Unpack[PlotOptions]) -> Chart:  # noqa: D417 - nobody gives self
    """Draw metrics: one line a run and metric, of up to 1500 points each.

    NaN and infinities are gaps. What is missing or sampled stands below the chart. It asks for the points, for the
    project's units, and for the runs themselves if colours or panels stand for something of them, or there are more
    than ``limit``.

    Args:
        keys: One metric or several; ``None`` for every one, a panel each.
        **options: ``x``: what lies across: ``"step"`` (the default), ``"time"``, ``"relative"`` (since the run's
            start), or a metric, of the same step. ``x_axis``: the same, as SwanLab has it. ``color`` and ``facet``:
            what colours and panels stand for: any field as filters name it, such as ``"config.lr"`` or ``"state"``,
            or ``"run"`` or ``"metric"``.
            ``smooth``: the weight of what came before, such as 0.9, or how many points a window has, such as 25;
            what was logged stays behind it, faint. ``band``: one line each colour, the mean of its runs, with
            ``"minmax"``, ``"sd"`` or ``"ci95"`` (Student's t) around it, at the steps that they have in common;
            where a run ends n falls, and the legend says n. ``log``: ``"x"``, ``"y"`` or ``"xy"``. ``sample``:
            points a line at the most. ``limit``: runs at the most, the first of the listing: 500 unless given; what
            is left out is told. ``ax``: matplotlib axes to draw on. ``path``: an image file to write as well.

    Returns:
        The chart, which a notebook shows.

    Raises:
        ImportError: matplotlib is not installed.
        RunAtlasError: A request failed.
        TypeError: An argument has another type.
        ValueError: An argument cannot be understood, or no run has what lies across.

    Example:
        >>> from runatlas import Api, Run
        >>> for rate in (0.1, 0.01):
        ...     with Run(repo="./experiments", experiment="rates") as made:
        ...         made["lr"] = rate
        ...         made.log({"loss": rate})
        >>> runs = Api("./experiments").projects(search="rates").first().runs()
        >>> runs.plot("loss", color="config.lr", log="y")
        <Chart: 2 lines of loss by step>
    """
    return draw(self, keys, options)


def draw(
    self: PlottedRuns,
    keys: str | Sequence[str] | None,
    options: PlotOptions,
    by: tuple[str, Sequence[Field]] | None = None,
) -> Chart:
    """Draw metrics; colours stand for the fields ``by``, and what they are called together, if they are given."""
    wanted = None if keys is None else one_or_more(keys, "keys")
    sample = options.pop("sample", 1500)
    limit = integer(options.pop("limit", _RUNS), "limit", least=1)
    band = options.pop("band", None)
    if (x_axis := options.pop("x_axis", None)) is not None:
        if "x" in options:
            raise ValueError("x_axis: it is another name of x; give one of them")
        options["x"] = _X_AXES.get(x_axis, x_axis)
    if by is not None:
        options["color"] = by[0]
    for name in options:
        if name not in PlotOptions.__annotations__:
            raise TypeError(f"plot: it takes no {name!r}{did_you_mean(name, PlotOptions.__annotations__)}")
    drawn: dict[str, Any] = {**options}
    plot = Plot(**drawn)
    if band is not None:
        band = check_band(band, plot.x, plot.smooth)
        plot = attrs.evolve(plot, color=plot.color or "")
    if wanted is None and plot.facet is None:
        plot = attrs.evolve(plot, facet="metric")
    fields: dict[str, Sequence[Field]] = {
        name: _field(name, given)
        for given in ("color", "facet")
        if (name := getattr(plot, given)) and (by is None or name != by[0])
    } | dict([] if by is None else [by])
    is_across = plot.x not in _STEPS and wanted is not None and plot.x not in wanted
    project = _project(self)
    count = None if project is None or project.count is None else project.count.experiments
    runs, left_out = self._at_most(limit, count)
    table = runs.metrics((*wanted, plot.x) if is_across and wanted else wanted, sample).unwrap()
    facts = _run_facts(runs, table, plot, {name: found for name, found in fields.items() if found}, project)
    unknown = [name for name, held in facts.fields.items() if held and all(one is None for one in held.values())]
    told = [none_has(len(facts.fields[name]), name) for name in unknown]
    facts = attrs.evolve(facts, notes=(*([left_out] if left_out else []), *told))
    return plot_metrics(table, plot, facts, None if band is None else partial(gather, band=band))


def _project(self: PlottedRuns) -> ProjectRecord | None:
    """Read what is known of the project that all of them are of."""
    workspace, project = self._place()
    return None if project is None else self._handle.backend.get_project(ProjectPath(workspace, project))


def _run_facts(
    self: PlottedRuns,
    table: MetricTable[Any],
    plot: Plot,
    fields: Mapping[str, Sequence[Field]],
    project: ProjectRecord | None,
) -> RunFacts:
    """Read what is drawn of runs beside their points."""
    units = _units(project, (item.key for item in table.series))
    if not fields and plot.x != "relative":
        return RunFacts(units=units)
    names = {cuid: name for cuid, name, _ in table.runs}
    workspace, of = self._place()
    selection = self._selected() if of is None else RunSelection(workspace, of, ids=tuple(names))
    asked = [field for several in fields.values() for field in several]
    records = [record for record in _records(self, selection, asked) if record.cuid in names]
    return RunFacts(
        fields={
            name: {names[record.cuid]: _told(record, several) for record in records} for name, several in fields.items()
        },
        starts_ms={names[record.cuid]: record.created_at_ms for record in records},
        units=units,
    )


def _records(self: PlottedRuns, selection: RunSelection, fields: Iterable[Field]) -> list[RunRecord]:
    types = {field.type for field in fields}
    parts: tuple[RunPart, ...] = (
        *(("config",) if "CONFIG" in types else ()),
        *(("summary",) if "SCALAR" in types else ()),
    )
    query = RunQuery(selection, parts=parts)
    return list(each_item(lambda page: self._handle.backend.list_runs(attrs.evolve(query, page=page))))


class RunPlots(PlottedRuns):
    """Many runs, which can be drawn against each other."""

    @abstractmethod
    def _read_records(self, parts: Sequence[RunPart], statistics: Sequence[Field]) -> Iterator[RunRecord]:
        """Read the runs with these parts and statistics, a page a request."""

    @abstractmethod
    def _notes_of(self, fields: Sequence[Field]) -> tuple[str, ...]:
        """Ask what of these configs and metrics no run has."""

    def scatter(
        self,
        x: str,
        y: str,
        *,
        color: str | None = None,
        log: Literal["", "x", "y", "xy"] | None = None,
        ax: Axes | None = None,
    ) -> Chart:
        """Draw a point each run, such as of a config and a result; a request for each thousand runs, one for units.

        Texts have a place each. Runs without one of both are named below the chart.

        Args:
            x: What lies across: a field as filters name it, such as ``"config.lr"``, or a metric with its statistic,
                such as ``"val_loss.min"``.
            y: What lies up.
            color: What colours stand for.
            log: Which axes are logarithmic: ``"x"``, ``"y"``, ``"xy"`` or ``""``; without it those whose values are
                positive and span two decades.
            ax: matplotlib axes to draw on.

        Returns:
            The chart, which a notebook shows.

        Raises:
            ImportError: matplotlib is not installed.
            RunAtlasError: A request failed.
            TypeError: An argument has another type.
            ValueError: An argument cannot be understood.
        """
        if log not in {None, "", "x", "y", "xy"}:
            raise ValueError(f"log: expected 'x', 'y' or 'xy', got {log!r}")
        wanted = ((x, "x"), (y, "y"), (color, "color"))
        fields = {name: make_value_field(text(name, told), argument=told) for name, told in wanted if name}
        rows, runs = self._rows(fields)
        notes = self._absent(rows, fields)
        return draw_scatter(rows, runs, x, y, color, ax=ax, log=log, units=self._units_of(fields), notes=notes)

    def parallel(self, keys: Sequence[str], result: str) -> Chart:
        """Draw a line each run across parallel axes, coloured by a result; a request for each thousand runs.

        Args:
            keys: The axes: fields as filters name them, such as ``"config.lr"``, or metrics with their statistics.
            result: The last axis, such as ``"val_loss.min"``.

        Returns:
            The chart, which a notebook shows; runs without one of the values are named below it.

        Raises:
            ImportError: matplotlib is not installed.
            RunAtlasError: A request failed.
            TypeError: An argument has another type.
            ValueError: An argument cannot be understood.
        """
        named = texts(keys, "keys")
        fields = {name: make_value_field(name, argument="keys") for name in named}
        fields[result] = make_value_field(text(result, "result"), argument="result")
        rows, runs = self._rows(fields)
        notes = self._absent(rows, fields)
        return draw_parallel(rows, runs, named, result, units=self._units_of(fields), notes=notes)

    def _absent(self, rows: Sequence[Mapping[str, Any]], fields: Mapping[str, Field]) -> tuple[str, ...]:
        """Say what is drawn that no run has, and what is near; a request if there is any."""
        absent = [
            field for name, field in fields.items() if field.type != "STABLE" and all(row[name] is None for row in rows)
        ]
        return self._notes_of(absent) if rows and absent else ()

    def _units_of(self, fields: Mapping[str, Field]) -> dict[str, str]:
        """Read the units of the metrics among what is drawn; without a metric that needs no request."""
        keys = {name: field.key for name, field in fields.items() if field.type == "SCALAR"}
        units = _units(_project(self), keys.values()) if keys else {}
        return {name: units[key] for name, key in keys.items() if key in units}

    def _rows(self, fields: Mapping[str, Field]) -> tuple[list[dict[str, Any]], list[str]]:
        """Read what runs have in fields and metrics, and what they are called."""
        metrics = [field for field in fields.values() if field.type == "SCALAR"]
        parts: tuple[RunPart, ...] = ("config",) if any(field.type == "CONFIG" for field in fields.values()) else ()
        rows, runs = [], []
        for record in self._read_records(parts, metrics):
            found = iter(record.statistics or (None,) * len(metrics))
            rows.append(
                {
                    name: next(found) if field.type == "SCALAR" else field_value(record, field)
                    for name, field in fields.items()
                }
            )
            runs.append(record.name or record.id)
        return rows, runs


def _units(project: ProjectRecord | None, keys: Iterable[str]) -> dict[str, str]:
    """Return the units of metrics that have one."""
    told = () if project is None else project.metrics
    return {key: found.unit for key in set(keys) if (found := find_definition(told, key)) and found.unit}


def _told(record: RunRecord, fields: Sequence[Field]) -> Any:
    """Return what a run has in a field, or in several in one text."""
    values = [field_value(record, field) for field in fields]
    return values[0] if len(values) == 1 else ", ".join("none" if value is None else str(value) for value in values)


def _field(name: str, argument: str) -> tuple[Field, ...]:
    """Read what colours or panels stand for; nothing for the run or the metric itself."""
    if name in _OWN:
        return ()
    field = parse_field(name, argument=argument)
    if field.type == "SCALAR" and (field.stat != "last" or field.context):
        raise ValueError(f"{argument}: of {field.key!r} the last value can be shown: 'summary.{field.key}'")
    return (field,)

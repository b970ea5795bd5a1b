"""Reports on runs: a spec, the page or the table that comes of it, and what it takes to check that later."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import attrs
from arro3.core import Array, DataType, Table

from runatlas.charts.chart import Chart
from runatlas.entities.metric_name import make_metric, make_value_field
from runatlas.entities.report import Report
from runatlas.entities.report_spec import SPEC_MAX, ReportChart, ReportColumn, ReportSpec, parse_spec, read_spec
from runatlas.entities.run_plot import PlottedRuns
from runatlas.entities.run_query import query_texts
from runatlas.entities.run_statistics import RunStatistics
from runatlas.model.codec import dumps, encode
from runatlas.model.config_name import Section
from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filter_language import parse_filter
from runatlas.model.filters import And, Field, Sort
from runatlas.model.ids import ProjectPath
from runatlas.model.instant import iso_text
from runatlas.model.metric import MetricDefinition, find_definition
from runatlas.model.run import RunPart, RunQuery, RunRecord
from runatlas.model.run_value import field_value, value_of
from runatlas.model.version import VERSION
from runatlas.reports.content import Column, Content, Row, fingerprint_of
from runatlas.reports.page import inline_svg
from runatlas.response import ApiResponse
from runatlas.statistics.aggregate import AggregateRow, AggregateTable
from runatlas.statistics.grouping import AllBut, rank, said
from runatlas.tables.value import ValueTable
from runatlas.terminal import counted

if TYPE_CHECKING:
    from runatlas.entities.runs import Runs

__all__ = ["ReportOptions", "RunReports", "draw_charts", "make_spec"]

_MILLISECONDS = DataType.timestamp("ms", tz="UTC")
_SIMPLE = {str, int, float, bool}


class ReportOptions(TypedDict, total=False):
    """What a report is asked for; see ``Runs.report``."""

    title: str
    text: str
    filter: str
    columns: Sequence[str | ReportColumn | Mapping[str, Any]]
    stats: str | Sequence[str | ReportColumn | Mapping[str, Any]]
    group_by: str | Sequence[str | ReportColumn | Mapping[str, Any]] | AllBut
    over: str
    center: str
    spread: str
    task: str
    states: Sequence[str] | Literal["all"]
    duplicates: str
    sort: str | Sequence[str]
    limit: int
    charts: Sequence[ReportChart | Mapping[str, Any]]


class RunReports(RunStatistics, PlottedRuns):
    """Runs of which reports can be made."""

    @abstractmethod
    def _sorts(self) -> tuple[Sort, ...]:
        """Return what these runs are ordered by."""

    def report(
        self, spec: str | Path | ReportSpec | None = None, **options: Unpack[ReportOptions]
    ) -> ApiResponse[Report]:
        """Make a report of these runs: a row each run (``columns``), or each group of runs (``stats``).

        Args:
            spec: A file of TOML with the options below, or what ``report.spec`` of another one was; then no options.
            **options: ``columns``: fields of a run and metrics with their statistic: ``["name", "config.lr",
                "val_loss.min"]``, or a mapping each with ``field`` and ``label``, ``digits`` (how many decimals),
                ``unit`` and ``goal``. ``stats``: metrics that are put together, by ``group_by``, with ``over``,
                ``center``, ``spread``, ``task``, ``states`` (``"all"`` for all) and ``duplicates`` as ``aggregate``
                takes them. ``filter``: which of these runs. ``sort``: fields or metrics, ``-`` before one for the
                greatest first. ``limit``: how many rows. ``charts``: a mapping each with ``kind``: ``"plot"``,
                ``"scatter"`` or ``"parallel"``, ``title``, and what that method takes. ``title`` and ``text`` stand
                above it.

        Returns:
            The report, which a notebook shows and which writes itself as HTML, Markdown, LaTeX, CSV, Parquet and Excel.

        Raises:
            ImportError: What intervals or charts need is not installed.
            OSError: The file cannot be read.
            ReportSpecError: Something cannot be understood, a ``ValueError``: every mistake is told with its key.
            ValueError: Two runs have one value of ``over``, or a chart cannot be drawn.

        Example:
            >>> from runatlas import Api, Run
            >>> for rate in (0.1, 0.01):
            ...     with Run(repo="./experiments", experiment="reported", config={"lr": rate}) as made:
            ...         made.log({"loss": rate})
            >>> runs = Api("./experiments").projects(search="reported").first().runs()
            >>> report = runs.report(title="Rates", columns=["config.lr", "loss.min"], sort="loss.min").unwrap()
            >>> report
            <Report 'Rates': 2 rows x 2 columns>
            >>> report.to_html("rates.html")
            'rates.html'
        """
        asked = make_spec(spec, options)
        if asked.project and asked.project != "/".join(filter(None, self._place())):
            raise ValueError(f"project: the spec is of {asked.project}, and these runs are not")
        return ApiResponse.of(lambda: self._report(asked))

    def _report(self, spec: ReportSpec) -> Report:
        chosen, content, table = self._read_report(spec)
        charts = draw_charts(chosen, spec)
        pictures = tuple(
            (told.title, inline_svg(chart.to_svg(), f"c{place}-"))
            for place, (told, chart) in enumerate(zip(spec.charts, charts, strict=True))
        )
        drawn = tuple((told.title, chart.fingerprint) for told, chart in zip(spec.charts, charts, strict=True))
        return Report(spec, attrs.evolve(content, charts=pictures, drawn=drawn), table, charts)

    def _read_report(self, spec: ReportSpec) -> tuple[Runs, Content, ValueTable | AggregateTable]:
        """Read what a report says, but for its charts."""
        selection, sorts = self.selection(), self._sorts()
        origin = {"spec": spec.plain(), "selection": encode(selection), "sorts": encode(sorts)}
        if spec.filter:
            wanted = parse_filter(spec.filter)
            joint = wanted if selection.filter is None else And((selection.filter, wanted))
            selection = attrs.evolve(selection, filter=joint)
        if spec.columns:
            sorts = tuple(map(_sort, spec.sort)) or sorts
        chosen = self._first_of(selection, sorts, spec.limit if spec.columns else None)
        workspace, project = self._place()
        told: Sequence[MetricDefinition] = ()
        if project is not None:
            told = self._handle.backend.get_project(ProjectPath(workspace, project)).metrics
        made = (_of_runs if spec.columns else _of_groups)(chosen, spec, told)
        fingerprint = fingerprint_of([origin["selection"], origin["sorts"]], made.columns, made.rows)
        facts = {
            "made": iso_text(time.time_ns() // 1_000_000),
            "runs": made.size,
            "of": workspace if project is None else f"{workspace}/{project}",
            "asked": "; ".join(query_texts(RunQuery(selection, sorts=sorts))),
            "store": _called(self._handle.location),
            "fingerprint": fingerprint,
            "by": f"RunAtlas {VERSION}",
        }
        content = Content(
            title=spec.title,
            text=spec.text,
            columns=made.columns,
            rows=made.rows,
            facts=facts,
            notes=(*(chosen.notes if selection.filter is not None else ()), *made.notes),
            origin=origin,
            fingerprint=fingerprint,
        )
        return chosen, content, made.table


def draw_charts(chosen: Runs, spec: ReportSpec) -> list[Chart]:
    """Draw what a report is asked for.

    Raises:
        ImportError: matplotlib is not installed.
        RunAtlasError: A request failed.
        ValueError: One cannot be drawn.
    """
    return [_draw(chosen, chart, f"charts[{place}]") for place, chart in enumerate(spec.charts)]


def make_spec(spec: str | Path | ReportSpec | None, options: Mapping[str, Any]) -> ReportSpec:
    """Read what a report is asked for.

    Args:
        spec: A file, or what another one was asked for; ``None`` for options.
        options: What ``Runs.report`` takes.

    Raises:
        OSError: The file cannot be read.
        ReportSpecError: Something cannot be understood.
        TypeError: There are both.
    """
    if spec is None:
        return read_spec(options)
    if options:
        raise TypeError(f"report: give a spec or options, not both; it has {', '.join(options)}")
    if isinstance(spec, ReportSpec):
        return read_spec(spec.plain())
    with Path(spec).open("rb") as file:
        return parse_spec(file.read(SPEC_MAX + 1), source=str(spec))


def _called(location: str) -> str:
    """Return what a store is called in a file that others read: a server's address, a directory's own name."""
    return location if "://" in location else Path(location).name


@attrs.frozen
class _Made:
    """The rows of a report, and what is to be known of them."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    table: ValueTable | AggregateTable
    size: str
    notes: tuple[str, ...]


# -- a row each run -----------------------------------------------------------------------------------------------


def _of_runs(chosen: Runs, spec: ReportSpec, told: Sequence[MetricDefinition]) -> _Made:
    fields = [make_value_field(column.field, argument="columns") for column in spec.columns]
    columns = tuple(_column(column, field, told) for column, field in zip(spec.columns, fields, strict=True))
    metrics = [field for field in fields if field.type == "SCALAR"]
    parts: tuple[RunPart, ...] = ("config",) if any(field.type == "CONFIG" for field in fields) else ()
    configured = [place for place, field in enumerate(fields) if field.type == "CONFIG"]
    readers = [None if field.type == "SCALAR" else _reader(field) for field in fields]
    rows: list[Row] = []
    sections: dict[int, list[str]] = {}
    running = 0
    for record in chosen._read_records(parts, metrics):  # noqa: SLF001 - runs that were made here
        measured = iter(record.statistics or (None,) * len(metrics))
        values = tuple(next(measured) if read is None else read(record) for read in readers)
        rows.append(Row(record.cuid, record.id, values))
        for place in (place for place in configured if values[place] is None):
            held = value_of(record, fields[place])
            if isinstance(held, Section):
                sections.setdefault(place, []).append(min(held.names, default="…"))
        running += record.state == "RUNNING"
    notes = [
        *([f"the first {counted(len(rows), 'run')}: no more were asked for"] if len(rows) == spec.limit else []),
        *_missing(columns, rows, sections),
        *chosen._near(fields, [row.values for row in rows]),  # noqa: SLF001 - runs that were made here
        *([f"{running:,} of {counted(len(rows), 'run')} go on, and their numbers change"] if running else []),
    ]
    values_of = {column.name: [row.values[place] for row in rows] for place, column in enumerate(columns)}
    table = _RunRows(values_of, {column.name for column in columns if column.is_time}, notes)
    return _Made(columns, tuple(rows), table, counted(len(rows), "run"), tuple(notes))


def _reader(field: Field) -> Callable[[RunRecord], Any]:
    """Return what reads a field of runs; a time as Unix milliseconds."""
    if _is_time(field):
        return lambda record: value_of(record, field)
    if field.type != "CONFIG" or "." in field.key:
        return lambda record: field_value(record, field)
    key = field.key

    def read(record: RunRecord) -> Any:
        held = (record.config or {}).get(key)
        return held if type(held) in _SIMPLE else field_value(record, field)

    return read


def _is_time(field: Field) -> bool:
    return field.type == "STABLE" and STABLE_FIELDS[field.key] == "time" and field.stat != "len"


def _column(column: ReportColumn, field: Field, told: Sequence[MetricDefinition]) -> Column:
    known = find_definition(told, field.key) if field.type == "SCALAR" else None
    unit = column.unit or (known.unit if known else "")
    if not unit and field.type == "STABLE":
        unit = "UTC" if _is_time(field) else "s" if field.key == "duration" else ""
    title = column.label or column.field
    return Column(
        name=column.field,
        title=f"{title} ({unit})" if unit else title,
        digits=column.digits,
        goal=column.goal or (known.goal if known else None),
        is_time=_is_time(field),
    )


def _missing(columns: Sequence[Column], rows: Sequence[Row], sections: Mapping[int, Sequence[str]]) -> Iterator[str]:
    """Say what runs do not have, which has no value as it is a section with these names, and what is no number."""
    for place, column in enumerate(columns):
        held = [row.values[place] for row in rows]
        if inner := sections.get(place):
            yield (
                f"{column.name}: a section in {len(inner):,} of {counted(len(held), 'run')}, which has no value; "
                f"name a key in it, such as {column.name}.{inner[0]}"
            )
        absent = sum(value is None for value in held) - len(inner or ())
        if absent:
            yield f"{column.name}: missing in {absent:,} of {counted(len(held), 'run')}"
        odd = sum(isinstance(value, float) and not math.isfinite(value) for value in held)
        if odd:
            yield f"{column.name}: NaN or infinite in {odd:,} of {counted(len(held), 'run')}"


class _RunRows(ValueTable):
    """Rows of runs, with columns of times."""

    def __init__(self, columns: Mapping[str, list[Any]], times: set[str], notes: Sequence[str]) -> None:
        super().__init__(columns, notes=notes)
        self._times = times

    def _head(self, rows: int) -> Table:
        made = super()._head(rows)
        for name in self._times:
            held = Array(self.column(name)[:rows], DataType.int64()).cast(_MILLISECONDS)
            made = made.set_column(made.column_names.index(name), name, held)
        return made


# -- a row each group ---------------------------------------------------------------------------------------------


def _of_groups(chosen: Runs, spec: ReportSpec, told: Sequence[MetricDefinition]) -> _Made:
    by = spec.group_by if isinstance(spec.group_by, AllBut) else [column.field for column in spec.group_by]
    found = chosen.aggregate(
        [column.field for column in spec.stats],
        by=by,
        over=spec.over,
        center=spec.center,
        spread=spec.spread,
        task=spec.task,
        states=spec.states,
        duplicates=spec.duplicates,
    ).unwrap()
    groups = [ReportColumn(name) for name in found.by] if isinstance(spec.group_by, AllBut) else spec.group_by
    metrics = [_column(column, make_metric(column.field), told) for column in spec.stats]
    columns = (
        *(_column(column, make_value_field(column.field, argument="group_by"), told) for column in groups),
        Column("runs", "runs"),
        *metrics,
    )
    rows = _sorted(found, spec)
    notes = [found.description, *found.notes]
    if len(rows) < len(found.rows):
        notes.append(f"the first {len(rows):,} of {counted(len(found.rows), 'group')}")
    table = AggregateTable(
        rows,
        by=found.by,
        metrics=found.metrics,
        description=found.description,
        notes=notes[1:],
        goals={column.name: column.goal for column in metrics},
    )
    total = sum(row.runs for row in found.rows)
    size = f"{counted(total, 'run')} in {counted(len(found.rows), 'group')}"
    return _Made(columns, tuple(_group_row(row, found.by) for row in rows), table, size, tuple(notes))


def _group_row(row: AggregateRow, by: Sequence[str]) -> Row:
    name = ", ".join(f"{field}={said(value)}" for field, value in zip(by, row.group, strict=True))
    return Row(dumps(list(row.group)), name or "all runs", (*row.group, row.runs, *row.estimates))


def _sorted(found: AggregateTable, spec: ReportSpec) -> list[AggregateRow]:
    """Return the groups in their order; those without a value come last either way."""
    rows = list(found.rows)
    for name in reversed(spec.sort):
        is_down, field = name.startswith("-"), name.removeprefix("-")
        keyed = [(_group_value(row, field, found), row) for row in rows]
        there = [(rank(value), row) for value, row in keyed if value is not None]
        there.sort(key=lambda pair: pair[0], reverse=is_down)
        rows = [row for _, row in there] + [row for value, row in keyed if value is None]
    return rows[: spec.limit]


def _group_value(row: AggregateRow, field: str, found: AggregateTable) -> Any:
    if field in found.by:
        return row.group[found.by.index(field)]
    if field in found.metrics:
        return row.estimates[found.metrics.index(field)].center
    if field == "runs":
        return row.runs
    raise ValueError(f"sort: groups can be ordered by {', '.join((*found.by, 'runs', *found.metrics))}, not {field!r}")


# -- what both need -----------------------------------------------------------------------------------------------


def _sort(name: str) -> Sort:
    return Sort(make_value_field(name.removeprefix("-"), argument="sort"), "DESC" if name.startswith("-") else "ASC")


def _draw(chosen: Runs, chart: ReportChart, where: str) -> Chart:
    options = dict(chart.options)
    try:
        if chart.kind == "scatter":
            return chosen.scatter(**options)
        if chart.kind == "parallel":
            return chosen.parallel(**options)
        return chosen.plot(options.pop("keys", None), **options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error

"""What a report is asked for: arguments, or a file of TOML, with a sentence for each mistake in it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import attrs

from runatlas.entities.argument import choice, integer, one_or_more, text, texts
from runatlas.entities.metric_name import make_metric, make_value_field
from runatlas.entities.run_query import make_groups
from runatlas.errors import shortened
from runatlas.model.filter_language import parse_filter
from runatlas.model.ids import ProjectPath
from runatlas.model.policy import Goal
from runatlas.model.run import RUN_STATES, RunState
from runatlas.model.text import did_you_mean
from runatlas.statistics.estimate import CENTERS, SPREADS, Center, Spread
from runatlas.statistics.grouping import DUPLICATES, AllBut, Duplicates, Grouping
from runatlas.terminal import counted

__all__ = [
    "SPEC_MAX",
    "ChartKind",
    "ReportChart",
    "ReportColumn",
    "ReportSpec",
    "ReportSpecError",
    "parse_spec",
    "read_spec",
]

T = TypeVar("T")

ChartKind: TypeAlias = Literal["plot", "scatter", "parallel"]
_KINDS: tuple[ChartKind, ...] = get_args(ChartKind)
_GOALS: tuple[Goal, ...] = ("min", "max")
_OPTIONS: dict[ChartKind, tuple[str, ...]] = {
    "plot": ("keys", "x", "x_axis", "color", "facet", "smooth", "band", "log", "sample", "limit"),
    "scatter": ("x", "y", "color", "log"),
    "parallel": ("keys", "result"),
}
_NEEDED: dict[ChartKind, tuple[str, ...]] = {"plot": (), "scatter": ("x", "y"), "parallel": ("keys", "result")}
SPEC_MAX = 1_000_000
"""How many bytes a spec may have."""
_TITLE_MAX, _TEXT_MAX, _LABEL_MAX, _UNIT_MAX = 200, 4000, 100, 50
_COLUMNS_MAX, _GROUPS_MAX, _CHARTS_MAX, _LIMIT_MAX = 100, 20, 20, 1_000_000
_DIGITS_MAX = 17
_TOLD = 20


class ReportSpecError(ValueError):
    """What cannot be a report.

    Attributes:
        mistakes: A sentence for each mistake.
    """

    def __init__(self, source: str, mistakes: Sequence[str]) -> None:
        told = [f"{source}: {mistake}" if source else mistake for mistake in map(shortened, mistakes[:_TOLD])]
        if len(mistakes) > _TOLD:
            told.append(counted(len(mistakes) - _TOLD, "more mistake"))
        super().__init__("\n".join(told))
        self.source = source
        self.mistakes = tuple(mistakes)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.source, self.mistakes)


@attrs.frozen
class ReportColumn:
    """A column.

    Attributes:
        field: A field of a run, such as ``name`` or ``config.lr``, or a metric with its statistic: ``val_loss.min``.
        label: What stands above it; ``""`` for the field.
        digits: How many decimals its numbers are written with; ``None`` leaves that to the numbers.
        unit: The unit of its values; ``""`` for the one that the project says.
        goal: Which way is better; ``None`` for what the project says.
    """

    field: str
    label: str = ""
    digits: int | None = None
    unit: str = ""
    goal: Goal | None = None


@attrs.frozen
class ReportChart:
    """A chart.

    Attributes:
        kind: ``plot``, ``scatter`` or ``parallel``: what runs can draw.
        title: What stands below it.
        options: What that takes.
    """

    kind: ChartKind
    title: str = ""
    options: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class ReportSpec:
    """What a report is asked for.

    Attributes:
        title, text: What stands above the table.
        project: The project, ``workspace/project``; ``""`` where the runs are known.
        filter: Which of the runs; ``""`` for all.
        columns: One row a run: what it tells.
        stats: One row a group: the metrics that are put together, as ``runs.aggregate`` does.
        group_by: What tells groups apart.
        over, center, spread, task, states, duplicates: As ``runs.aggregate`` takes them.
        sort: Fields or metrics that rows are ordered by, ``-`` before one for the greatest first.
        limit: How many rows at the most; ``None`` for all.
        charts: What is drawn.
    """

    title: str = "Report"
    text: str = ""
    project: str = ""
    filter: str = ""
    columns: tuple[ReportColumn, ...] = ()
    stats: tuple[ReportColumn, ...] = ()
    group_by: tuple[ReportColumn, ...] | AllBut = ()
    over: str | None = None
    center: Center = "mean"
    spread: Spread = "ci95"
    task: str | None = None
    states: tuple[RunState, ...] | None = ("FINISHED",)
    duplicates: Duplicates = "refuse"
    sort: tuple[str, ...] = ()
    limit: int | None = None
    charts: tuple[ReportChart, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return what was said as plain values, which ``runs.report`` and a file of TOML take."""
        said = {
            field.name: value
            for field in attrs.fields(type(self))
            if (value := getattr(self, field.name)) != field.default
        }
        if self.states is None:
            said["states"] = "all"
        for name in ("columns", "stats", "group_by"):
            if isinstance(said.get(name), tuple):
                said[name] = [_plain_column(column) for column in said[name]]
        if isinstance(self.group_by, AllBut):
            said["group_by"] = {"all_but": list(self.group_by.keys)}
        if self.charts:
            said["charts"] = [_plain_chart(chart) for chart in self.charts]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


def _plain_column(column: ReportColumn) -> Any:
    said = {name: value for name, value in attrs.asdict(column).items() if value not in {"", None}}
    return column.field if len(said) == 1 else said


def _plain_chart(chart: ReportChart) -> dict[str, Any]:
    named = {"title": chart.title} if chart.title else {}
    return {"kind": chart.kind, **named, **chart.options}


def parse_spec(data: bytes, *, source: str) -> ReportSpec:
    r"""Read the file of a report.

    Args:
        data: What is in it: TOML, whose keys are the arguments of ``runs.report``.
        source: What errors call it.

    Raises:
        ReportSpecError: It is no TOML, or says what no report has; each mistake is told with its key.

    Example:
        >>> parse_spec(b'title = "Rates"\ncolumns = ["name", "config.lr"]', source="rates.toml").columns[1].field
        'config.lr'
    """
    if len(data) > SPEC_MAX:
        raise ReportSpecError(source, [f"{len(data):,} bytes are too many, {SPEC_MAX:,} are allowed"])
    try:
        given = tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise ReportSpecError(source, ["this is no UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ReportSpecError(source, [f"this is no TOML: {error}"]) from None
    except RecursionError:
        raise ReportSpecError(source, ["this is nested too deeply"]) from None
    return read_spec(given, source=source)


def read_spec(given: Mapping[str, Any], *, source: str = "") -> ReportSpec:
    """Read what a report is asked for.

    Args:
        given: What was said, by the names of arguments; what is ``None`` was not.
        source: What errors call it.

    Raises:
        ReportSpecError: Something cannot be understood; each mistake is told with its key.
    """
    reader = _Reader()
    known = [field.name for field in attrs.fields(ReportSpec)]
    for name in given:
        if name not in known:
            reader.mistakes.append(f"there is no {name!r}{did_you_mean(name, known) or _listed(known)}")
    said = {name: value for name, value in given.items() if value is not None and name in known}
    made = {name: reader.read(said[name], name, _READERS[name]) for name in said}
    kept: dict[str, Any] = {name: value for name, value in made.items() if value is not None or name == "states"}
    spec = ReportSpec(**kept)
    if not reader.mistakes:
        reader.read(spec, "", _check)
    if reader.mistakes:
        raise ReportSpecError(source, reader.mistakes)
    return spec


class _Reader:
    """Reads one value after the other, and keeps the sentence of each that cannot be understood."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def read(self, value: Any, where: str, read: Callable[[_Reader, Any, str], T]) -> T | None:
        """Return what a value means; ``None`` if it means nothing."""
        try:
            return read(self, value, where)
        except (TypeError, ValueError) as error:
            sentence = str(error)
            self.mistakes.append(sentence if sentence.startswith(where) else f"{where}: {sentence}")
            return None

    def each(self, values: Any, where: str, most: int, read: Callable[[_Reader, Any, str], T]) -> tuple[T, ...]:
        """Return what each of some values means, but for those that mean nothing."""
        items = [values] if isinstance(values, (str, Mapping)) else values
        if not isinstance(items, Sequence) or isinstance(items, (bytes, bytearray)):
            raise TypeError(f"{where}: expected a list, got {type(values).__name__}")
        if len(items) > most:
            raise ValueError(f"{where}: up to {most}, not {len(items)}")
        found = (self.read(item, f"{where}[{place}]", read) for place, item in enumerate(items))
        return tuple(item for item in found if item is not None)


def _listed(known: Sequence[str]) -> str:
    return f"; there are {', '.join(known)}"


def _bounded(most: int) -> Callable[[_Reader, Any, str], str]:
    def read(_: _Reader, value: Any, where: str) -> str:
        found = text(value, where)
        if len(found) > most:
            raise ValueError(f"{where}: up to {most} characters, not {len(found):,}")
        return found

    return read


def _one_of(known: Sequence[T]) -> Callable[[_Reader, Any, str], T]:
    return lambda _, value, where: choice(value, known, where)


def _project(_: _Reader, value: Any, where: str) -> str:
    return str(ProjectPath.named(text(value, where), argument=where))


def _filter(_: _Reader, value: Any, where: str) -> str:
    parse_filter(text(value, where), argument=where)
    return str(value)


def _group_field(_: _Reader, value: Any, where: str) -> str:
    make_groups(text(value, where))
    return str(value)


def _states(_: _Reader, value: Any, where: str) -> tuple[RunState, ...] | None:
    if value == "all":
        return None
    return tuple(choice(state, RUN_STATES, where) for state in texts(value, where))


def _limit(_: _Reader, value: Any, where: str) -> int:
    return integer(value, where, least=1, most=_LIMIT_MAX)


def _digits(_: _Reader, value: Any, where: str) -> int:
    return integer(value, where, least=0, most=_DIGITS_MAX)


def _sort(_: _Reader, value: Any, where: str) -> str:
    name = text(value, where).strip()
    make_value_field(name.removeprefix("-"), argument=where)
    return name


def _made(
    reader: _Reader, value: Any, where: str, names: Mapping[str, str], check: Callable[[str], object]
) -> ReportColumn:
    """Read a column that is a name, or a table of it and of how it looks."""
    if not isinstance(value, (str, Mapping, ReportColumn)):
        raise TypeError(f"{where}: expected a name or a table of field, label, digits, unit and goal")
    if isinstance(value, ReportColumn):
        value = {name: held for name, held in attrs.asdict(value).items() if held not in {"", None}}
    said = {"field": value} if isinstance(value, str) else {names.get(name, name): held for name, held in value.items()}
    for name in said:
        if name not in _COLUMN:
            raise ValueError(f"{where}: there is no {name!r}{did_you_mean(str(name), _COLUMN) or _listed([*_COLUMN])}")
    if "field" not in said:
        raise ValueError(f"{where}: it has no {'metric' if names else 'field'}")
    check(text(said["field"], where))
    found = {name: reader.read(held, f"{where}.{name}", _COLUMN[name]) for name, held in said.items()}
    return ReportColumn(**{name: held for name, held in found.items() if held is not None})


_COLUMN: dict[str, Callable[[_Reader, Any, str], Any]] = {
    "field": _bounded(2000),
    "label": _bounded(_LABEL_MAX),
    "digits": _digits,
    "unit": _bounded(_UNIT_MAX),
    "goal": _one_of(_GOALS),
}


def _column(reader: _Reader, value: Any, where: str) -> ReportColumn:
    return _made(reader, value, where, {}, lambda name: make_value_field(name, argument=where))


def _stat(reader: _Reader, value: Any, where: str) -> ReportColumn:
    return _made(reader, value, where, {"metric": "field"}, make_metric)


def _group(reader: _Reader, value: Any, where: str) -> ReportColumn:
    return _made(reader, value, where, {}, make_groups)


def _groups(reader: _Reader, value: Any, where: str) -> tuple[ReportColumn, ...] | AllBut:
    if isinstance(value, AllBut):
        return value
    if isinstance(value, Mapping) and "all_but" in value:
        keys = value["all_but"]
        return AllBut(one_or_more(keys, f"{where}.all_but"))
    return reader.each(value, where, _GROUPS_MAX, _group)


def _chart(_: _Reader, value: Any, where: str) -> ReportChart:
    if isinstance(value, ReportChart):
        value = _plain_chart(value)
    if not isinstance(value, Mapping):
        raise TypeError(f"{where}: expected a table, such as {{kind = 'plot', keys = ['val_loss']}}")
    options = dict(value)
    kind = choice(options.pop("kind", None) or "plot", _KINDS, f"{where}.kind")
    title = options.pop("title", "")
    for name in options:
        if name not in _OPTIONS[kind]:
            hint = did_you_mean(name, _OPTIONS[kind]) or _listed(_OPTIONS[kind])
            raise ValueError(f"{where}: a {kind} has no {name!r}{hint}")
    missing = [name for name in _NEEDED[kind] if name not in options]
    if missing:
        raise ValueError(f"{where}: a {kind} needs {' and '.join(missing)}")
    if "keys" in options:
        keys = options["keys"]
        options["keys"] = list(one_or_more(keys, f"{where}.keys"))
    if not isinstance(title, str) or len(title) > _TITLE_MAX:
        raise ValueError(f"{where}.title: expected text of up to {_TITLE_MAX} characters")
    return ReportChart(kind, title, options)


_READERS: dict[str, Callable[[_Reader, Any, str], Any]] = {
    "title": _bounded(_TITLE_MAX),
    "text": _bounded(_TEXT_MAX),
    "project": _project,
    "filter": _filter,
    "columns": lambda reader, value, where: reader.each(value, where, _COLUMNS_MAX, _column),
    "stats": lambda reader, value, where: reader.each(value, where, _COLUMNS_MAX, _stat),
    "group_by": _groups,
    "over": _group_field,
    "center": _one_of(CENTERS),
    "spread": _one_of(SPREADS),
    "task": _group_field,
    "states": _states,
    "duplicates": _one_of(DUPLICATES),
    "sort": lambda reader, value, where: reader.each(value, where, _GROUPS_MAX, _sort),
    "limit": _limit,
    "charts": lambda reader, value, where: reader.each(value, where, _CHARTS_MAX, _chart),
}


def _check(_: _Reader, spec: ReportSpec, __: str) -> None:
    """Check that the parts of a report belong together."""
    if bool(spec.columns) == bool(spec.stats):
        raise ValueError(
            "columns: say either columns, for one row a run, or stats, for one row a group of runs; "
            f"this has {'both' if spec.columns else 'neither'}"
        )
    by = () if isinstance(spec.group_by, AllBut) else tuple(column.field for column in spec.group_by)
    for name, held in (("columns", spec.columns), ("stats", spec.stats), ("group_by", spec.group_by)):
        _check_once(name, () if isinstance(held, AllBut) else held)
    if spec.columns:
        _check_of_runs(spec)
        return
    Grouping(by, spec.over, spec.center, spec.spread, spec.task, spec.states, spec.duplicates).check()
    if isinstance(spec.group_by, AllBut):
        return
    known = [*by, "runs", *(column.field for column in spec.stats)]
    for place, name in enumerate(spec.sort):
        if name.removeprefix("-") not in known:
            raise ValueError(f"sort[{place}]: groups can be ordered by {', '.join(known)}, not {name!r}")


def _check_once(where: str, columns: Sequence[ReportColumn]) -> None:
    known: set[str] = set()
    for place, column in enumerate(columns):
        if column.field in known:
            raise ValueError(f"{where}[{place}]: {column.field!r} is there already")
        known.add(column.field)


def _check_of_runs(spec: ReportSpec) -> None:
    default = ReportSpec()
    for name in ("group_by", "over", "center", "spread", "task", "states", "duplicates"):
        if getattr(spec, name) != getattr(default, name):
            raise ValueError(f"{name}: it belongs to stats, and this report has columns")

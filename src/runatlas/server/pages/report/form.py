"""The form that asks for a report: read from an address, and filled in where that says nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from itertools import zip_longest
from typing import Any
from urllib.parse import quote, urlencode

import attrs

from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filter_language import FilterSyntaxError, field_name, parse_filter, parse_order
from runatlas.model.filters import Field, Sort
from runatlas.model.ids import ProjectPath
from runatlas.model.metric import MetricDefinition, find_definition
from runatlas.model.policy import Goal
from runatlas.model.project import ProjectRecord
from runatlas.model.run import RunRecord
from runatlas.server.pages.run_column import (
    Column,
    choose_columns,
    find_columns,
    known_keys,
    ordered_columns,
    shared_config,
    split_names,
)
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["RUNS_MAX", "ChartForm", "ReportForm", "known_values", "report_form", "spec_text"]

RUNS_MAX = 10_000
"""Of how many runs a report is made for a page."""

_CHARTS_MAX = 6
_METRICS, _LIMIT = 4, "100"
_LINES, _BAND_RUNS, _SAMPLE = 50, 200, 400
"""How many lines a chart has, of how many runs one with a band tells, and how many points a line has."""

_TITLE_MAX, _FIELD_MAX, _LONGEST = 200, 4_000, 10_000
_QUERY_MAX, _NAMES_MAX = 16_000, 2_000
"""How long what an address asks for is, which each file's link on the page has, and of it the columns at first."""

_SPAN = re.compile(r"[1-9]\d{0,3}[smhdw]", re.ASCII)
_PLAIN = re.compile(r"[^\W\d][\w/ -]*")
_OTHERWISE = {"run", "runs", "config", "summary", "metrics"}
"""Names that mean something else than a metric of that key."""

_SEED = re.compile(r"(^|[._/-])seed$", re.IGNORECASE)
_ABOUT = re.compile(r"(\w+)(?:\[(\d+)\])?(?:[.\w]*(:))?")
_FIELDS = {"group_by": "group", "sort": "order", "states": "unfinished"}
"""What the form calls otherwise than reports do."""

_LABELS = {
    "title": "Title",
    "text": "Text",
    "filter": "Filter",
    "since": "Begun within",
    "limit": "Rows at the most",
    "columns": "Columns",
    "group": "Group by",
    "stats": "Metrics",
    "center": "Centre",
    "spread": "Around it",
    "over": "Over",
    "unfinished": "Count unfinished runs",
    "order": "Order",
}
"""What people read beside each field."""

_OWN = ("title", "text", "since", "rows", "stats", "over", "center", "spread", "limit", "chart", "along")
"""What an address of the table has not: with any of these it is one of a report, and says all as reports take it."""


@attrs.frozen
class ChartForm:
    """A chart that is asked for.

    Attributes:
        chart: The metric, or several with commas between them.
        along: What lies across.
        color: What colours stand for; ``""`` for the run.
        band: What is drawn around the mean of each colour; ``""`` for a line each run.
    """

    chart: str = ""
    along: str = "step"
    color: str = ""
    band: str = ""

    def asked(self) -> dict[str, Any]:
        """Return it as ``runs.report`` takes it."""
        keys = [_unquoted(name) for name in split_names(self.chart)]
        made = {"kind": "plot", "keys": keys, "limit": _BAND_RUNS if self.band else _LINES, "sample": _SAMPLE}
        said = {"x": self.along if self.along != "step" else "", "color": self.color, "band": self.band}
        return made | {name: held for name, held in said.items() if held}


@attrs.frozen
class ReportForm:
    """What a report is asked for, as people write it.

    Attributes:
        title, text: What stands above the table.
        filter: Which runs.
        since: How long ago these were begun at the most, such as ``7d``; ``""`` for any time.
        rows: ``runs`` for a row each run, ``groups`` for a row each group of runs.
        columns: What a row says of its run.
        stats: The metrics that are put together.
        group: What tells groups apart.
        over, center, spread: How they are put together.
        unfinished: ``1`` if runs count that did not finish.
        order: What rows are ordered by.
        limit: How many rows there are at the most.
        charts: The charts.
    """

    title: str
    text: str
    filter: str
    since: str
    rows: str
    columns: str
    stats: str
    group: str
    over: str
    center: str
    spread: str
    unfinished: str
    order: str
    limit: str
    charts: tuple[ChartForm, ...]

    @property
    def query(self) -> str:
        """The query of the address that asks for the same whatever becomes of the project."""
        said = [(name, held) for name, held in attrs.asdict(self, recurse=False).items() if name != "charts"]
        for chart in self.charts or (ChartForm(),):
            said += attrs.asdict(chart).items()
        return urlencode([(name, held) for name, held in said if name != "unfinished" or held])

    def asked(self) -> tuple[dict[str, Any], list[str]]:
        """Return it as ``runs.report`` takes it, but for fields that cannot be read, and what is wrong with those."""
        mistakes: list[str] = []
        made: dict[str, Any] = {"title": self.title or "Report", "text": self.text, "filter": self._filter(mistakes)}
        if self.rows == "groups":
            made |= {"stats": split_names(self.stats), "group_by": split_names(self.group), "over": self.over}
            made |= {"center": self.center, "spread": self.spread, "states": "all" if self.unfinished else ""}
            if not made["stats"]:
                mistakes.append("stats: name a metric, with what of it counts of each run, such as val_loss.min")
        else:
            made["columns"] = split_names(self.columns) or ["name"]
            if not split_names(self.columns):
                mistakes.append("columns: name what a row says of its run, such as name, config.lr, val_loss.min")
        made["sort"] = split_names(self.order)
        limit = self.limit or str(RUNS_MAX)
        if not (limit.isascii() and limit.isdigit() and len(limit) < 10 and 1 <= int(limit) <= RUNS_MAX):
            mistakes.append(f"limit: a report on a page has 1 to {RUNS_MAX:,} rows, not {limit[:20]!r}")
        else:
            made["limit"] = int(limit)
        if len(self.query) > _QUERY_MAX:
            mistakes.append(
                f"what is asked for is too long for an address, which has up to {_QUERY_MAX:,} letters of it"
            )
        made["charts"] = [chart.asked() for chart in self.charts]
        return {name: held for name, held in made.items() if held not in ("", [])}, mistakes

    def _filter(self, mistakes: list[str]) -> str:
        try:
            if self.filter:
                parse_filter(self.filter, argument="filter")
        except FilterSyntaxError as error:
            mistakes.append(str(error))
            return ""
        begun = f"created_at > ago('{self.since}')" if self.since else ""
        return f"({self.filter}) and {begun}" if self.filter and begun else self.filter or begun

    def problems(self, mistakes: Iterable[str]) -> dict[str, str]:
        """Return what is to be said below each field; ``""`` is the form as a whole.

        Args:
            mistakes: Sentences that begin with the key that they are about, if they are about one.
        """
        known = {*attrs.fields_dict(type(self)), *(f"chart {place}" for place in range(_CHARTS_MAX))}
        hidden = {"columns"} if self.rows == "groups" else set()
        found: dict[str, str] = {}
        for mistake in mistakes:
            about = _ABOUT.match(mistake)
            name = "" if about is None else _FIELDS.get(about[1], about[1])
            if about is not None and name == "charts" and about[2]:
                name = f"chart {about[2]}"
            if name in hidden and found:
                continue  # it follows from what is said below the fields that are shown
            place = name if name in known - hidden else ""
            said = mistake if about is None else _labelled(mistake, about, name)
            if said not in found.get(place, "").splitlines():
                found[place] = f"{found[place]}\n{said}" if place in found else said
        return found


def _labelled(mistake: str, about: re.Match[str], name: str) -> str:
    """Return a sentence that begins with what people read beside the field."""
    if about[3] is None or (name not in _LABELS and not name.startswith("chart ")):
        return mistake
    label = _LABELS.get(name) or f"Chart {int(about[2]) + 1}"
    which = f" ({int(about[2]) + 1})" if about[2] and name in _LABELS else ""
    return f"{label}{which}{mistake[about.end() - 1 :]}"


def report_form(call: EndpointCall, project: ProjectRecord, runs: Sequence[RunRecord]) -> ReportForm:
    """Read the form from an address: that of a report, or what the table of the project is asked for.

    Args:
        call: Who asks, and how.
        project: The project.
        runs: Some of its runs, whose configs and metrics are told where the address does not say which.
    """
    is_own = any(call.value(name) is not None for name in _OWN)
    first = _first_view(call, project, runs, is_own=is_own)
    if not is_own:
        return first
    said = {
        field.name: _said(call, field.name, getattr(first, field.name))
        for field in attrs.fields(ReportForm)
        if field.name not in {"charts", "unfinished"}
    }
    possible = [*split_names(said["group"]), *split_names(said["stats"])]
    if call.value("order") is None and said["rows"] == "groups" and first.order.removeprefix("-") not in possible:
        said["order"] = ""
    charts = first.charts if call.value("chart") is None else tuple(_charts(call))
    return ReportForm(**said, unfinished=_said(call, "unfinished", ""), charts=charts)


def _said(call: EndpointCall, name: str, default: str) -> str:
    """Return what an address says in a field, within bounds; of a choice only what there is."""
    found = call.value(name)
    if found is None:
        return default
    held = found.replace("\r\n", "\n").strip()[: _LONGEST if name == "filter" else _FIELD_MAX]
    if name == "since":
        return held if _SPAN.fullmatch(held) else ""
    return held if name != "rows" or held in {"runs", "groups"} else default


def _charts(call: EndpointCall) -> list[ChartForm]:
    columns = (call.values(name)[: 2 * _CHARTS_MAX] for name in ("chart", "along", "color", "band"))
    made = (ChartForm(*(held.strip()[:_FIELD_MAX] for held in row)) for row in zip_longest(*columns, fillvalue=""))
    found = [attrs.evolve(chart, along=chart.along or "step") for chart in made if chart.chart]
    return found[:_CHARTS_MAX]


def _first_view(call: EndpointCall, project: ProjectRecord, runs: Sequence[RunRecord], *, is_own: bool) -> ReportForm:
    """Fill in the form: what the table of the project shows, else what varies and the metrics that have a goal."""
    sorts = _sorts(call)
    chosen = () if is_own else find_columns(call.values("columns"))
    shown = ordered_columns(chosen or (*_varying(runs), *_metrics(project, runs)), sorts)
    told = _short(column for column in shown if column.field.stat != "median")
    metrics = [column for column in told if column.is_metric] or _short(_metrics(project, runs))
    apart = _apart(runs)
    group = _fields(call, "group")
    by = group or apart
    order = _order(sorts, project, metrics, [*by, *map(_name, metrics)] if group else None)
    return ReportForm(
        title=(project.title or project.name)[:_TITLE_MAX],
        text="",
        filter=_said(call, "filter", ""),
        since="",
        rows="groups" if group or call.value("stats") else "runs",
        columns=", ".join(dict.fromkeys(["name", *map(_name, told)])),
        stats=", ".join(map(_name, metrics[:_METRICS])),
        group=", ".join(by),
        over="",
        center="mean",
        spread="ci95" if find_spec("scipy") else "sd",
        unfinished=_said(call, "unfinished", ""),
        order=order,
        limit=_LIMIT,
        charts=_first_charts(call, [column.field.key for column in metrics], by, gathered=bool(group)),
    )


def _first_charts(
    call: EndpointCall, keys: Sequence[str], by: Sequence[str], *, gathered: bool
) -> tuple[ChartForm, ...]:
    drawn = [key[:_FIELD_MAX] for key in dict.fromkeys(call.values("curves")) if key][:_METRICS] or keys[:1]
    color, band = _said(call, "color", "") or (by[0] if by else ""), _said(call, "band", "minmax" if gathered else "")
    along = _said(call, "along", "") or ("" if band else _said(call, "x", "")) or "step"
    return tuple(ChartForm(_quoted(key), along, color, band) for key in drawn)


def _quoted(key: str) -> str:
    """Return a key as a list of names has it."""
    return json.dumps(key, ensure_ascii=False) if "," in key else key


def _unquoted(name: str) -> str:
    try:
        return str(json.loads(name)) if name.startswith('"') else name
    except ValueError:
        return name


def _short(columns: Iterable[Column]) -> list[Column]:
    """Return columns, but for those whose names an address has no room for."""
    found, left = [], _NAMES_MAX
    for column in columns:
        size = len(quote(column.name))
        if size <= left:
            found.append(column)
            left -= size
    return found


def _varying(runs: Sequence[RunRecord]) -> tuple[Column, ...]:
    return tuple(column for column in choose_columns(runs) if not column.is_metric)


def _metrics(project: ProjectRecord, runs: Sequence[RunRecord]) -> list[Column]:
    """Return the metrics that have a goal, each with its best value; without any those that most runs have."""
    known = [each.column for each in known_keys(runs) if each.column.is_metric]
    aimed = [(definition, column) for column in known if (definition := _definition(project, column))]
    aimed.sort(key=lambda pair: project.metrics.index(pair[0]))
    found = []
    for definition, column in aimed:
        if definition.goal is not None:
            field = attrs.evolve(column.field, stat=definition.goal)
            found.append(Column(field, field_name(field)))
    return (found or [column for column in choose_columns(runs) if column.is_metric])[:_METRICS]


def _definition(project: ProjectRecord, column: Column) -> MetricDefinition | None:
    return find_definition(project.metrics, column.field.key)


def _goal(project: ProjectRecord, column: Column) -> Goal | None:
    told = _definition(project, column)
    return told.goal if told else None


def _apart(runs: Sequence[RunRecord]) -> list[str]:
    """Return the config, but for seeds, that most runs have and that tells fewest groups of them apart."""
    same = shared_config(runs)
    counts: dict[str, set[str]] = {}
    for known in known_keys(runs):
        name = known.column.field.key
        is_common = 2 * known.runs >= len(runs)
        if is_common and not known.column.is_metric and name not in same and not _SEED.search(name):
            counts[known.column.name] = {repr(_held(run, name)) for run in runs}
    return [min(counts, key=lambda name: len(counts[name]))] if counts else []


def _held(run: RunRecord, name: str) -> Any:
    held: Any = run.config or {}
    for part in name.split("."):
        held = held.get(part) if isinstance(held, Mapping) else None
    return held


def _sorts(call: EndpointCall) -> tuple[Sort, ...]:
    """Return the order of the table, if it can be read."""
    text = _said(call, "order", "")
    with suppress(FilterSyntaxError):
        return parse_order(text, argument="order") if text else ()
    return ()


def _order(
    sorts: Sequence[Sort], project: ProjectRecord, metrics: Sequence[Column], possible: Sequence[str] | None
) -> str:
    """Return the order of the table if rows can have it, else the best first."""
    asked = [("-" if sort.order == "DESC" else "", _value_name(sort.field)) for sort in sorts]
    kept = [sign + name for sign, name in asked if possible is None or name in possible]
    if kept:
        return ", ".join(kept)
    best = next((column for column in metrics if _goal(project, column)), None)
    return "" if best is None else ("-" if _goal(project, best) == "max" else "") + _name(best)


def _fields(call: EndpointCall, name: str) -> list[str]:
    """Return the fields that an address of the table names; what cannot be read is left to the report to say."""
    text = _said(call, name, "")
    try:
        return [field_name(sort.field) for sort in parse_order(text, argument=name)] if text else []
    except FilterSyntaxError:
        return [text]


def _name(column: Column) -> str:
    return _value_name(column.field)


def _value_name(field: Field) -> str:
    """Return what reports call a field: a metric by its key where that means nothing else."""
    plain = _PLAIN.fullmatch(field.key) and field.key not in STABLE_FIELDS and field.key not in _OTHERWISE
    if field.type != "SCALAR" or field.context or not plain:
        return field_name(field)
    return field.key if field.stat == "last" else f"{field.key}.{field.stat}"


def known_values(runs: Sequence[RunRecord]) -> list[str]:
    """Name what columns of a report may be: configs, metrics, and a run's own fields.

    Args:
        runs: Runs with config and summary.
    """
    names = [_name(known.column) for known in known_keys(runs)]
    return [name for name in dict.fromkeys([*names, *STABLE_FIELDS]) if name.isprintable()]


def spec_text(asked: Mapping[str, Any], project: ProjectPath, told: str) -> str:
    """Write what is asked for as the file that ``runatlas report`` makes the same report of.

    Args:
        asked: What ``runs.report`` takes.
        project: Whose runs.
        told: A comment of one line.

    Example:
        >>> print(spec_text({"title": 'A "b"', "columns": ["name"], "limit": 5}, ProjectPath("ann", "iris"), "made"))
        # made
        project = "ann/iris"
        title = "A \\"b\\""
        columns = ["name"]
        limit = 5
        <BLANKLINE>
    """
    plain = {"project": str(project)} | {name: held for name, held in asked.items() if name != "charts"}
    tables = [f"\n[[charts]]\n{_assigned(chart)}" for chart in asked.get("charts", ())]
    return f"# {told}\n{_assigned(plain)}{''.join(tables)}"


def _assigned(named: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {_literal(held)}\n" for name, held in named.items())


def _literal(held: Any) -> str:
    if isinstance(held, list):
        return f"[{', '.join(map(_literal, held))}]"
    return json.dumps(held, ensure_ascii=False).replace("\x7f", "\\u007f")

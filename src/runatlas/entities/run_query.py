"""What a caller may say to choose, order and group runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast, get_args

from runatlas.display.markup import written
from runatlas.entities.argument import text
from runatlas.entities.run import Run
from runatlas.entities.run_algebra import without_always
from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filter_language import field_name, parse_field, parse_filter, parse_order
from runatlas.model.filter_rule import from_rules, groups_from_rules, sorts_from_rules
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Sort
from runatlas.model.ids import ProjectPath, RunPath, validate_run_id
from runatlas.model.instant import iso_text
from runatlas.model.run import RunQuery, RunSelection
from runatlas.model.syntax import FilterSyntaxError

__all__ = [
    "Filters",
    "Groups",
    "Order",
    "Sorts",
    "filter_text",
    "has_number",
    "make_groups",
    "make_run_query",
    "query_texts",
    "select_ids",
]

T = TypeVar("T")

Filters: TypeAlias = str | Sequence[Mapping[str, Any]] | Filter
"""Text, a list of rules (``key``, ``type``, ``op``, ``value``), or a tree."""
Sorts: TypeAlias = Sequence[Mapping[str, Any]]
"""A list of rules: ``key``, ``type``, ``order``."""
Order: TypeAlias = str | Sequence[str]
"""Fields as filters name them, ``-`` before one for descending."""
Groups: TypeAlias = str | Sequence[str] | Sequence[Mapping[str, Any]]
"""Fields as filters name them, or a list of rules: ``key``, ``type``."""


def _make_filter(filters: Filters | None) -> Filter | None:
    """Read a filter.

    Args:
        filters: Text, rules, or a tree; ``None`` and an empty list mean every run.

    Raises:
        TypeError: It is something else.
        ValueError: It cannot be understood.
    """
    __tracebackhide__ = True
    if filters is None or isinstance(filters, get_args(Filter)):
        return cast("Filter | None", filters)
    if isinstance(filters, str):
        return _parsed(parse_filter, filters, "filters")
    return from_rules(cast(Sequence[Mapping[str, Any]], filters))


def _parsed(parse: Callable[..., T], text: str, argument: str) -> T:
    """Read a text; an error of its words ends here, as its sentence has the place."""
    try:
        return parse(text, argument=argument)
    except FilterSyntaxError as error:
        raise error.with_traceback(None)  # noqa: B904 - the same error


def _make_sorts(sorts: Sorts | None, order: Order | None) -> tuple[Sort, ...]:
    """Read an order.

    Args:
        sorts: Rules.
        order: Text, or a list of texts.

    Raises:
        TypeError: One of them is something else.
        ValueError: One of them cannot be understood, or both are given.
    """
    __tracebackhide__ = True
    if sorts is not None and order is not None:
        raise ValueError("order: sorts gives the order already; use one of them")
    if sorts is not None:
        return sorts_from_rules(sorts)
    if order is None or isinstance(order, str):
        return () if order is None else _parsed(parse_order, order, "order")
    if not isinstance(order, Sequence) or not all(isinstance(item, str) for item in order):
        raise TypeError(f"order: expected text or a list of texts, got {type(order).__name__}")
    return tuple(sort for item in order for sort in _parsed(parse_order, item, "order"))


def make_groups(groups: Groups | None) -> tuple[Field, ...]:
    """Read a grouping.

    Args:
        groups: One field, several, or rules.

    Raises:
        TypeError: It is something else.
        ValueError: It cannot be understood, or is nothing that a listed run carries.
    """
    __tracebackhide__ = True
    if groups is None:
        return ()
    if isinstance(groups, str):
        fields: tuple[Field, ...] = (_parsed(parse_field, groups, "groups"),)
    elif isinstance(groups, Sequence) and groups and all(isinstance(item, str) for item in groups):
        fields = tuple(_parsed(parse_field, cast(str, item), "groups") for item in groups)
    else:
        fields = groups_from_rules(cast("Sequence[Mapping[str, Any]]", groups))
    for field in fields:
        if field.type == "SCALAR" and (field.stat != "last" or field.context):
            raise ValueError(f"groups: runs can be grouped by the last value of {field.key!r} only")
        if field.type == "STABLE" and field.key == "labels":
            raise ValueError("groups: runs cannot be grouped by their labels; a run may have several")
    return fields


def make_run_query(
    path: ProjectPath | str,
    filters: Filters | None = None,
    *,
    groups: Groups | None = None,
    sorts: Sorts | None = None,
    search: str | None = None,
    order: Order | None = None,
) -> RunQuery:
    """Read what a caller asked for.

    Args:
        path: The project, or the name of a workspace: all its projects.
        filters: Which runs.
        groups: In which groups.
        sorts: In which order, as rules.
        search: Part of the name or the id.
        order: In which order, as text.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument cannot be understood.
    """
    __tracebackhide__ = True  # of an error of the caller IPython shows the call, and where it was raised
    workspace, project = (path, None) if isinstance(path, str) else (path.workspace, path.project)
    selection = RunSelection(
        workspace,
        project,
        filter=_make_filter(filters),
        search=None if search is None else text(search, "search"),
    )
    return RunQuery(selection, sorts=_make_sorts(sorts, order), groups=make_groups(groups))


_SIGNS = {"EQ": "==", "NEQ": "!=", "GTE": ">=", "LTE": "<=", "GT": ">", "LT": "<"}
_NAMED, _NAMED_TEXT = 8, 60
_CALENDAR = range(-62_135_596_800_000, 253_402_300_800_000)
"""The Unix milliseconds that a calendar has: the years 1 to 9999."""


def filter_text(wanted: Filter) -> str:
    """Write a filter for people, who may have given it in another form; of many parts the first ones.

    Args:
        wanted: The filter.

    Example:
        >>> filter_text(_make_filter("not (config.lr < 0.1 or 'x' in name)"))
        "not (config.lr < 0.1 or name contain 'x')"
    """
    if isinstance(wanted, Not):
        return f"not {_in_brackets(wanted.item)}"
    if isinstance(wanted, Comparison):
        sign = _SIGNS.get(wanted.op, wanted.op.lower())
        return f"{field_name(wanted.field)} {sign} {_literal(wanted)}"
    if not wanted.items:
        return "every run" if isinstance(wanted, And) else "no run"
    parts = list(map(_in_brackets, wanted.items[:_NAMED])) + (["…"] if len(wanted.items) > _NAMED else [])
    return (" and " if isinstance(wanted, And) else " or ").join(parts)


def query_texts(query: RunQuery) -> tuple[str, ...]:
    """Say for people what a listing was asked for: its filter, and what it is ordered by."""
    asked = query.selection.filter
    orders = []
    for sort in query.sorts:
        order = f"by {field_name(sort.field)} ({sort.order.lower()})"
        # NaN equals nothing, so that texts are compared.
        if isinstance(asked, And) and filter_text(And(asked.items[-2:])) == filter_text(And(has_number(sort.field))):
            rest, order = asked.items[:-2], f"{order}, of those that have it"
            asked = None if not rest else rest[0] if len(rest) == 1 else And(rest)
        orders.append(order)
    shown = None if asked is None else without_always(asked)
    return (*(() if shown is None else (filter_text(shown),)), *orders)


def has_number(field: Field) -> tuple[Filter, Filter]:
    """Return what holds for runs of which a field is a number."""
    return Comparison(field, "NEQ", None), Not(Comparison(field, "EQ", math.nan))


def _in_brackets(wanted: Filter) -> str:
    return filter_text(wanted) if isinstance(wanted, Comparison) else f"({filter_text(wanted)})"


def _literal(wanted: Comparison) -> str:
    field, held = wanted.field, wanted.value
    if field.type == "STABLE" and STABLE_FIELDS.get(field.key) == "time" and isinstance(held, int):
        return repr(iso_text(held)) if held in _CALENDAR else written(held)
    if not isinstance(held, str):
        return written(held)
    return repr(held) if len(held) <= _NAMED_TEXT else f"{held[:_NAMED_TEXT]!r}…"


def select_ids(project: ProjectPath, runs: object, argument: str) -> RunSelection:
    """Return a list of runs as a selection.

    Args:
        project: Their project.
        runs: Runs, ids or paths.
        argument: What the caller named them.

    Raises:
        TypeError: It is no list of those.
        ValueError: An id or path is malformed, or of another project.
    """
    if isinstance(runs, (str, bytes)) or not isinstance(runs, Sequence):
        raise TypeError(f"{argument}: expected a list of runs or ids, got {type(runs).__name__}")
    ids = (_run_id(project, item, f"{argument}[{index}]") for index, item in enumerate(runs))
    return RunSelection(project.workspace, project.project, ids=tuple(dict.fromkeys(ids)))


def _run_id(project: ProjectPath, item: Any, argument: str) -> str:
    if isinstance(item, Run):
        path = item.run_path
    elif isinstance(item, str) and "/" in item:
        path = RunPath.named(item, argument=argument)
    else:
        return validate_run_id(item, argument=argument)
    if path.project_path != project:
        raise ValueError(f"{argument}: {path} is not a run of {project}")
    return path.run

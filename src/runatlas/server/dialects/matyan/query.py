"""MatyanQL as this protocol has it: archived runs are left out unless the query asks for them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from runatlas.errors import ValidationError
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Or
from runatlas.model.ids import project_name_of
from runatlas.model.matyan_query import MatyanQuery, parse_matyan
from runatlas.server.dialects.matyan.place import DEFAULT

__all__ = ["Query", "read_query"]

_DURATION = Field("STABLE", "duration")
_EXPERIMENT = Field("STABLE", "project")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "EQ": operator.eq,
    "NEQ": operator.ne,
    "GT": operator.gt,
    "GTE": operator.ge,
    "LT": operator.lt,
    "LTE": operator.le,
}
_NOT_ARCHIVED = Comparison(Field("STABLE", "archived"), "EQ", value=False)


@attrs.frozen
class Query:
    """A query that was read.

    Attributes:
        runs: Holds for every run that can have a match.
        conditions: What has to be known of each run to answer ``traces.matches``.
        traces: Tells whether a trace is asked for.
    """

    runs: Filter
    conditions: tuple[Filter, ...]
    traces: MatyanQuery


def read_query(text: str, sequence: str | None = None) -> Query:
    """Read a query.

    Args:
        text: As it was sent; empty for everything that is not archived.
        sequence: What is searched beside runs.

    Raises:
        ValidationError: 400 when it cannot be read or asks for what cannot be expressed.
    """
    try:
        found = parse_matyan(text, sequence=sequence, argument="q")
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"Invalid query syntax: {error}", code=400) from error
    conditions = tuple(_as_here(condition) for condition in found.run_conditions)
    wanted = None if found.runs is None else _as_here(found.runs)
    told: Sequence[Filter] = [*conditions, *([] if wanted is None else [wanted])]
    if any(_asks_for_archived(part) for part in told):
        return Query(And(()) if wanted is None else wanted, conditions, found)
    return Query(_NOT_ARCHIVED if wanted is None else And((_NOT_ARCHIVED, wanted)), conditions, found)


def _asks_for_archived(part: Filter) -> bool:
    if isinstance(part, Comparison):
        return part.field == _NOT_ARCHIVED.field
    return any(map(_asks_for_archived, [part.item] if isinstance(part, Not) else part.items))


def _as_here(part: Filter) -> Filter:
    """Say a filter in the terms of the store, where MatyanQL's are others."""
    if isinstance(part, Comparison):
        if part.field == _DURATION:
            return _lasting(part)
        return _named(part) if part.field == _EXPERIMENT else part
    if isinstance(part, Not):
        return Not(_as_here(part.item))
    items = tuple(map(_as_here, part.items))
    return And(items) if isinstance(part, And) else Or(items)


def _lasting(part: Comparison) -> Filter:
    """A run that goes on has lasted 0 seconds in MatyanQL; the store knows no duration of it."""
    holds = _OPERATORS.get(part.op)
    if holds is None or not isinstance(part.value, (int, float)) or not holds(0.0, part.value):
        return part
    return Or((part, Comparison(_DURATION, "EQ", None)))


def _named(part: Comparison) -> Comparison:
    """Experiments are compared by the names that their free texts have become; none is the project of such runs."""
    if isinstance(part.value, tuple):
        return attrs.evolve(part, value=tuple(map(_project_of, part.value)))
    return attrs.evolve(part, value=_project_of(part.value)) if part.op in {"EQ", "NEQ"} else part


def _project_of(value: Any) -> Any:
    if value is None:
        return DEFAULT
    return project_name_of(value) if isinstance(value, str) else value

"""MatyanQL as this protocol has it: archived runs are left out unless the query asks for them."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from runatlas.errors import ValidationError
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Or
from runatlas.model.ids import project_name_of
from runatlas.model.matyan_query import MatyanQuery, parse_matyan

__all__ = ["Query", "read_query"]

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
    conditions = tuple(_by_name(condition) for condition in found.run_conditions)
    wanted = None if found.runs is None else _by_name(found.runs)
    told: Sequence[Filter] = [*conditions, *([] if wanted is None else [wanted])]
    if any(_asks_for_archived(part) for part in told):
        return Query(And(()) if wanted is None else wanted, conditions, found)
    return Query(_NOT_ARCHIVED if wanted is None else And((_NOT_ARCHIVED, wanted)), conditions, found)


def _asks_for_archived(part: Filter) -> bool:
    if isinstance(part, Comparison):
        return part.field == _NOT_ARCHIVED.field
    return any(map(_asks_for_archived, [part.item] if isinstance(part, Not) else part.items))


def _by_name(part: Filter) -> Filter:
    """Experiments are compared by the names that their free texts have become."""
    if isinstance(part, Comparison):
        return _named(part) if part.field == Field("STABLE", "project") else part
    if isinstance(part, Not):
        return Not(_by_name(part.item))
    items = tuple(map(_by_name, part.items))
    return And(items) if isinstance(part, And) else Or(items)


def _named(part: Comparison) -> Comparison:
    if isinstance(part.value, tuple):
        names = tuple(project_name_of(value) if isinstance(value, str) else value for value in part.value)
        return attrs.evolve(part, value=names)
    if part.op in {"EQ", "NEQ"} and isinstance(part.value, str):
        return attrs.evolve(part, value=project_name_of(part.value))
    return part

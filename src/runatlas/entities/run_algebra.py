"""What two listings of runs come to together, as one question."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Literal, TypeAlias

import attrs

from runatlas.model.filters import And, Comparison, Field, Filter, Not, Or
from runatlas.model.run import RunQuery

__all__ = ["How", "always", "filter_fields", "merged_query", "without_always"]

How: TypeAlias = Literal["-", "&", "|"]
"""What is in one and not in the other, in both, or in either."""

_TOLD_MAX = 20
"""How many configs and metrics of several listings a deletion is told of, as it looks at no more."""


def merged_query(how: How, left: RunQuery, right: RunQuery) -> RunQuery | None:
    """Return what two whole listings of one place come to, which a deletion can look at.

    Returns:
        The first one with a filter that says both; ``None`` where ids or a search cannot be said by a filter.
    """
    first, second = left.selection, right.selection
    if first.ids is not None or second.ids is not None or second.search is not None or (how == "|" and first.search):
        return None
    if how == "|":
        both: Filter | None = None
        if first.filter is not None and second.filter is not None:
            both = Or((first.filter, second.filter))
        return attrs.evolve(left, selection=attrs.evolve(first, filter=both))
    if second.filter is None:
        return left if how == "&" else attrs.evolve(left, selection=attrs.evolve(first, ids=()))
    wanted = second.filter if how == "&" else Not(second.filter)
    both = wanted if first.filter is None else And((first.filter, wanted))
    return attrs.evolve(left, selection=attrs.evolve(first, filter=both))


def filter_fields(wanted: Filter) -> Iterator[Field]:
    """Yield the fields that a filter names."""
    if isinstance(wanted, Comparison):
        yield wanted.field
    else:
        for item in (wanted.item,) if isinstance(wanted, Not) else wanted.items:
            yield from filter_fields(item)


def always(*fields: Field) -> Filter | None:
    """Make a filter that holds for every run, and names these configs and metrics."""
    named = dict.fromkeys(Field(field.type, field.key, context=field.context) for field in fields)
    items = (Comparison(field, "EQ", None) for field in named if field.type != "STABLE")
    both = tuple(Or((item, Not(item))) for item in islice(items, _TOLD_MAX))
    return And(both) if both else None


def without_always(wanted: Filter) -> Filter | None:
    """Return a filter without what ``always`` made, which only names fields; ``None`` if nothing else is in it.

    Example:
        >>> without_always(always(Field("CONFIG", "lr"))) is None
        True
    """
    if not isinstance(wanted, And):
        return wanted
    kept = tuple(item for item in map(without_always, wanted.items) if item is not None and not _is_always(item))
    return And(kept) if kept else None if wanted.items else wanted


def _is_always(wanted: Filter) -> bool:
    return isinstance(wanted, Or) and len(wanted.items) == 2 and wanted.items[1] == Not(wanted.items[0])

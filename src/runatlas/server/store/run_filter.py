"""Filters over runs as SQL for both engines; every condition is true or false, never NULL, so that ``Not`` is exact.

Beyond what ``runatlas.model.filters`` says:

- ``True`` is 1 and ``False`` is 0. Text compares by code points. A text compared with a number is no match. NaN has
  no order; ``EQ`` and ``IN`` find it.
- A config value ``null`` counts as missing, a NaN and a section do not. A list equals lists; a section is equal to
  nothing; neither has an order. ``CONTAIN`` asks a list for an element and a section for a key.
- ``CONTAIN`` takes a character for another when one is the lower or upper form of the other and both are single
  characters (``Ä`` and ``ä``, but not ``ß`` and ``SS``). Both engines are given the same sets of characters.
- ``labels`` and ``colors`` are sets: ``EQ``, ``IN`` and ``CONTAIN`` ask for a member, ``EQ None`` for emptiness.
- ``SCALAR`` looks at the series of exactly the field's context. Its median is taken from the points, of those runs only
  that fulfil what else is asked of all.
- ``lenient`` counts for config values only: as numbers when both sides are numbers or read as numbers, as times when
  both are texts that read as ISO 8601, else as text (``true``, ``false`` and numbers in their JSON form). Lists and
  sections are no texts; an element of a list is also found when it reads as the number, or is its text.

Nothing of a filter becomes part of the SQL text; all of it is bound.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, false, not_, or_, true

from runatlas.model.filters import And, Comparison, Field, Filter, Not
from runatlas.model.run_check import check_filter
from runatlas.server.store.median import medians_of_runs
from runatlas.server.store.run_subject import Subject, make_subject
from runatlas.server.store.statement import Connection

__all__ = ["compile_filter"]

_COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "EQ": operator.eq,
    "GTE": operator.ge,
    "LTE": operator.le,
    "GT": operator.gt,
    "LT": operator.lt,
}


def compile_filter(connection: Connection, scope: ColumnElement[bool], wanted: Filter) -> ColumnElement[bool]:
    """Make the WHERE condition over ``runs`` of a filter.

    Args:
        connection: The transaction in which the condition is used.
        scope: The condition of the runs among which are chosen.
        wanted: The filter; ``runs`` is the table of the query it goes into.

    Returns:
        A condition that is never NULL.

    Raises:
        StoreError: Points that a median is asked of are damaged.
        ValidationError: It has an unknown field or operator, a value that is none, or is too large.
    """
    checked = check_filter(wanted)
    asked = dict.fromkeys(_median_fields(checked))
    if not asked:
        return _compile(checked, {})
    conjuncts = checked.items if isinstance(checked, And) else ()
    others = (_compile(item, {}) for item in conjuncts if not any(_median_fields(item)))
    candidates = and_(scope, *others)
    return _compile(checked, {field: medians_of_runs(connection, candidates, field) for field in asked})


def _median_fields(node: Filter) -> Iterator[Field]:
    if isinstance(node, Comparison):
        if node.field.stat == "median":
            yield node.field
    else:
        for item in (node.item,) if isinstance(node, Not) else node.items:
            yield from _median_fields(item)


def _compile(node: Filter, medians: Mapping[Field, Mapping[int, float]]) -> ColumnElement[bool]:
    if isinstance(node, Comparison):
        return _compare(node, medians)
    if isinstance(node, Not):
        return not_(_compile(node.item, medians))
    items = [_compile(item, medians) for item in node.items]
    return and_(true(), *items) if isinstance(node, And) else or_(false(), *items)


def _compare(node: Comparison, medians: Mapping[Field, Mapping[int, float]]) -> ColumnElement[bool]:
    several = node.op in {"IN", "NOT IN"} and isinstance(node.value, tuple)
    values = cast("tuple[Any, ...]", node.value) if several else (node.value,)
    subject = make_subject(node.field, medians, lenient=node.lenient)
    if node.op in {"NEQ", "NOT IN"}:
        return not_(_test(subject, "EQ", values))
    return _test(subject, node.op, values)


def _test(subject: Subject, op: str, values: tuple[Any, ...]) -> ColumnElement[bool]:
    present = tuple(value for value in values if value is not None)
    if op in {"EQ", "IN"}:
        found = subject.equals(present) if present else false()
        return found if len(present) == len(values) else or_(subject.missing(), found)
    if op == "CONTAIN":
        part = present[0] if present else None
        return false() if part is None else subject.contains(part)
    if op in {"GLOB", "IGLOB"}:
        return subject.fits(str(present[0]), any_case=op == "IGLOB")
    return subject.ordered(_COMPARE[op], present[0]) if present else false()

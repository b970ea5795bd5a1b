"""Filters over runs as SQL for both engines; every condition is true or false, never NULL, so that ``Not`` is exact.

Beyond what ``runatlas.model.filters`` says:

- Numbers compare as doubles. ``True`` is 1 and ``False`` is 0. Text compares by code points. A text compared with a
  number is no match. NaN is unequal to everything and has no order.
- A config value ``null`` counts as missing, a NaN does not. A list or an empty object is equal to nothing and has no
  order; ``CONTAIN`` asks a list for an element that is that text.
- ``CONTAIN`` takes a character for another when one is the lower or upper form of the other and both are single
  characters (``Ä`` and ``ä``, but not ``ß`` and ``SS``). Both engines are given the same sets of characters.
- ``labels`` and ``colors`` are sets: ``EQ``, ``IN`` and ``CONTAIN`` ask for a member, ``EQ None`` for emptiness.
- ``SCALAR`` looks at the series of exactly the field's context.
- ``lenient`` counts for config values only: as numbers when both sides are numbers or read as numbers, as times when
  both are texts that read as ISO 8601, else as text (``true``, ``false`` and numbers in their JSON form).

Nothing of a filter becomes part of the SQL text; all of it is bound.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, false, not_, or_, true

from runatlas.errors import ValidationError
from runatlas.model.filters import And, Comparison, Filter, Literal_, Not
from runatlas.server.store.run_subject import Subject, make_subject
from runatlas.server.store.statement import check_text

__all__ = ["compile_filter"]

_COMPARISONS_MAX = 500
_DEPTH_MAX = 20
"""SQLite's parser takes somewhat more, once the filter is simplified."""

_GIVEN_DEPTH_MAX = 200
_TEXT_MAX = 1000

_COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "EQ": operator.eq,
    "GTE": operator.ge,
    "LTE": operator.le,
    "GT": operator.gt,
    "LT": operator.lt,
}


def compile_filter(wanted: Filter) -> ColumnElement[bool]:
    """Make the WHERE condition over ``runs`` of a filter.

    Args:
        wanted: The filter; ``runs`` is the table of the query it goes into.

    Returns:
        A condition that is never NULL.

    Raises:
        ValidationError: It has an unknown field or operator, a value that is none, or is too large.
    """
    return _Compiler().compile(_simplify(wanted, 0), 0)


def _simplify(node: Filter, depth: int) -> Filter:
    """Take out levels that say nothing: a twofold ``Not``, an ``And`` within an ``And``, one item alone."""
    if depth > _GIVEN_DEPTH_MAX:
        raise _too_deep()
    if isinstance(node, Comparison):
        return node
    if isinstance(node, Not):
        item = _simplify(node.item, depth + 1)
        return item.item if isinstance(item, Not) else Not(item)
    kind = type(node)
    items: list[Filter] = []
    for item in (_simplify(item, depth + 1) for item in node.items):
        items += item.items if isinstance(item, kind) else (item,)
    return items[0] if len(items) == 1 else kind(tuple(items))


def _too_deep() -> ValidationError:
    return ValidationError(f"filter: it nests more than {_DEPTH_MAX} levels deep")


class _Compiler:
    """One filter's way to SQL, which keeps count."""

    def __init__(self) -> None:
        self._comparisons = 0

    def compile(self, node: Filter, depth: int) -> ColumnElement[bool]:
        if depth > _DEPTH_MAX:
            raise _too_deep()
        if isinstance(node, Comparison):
            return self._compare(node)
        if isinstance(node, Not):
            return not_(self.compile(node.item, depth + 1))
        items = [self.compile(item, depth + 1) for item in node.items]
        return and_(true(), *items) if isinstance(node, And) else or_(false(), *items)

    def _compare(self, node: Comparison) -> ColumnElement[bool]:
        several = node.op in ("IN", "NOT IN")
        values = node.value if isinstance(node.value, tuple) else (node.value,)
        if several != isinstance(node.value, tuple):
            raise ValidationError(
                f"filter: {node.op} of {node.field.key!r} takes {'a list' if several else 'one value'}"
            )
        self._count(1 if several and not node.lenient else len(values))
        for value in values:
            _check_literal(value)
        subject = make_subject(node.field, lenient=node.lenient)
        if node.op in ("NEQ", "NOT IN"):
            return not_(_test(subject, "IN" if several else "EQ", values))
        return _test(subject, node.op, values)

    def _count(self, comparisons: int) -> None:
        self._comparisons += comparisons
        if self._comparisons > _COMPARISONS_MAX:
            raise ValidationError(f"filter: it has more than {_COMPARISONS_MAX} comparisons")


def _check_literal(value: object) -> None:
    if not (value is None or isinstance(value, (str, int, float))):
        raise ValidationError(f"filter: {type(value).__name__} is no value; use text, a number, a boolean or None")
    if isinstance(value, str):
        check_text(value, "filter")


def _test(subject: Subject, op: str, values: tuple[Literal_, ...]) -> ColumnElement[bool]:
    present = tuple(value for value in values if value is not None)
    if op in ("EQ", "IN"):
        found = subject.equals(present) if present else false()
        return found if len(present) == len(values) else or_(subject.missing(), found)
    if op == "CONTAIN":
        part = present[0] if present else None
        if isinstance(part, str) and len(part) > _TEXT_MAX:
            raise ValidationError(f"filter: CONTAIN takes text of up to {_TEXT_MAX} characters")
        return false() if part is None else subject.contains(part)
    if op not in _COMPARE:
        raise ValidationError(f"filter: there is no operator {op!r}")
    return subject.ordered(_COMPARE[op], present[0]) if present else false()

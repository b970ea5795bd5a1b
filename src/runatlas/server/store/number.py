"""Numbers compared as Python compares them, exactly: a whole number of a filter need not be a double."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Double, Text, and_, bindparam, case, false, func, literal, or_, true

from runatlas.server.store.config import as_double
from runatlas.server.store.statement import code_points, member_of

__all__ = [
    "EXACT_BELOW",
    "among_doubles",
    "among_integers",
    "compare_double",
    "compare_integer",
    "compare_written",
    "written",
]

Compare = Callable[[Any, Any], Any]
"""``operator.eq``, ``lt``, ``le``, ``gt`` or ``ge``."""

EXACT_BELOW = 2**53
"""Below this, every whole number is a double, and no other is taken for it."""

_INT64 = range(-(2**63), 2**63)
_BLANKS = " \t\n\r"


def among_doubles(column: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Test whether a column of doubles equals one of many numbers.

    Whole numbers travel together; the others one by one, for as JSON they would not be exact in every SQLite.
    """
    known = {as_double(value) for value in values if as_double(value) == value}
    whole = sorted(int(value) for value in known if abs(value) < EXACT_BELOW and value.is_integer())
    others = sorted(value for value in known if not (abs(value) < EXACT_BELOW and value.is_integer()))
    found = [member_of(column, "wholes", whole, whole=True)] if whole else []
    if others:
        found.append(column.in_(bindparam("doubles", others, type_=Double(), expanding=True, unique=True)))
    return or_(*found) if found else false()


def among_integers(column: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Test whether a column of 64-bit integers equals one of many numbers."""
    known = {int(value) for value in values if math.isfinite(as_double(value)) and value == int(value)}
    whole = sorted(value for value in known if value in _INT64)
    return member_of(column, "wholes", whole, whole=True) if whole else false()


def compare_double(column: ColumnElement[Any], compare: Compare, value: int | float) -> ColumnElement[bool]:
    """Order a column of doubles against a number."""
    double = as_double(value)
    if double > value:
        compare = operator.lt if compare in {operator.lt, operator.le} else operator.ge
    elif double < value:
        compare = operator.le if compare in {operator.lt, operator.le} else operator.gt
    return compare(column, literal(double, Double()))  # type: ignore[no-any-return]


def compare_integer(column: ColumnElement[Any], compare: Compare, value: int | float) -> ColumnElement[bool]:
    """Order a column of 64-bit integers against a number."""
    if not isinstance(value, int) and math.isinf(value):
        return true() if compare(0, value) else false()
    bound = math.ceil(value) if compare in {operator.lt, operator.ge} else math.floor(value)
    if bound not in _INT64:
        return true() if compare(0, bound) else false()
    return compare(column, literal(bound, BigInteger()))  # type: ignore[no-any-return]


def written(value: int | float) -> list[str]:
    """Return how a config's row writes a number that is no less than ``EXACT_BELOW``: as whole, or as broken."""
    double = as_double(value)
    texts = [repr(double)] if double == value and math.isfinite(double) else []
    if isinstance(value, float) and math.isinf(value):
        return ["Infinity" if value > 0 else "-Infinity"]
    return [*texts, str(int(value))]


def compare_written(
    number: ColumnElement[Any], text: ColumnElement[Any], compare: Compare, value: int | float
) -> ColumnElement[bool]:
    """Compare numbers, kept as the double next to them and as their text, with a number.

    Args:
        number: The doubles.
        text: Their texts, which tell whole numbers apart that share a double.
        compare: How.
        value: The number; not NaN.
    """
    double = as_double(value)
    bound: ColumnElement[float] = literal(double, Double())
    if abs(value) < EXACT_BELOW:
        return compare(number, bound)  # type: ignore[no-any-return]
    letters = func.lower(text)
    broken = or_(*(func.replace(letters, literal(mark, Text()), "") != letters for mark in (".", "e", "y")))
    alike = case((broken, _constant(compare(double, value))), else_=_compare_digits(text, compare, value))
    tied = and_(number == bound, alike == literal(1))
    strict = {operator.lt: operator.lt, operator.le: operator.lt, operator.gt: operator.gt, operator.ge: operator.gt}
    return or_(strict[compare](number, bound), tied) if compare in strict else tied


def _compare_digits(text: ColumnElement[Any], compare: Compare, value: int | float) -> ColumnElement[Any]:
    """Compare whole numbers by their digits; their doubles are equal, so that they have the same sign."""
    if isinstance(value, float) and math.isinf(value):
        return _constant(compare(0, value))
    digits, wanted = func.trim(text, literal(_BLANKS, Text())), str(int(value))
    if compare is operator.eq:
        return case((digits == literal(wanted, Text()), 1), else_=0)
    size, known = func.length(digits), literal(len(wanted))
    above, below = (1, -1) if value > 0 else (-1, 1)
    place = case(
        (size > known, above),
        (size < known, below),
        (code_points(digits) > literal(wanted, Text()), above),
        (code_points(digits) < literal(wanted, Text()), below),
        else_=0,
    )
    return case((compare(place, literal(0)), 1), else_=0)


def _constant(answer: object) -> ColumnElement[Any]:
    return literal(1 if answer else 0)

"""The filter over runs, as a tree: what dicts, text and the query languages all become.

A comparison of a field the run does not have is false, except for ``NEQ`` and ``NOT IN``, which are then true:
the same answer as Python gives when a missing value is an object equal to nothing. Numbers compare as Python's do,
exactly, whole ones of any size with broken ones too; only ``EQ NaN`` differs, which finds NaN.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import attrs

from runatlas.model.page import Order

__all__ = [
    "OPERATORS",
    "STATISTICS",
    "And",
    "Comparison",
    "Field",
    "FieldType",
    "Filter",
    "Literal_",
    "Not",
    "Operator",
    "Or",
    "Sort",
    "Statistic",
]

FieldType = Literal["STABLE", "CONFIG", "SCALAR"]
Operator = Literal["EQ", "NEQ", "GTE", "LTE", "GT", "LT", "IN", "NOT IN", "CONTAIN", "GLOB", "IGLOB"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)
Statistic = Literal["last", "min", "max", "avg", "std", "median", "count", "first_step", "last_step", "len"]
STATISTICS: tuple[Statistic, ...] = (
    *("last", "min", "max", "avg", "std", "median", "count", "first_step", "last_step"),
)
"""Those of a metric; ``len`` is for what has a length."""

Literal_: TypeAlias = str | int | float | bool | None
"""What a field is compared with. Times are Unix milliseconds."""


@attrs.frozen
class Field:
    """What of a run is looked at.

    Attributes:
        type: ``STABLE`` (the run's own field), ``CONFIG`` (a flattened config key), ``SCALAR`` (a metric's summary).
        key: A name of ``model.filter_field.STABLE_FIELDS``; a config key, nested ones joined by dots; a metric key.
        stat: Which statistic of a ``SCALAR``. Of a text, a list, a section or the labels ``len``: how long it is.
        context: A ``SCALAR``'s context as ``(name, value)`` pairs; empty for the ordinary series.
    """

    type: FieldType
    key: str
    stat: Statistic = "last"
    context: tuple[tuple[str, Literal_], ...] = ()


@attrs.frozen
class Comparison:
    """``field op value``.

    Attributes:
        value: A literal; for ``IN`` and ``NOT IN`` a tuple of them; a tuple in the place of a literal is a list.
            ``None`` with ``EQ``/``NEQ`` asks for absence/presence.
            ``CONTAIN`` on text: case-insensitive part; on a list: has that element; on a section: has that key;
            on ``labels``: has that label. ``GLOB`` on text: the pattern of ``runatlas.model.glob`` fits all of it;
            ``IGLOB`` the same without regard to case.
        lenient: Dict filters only: texts that read as numbers compare as numbers.
    """

    field: Field
    op: Operator
    value: Literal_ | tuple[Any, ...]
    lenient: bool = False


@attrs.frozen
class And:
    """All of them; of none: true."""

    items: tuple[Comparison | And | Or | Not, ...]


@attrs.frozen
class Or:
    """Any of them; of none: false."""

    items: tuple[Comparison | And | Or | Not, ...]


@attrs.frozen
class Not:
    """The opposite."""

    item: Comparison | And | Or | Not


Filter: TypeAlias = Comparison | And | Or | Not


@attrs.frozen
class Sort:
    """One key of an ordering; runs without the field come last either way."""

    field: Field
    order: Order = "DESC"

"""The order of listed runs, and where a page continues.

Numbers come before texts in an ascending order of a config value; runs without the field (NaN counts as that) come
last either way. Texts are told apart by their first 200 characters. Pinned runs come first among equals, then newer
ones, then those made later, so that the order is total.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from sqlalchemy import (
    ColumnElement,
    Double,
    FromClause,
    Select,
    Text,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    tuple_,
)

from runatlas.model.filters import Field, Sort
from runatlas.model.run_check import check_order
from runatlas.server.store.run_column import NULLABLE_COLUMNS, NUMBER_COLUMNS, TEXT_COLUMNS, scalar_series, statistic
from runatlas.server.store.schema import run_configs, runs, series
from runatlas.server.store.statement import code_points

__all__ = ["LAST", "RunOrder", "make_order"]

_PREFIX = 200
LAST = (runs.c.pin, runs.c.created_at_ms, runs.c.id)
"""What every order ends with, the largest first."""


@attrs.frozen
class _SortKey:
    """One expression of an order; NULL comes last."""

    value: ColumnElement[Any]
    descending: bool
    kind: str
    nullable: bool

    @property
    def ordering(self) -> ColumnElement[Any]:
        directed = self.value.desc() if self.descending else self.value.asc()
        return directed.nulls_last() if self.nullable else directed

    def bound(self, value: Any) -> ColumnElement[Any]:
        return literal(value, Text() if self.kind.startswith("text") else Double())

    def equal(self, value: Any) -> ColumnElement[bool]:
        return self.value.is_(None) if value is None else self.value == self.bound(value)

    def after(self, value: Any) -> ColumnElement[bool]:
        if value is None:
            return false()
        beyond = self.value < self.bound(value) if self.descending else self.value > self.bound(value)
        return or_(beyond, self.value.is_(None)) if self.nullable else beyond


@attrs.frozen
class RunOrder:
    """A total order of runs.

    Attributes:
        keys: What comes before pinned, newest and the row id.
        joined: Tables that the keys look at, with the conditions to join them to ``runs``.
    """

    keys: tuple[_SortKey, ...]
    joined: tuple[tuple[FromClause, ColumnElement[bool]], ...]

    @property
    def kinds(self) -> list[str]:
        """What the values of a cursor are: of each key, then of the last three."""
        return [*(key.kind + "?" * key.nullable for key in self.keys), "int", "int", "int"]

    def apply(self, statement: Select[Any], after: Sequence[Any] | None) -> Select[Any]:
        """Order a query over ``runs``, and let it begin after these values of the run before."""
        whole: FromClause = runs
        for table, condition in self.joined:
            whole = whole.outerjoin(table, condition)
        statement = statement.select_from(whole)
        if after is not None:
            statement = statement.where(self._after(after))
        return statement.order_by(*(key.ordering for key in self.keys), *(column.desc() for column in LAST))

    def _after(self, values: Sequence[Any]) -> ColumnElement[bool]:
        *first, pin, created_at_ms, run_pk = values
        last = tuple_(*LAST) < tuple_(literal(bool(pin)), created_at_ms, run_pk)
        condition: ColumnElement[bool] = last
        for key, value in reversed(list(zip(self.keys, first, strict=True))):
            condition = or_(key.after(value), and_(key.equal(value), condition))
        return condition


def make_order(sorts: Sequence[Sort], groups: Sequence[Field]) -> RunOrder:
    """Make the order of a listing: group by group, then as sorted.

    Raises:
        ValidationError: A field cannot be sorted by, or there are too many.
    """
    wanted = [*(Sort(field, "ASC") for field in groups), *sorts]
    check_order(wanted)
    keys: list[_SortKey] = []
    joined: list[tuple[FromClause, ColumnElement[bool]]] = []
    for sort in wanted:
        keys += _keys(sort.field, sort.order == "DESC", joined)
    return RunOrder(tuple(keys), tuple(joined))


def _keys(field: Field, descending: bool, joined: list[tuple[FromClause, ColumnElement[bool]]]) -> list[_SortKey]:
    if field.type == "CONFIG":
        return _config_keys(field, descending, joined)
    if field.type == "SCALAR":
        table = series.alias()
        joined.append((table, and_(table.c.run_pk == runs.c.id, scalar_series(table, field))))
        return [_SortKey(statistic(table, field), descending, "number", nullable=True)]
    nullable = field.key in NULLABLE_COLUMNS
    if field.key in NUMBER_COLUMNS:
        return [_SortKey(NUMBER_COLUMNS[field.key], descending, "number", nullable)]
    text = runs.c.colors if field.key == "colors" else TEXT_COLUMNS[field.key]
    return [_SortKey(_prefix(text), descending, "text", nullable)]


def _config_keys(
    field: Field, descending: bool, joined: list[tuple[FromClause, ColumnElement[bool]]]
) -> list[_SortKey]:
    table = run_configs.alias()
    joined.append((table, and_(table.c.run_pk == runs.c.id, table.c.key == literal(field.key, Text()))))
    numeric = table.c.kind.in_(("num", "bool"))
    textual = table.c.kind.not_in(("num", "bool", "null", "nan", "sect"))
    return [
        _SortKey(case((numeric, 0), (textual, 1)), descending, "number", nullable=True),
        _SortKey(case((numeric, table.c.number)), descending, "number", nullable=True),
        _SortKey(_prefix(case((textual, table.c.text))), descending, "text", nullable=True),
    ]


def _prefix(text: ColumnElement[Any]) -> ColumnElement[str]:
    return code_points(func.substr(text, 1, _PREFIX))

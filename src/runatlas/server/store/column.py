"""The columns of a run: its series, of points and of media."""

from __future__ import annotations

from typing import Any

import attrs
from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, or_, select

from runatlas.server.store.schema import series
from runatlas.server.store.statement import code_points, contains, rows

__all__ = ["ColumnChoice", "count_columns", "list_columns"]


@attrs.frozen
class ColumnChoice:
    """Which columns of a run; ``None`` does not narrow.

    Attributes:
        key: This key, first; with ``search`` also those that match it.
        search: Case-insensitive part of the key or the name.
    """

    run_pk: int
    key: str | None = None
    search: str | None = None
    column_class: str | None = None
    column_type: str | None = None

    def condition(self) -> ColumnElement[bool]:
        """Return the WHERE condition over ``series``."""
        parts: list[ColumnElement[bool]] = [series.c.run_pk == self.run_pk]
        named: list[ColumnElement[bool]] = []
        if self.key is not None:
            named.append(series.c.key == self.key)
        if self.search:
            named += [contains(series.c.key, self.search), contains(series.c.name, self.search)]
        if named:
            parts.append(or_(*named))
        if self.column_class is not None:
            parts.append(series.c.column_class == self.column_class)
        if self.column_type is not None:
            parts.append(series.c.column_type == self.column_type)
        return and_(*parts)

    def rank(self) -> ColumnElement[int]:
        """Return 0 for exact matches of ``key``, else 1."""
        if self.key is None:
            return literal(1)
        return case((series.c.key == self.key, 0), else_=1)


def list_columns(
    connection: Connection, choice: ColumnChoice, *, after: tuple[int, str, str] | None, offset: int, limit: int
) -> list[Any]:
    """Read columns: exact matches first, then by key, then by context.

    Args:
        connection: An open transaction.
        choice: Which.
        after: Only those behind this rank, key and context.
        offset: Columns to skip.
        limit: How many at the most.

    Returns:
        ``rank, key, context, name, column_class, column_type, created_at_ms, count, last_step``.
    """
    rank, key, context = choice.rank(), code_points(series.c.key), code_points(series.c.context)
    told = ("name", "column_class", "column_type", "created_at_ms", "count", "last_step")
    statement = select(rank, series.c.key, series.c.context, *(series.c[name] for name in told))
    statement = statement.where(choice.condition())
    if after is not None:
        in_key = and_(key == after[1], context > after[2])
        statement = statement.where(or_(rank > after[0], and_(rank == after[0], or_(key > after[1], in_key))))
    return rows(connection, statement.order_by(rank, key, context).limit(limit).offset(offset))


def count_columns(connection: Connection, choice: ColumnChoice) -> int:
    """Count columns."""
    return connection.scalar(select(func.count()).select_from(series).where(choice.condition())) or 0

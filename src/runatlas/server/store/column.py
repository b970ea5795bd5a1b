"""The columns of runs: their series, of points and of media."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import attrs
from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, or_, select, update

from runatlas.server.store.latest import renew_latest
from runatlas.server.store.schema import runs, series, trash
from runatlas.server.store.statement import code_points, contains, member_of, rows
from runatlas.server.store.trash import HIDDEN

__all__ = [
    "ColumnChoice",
    "KeyedSeries",
    "count_columns",
    "keyed_series",
    "known_keys",
    "list_columns",
    "rename_series",
]


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


class KeyedSeries(NamedTuple):
    """A series of a run, or one that was cut out of it.

    Attributes:
        run_pk: The run.
        points: How many, or steps of media.
        entry: The entry of the trash that it lies in; ``None`` if the run has it.
    """

    run_pk: int
    id: int
    key: str
    context: str
    points: int
    entry: str | None = None


_NAMED = tuple(series.c[name] for name in ("id", "key", "context", "count"))
_OF_KEYS = member_of(series.c.key, "keys")
_LIVE = select(series.c.run_pk, *_NAMED).where(member_of(series.c.run_pk, "runs"), _OF_KEYS)
_SOURCE = runs.alias("source")
_CUT = (
    select(_SOURCE.c.id, *_NAMED, trash.c.cuid)
    .select_from(_SOURCE.join(runs, runs.c.cut_of == _SOURCE.c.cuid).join(trash, trash.c.id == runs.c.trash_id))
    .join(series, series.c.run_pk == runs.c.id)
    .where(member_of(_SOURCE.c.id, "runs"), _OF_KEYS, trash.c.kind.not_in(HIDDEN))
)


def keyed_series(connection: Connection, run_keys: Collection[int], keys: Collection[str]) -> list[KeyedSeries]:
    """Find the series of these keys that runs have, and those that were cut out of them and can be restored."""
    values = {"runs": list(run_keys), "keys": list(keys)}
    return [KeyedSeries(*row) for statement in (_LIVE, _CUT) for row in rows(connection, statement, values)]


_KEYS = select(series.c.key).where(member_of(series.c.run_pk, "runs")).distinct().order_by(series.c.key)


def known_keys(connection: Connection, run_keys: Collection[int], most: int) -> list[str]:
    """List the keys that runs have, so many at the most."""
    return [key for (key,) in rows(connection, _KEYS.limit(most), {"runs": list(run_keys)})]


def rename_series(connection: Connection, series_ids: Collection[int], key: str) -> None:
    """Give series another key, which none of their runs has in their contexts; a name that was just the key goes."""
    name, renamed = case((series.c.name == series.c.key, ""), else_=series.c.name), member_of(series.c.id, "named")
    connection.execute(update(series).where(renamed).values(key=key, name=name), {"named": list(series_ids)})
    reached = rows(connection, select(series.c.run_pk).distinct().where(renamed), {"named": list(series_ids)})
    renew_latest(connection, [run_pk for (run_pk,) in reached])

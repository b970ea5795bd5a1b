"""Statements compiled once a process, when first used; some run on the driver: where every microsecond counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement
from sqlalchemy.util import LRUCache

__all__ = ["COMPILED", "DRIVERS", "Prepared"]

COMPILED: LRUCache[Any, Any] = LRUCache(1000)
"""What SQLAlchemy compiled, for all stores that this process opens: each by itself would compile the same again."""

DRIVERS = {"sqlite": "sqlite+runatlas", "postgresql": "postgresql+runatlas"}
"""The names of drivers in URLs of engines that share it."""


class _Sharing:
    """Takes what another one compiled, which SQLAlchemy finds by the dialect: one of a kind and a server's version."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and _version(self) == _version(other))

    def __hash__(self) -> int:
        return hash(type(self))


def _version(dialect: object) -> Any:
    return getattr(dialect, "server_version_info", None)


class SharingSqlite(_Sharing, pysqlite.dialect):
    """SQLite."""

    supports_statement_cache = True


class SharingPostgresql(_Sharing, psycopg.dialect):
    """PostgreSQL."""

    supports_statement_cache = True


registry.register("sqlite.runatlas", __name__, SharingSqlite.__name__)
registry.register("postgresql.runatlas", __name__, SharingPostgresql.__name__)

_WIDE = 900
"""How many values a statement has at the most that inserts many rows: SQLite may be built for 999."""

_DIALECTS = {
    "sqlite": pysqlite.dialect(paramstyle="qmark"),
    "postgresql": psycopg.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}


class Prepared:
    """A statement with bound parameters in a fixed order.

    Example:
        >>> from sqlalchemy import bindparam, select
        >>> from runatlas.server.store.schema import writers
        >>> found = Prepared(select(writers.c.sequence).where(writers.c.run_pk == bindparam("run")), "run")
        >>> found.text("sqlite").endswith("writers.run_pk = ?")
        True
    """

    def __init__(self, statement: ClauseElement, *parameters: str) -> None:
        """Keep a statement, to be compiled when it is first used: a program needs few of them.

        Args:
            statement: In the common SQL of both engines.
            parameters: The names of its parameters, in the order in which values will be given.
        """
        self._statement = statement
        self._parameters = parameters
        self._texts: dict[str, str] = {}

    def text(self, dialect: str) -> str:
        """Return its SQL for ``sqlite`` or ``postgresql``.

        Raises:
            ValueError: The statement has other parameters.
        """
        text = self._texts.get(dialect)
        return self._compile(dialect) if text is None else text

    def _compile(self, dialect: str) -> str:
        compiled = self._statement.compile(dialect=_DIALECTS[dialect])
        found = tuple(getattr(compiled, "positiontup", None) or ())
        if found != self._parameters:
            raise ValueError(f"parameters: the statement takes {found}, not {self._parameters}")
        text = self._texts[dialect] = str(compiled)
        return text

    def _execute(self, connection: Connection, values: Sequence[Any]) -> Any:
        """Run it and return the driver's cursor."""
        dialect = connection.dialect
        text = self._texts.get(dialect.name) or self._compile(dialect.name)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text, values)
        except dialect.loaded_dbapi.Error as error:
            raise _wrapped(connection, text, error) from error
        return cursor

    def all(self, connection: Connection, *values: Any) -> list[Any]:
        """Run it and return its rows."""
        return self._execute(connection, values).fetchall()  # type: ignore[no-any-return]

    def each(self, connection: Connection, *values: Any) -> Iterator[Any]:
        """Run it and yield its rows: for many of which little is kept."""
        yield from self._execute(connection, values)

    def first(self, connection: Connection, *values: Any) -> Any:
        """Run it and return its first row; ``None`` if it has none."""
        return self._execute(connection, values).fetchone()

    def run(self, connection: Connection, *values: Any) -> int:
        """Run it and return how many rows it changed."""
        return int(self._execute(connection, values).rowcount)

    def run_many(self, connection: Connection, rows: Iterable[Sequence[Any]]) -> None:
        """Run it once a row."""
        cursor: Any = connection.connection.cursor()
        text = self.text(connection.dialect.name)
        try:
            if connection.dialect.name == "sqlite":
                rows = self._insert_wide(cursor, text, list(rows))
            cursor.executemany(text, rows)
        except connection.dialect.loaded_dbapi.Error as error:
            raise _wrapped(connection, text, error) from error

    def _insert_wide(self, cursor: Any, text: str, rows: list[Sequence[Any]]) -> list[Sequence[Any]]:
        """Insert many rows at a time, which takes SQLite a quarter less; return those that are left."""
        one = f"({', '.join('?' * len(self._parameters))})"
        wide = _WIDE // len(self._parameters)
        end = len(rows) - len(rows) % wide
        if not end or not text.endswith(f" VALUES {one}"):
            return rows
        several = ", ".join([text, *[one] * (wide - 1)])
        cursor.executemany(several, (_joined(rows[at : at + wide]) for at in range(0, end, wide)))
        return rows[end:]


def _joined(rows: Iterable[Sequence[Any]]) -> list[Any]:
    found: list[Any] = []
    for row in rows:  # a third of the time that itertools.chain takes
        found += row
    return found


def _wrapped(connection: Connection, text: str, error: Exception) -> Exception:
    """Return what SQLAlchemy would raise for a driver's error."""
    dialect = connection.dialect
    return DBAPIError.instance(text, None, error, dialect.loaded_dbapi.Error, dialect=dialect)

"""Databases of PostgreSQL that are lent to one test after the other, with connections that stay open in between.

To copy a database, and what a new connection to it reads first, take longer than many tests do.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import attrs
import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, event, make_url

__all__ = ["Lender"]

_LENDINGS = 40
"""How often a database is lent: rows that were deleted stay in its files."""

_SCHEMA = """
    SELECT (SELECT array_agg((oid, xmin, relpages, reltuples)::text ORDER BY oid) FROM pg_class)::text
        || (SELECT array_agg((oid, xmin)::text ORDER BY oid) FROM pg_constraint)::text
        || (SELECT array_agg((oid, xmin)::text ORDER BY oid) FROM pg_trigger)::text
        || (SELECT (count(*), max(xmin::text::bigint)) FROM pg_attribute)::text
        || (SELECT (count(*), max(xmin::text::bigint)) FROM pg_proc)::text
"""
"""Tells one state of what is in a database besides rows from another."""

_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


class _Kept(psycopg.Connection[Any]):
    """A connection that the next test has when this one closes it."""

    database: _Database | None = None
    pid = 0
    was_interrupted = False

    def close(self) -> None:
        if self.database is None or self.pid != os.getpid():
            super().close()
            return
        self.database.was_left = True
        if self._is_as_new():
            self.database.stock.append(self)
        else:
            super().close()

    def cancel_safe(self, *, timeout: float = 30.0) -> None:
        self.was_interrupted = True
        super().cancel_safe(timeout=timeout)

    def end(self) -> None:
        """Close it."""
        self.database = None
        self.close()

    def _is_as_new(self) -> bool:
        if self.closed or self.was_interrupted or self.info.transaction_status != TransactionStatus.IDLE:
            return False
        try:
            self.isolation_level = self.read_only = self.deferrable = None
            self.autocommit = True
            self.execute("RESET ALL; SELECT pg_advisory_unlock_all()")
            self.autocommit = False
        except psycopg.Error:
            return False
        return True


@attrs.define(eq=False)
class _Database:
    """A database of the lender's.

    Attributes:
        name: Of it, in the server.
        schema: What is in it besides rows, before anybody had it.
        lendings: How often it may still be lent.
        stock: Connections to it that nobody has.
        was_left: Whether who has it closed a connection: the next one shall be new, as it was asked for.
    """

    name: str
    schema: str
    lendings: int = _LENDINGS
    stock: list[_Kept] = attrs.field(factory=list)
    was_left: bool = False


class Lender:
    """Lends databases that are as if newly made, each to one at a time.

    Args:
        server: The URL of the server.
        template: The database that they are like.
    """

    def __init__(self, server: str, template: str) -> None:
        self._server = make_url(server)
        self._template = template
        self._connection = psycopg.connect(server, autocommit=True)
        self._free: list[_Database] = []
        self._lent: dict[str, _Database] = {}
        self._rows: dict[str, bytes] = {}
        with psycopg.connect(self.url(template)) as connection:
            names = [name for (name,) in connection.execute(_TABLES)]
            for name in names:
                with connection.cursor().copy(f"COPY {name} TO STDOUT") as rows:
                    self._rows[name] = b"".join(bytes(part) for part in rows)
            sequences = connection.execute("SELECT sequencename, start_value, last_value FROM pg_sequences").fetchall()
        self._emptying = "; ".join(
            (
                "SET LOCAL session_replication_role = replica",
                *(f"DELETE FROM {name}" for name in names),
                *(f"SELECT setval('{name}', {last or first}, {last is not None})" for name, first, last in sequences),
            )
        )
        event.listen(Engine, "do_connect", self._connect)

    def close(self) -> None:
        """Close all connections; the databases go with their server."""
        event.remove(Engine, "do_connect", self._connect)
        for database in self._free:
            while database.stock:
                database.stock.pop().end()
        self._connection.close()

    def url(self, name: str) -> str:
        """Return the URL of a database of the server."""
        return self._server.set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Lend a database, and tell its URL."""
        database = self._free.pop() if self._free else self._make()
        self._lent[database.name] = database
        try:
            yield self.url(database.name)
        finally:
            del self._lent[database.name]
            database.lendings -= 1
            database.was_left = False
            if database.lendings and self._is_unused(database) and self._is_restored(database):
                self._free.append(database)
            else:
                self._drop(database)

    def _make(self) -> _Database:
        name = f"test_{secrets.token_hex(8)}"
        self._connection.execute(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY file_copy")
        with psycopg.connect(self.url(name)) as connection:
            return _Database(name, _schema(connection))

    def _drop(self, database: _Database) -> None:
        while database.stock:
            database.stock.pop().end()
        self._connection.execute(f"DROP DATABASE {database.name} WITH (FORCE)")

    def _is_unused(self, database: _Database) -> bool:
        """Tell whether nobody is connected but the stock."""
        found = self._connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", (database.name,))
        return {pid for (pid,) in found} == {kept.info.backend_pid for kept in database.stock} != set()

    def _is_restored(self, database: _Database) -> bool:
        """Put back the rows that are in a new database, and tell whether it is like one now."""
        connection = database.stock[-1]
        try:
            connection.execute(self._emptying)
            for name, rows in self._rows.items():
                if rows:
                    with connection.cursor().copy(f"COPY {name} FROM STDIN") as copy:
                        copy.write(rows)
            is_same = _schema(connection) == database.schema
            connection.commit()
        except psycopg.Error:
            return False
        return is_same

    def _connect(self, dialect: Any, record: Any, arguments: Any, options: dict[str, Any]) -> _Kept | None:
        """Connect to a lent database; others are left to who asks."""
        database = self._lent.get(options.get("dbname", ""))
        if database is None or database.was_left:
            return None
        with suppress(IndexError):
            return database.stock.pop()
        connection = _Kept.connect(**options)
        connection.database, connection.pid = database, os.getpid()
        return connection


def _schema(connection: psycopg.Connection[Any]) -> str:
    found = connection.execute(_SCHEMA).fetchone()
    assert found is not None
    return str(found[0])

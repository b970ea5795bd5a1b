"""PostgreSQL, through psycopg 3."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text

from runatlas.server.store.prepared import COMPILED, DRIVERS

__all__ = ["is_postgresql", "lock_schema", "make_engine", "never_wait", "vacuum"]

_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")
_MIGRATION_LOCK = 0x52754174
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
_BUSY_TIMEOUT_S = 10
"""How long a statement waits for locks of others before it tells that the store is busy."""

_IDLE_TIMEOUT_S = 600
"""How long a transaction may hold its locks without a statement: whose it was hangs, or its machine is gone."""

_OPENING_S = 60


def is_postgresql(location: str) -> bool:
    """Tell whether a location names a PostgreSQL database."""
    return location.startswith(_SCHEMES)


def make_engine(location: str) -> Engine:
    """Make an engine on a database.

    A transaction begun with the execution option ``write`` is READ COMMITTED; others are read-only and see one
    snapshot.

    Raises:
        ValueError: The location is no URL.
    """
    url = make_url(location.replace("postgres://", "postgresql://", 1)).set(drivername=DRIVERS["postgresql"])
    engine = create_engine(
        url,
        pool_size=8,
        max_overflow=24,
        pool_pre_ping=True,
        pool_timeout=_BUSY_TIMEOUT_S,
        connect_args={"connect_timeout": 10},
        execution_options={"compiled_cache": COMPILED},
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _: Any) -> None:
    """Let a commit end when it is on the disk, whatever the server's settings say, and let nothing wait for long."""
    with connection.cursor() as cursor:
        cursor.execute(_DURABLE)
        cursor.execute(f"SET lock_timeout = {_BUSY_TIMEOUT_S * 1000}")
        cursor.execute(f"SET idle_in_transaction_session_timeout = {_IDLE_TIMEOUT_S * 1000}")
    connection.commit()


def never_wait(connection: Connection) -> None:
    """Let this transaction fail at once where it would wait for a lock of others."""
    connection.exec_driver_sql("SET LOCAL lock_timeout = 1")


def lock_schema(connection: Connection) -> None:
    """Keep other processes from changing the schema until the transaction ends."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_OPENING_S * 1000}")
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})


def vacuum(connection: Connection, tables: Iterable[str]) -> None:
    """Let the room of rows that are gone be used again; what lies free at the end of a file goes back to the system.

    Nobody is kept from reading or writing; who does not own the tables is not heeded.
    """
    outside = connection.execution_options(isolation_level="AUTOCOMMIT")
    for table in tables:
        outside.exec_driver_sql(f"VACUUM {table}")

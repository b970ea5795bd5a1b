"""PostgreSQL, through psycopg 3."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text

__all__ = ["is_postgresql", "lock_schema", "make_engine"]

_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")
_MIGRATION_LOCK = 0x52754174
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"


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
    url = make_url(location.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg")
    engine = create_engine(url, pool_size=8, max_overflow=24, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _: Any) -> None:
    """Let a commit end when it is on the disk, also where the server's settings say otherwise."""
    with connection.cursor() as cursor:
        cursor.execute(_DURABLE)
    connection.commit()


def lock_schema(connection: Connection) -> None:
    """Keep other processes from changing the schema until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})

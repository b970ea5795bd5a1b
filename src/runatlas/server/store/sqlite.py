"""SQLite: one file in WAL mode, which several processes and threads share."""

from __future__ import annotations

import math
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

__all__ = ["make_engine"]

BUSY_TIMEOUT_S = 60.0
_WAL_PAGES = 4000
_CACHE_KIB = 8_192
"""A connection's own page cache. The file is not mapped: its pages would count as the process's memory."""
_STATEMENTS = 512
_RETRY_S = 0.01


def make_engine(path: Path) -> Engine:
    """Make an engine on a database file; it is created on first use.

    A transaction begun with the execution option ``write`` takes the write lock at once, so that it never fails half
    way; others see one snapshot.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(path)),  # as it is: a path may have "?" and "%"
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=56,
        pool_use_lifo=True,
        connect_args={
            "timeout": BUSY_TIMEOUT_S,
            "cached_statements": _STATEMENTS,
            "check_same_thread": False,
            "isolation_level": None,
        },
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _: Any) -> None:
    cursor = connection.cursor()
    try:
        _switch_to_wal(cursor)
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
        cursor.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        cursor.execute("PRAGMA temp_store=MEMORY")
        connection.create_function("sqrt", 1, _sqrt, deterministic=True)  # not every SQLite has one
    finally:
        cursor.close()


def _sqrt(value: float | None) -> float | None:
    return None if value is None else math.sqrt(value)


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Switch the file to WAL; SQLite does not wait for others here, so this does."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while not _is_wal(cursor, last=time.monotonic() > deadline):
        time.sleep(_RETRY_S)


def _is_wal(cursor: sqlite3.Cursor, *, last: bool) -> bool:
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error) or last:
            raise
        return False
    return True


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("write")
    connection.connection.cursor().execute("BEGIN IMMEDIATE" if writes else "BEGIN")

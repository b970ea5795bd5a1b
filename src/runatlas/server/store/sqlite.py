"""SQLite: one file in WAL mode, which several processes and threads share."""

from __future__ import annotations

import ctypes
import math
import os
import sqlite3
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from runatlas.errors import StoreError, StoreRemovedError
from runatlas.server.store.disk import Disk
from runatlas.server.store.prepared import COMPILED, DRIVERS
from runatlas.server.store.substring import fits_pattern, has_part

__all__ = [
    "check_files",
    "check_schema",
    "check_unchanged",
    "empty_log",
    "free_pages",
    "identity_of",
    "is_read_only",
    "make_engine",
    "make_reading_engine",
    "rewrite",
    "size",
]

BUSY_TIMEOUT_S = 10.0
"""How long a transaction waits for others before it tells that the store is busy."""

_OPENING_S = 60.0
_INCREMENTAL = 2
_WAL_PAGES = 4000
_FREED_PAGES = 500
_LOW_BYTES = 32 << 20
"""Below so much free room the log is emptied after each commit: taking it into the database may need as much again."""

_EMPTYING_MS = 100
"""How long emptying the log may keep writers waiting; what it does not get done it leaves to the next time."""

_CACHE_KIB, _WRITING_CACHE_KIB = 2_048, 8_192
"""A connection's own page cache, and that of one that writes, which need not write pages twice of a large transaction.

Most reads pass by more than either would hold, and what the system has to hand out for it takes longer than what it
saves. The file is not mapped: its pages would count as the process's memory.
"""
_STATEMENTS = 512
_RETRY_S = 0.01
_COMING_AND_GOING_S = 2.0
_FILES: Final = "runatlas_files"
_SUFFIXES = ("", "-wal")
_ACTING = (
    "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view') OR sql LIKE 'CREATE VIRTUAL%' "
    "ORDER BY name LIMIT 1"
)
_DISTRUST = "PRAGMA trusted_schema=OFF"
"""What a schema says, which somebody else may have written, calls nothing but harmless functions."""


def make_engine(path: Path) -> Engine:
    """Make an engine on a database file, which must be there: on that file alone, not on one that takes its place.

    A transaction begun with the execution option ``write`` takes the write lock at once, so that it never fails half
    way; others see one snapshot.
    """
    engine = create_engine(
        URL.create(DRIVERS["sqlite"], database=str(path)),  # as it is: a path may have "?" and "%"
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=56,
        pool_use_lifo=True,
        pool_timeout=BUSY_TIMEOUT_S,
        creator=partial(_connect, path, identity_of(str(path))),
        execution_options={"compiled_cache": COMPILED},
    )
    _engines.add(engine)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _connect(path: Path, identity: tuple[int, int] | None) -> sqlite3.Connection:
    """Connect to a file that is there; SQLite by itself would make an empty one in the place of a removed one."""
    if identity_of(str(path)) != identity:
        raise _removed(str(path))
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        cached_statements=_STATEMENTS,
        check_same_thread=False,
        isolation_level=None,
    )


def is_read_only(path: Path) -> bool:
    """Tell whether this user may read a database and not change it: WAL needs its directory to be writable, too."""
    return not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def make_reading_engine(path: Path) -> Engine:
    """Make an engine on a database that this user may only read, also while its owner writes to it.

    Where somebody has it open there is a WAL, and readers go by its index. Where nobody has, there is none and none can
    be made: the file is read as it lies, and a read during which it changed fails rather than mix two states.
    """
    engine = create_engine(
        URL.create(DRIVERS["sqlite"]),
        creator=lambda: _connect_to_read(path),
        poolclass=NullPool,
        execution_options={"compiled_cache": COMPILED},
    )
    event.listen(engine, "connect", _add_functions)
    return engine


def check_unchanged(path: Path, connection: Any) -> None:
    """Check that a database which is read as it lies was not changed since its connection was opened.

    Args:
        path: The database.
        connection: A driver's connection of ``make_reading_engine``.

    Raises:
        StoreError: It was changed.
    """
    if isinstance(connection, _ReadingConnection) and connection.lying not in {None, _signature(path)}:
        raise StoreError(f"{path} was changed by its owner while it was read; read again")


class _ReadingConnection(sqlite3.Connection):
    """A connection that knows what a file without a WAL was like before it was opened; else ``None``."""

    lying: tuple[int, ...] | None = None


def _connect_to_read(path: Path) -> _ReadingConnection:
    """Connect, and begin the connection's one transaction; tried again while the owner opens or closes the file."""
    deadline = time.monotonic() + _COMING_AND_GOING_S
    while True:
        try:
            return _begin_to_read(path)
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)


def _begin_to_read(path: Path) -> _ReadingConnection:
    signature = _signature(path)
    lies = not _has_content(path.with_name(f"{path.name}-wal"))
    if not lies and not path.with_name(f"{path.name}-shm").exists():
        raise sqlite3.OperationalError(
            f"its owner did not close it, and {path.name}-wal, where what was written last lies, can only be read by "
            "who may write to the directory, so the owner has to open it once"
        )
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?{'immutable=1' if lies else 'mode=ro'}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        cached_statements=_STATEMENTS,
        check_same_thread=False,
        isolation_level=None,
        factory=_ReadingConnection,
    )
    try:
        for statement in (_DISTRUST, f"PRAGMA cache_size=-{_CACHE_KIB}", "PRAGMA temp_store=MEMORY", "BEGIN"):
            connection.execute(statement).close()
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    connection.lying = signature if lies else None
    return connection


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _signature(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


_engines: WeakSet[Engine] = WeakSet()


def _keep_for_ever() -> None:
    """In a forked child, keep the parent's connections from ever being closed, also when the interpreter goes down.

    SQLite would tidy up behind the last connection that it knows of, and remove what others are writing.
    """
    for engine in list(_engines):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_for_ever)


def check_files(connection: Connection) -> None:
    """Check, before and after a commit, that the files it goes to are those that lie at their paths.

    Raises:
        StoreRemovedError: One was removed or replaced since: what is written to it would be gone.
    """
    opened = connection.info[_FILES]
    for suffix, identity in zip(_SUFFIXES, opened, strict=True):
        path = f"{connection.engine.url.database}{suffix}"
        if identity_of(path) != identity:
            raise _removed(path)


def check_schema(connection: Connection) -> None:
    """Check that a database holds rows only, and nothing that does something when they are read or written.

    Raises:
        StoreError: There is a trigger, a view or a virtual table.
    """
    found = connection.exec_driver_sql(_ACTING).scalar()
    if found is not None:
        raise StoreError(
            f"the database has a trigger, a view or a virtual table {found!r}, which was not made by RunAtlas; "
            "remove it, or use another directory"
        )


def size(path: Path) -> int:
    """Return how many bytes a database and its log have."""
    found = 0
    for suffix in _SUFFIXES:
        with suppress(FileNotFoundError):
            found += path.with_name(f"{path.name}{suffix}").stat().st_size
    return found


def free_pages(connection: Connection, part: float) -> bool:
    """Cut some of the free pages off the file, within a transaction that writes; return whether there are more.

    A database that was made without ``auto_vacuum`` keeps them, and uses them again.
    """
    if connection.exec_driver_sql("PRAGMA auto_vacuum").scalar() != _INCREMENTAL:
        return False
    free = int(connection.exec_driver_sql("PRAGMA freelist_count").scalar() or 0)
    cursor = connection.connection.cursor()
    most = max(1, int(part * _FREED_PAGES))
    for _ in range(min(free, most)):
        # One by one: the driver runs the statement up to its first row, of which there is one a page.
        cursor.execute("PRAGMA incremental_vacuum(1)")
    return free > most


def empty_log(engine: Engine) -> None:
    """Bring what the log has into the database, and make the log empty, if nobody is in the way."""
    held = engine.raw_connection()
    try:
        cursor = held.cursor()
        cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        cursor.execute(f"PRAGMA busy_timeout={_EMPTYING_MS}")
        try:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000:.0f}")
    finally:
        held.close()


def rewrite(engine: Engine) -> None:
    """Write the file anew, as ``make_engine`` makes new ones."""
    held = engine.raw_connection()
    try:
        cursor = held.cursor()
        # The copy may be larger than the memory.
        for statement in ("PRAGMA temp_store=FILE", "PRAGMA auto_vacuum=INCREMENTAL", "VACUUM"):
            cursor.execute(statement).fetchall()
        cursor.execute("PRAGMA temp_store=MEMORY")
    finally:
        held.close()
    empty_log(engine)


def keep_log_short(disk: Disk, connection: Connection) -> None:
    """Empty the log after a commit where the disk is nearly full: a database that cannot take its log is stuck."""
    if disk.has_room(_LOW_BYTES):
        return
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA busy_timeout=0")
    try:
        with suppress(sqlite3.OperationalError):
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000:.0f}")


def _removed(path: str) -> StoreRemovedError:
    return StoreRemovedError(
        f"{path} was removed or replaced while it was open, and nothing can be written to it; "
        "put it back and restart what uses it, or use another directory"
    )


def identity_of(path: str) -> tuple[int, int] | None:
    """Tell a file from one that takes its place; ``None`` if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - at every commit
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _prepare(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    entry.info.pop(_FILES, None)
    cursor = connection.cursor()
    try:
        _switch_to_wal(cursor)
        # A commit ends when the log is on the disk, on macOS in the drive itself and not in its cache.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA fullfsync=ON")
        cursor.execute("PRAGMA checkpoint_fullfsync=ON")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(_DISTRUST)
        cursor.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
        cursor.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        cursor.execute("PRAGMA temp_store=MEMORY")
        _add_functions(connection, None)
    finally:
        cursor.close()


def _add_functions(connection: sqlite3.Connection, _: Any) -> None:
    connection.create_function("sqrt", 1, _sqrt, deterministic=True)  # not every SQLite has one
    connection.create_function("has_part", 2, has_part, deterministic=True)
    connection.create_function("fits_pattern", 3, fits_pattern, deterministic=True)


def _sqrt(value: float | None) -> float | None:
    return None if value is None else math.sqrt(value)


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Switch the file to WAL; SQLite does not wait for others here, so this does."""
    deadline = time.monotonic() + _OPENING_S
    while not _is_wal(cursor, last=time.monotonic() > deadline):
        time.sleep(_RETRY_S)


def _is_wal(cursor: sqlite3.Cursor, *, last: bool) -> bool:
    try:
        if not cursor.execute("PRAGMA page_count").fetchone()[0]:
            # Has to be settled before the first page is written: free pages can be given back bit by bit then.
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        cursor.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error) or last:
            raise
        return False
    return True


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    cursor = connection.connection.cursor()
    if not options.get("write"):
        cursor.execute("BEGIN")
        return
    if options.get("waits", True):
        cursor.execute("BEGIN IMMEDIATE")
    else:
        cursor.execute("PRAGMA busy_timeout=0")
        try:
            cursor.execute("BEGIN IMMEDIATE")
        finally:
            cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000:.0f}")
    if _FILES not in connection.info:
        cursor.execute(f"PRAGMA cache_size=-{_WRITING_CACHE_KIB}")
        # The log exists from the first transaction on, and stays as long as a connection is open.
        database = connection.engine.url.database
        connection.info[_FILES] = tuple(identity_of(f"{database}{suffix}") for suffix in _SUFFIXES)

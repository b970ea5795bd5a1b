"""The store: one database, its blobs, and the transactions over them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine, Table, event, make_url
from sqlalchemy.dialects import postgresql as postgresql_dialect
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from runatlas.errors import BusyError, NoSpaceError, StoreError, StoreMissingError
from runatlas.file_access import FileAccess
from runatlas.model.heartbeat import heartbeat_timeout_ms
from runatlas.process.fork import is_inherited, note_closed, note_opened
from runatlas.server.store import postgresql, sqlite
from runatlas.server.store.blob import BlobStore
from runatlas.server.store.disk import Disk
from runatlas.server.store.failure import file_error, store_errors
from runatlas.server.store.group_commit import GroupCommit
from runatlas.server.store.installation import SECRET_NAME, install, new_secret, read_secret
from runatlas.server.store.layout import check_layout
from runatlas.server.store.liveness import moment
from runatlas.server.store.migration import is_current, migrate
from runatlas.server.store.run_text import keep_shown
from runatlas.server.store.schema import SCHEMA_VERSION, metadata
from runatlas.server.work import current

__all__ = ["DATABASE_NAME", "Insert", "Store", "now_ms"]

DATABASE_NAME = "runatlas.db"

ROOM_BYTES = 4 << 20
"""How much room adding leaves on the disk: to delete something a database has to write."""

_PART_MIN = 0.001
_OPEN_TO_OTHERS = 3
"""The last version of the schema whose files other users of the machine could read."""

_log = logging.getLogger("runatlas")
_OPENING_S = 50.0
_CANCEL_S = 5.0

Insert: TypeAlias = "sqlite_dialect.Insert | postgresql_dialect.Insert"
"""An insert that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""


def now_ms() -> int:
    """Return the time, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class _Joined(threading.local):
    """The transaction that all of what a thread does belongs to."""

    connection: Connection | None = None


class Store:
    """An open store; thread-safe, and safe beside other processes that have it open.

    Attributes:
        location: Where it is, for people: an absolute directory, or a URL without its password.
        dialect: ``"sqlite"`` or ``"postgresql"``.
        directory: Where its files lie.
        blobs: The blobs.
        clock: Tells the time in Unix milliseconds.
        is_read_only: Whether this user may only read it.
    """

    def __init__(
        self,
        engine: Engine,
        location: str,
        directory: Path,
        blobs: Path,
        clock: Callable[[], int],
        *,
        is_read_only: bool = False,
    ) -> None:
        """Use ``Store.open``."""
        self.location = location
        self.dialect = engine.dialect.name
        self.directory = directory
        self.exports_dir = directory / "exports"
        self.blobs = BlobStore(blobs, self.access)
        self.clock = clock
        self._heartbeat_timeout_ms = heartbeat_timeout_ms()
        self.is_read_only = is_read_only
        self._secret = b""
        self._engine = engine
        self._reader: Engine
        self._writer = engine.execution_options(write=True)
        self._reader = engine
        if self.dialect == "postgresql":
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._disk = Disk(directory)
        self._commits = self._make_commits()
        self._joined = _Joined()
        self._closing: list[Callable[[], None]] = []
        self._pid = os.getpid()
        self._is_closed = False

    @classmethod
    def open(
        cls,
        location: str | Path,
        *,
        create: bool = True,
        clock: Callable[[], int] = now_ms,
        blobs_dir: str | Path | None = None,
    ) -> Store:
        """Open a store; the schema is made or brought up to date under a lock.

        Args:
            location: A directory, or a ``postgresql://`` URL.
            create: Whether to make what is not there.
            clock: Tells the time.
            blobs_dir: Where blobs and exports lie; needed with PostgreSQL, else ``blobs`` in the directory.

        Returns:
            The store.

        Raises:
            ValueError: A PostgreSQL location without ``blobs_dir``, or a URL that is none.
            StoreError: It cannot be used; the message says what to do.
        """
        store = cls._connect(str(location), create=create, clock=clock, blobs_dir=blobs_dir)
        try:
            store._prepare(create=create)  # noqa: SLF001 - its own class
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def _connect(cls, location: str, *, create: bool, clock: Callable[[], int], blobs_dir: str | Path | None) -> Store:
        if postgresql.is_postgresql(location):
            if blobs_dir is None:
                raise ValueError("blobs_dir: a PostgreSQL store needs a directory for its blobs")
            files = _make_directory(Path(blobs_dir).absolute(), create=True)
            try:
                engine = postgresql.make_engine(location)
                shown = make_url(location).render_as_string(hide_password=True)
            except ArgumentError as error:
                raise ValueError(f"location: {error}") from error
            return cls(engine, shown, files, files, clock)
        directory = _make_directory(Path(location).expanduser().absolute(), create=create)
        database = directory / DATABASE_NAME
        check_layout(database, directory / SECRET_NAME)
        if not database.is_file():
            if not create:
                if (directory / "spool").is_dir():
                    raise StoreMissingError(
                        f"there is no RunAtlas store in {directory} yet; check the path, or "
                        f"'runatlas sync {directory}' makes it of what runs left there"
                    )
                raise StoreMissingError(
                    f"there is no RunAtlas store in {directory}; check the path, or record a run there first"
                )
            _make_database(database)
        _require_own(directory)
        note_opened(directory)
        blobs = Path(blobs_dir).absolute() if blobs_dir is not None else directory / "blobs"
        is_read_only = sqlite.is_read_only(database)
        engine = sqlite.make_reading_engine(database) if is_read_only else sqlite.make_engine(database)
        return cls(engine, str(directory), directory, blobs, clock, is_read_only=is_read_only)

    @staticmethod
    def is_at(directory: str | Path) -> bool:
        """Tell whether there is a store in a directory."""
        return (Path(directory) / DATABASE_NAME).is_file()

    def _prepare(self, *, create: bool) -> None:
        """Bring the schema up to date; another process that does so just now is waited for longer than writers are."""
        deadline = time.monotonic() + _OPENING_S
        while time.monotonic() < deadline:
            with suppress(BusyError):
                self._prepare_once(create=create)
                return
        self._prepare_once(create=create)

    def _prepare_once(self, *, create: bool) -> None:
        try:
            if self._is_ready():
                return
            with self.write() as connection:
                if self.dialect == "postgresql":
                    postgresql.lock_schema(connection)
                found = migrate(connection, create=create)
                if found == 0:
                    install(connection, self.clock())
                    return
                if found < SCHEMA_VERSION:
                    keep_shown(connection)
                if found <= _OPEN_TO_OTHERS:
                    self._tighten()
        except StoreError as error:
            if self.location in error.message or isinstance(error, BusyError):
                raise
            raise StoreError(f"{self.location}: {error.message}") from error

    def _is_ready(self) -> bool:
        """Tell whether there is nothing to migrate, so that opening need not wait for who is writing."""
        with self.read() as connection:
            if self.dialect == "sqlite":
                sqlite.check_schema(connection)
            return is_current(connection)

    def access(self) -> FileAccess:
        """Return the modes of files that are made now: as the database file has them."""
        if self.dialect == "postgresql":
            return FileAccess.of_new_store()
        return FileAccess.of(self.directory / DATABASE_NAME)

    @property
    def secret(self) -> bytes:
        """What links and sessions are signed with.

        Raises:
            StoreError: It cannot be read or made.
        """
        if not self._secret:
            path = self.directory / SECRET_NAME
            self._secret = new_secret() if self.is_read_only else read_secret(path, self.access().secret)
        return self._secret

    def _tighten(self) -> None:
        """Take the files of an earlier version, which had the modes that the umask left them, from other users."""
        access = FileAccess.of_new_store()
        names = ("-wal", "-shm", "")
        files = [self.directory / f"{DATABASE_NAME}{name}" for name in names] if self.dialect == "sqlite" else []
        folders = [self.directory / name for name in ("blobs", "exports", "spool")]
        taken = [access.tighten(path) for path in [*folders, *self.blobs.folders(), *files]]
        if any(taken):
            _log.warning(
                "runatlas: other users of this machine could read the files in %s; now they are private to you. "
                "To share them with a group, see 'Who may read it' in docs/store.md",
                self.directory,
            )

    @contextmanager
    def read(self, *, changes: bool = False) -> Iterator[Connection]:
        """Open a connection that sees one snapshot and changes nothing.

        Args:
            changes: Whether it is read for what is changed meanwhile, and may take as long as that.

        Raises:
            StoreError: The database failed.
        """
        self._check_process()
        moment.horizon_ms = self.clock() - self._heartbeat_timeout_ms
        joined = self._joined.connection
        if joined is not None:
            with store_errors(self.location):
                yield joined
            return
        with store_errors(self.location), self._reader.connect() as connection, _at_work(connection, writes=changes):
            connection.begin()  # not by the first statement: those that run on the driver begin nothing
            yield connection
            if self.dialect == "postgresql":
                connection.commit()  # which psycopg keeps its prepared statements over, and a rollback not
            if self.is_read_only:
                sqlite.check_unchanged(self.directory / DATABASE_NAME, connection.connection.dbapi_connection)

    @contextmanager
    def write(self, *, shared: bool = False, waits: bool = True) -> Iterator[Connection]:
        """Open a transaction: on the disk when the block ends, taken back when it raises.

        On SQLite it holds the write lock from its beginning on, so there is one at a time over all processes.

        Args:
            shared: Whether it may wait for those of other threads, to be committed with them: for what is short, and
                comes from many at once.
            waits: Whether to wait some seconds for others who write; else it fails at once.

        Raises:
            BusyError: Others hold the lock; nothing was changed.
            StoreError: The database failed; nothing was changed.
        """
        if self.is_read_only:
            raise StoreError(
                f"{self.location} can only be read by this user: changing it needs the right to write to the directory "
                f"and to {DATABASE_NAME} in it"
            )
        self._check_process()
        moment.horizon_ms = self.clock() - self._heartbeat_timeout_ms
        joined = self._joined.connection
        if joined is not None:
            # Taken back alone when the block raises, so that what comes after can go on.
            with store_errors(self.location), joined.begin_nested():
                yield joined
            return
        with store_errors(self.location):
            if self.dialect == "postgresql":
                with self._writer.begin() as connection:
                    if not waits:
                        postgresql.never_wait(connection)
                    with _at_work(connection, writes=True):
                        yield connection
            else:
                with (
                    self._commits.transaction(shared=shared, waits=waits) as connection,
                    _at_work(connection, writes=True),
                ):
                    yield connection

    @contextmanager
    def together(self, *, shared: bool = False) -> Iterator[None]:
        """Make all that this thread reads and writes within the block one transaction.

        Every ``read`` and ``write`` inside joins it: what they write is durable when the block ends, and all of it is
        taken back when the block raises. On SQLite the block holds the write lock, so it should be short.

        Args:
            shared: As in ``write``.

        Raises:
            StoreError: The database failed; nothing was changed.
        """
        outer = self._joined.connection
        with self.write(shared=shared) as connection:
            self._joined.connection = connection
            try:
                yield
            finally:
                self._joined.connection = outer

    def compact(self) -> None:
        """Write SQLite's file anew, without free pages, so that it can be made smaller bit by bit from then on.

        Who writes waits as long, and the disk needs room for another copy. PostgreSQL's own tools do that for it.

        Raises:
            BusyError: Others hold the lock.
            StoreError: The database failed.
        """
        if self.dialect == "sqlite" and not self.is_read_only:
            with store_errors(self.location):
                sqlite.rewrite(self._engine)

    def in_steps(self, step: Callable[[Connection, float], bool]) -> None:
        """Do in many short transactions what takes long, and leave others as much time to write in between.

        Args:
            step: Does some of it, in a transaction of its own, and tells whether there is more to do. It is told what
                part of its usual amount to do: where there is no room on the disk for a transaction, smaller ones are
                tried.

        Raises:
            BusyError: Others hold the lock; the steps before are done.
            StoreError: The database failed; the steps before are done.
        """
        part, more = 1.0, True
        while more:
            began = time.monotonic()
            try:
                with self.write() as connection:
                    more = step(connection, part)
            except NoSpaceError:
                if part < _PART_MIN:
                    raise
                part /= 8
                # What did not fit takes room in it all the same.
                self._empty_log()
            # As long as it took: whoever waits for the lock looks for it only now and then.
            time.sleep(time.monotonic() - began)

    def insert(self, table: Table) -> Insert:
        """Return the dialect's insert into a table, which knows ``on_conflict_do_update``."""
        if self.dialect == "postgresql":
            return postgresql_dialect.insert(table)
        return sqlite_dialect.insert(table)

    def database_bytes(self) -> int:
        """Return how large the database is: its files', or what PostgreSQL says."""
        if self.dialect == "sqlite":
            return sqlite.size(self.directory / DATABASE_NAME)
        with self.read() as connection:
            return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())

    def require_room(self) -> None:
        """Check, before something is added, that enough room is left to clean up in afterwards.

        Raises:
            NoSpaceError: There is not.
        """
        if self.dialect == "sqlite" and not self._disk.has_room(ROOM_BYTES):
            raise NoSpaceError(
                f"{self.location} cannot grow: the disk is full but for {ROOM_BYTES >> 20} MiB, which are kept for "
                "cleaning up; delete and purge runs, or free some space, and try again"
            )

    def shrink(self) -> None:
        """Give back the room of what was removed: SQLite's file gets smaller, PostgreSQL can use it again.

        It is done in steps between which others write, and not at all within ``together``.

        Raises:
            BusyError: Others hold the lock.
            StoreError: The database failed.
        """
        if self._joined.connection is not None:
            return
        if self.dialect == "postgresql":
            with store_errors(self.location), self._engine.connect() as connection:
                postgresql.vacuum(connection, [table.name for table in metadata.sorted_tables])
            return
        self.in_steps(sqlite.free_pages)
        self._empty_log()

    def _empty_log(self) -> None:
        if self.dialect == "sqlite":
            with store_errors(self.location):
                sqlite.empty_log(self._engine)

    def at_close(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the store is closed, before its connections are."""
        self._closing.append(callback)

    def close(self) -> None:
        """Release connections and files, for good: who reads just now is the last. A second call does nothing."""
        while self._closing:
            self._closing.pop()()
        if self._pid != os.getpid() or self._is_closed:
            return
        self._is_closed = True
        pool = self._engine.pool
        is_idle = not isinstance(pool, QueuePool) or pool.checkedout() == 0
        event.listen(pool, "checkin", _close_late)  # the pool that takes its place has it too
        self._engine.dispose()
        if self.dialect == "sqlite" and is_idle:
            note_closed(self.directory)

    def _make_commits(self) -> GroupCommit:
        return GroupCommit(self._writer, self.location, sqlite.check_files, partial(sqlite.keep_log_short, self._disk))

    def _check_process(self) -> None:
        """Leave the parent's connections alone after a fork: they must not be shared."""
        if self._is_closed:
            raise StoreError(f"the store in {self.location} was closed")
        if os.getpid() != self._pid:
            if self.dialect == "sqlite":
                _require_own(self.directory)
            self._pid = os.getpid()
            self._commits = self._make_commits()
            self._joined = _Joined()
            self._closing = []
            self._engine.dispose(close=False)


def _close_late(_: Any, entry: ConnectionPoolEntry) -> None:
    """Close a connection that somebody still read from when the store was closed."""
    entry.close()


def _require_own(directory: Path) -> None:
    if is_inherited(directory):
        raise StoreError(
            f"{directory} was open in the process that this one was forked from, and SQLite's locks do not survive a "
            "fork; use runatlas.Api or runatlas.Run, which ask another process, or start this one afresh"
        )


def _at_work(connection: Connection, *, writes: bool) -> AbstractContextManager[None]:
    work = current.work
    return nullcontext() if work is None else work.using(partial(_interrupt, connection), writes=writes)


def _interrupt(connection: Connection) -> None:
    with suppress(SQLAlchemyError):
        driver: Any = connection.connection.dbapi_connection
        if connection.dialect.name == "postgresql":
            driver.cancel_safe(timeout=_CANCEL_S)
        else:
            driver.interrupt()


def _make_directory(path: Path, *, create: bool) -> Path:
    try:
        if create or path.is_file():
            FileAccess.of_new_store().make_directory(path)
    except (FileExistsError, NotADirectoryError) as error:
        raise StoreError(f"{path} is not a directory; name a directory for the store") from error
    except OSError as error:
        raise file_error(error, f"{path} cannot be made") from error
    return path


def _make_database(path: Path) -> None:
    """Make the empty file: SQLite would leave its mode to the umask, and gives its own side files the mode of this."""
    try:
        os.close(FileAccess.of_new_store().open_file(path, os.O_RDWR))
    except OSError as error:
        raise StoreError(
            f"{path} cannot be made ({error.strerror or error}); give your user the right to write there, "
            "or use another directory"
        ) from error

"""Where a store lies whose programs are killed: a directory, or a PostgreSQL schema with a directory for its files."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import attrs
import psycopg
import sqlalchemy as sa
from support.patience import eventually
from support.server import ServerProcess, running_server

from runatlas.server.store.check import check_store
from runatlas.server.store.engine import Store

__all__ = ["CrashStore"]


@attrs.frozen
class CrashStore:
    """A store.

    Attributes:
        directory: Where files lie; the store itself, unless there is a URL.
        url: A PostgreSQL schema.
    """

    directory: Path
    url: str | None = None

    def serve(self) -> AbstractContextManager[ServerProcess]:
        """Start a server on it."""
        return running_server(self.directory, database=self.url)

    def _open(self) -> Store:
        return Store.open(self.url or self.directory, blobs_dir=None if self.url is None else self.directory)

    def damages(self) -> list[str]:
        """Read all of it, and tell what is damaged."""
        with closing(self._open()) as store:
            return [str(damage) for damage in check_store(store)]

    def chunks(self) -> int:
        """How many chunks there are."""
        with closing(self._open()) as store, store.read() as connection:
            return int(connection.execute(sa.text("SELECT count(*) FROM chunks")).scalar_one())

    def files(self) -> set[str]:
        """The hashes of the files that lie there."""
        with closing(self._open()) as store:
            return {path.name for path in store.blobs.files()}

    def age_files(self) -> None:
        """Make all files older than a day, after which one that nobody needs is removed."""
        with closing(self._open()) as store:
            with store.write() as connection:
                connection.execute(sa.text("UPDATE blobs SET created_at_ms = 1000"))
            for path in store.blobs.files():
                os.utime(path, (1, 1))

    def wait_for_others(self) -> None:
        """Return when PostgreSQL has ended what processes that are gone had begun."""
        if self.url is None:
            return
        schema = self.url.rpartition("%3D")[2]
        others = (
            "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation "
            "WHERE relnamespace = %s::regnamespace"
        )
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            assert eventually(lambda: connection.execute(others, [schema]).fetchone() == (0,)), "a transaction goes on"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody write."""
        if self.url is None:
            with closing(sqlite3.connect(self.directory / "runatlas.db", isolation_level=None, timeout=30)) as other:
                other.execute("BEGIN IMMEDIATE")
                yield
                other.execute("ROLLBACK")
            return
        with psycopg.connect(self.url) as connection:
            connection.execute("LOCK TABLE series IN SHARE ROW EXCLUSIVE MODE")
            yield
            connection.rollback()

    def break_connections(self, *, by_kill: bool) -> None:
        """Cut what is connected to PostgreSQL; a process of it that is killed takes all of them along."""
        assert self.url is not None
        others = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            found = [int(pid) for (pid,) in connection.execute(others)]
            if not by_kill:
                connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({others}) AS others")
            elif found:
                with suppress(ProcessLookupError):
                    os.kill(found[0], signal.SIGKILL)
                    assert eventually(lambda: not _answers(connection)), "PostgreSQL did not notice"
        assert eventually(self._is_connectable), "PostgreSQL does not come back"

    def _is_connectable(self) -> bool:
        assert self.url is not None
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True


def _answers(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True

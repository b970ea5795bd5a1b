"""Work that can be ended from outside: what one thread asks of the database for one request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from runatlas.errors import RunAtlasError

__all__ = ["Work", "current_work"]

_CANCEL_S = 5.0
_current = threading.local()


def current_work() -> Work | None:
    """Return the work of this thread; ``None`` where nobody bounds it."""
    found: Work | None = getattr(_current, "work", None)
    return found


class Work:
    """What one thread does for one request; another thread may end it.

    A transaction that writes is ended apart: what it has done so far is taken back.
    """

    def __init__(self) -> None:
        self.reason: RunAtlasError | None = None
        self._lock = threading.Lock()
        self._used: list[tuple[Connection, bool]] = []
        self._writes_too = False

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Make it the work of this thread within the block."""
        _current.work = self
        try:
            yield
        finally:
            _current.work = None

    @contextmanager
    def using(self, connection: Connection, *, writes: bool) -> Iterator[None]:
        """Note within the block that a connection is at work.

        Raises:
            RunAtlasError: The work was ended before.
        """
        self.check(writes=writes)
        used = (connection, writes)
        with self._lock:
            self._used.append(used)
        try:
            yield
        finally:
            with self._lock:
                self._used.remove(used)

    def check(self, *, writes: bool) -> None:
        """Raise why the work was ended, if it was."""
        if self.reason is not None and (self._writes_too or not writes):
            raise self.reason

    def end(self, reason: RunAtlasError, *, writes_too: bool = False) -> None:
        """Stop the statements that run for it, and refuse further ones; to be repeated until the thread is back.

        Args:
            reason: Raised where the work goes on.
            writes_too: Whether to take back what it is writing.
        """
        with self._lock:
            self.reason = self.reason or reason
            self._writes_too = self._writes_too or writes_too
            for connection, writes in self._used:
                if self._writes_too or not writes:
                    _interrupt(connection)


def _interrupt(connection: Connection) -> None:
    with suppress(SQLAlchemyError):
        driver: Any = connection.connection.dbapi_connection
        if connection.dialect.name == "postgresql":
            driver.cancel_safe(timeout=_CANCEL_S)
        else:
            driver.interrupt()

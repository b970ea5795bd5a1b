"""Work that can be ended from outside: what one thread asks of the database for one request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runatlas.errors import RunAtlasError

__all__ = ["Work", "current"]


class Work:
    """What one thread does for one request; another thread may end it.

    A transaction that writes is ended apart: what it has done so far is taken back.
    """

    def __init__(self, foresee: Callable[[int], None] | None = None) -> None:
        """Make it.

        Args:
            foresee: Told how many bytes the answer will hold before they are read; raises if there is no room for them.
        """
        self.foresee = foresee or _unbounded
        self.reason: RunAtlasError | None = None
        self._lock = threading.Lock()
        self._used: list[tuple[Callable[[], None], bool]] = []
        self._writes_too = False

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Make it the work of this thread within the block."""
        current.work = self
        try:
            yield
        finally:
            current.work = None

    @contextmanager
    def using(self, interrupt: Callable[[], None], *, writes: bool) -> Iterator[None]:
        """Note within the block that a connection is at work.

        Args:
            interrupt: Ends the statement that it runs; called by another thread.
            writes: Whether its transaction writes.

        Raises:
            RunAtlasError: The work was ended before.
        """
        self.check(writes=writes)
        used = (interrupt, writes)
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
            for interrupt, writes in self._used:
                if self._writes_too or not writes:
                    interrupt()


def _unbounded(size: int) -> None:
    """Take an answer of any size."""


class _Current(threading.local):
    """What this thread does.

    Attributes:
        work: ``None`` where nobody bounds it.
    """

    work: Work | None = None


current = _Current()

"""Group commit: writes of several threads end in one commit, so that they share the wait for the disk.

On SQLite one thread writes at a time. One that is done, while another waits to write, hands the transaction on to it
instead of committing, and waits until the last of the group has committed for all. Nobody goes on before the commit.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, NestedTransaction
from sqlalchemy.exc import DBAPIError

from runatlas.errors import BusyError, StoreError
from runatlas.server.store.failure import store_error
from runatlas.server.store.sqlite import BUSY_TIMEOUT_S

__all__ = ["GroupCommit"]

_MEMBERS_MAX = 256
_OPEN_S = 0.05
"""How long a group takes new members at the most, so that its first one is not kept waiting."""

_PATIENCE_S = 0.1


class GroupCommit:
    """The write transactions of the threads of one process.

    Args:
        engine: Begins transactions that hold the write lock.
        location: Where the database is, for people.
        check: Called before and after each commit; raises when the commit is lost.
        settle: Called after each commit that is not lost.
    """

    def __init__(
        self,
        engine: Engine,
        location: str,
        check: Callable[[Connection], None],
        settle: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        self._after = settle
        self._engine = engine
        self._location = location
        self._check = check
        self._turn = threading.Lock()
        self._waiting: deque[None] = deque()
        self._group: _Group | None = None

    @contextmanager
    def transaction(self, *, shared: bool, waits: bool = True) -> Iterator[Connection]:
        """Open a transaction: durable when the block ends, taken back when it raises.

        Args:
            shared: Whether it may be committed together with those of other threads. What it reads may then have been
                written by a thread whose commit is yet to come; the block ends after that commit in any case.
            waits: Whether to wait some seconds for others who write; else it fails at once.

        Raises:
            BusyError: Others write; nothing was changed.
            StoreError: The commit failed; nothing was changed.
        """
        group = None
        try:
            with self._next(shared=shared, waits=waits):
                group = self._open(shared=shared, waits=waits)
                try:
                    with group.part() as connection:
                        yield connection
                finally:
                    self._settle(group)
        finally:
            # Also on the way out with an error: that may be about what another thread wrote.
            if group is not None:
                group.wait(self._settle_late)

    @contextmanager
    def _next(self, *, shared: bool, waits: bool) -> Iterator[None]:
        """Wait for the turn to write; who would share a commit is seen waiting."""
        if shared:
            self._waiting.append(None)
        try:
            if not self._turn.acquire(timeout=BUSY_TIMEOUT_S if waits else 0):
                raise BusyError(f"{self._location} is in use by other threads; wait until those are done")
        finally:
            if shared:
                self._waiting.pop()
        try:
            yield
        finally:
            self._turn.release()

    def _open(self, *, shared: bool, waits: bool) -> _Group:
        """Return the group whose turn it is; what is not shared gets one of its own."""
        if self._group is not None and not shared:
            self._finish(self._group)
        if self._group is None:
            engine = self._engine if waits else self._engine.execution_options(waits=False)
            self._group = _Group(engine, self._location, (self._check, self._after), shared=shared)
        return self._group

    def _settle(self, group: _Group) -> None:
        """Commit, unless another thread waits to add to the group."""
        if group.done.is_set():
            self._group = None
        elif not (self._waiting and group.takes_more()):
            self._finish(group)

    def _settle_late(self, group: _Group) -> None:
        """Commit a group whose next member went away before it had its turn."""
        if self._turn.acquire(blocking=False):
            try:
                if self._group is group:
                    self._finish(group)
            finally:
                self._turn.release()

    def _finish(self, group: _Group) -> None:
        self._group = None
        group.commit()


class _Group:
    """A transaction and those who wrote in it; used by the thread whose turn it is."""

    def __init__(
        self, engine: Engine, location: str, calls: tuple[Callable[[Connection], None], ...], *, shared: bool
    ) -> None:
        self._location = location
        self._check, self._after = calls
        self._shared = shared
        self._members = 0
        self._began = time.monotonic()
        self._failure: StoreError | None = None
        self.done = threading.Event()
        self._connection = engine.connect()
        try:
            self._transaction = self._connection.begin()
        except BaseException:
            self._connection.close()
            raise

    def takes_more(self) -> bool:
        return self._shared and self._members < _MEMBERS_MAX and time.monotonic() - self._began < _OPEN_S

    @contextmanager
    def part(self) -> Iterator[Connection]:
        """Let a member write; what it raises takes back what it wrote, and nothing else."""
        savepoint = self._connection.begin_nested() if self._members else None
        self._members += 1
        try:
            yield self._connection
            if savepoint is not None:
                savepoint.commit()
        except BaseException as error:
            self._take_back(savepoint, error)
            raise

    def commit(self) -> None:
        """Commit for all members; whether that went well, they ask themselves."""
        try:
            if not self._is_open():
                # The driver commits nothing without a word where SQLite has taken everything back.
                raise StoreError(f"{self._location} took a transaction back; try again")  # noqa: TRY301 - told to all
            self._check(self._connection)
            self._transaction.commit()
            # The wait for the disk is long enough to remove what it waits for.
            self._check(self._connection)
            self._after(self._connection)
        except BaseException as error:
            self._fail(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._end()

    def wait(self, settle: Callable[[_Group], None]) -> None:
        """Wait for the commit; ``settle`` is called now and then, should nobody be left to make it.

        Raises:
            StoreError: It failed.
        """
        while not self.done.wait(_PATIENCE_S):
            settle(self)
        if self._failure is not None:
            raise self._failure.reworded(self._failure.message)

    def _take_back(self, savepoint: NestedTransaction | None, error: BaseException) -> None:
        if savepoint is not None and self._is_open():
            with suppress(DBAPIError):
                savepoint.rollback()
                return
        # The first one is alone yet. SQLite itself takes all back where it cannot go on, as on a full disk.
        if savepoint is not None:
            self._fail(error)
        self._end()

    def _is_open(self) -> bool:
        driver: Any = self._connection.connection.dbapi_connection
        return bool(driver.in_transaction)

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, StoreError):
            self._failure = error
        elif isinstance(error, Exception):
            self._failure = store_error(error, self._location)
        else:
            self._failure = StoreError(f"{self._location}: the commit was interrupted; try again")

    def _end(self) -> None:
        """Give the connection back, which takes back what was not committed."""
        try:
            self._connection.close()
        finally:
            self.done.set()

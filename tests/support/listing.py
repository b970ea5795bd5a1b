"""A collection over a list in memory, which counts its requests and fails when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable

from runatlas.backends.contract import Backend
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.collection import Collection, Window, make_window
from runatlas.entities.user import User
from runatlas.errors import RunAtlasError, ServerError
from runatlas.model.account import UserRecord
from runatlas.model.page import Page, PageRequest


class Nowhere:
    """An opener for entities that never need a backend."""

    location = "nowhere"

    def __call__(self) -> Backend:
        """Refuse."""
        raise ServerError("there is nothing here")


class Listing(Collection[User, UserRecord]):
    """Users ``u0``, ``u1``, …; cursors are positions."""

    is_remote = True
    """Whether it is listed as something that a server has."""

    def __init__(self, names: int | list[str], window: Window | None = None) -> None:
        super().__init__(BackendHandle(Nowhere()), window or make_window())
        self.names = [f"u{index}" for index in range(names)] if isinstance(names, int) else names
        self.requests: list[PageRequest] = []
        self.failures: list[tuple[Callable[[PageRequest], bool], RunAtlasError]] = []
        self.threads: list[str] = []

    def fail(self, error: RunAtlasError, when: Callable[[PageRequest], bool] = lambda _: True) -> None:
        """Let the next request that fits fail."""
        self.failures.append((when, error))

    def _read(self, page: PageRequest) -> Page[UserRecord]:
        self.requests.append(page)
        self.threads.append(threading.current_thread().name)
        for failure in self.failures:
            if failure[0](page):
                self.failures.remove(failure)
                raise failure[1]
        start = int(page.cursor) if page.cursor else page.offset
        found = self.names[start : start + page.limit]
        end = start + len(found)
        return Page(
            items=tuple(UserRecord(name) for name in found),
            next_cursor=str(end) if end < len(self.names) else None,
            total=len(self.names) if page.with_total else None,
        )

    def _reads_ahead(self) -> bool:
        return self.is_remote

    def _make(self, record: UserRecord) -> User:
        return User(self._handle, record.username, record)

    def _subject(self) -> str:
        return "test"

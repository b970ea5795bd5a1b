"""The shared handle of a backend: opened at the first request, and never part of a pickle."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Protocol
from weakref import WeakValueDictionary

from runatlas.backends.contract import Backend
from runatlas.errors import RequestError
from runatlas.process.fork import ProcessLock

__all__ = ["BackendHandle", "Opener", "UsesBackend"]


class Opener(Protocol):
    """Makes the backend, and tells without any request where it will be."""

    @property
    def location(self) -> str:
        """Where the data is: an origin or an absolute directory."""

    def __call__(self) -> Backend:
        """Open the backend."""


class BackendHandle:
    """Opens a backend when it is first needed and hands the same one to everybody.

    Two handles to one place are equal. A copy, or a pickle read back in the same process, is the same handle; in
    another process a new one, opened as the opener's own pickle says.

    Args:
        opener: Makes the backend; not called yet.
        token: Names the handle in pickles; made up if not given.
    """

    def __init__(self, opener: Opener, *, token: str | None = None) -> None:
        self._opener = opener
        self._lock = ProcessLock()
        self._backend: Backend | None = None
        self._closed = False
        self._token = token or uuid.uuid4().hex
        _living[self._token] = self

    @property
    def location(self) -> str:
        """Where the data is; no request."""
        return self._opener.location

    @property
    def backend(self) -> Backend:
        """The backend.

        Raises:
            RequestError: The handle is closed.
            StoreError: The directory cannot be used.
        """
        found = self._backend
        if found is not None:
            return found
        with self._lock:
            if self._closed:
                raise RequestError("this Api is closed; make a new one")
            if self._backend is None:
                self._backend = self._opener()
            return self._backend

    def forget(self, path: str | None = None) -> None:
        """Let the backend drop what it keeps in memory, so that the next read asks again; no request.

        Args:
            path: Of a workspace, project or run; ``None`` for everything.
        """
        backend = self._backend
        if backend is not None:
            backend.forget(path)

    def leave_to_parent(self) -> Iterator[Backend]:
        """Begin anew in a forked child, and yield the parent's backend if there is one."""
        if self._backend is not None:
            yield self._backend
            self._backend = None

    def close(self) -> None:
        """Release connections and files; a second call does nothing."""
        with self._lock:
            backend, self._backend, self._closed = self._backend, None, True
        if backend is not None:
            backend.close()

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, BackendHandle) and self.location == other.location

    def __hash__(self) -> int:
        return hash(BackendHandle)

    def __reduce__(self) -> tuple[Callable[[str, Opener], BackendHandle], tuple[str, Opener]]:
        return _revive, (self._token, self._opener)

    def __repr__(self) -> str:
        return f"BackendHandle({self.location!r})"


class UsesBackend(Protocol):
    """What reads and changes through a backend."""

    _handle: BackendHandle


_living: WeakValueDictionary[str, BackendHandle] = WeakValueDictionary()
_inherited: list[Backend] = []
"""What a forked child shares with its parent, neither used nor closed nor freed."""


def _leave_to_parent() -> None:
    for handle in list(_living.values()):
        _inherited.extend(handle.leave_to_parent())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def _revive(token: str, opener: Opener) -> BackendHandle:
    return _living.get(token) or BackendHandle(opener, token=token)

"""A directory: the services of its store, called in process by the directory's owner."""

from __future__ import annotations

import atexit
import importlib
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from runatlas.backends.contract import Backend
from runatlas.backends.operation import Operation, complete
from runatlas.model.account import UserRecord
from runatlas.process.server_note import ServerNote
from runatlas.server.services.accounts import Accounts
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["LocalBackend"]


@attrs.define
class _Shared:
    """The services of a directory, and how many backends use them."""

    services: Services
    users: int = 0


_shared: dict[str, _Shared] = {}
_inherited: list[_Shared] = []
_forgotten: deque[tuple[str, int]] = deque()
_lock = threading.Lock()


def _leave_to_parent() -> None:
    """After a fork, open connections are the parent's: they are neither used nor closed, nor collected, here."""
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()
    _inherited.extend(_shared.values())
    _shared.clear()


def _prepare_child() -> None:
    """Import what a child needs instead: of a thread that imports at the fork, the child would inherit the locks."""
    if _shared:
        importlib.import_module("runatlas.backends.store_process")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_prepare_child, after_in_child=_leave_to_parent)


def _acquire(directory: str, *, create: bool) -> Services:
    with _lock:
        _release_forgotten()
        entry = _shared.get(directory)
        if entry is None:
            entry = _shared[directory] = _Shared(Services.open(directory, create=create))
        entry.users += 1
        return entry.services


def _release(directory: str, process: int) -> None:
    with _lock:
        _release_forgotten()
        _drop(directory, process)


def _release_forgotten() -> None:
    """Release what nobody refers to any more.

    The collector of garbage may come at any moment, also while this thread holds ``_lock`` or a lock of the store: it
    only writes down what it found.
    """
    while _forgotten:
        _drop(*_forgotten.popleft())


def _drop(directory: str, process: int) -> None:
    if process != os.getpid():
        return
    entry = _shared[directory]
    entry.users -= 1
    if entry.users == 0:
        del _shared[directory]
        entry.services.close()


def _release_at_exit() -> None:
    with _lock:
        _release_forgotten()


# Registered before the first backend is made, and so called after what is left of them was written down.
atexit.register(_release_at_exit)


class LocalBackend(Backend):
    """A store in process; making one touches no file.

    Backends of one directory share what is open of it, which the last one that is closed or forgotten closes. It may
    be used after ``close``: it opens the directory again. In a forked child it is refused: see ``store_process``.
    """

    def __init__(self, place: str | Path | Services, caller: Caller | None = None, *, create: bool = False) -> None:
        """Describe the store.

        Args:
            place: A directory, or services that are open; those stay open when the backend is closed.
            caller: Whose rights count; ``None`` is the directory's owner.
            create: Whether any call makes the store if there is none, as it is right for who came to write; else only
                those do that a new store can begin with, such as making a project.
        """
        self._given = place if isinstance(place, Services) else None
        self._location = place.store.location if isinstance(place, Services) else _absolute(place)
        self._create = create
        self._directory = str(place.store.directory) if isinstance(place, Services) else self._location
        self._principal = caller
        self._owner: Caller | None = None
        self._opening = threading.Lock()
        self._process = os.getpid()
        self._open: Services | None = None
        self._lease: weakref.finalize[..., LocalBackend] | None = None

    def _opened(self, *, create: bool) -> Services:
        """The services; a directory that was mistyped is an error, and not made, unless a store may begin with it."""
        if self._given is not None:
            return self._given
        if self._open is not None and self._process == os.getpid():
            return self._open
        return self._reopen(create=create)

    def _reopen(self, *, create: bool) -> Services:
        if self._process != os.getpid():
            self._process, self._opening, self._open = os.getpid(), threading.Lock(), None
        with self._opening:
            if self._open is None:
                self._open = _acquire(self._directory, create=create)
                self._lease = weakref.finalize(self, _forgotten.append, (self._directory, self._process))
            return self._open

    def _find_owner(self) -> Caller:
        owner = self._owner = self._opened(create=self._create).owner()
        return owner

    # -- the installation and the caller ------------------------------------------------------------------------

    @property
    def location(self) -> str:
        """The directory, or the database's URL without its password."""
        return self._location

    @property
    def web_url(self) -> str:
        """The address of the directory's server if one runs, else the directory as a ``file://`` URL."""
        return ServerNote(self._directory).read() or Path(self._directory).as_uri()

    @property
    def reads_ahead(self) -> bool:
        """No: this process reads the pages, and would do so while it uses the one before."""
        return False

    def get_user(self) -> UserRecord:
        if self._given is None and self._open is None and not Services.is_at(self._directory):
            return Accounts.first_user()
        return self._opened(create=self._create).accounts.get_user(self._principal or self._owner or self._find_owner())

    def close(self) -> None:
        if self._process == os.getpid():
            with self._opening:
                lease, self._open, self._lease = self._lease, None, None
            if lease is not None and lease.detach() is not None:
                _release(self._directory, self._process)


def _call_service(item: Operation) -> Callable[..., Any]:
    """Make the method that calls the service of the same name with the same arguments, the caller before them."""
    name, service, makes_store = item.name, item.service, item.makes_store

    def call(self: LocalBackend, *given: Any, **named: Any) -> Any:
        services = self._opened(create=makes_store or self._create)
        caller = self._principal or self._owner or self._find_owner()
        return getattr(getattr(services, service), name)(caller, *given, **named)

    return call


complete(LocalBackend, Backend, _call_service)


def _absolute(place: str | Path) -> str:
    return os.path.realpath(Path(place).expanduser())

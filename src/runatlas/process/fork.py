"""What a fork leaves behind: directories that the child must not open, and locks that no thread would give back.

SQLite keeps its file locks in tables of the whole process, and a fork copies them: the child believes that it holds
locks which are the parent's, also through connections that it makes itself. So a directory that was open in a process
when it forked is opened by no child of it, and by none of theirs, but by a process that is started.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType

__all__ = ["ProcessLock", "is_inherited", "note_closed", "note_opened"]

_opened: dict[str, int] = {}
_inherited: set[str | tuple[int, int]] = set()
_counting = threading.Lock()


def note_opened(directory: Path) -> None:
    """Remember that a directory's database is open in this process, before it is."""
    name = os.path.realpath(directory)
    with _counting:
        _opened[name] = _opened.get(name, 0) + 1


def note_closed(directory: Path) -> None:
    """Remember that one of those who opened it closed it, with all connections."""
    name = os.path.realpath(directory)
    with _counting:
        left = _opened.get(name, 0) - 1
        if left > 0:
            _opened[name] = left
        else:
            _opened.pop(name, None)


def is_inherited(directory: Path) -> bool:
    """Tell whether a directory was open in a process that this one was forked from.

    Example:
        >>> is_inherited(Path("experiments"))
        False
    """
    return bool(_inherited) and not _inherited.isdisjoint(_names_of(os.path.realpath(directory)))


def _names_of(path: str) -> set[str | tuple[int, int]]:
    """Return what a directory can be known by: it may be moved, or mounted at another place."""
    try:
        found = Path(path).stat()
    except OSError:
        return {path}
    return {path, (found.st_dev, found.st_ino)}


def _inherit() -> None:
    global _counting  # noqa: PLW0603 - another thread of the parent may have held it
    _counting = threading.Lock()
    for path in _opened:
        _inherited.update(_names_of(path))
    _opened.clear()


class ProcessLock:
    """A lock between the threads of one process. A forked child has a free one, whoever held it in the parent.

    Example:
        >>> lock = ProcessLock()
        >>> with lock, lock:
        ...     pass
    """

    __slots__ = ("_lock", "_process")

    def __init__(self) -> None:
        self._process = _generation
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        if self._process != _generation:
            with _renewing:
                if self._process != _generation:
                    self._lock = threading.RLock()
                    self._process = _generation
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


_generation = 0
_renewing = threading.Lock()


def _renew() -> None:
    global _generation, _renewing  # noqa: PLW0603 - one pair a process
    _generation += 1
    _renewing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_inherit)
    os.register_at_fork(after_in_child=_renew)

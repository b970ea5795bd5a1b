"""Locks between processes, which the operating system frees when their holder dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakSet

from runatlas.file_access import FileAccess

__all__ = ["FileLock", "alone_with", "is_locked"]

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int, *, shared: bool) -> None:
        # Windows has no shared locks here: readers then exclude each other, which is slower but as safe.
        del shared
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    @contextmanager
    def alone_with(path: Path) -> Iterator[None]:
        """Do without the lock: an open file cannot be replaced here, and a locked one not be read."""
        del path
        yield
else:
    import fcntl

    def _take(descriptor: int, *, shared: bool) -> None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    @contextmanager
    def alone_with(path: Path) -> Iterator[None]:
        """Wait until nobody else is alone with a file, which the block reads and replaces.

        Args:
            path: The file, which carries the lock itself; where its file system has none, nobody waits.

        Raises:
            OSError: It cannot be opened.
        """
        while True:
            with path.open("rb") as file:
                with suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_EX)
                if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    continue  # whoever was waited for has replaced it
                try:
                    yield
                finally:
                    with suppress(OSError):
                        fcntl.flock(file, fcntl.LOCK_UN)  # a child that was forked meanwhile has it open
                return


def is_locked(descriptor: int) -> bool:
    """Tell whether somebody else holds the lock of a file.

    Args:
        descriptor: The file, which is open here and to be closed after this; where it was read to its end, for
            Windows locks what comes there.
    """
    try:
        _take(descriptor, shared=True)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False  # a file system without locks
    return False


class FileLock:
    """A lock on a file of its own. One object holds it at most once; it never waits.

    A forked child does not hold what its parent holds: the lock is the parent's alone, and free when the parent dies.

    Args:
        path: The file, which is made if need be.
        access: The mode that it is made with; ``None`` for that of a new store's files.
    """

    def __init__(self, path: Path, access: FileAccess | None = None) -> None:
        self.path = path
        self._access = access
        self._descriptor: int | None = None

    def acquire(self, *, shared: bool = False) -> bool:
        """Take the lock if nobody holds it in a way that excludes this.

        Args:
            shared: Whether others may hold it shared at the same time.

        Returns:
            Whether it was taken.
        """
        if self._descriptor is not None:
            return True
        descriptor = (self._access or FileAccess.of_new_store()).open_file(self.path, os.O_RDWR)
        try:
            _take(descriptor, shared=shared)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        _held.add(self)
        return True

    @property
    def is_held(self) -> bool:
        """Whether this object holds it, and the file is still the one that others find: it may be removed."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def fileno(self) -> int:
        """Return the descriptor that carries the lock, for a started process to inherit and hold it on.

        Raises:
            OSError: The lock is not held.
        """
        if self._descriptor is None:
            raise OSError(f"the lock {self.path} is not held")
        return self._descriptor

    def release(self) -> None:
        """Give it back, unless another process inherited the descriptor; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


_held: WeakSet[FileLock] = WeakSet()


def _leave_to_parent() -> None:
    for lock in list(_held):
        lock.release()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)

"""Locks between processes, which the operating system frees when their holder dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from runatlas.file_access import FileAccess

__all__ = ["FileLock"]

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int, *, shared: bool) -> None:
        # Windows has no shared locks here: readers then exclude each other, which is slower but as safe.
        del shared
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int, *, shared: bool) -> None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


class FileLock:
    """A lock on a file of its own. One object holds it at most once; it never waits."""

    def __init__(self, path: Path) -> None:
        self.path = path
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
        descriptor = FileAccess.of_new_store().open_file(self.path, os.O_RDWR)
        try:
            _take(descriptor, shared=shared)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give it back; a second call does nothing. In a forked child this leaves the parent's lock as it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

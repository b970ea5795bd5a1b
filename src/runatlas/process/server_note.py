"""The note by which a directory's server is found: a file of the directory, locked as long as the server lives."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from runatlas.file_access import FileAccess, open_to_read
from runatlas.process.file_lock import FileLock, is_locked

__all__ = ["ServerNote"]

_LONGEST = 4096


class ServerNote:
    """Where the server of a directory answers. It is its user's and its machine's; making one touches nothing.

    A file that nobody holds the lock of was left behind by a server that was killed, or came with a copy of the
    directory; one that is somebody else's, or that others can write, says nothing either. The first of two servers of
    a directory is the one that is noted.

    Args:
        directory: The store.
    """

    def __init__(self, directory: str | Path) -> None:
        machine = os.uname().nodename if hasattr(os, "uname") else ""
        name = hashlib.sha256(f"{machine}\0{_user()}".encode()).hexdigest()[:12]
        self._path = Path(directory) / f".server-{name}"
        self._lock = FileLock(self._path.with_suffix(".new"), FileAccess())

    def read(self) -> str | None:
        """Return the address of the server that runs now; ``None`` if there is none."""
        try:
            with open_to_read(self._path) as file:
                about = os.fstat(file.fileno())
                if about.st_uid != _user() or about.st_mode & 0o077:
                    return None
                address = file.read(_LONGEST).decode()
                return address if is_locked(file.fileno()) else None
        except (OSError, UnicodeDecodeError):
            return None

    def write(self, address: str) -> None:
        """Note an address until ``remove``, or the end of this process; where that cannot be, nothing is noted.

        Args:
            address: As a browser on this machine reaches it.
        """
        # It has its content and its lock before it has its name: what is found under that is whole.
        with suppress(OSError):
            if self.read() is not None or not self._lock.acquire():
                return
            try:
                os.ftruncate(self._lock.fileno(), 0)
                os.write(self._lock.fileno(), address.encode())
                self._lock.path.replace(self._path)
            except OSError:
                self._lock.release()
                raise
            self._lock.path = self._path

    def remove(self) -> None:
        """Take the note back; one that is another server's stays."""
        with suppress(OSError):
            if self._lock.is_held:
                self._path.unlink()
        self._lock.release()


def _user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0

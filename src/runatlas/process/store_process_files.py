"""The files by which the process that has a directory open and those that use it find each other."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from pathlib import Path

import attrs

__all__ = ["StoreProcessFiles"]

tempfile.gettempdir()  # looked for now: later, the child of a fork could wait for a thread that is not there


@attrs.frozen
class StoreProcessFiles:
    """Where the process of a directory and those that use it find each other: private to the user, and this machine's.

    Attributes:
        place: The directory that the files lie in.
    """

    place: Path

    @classmethod
    def of(cls, directory: str) -> StoreProcessFiles:
        """Name the files; nothing is touched."""
        machine = os.uname().nodename if hasattr(os, "uname") else ""
        name = hashlib.sha256(f"{machine}\0{os.path.realpath(directory)}".encode()).hexdigest()[:24]
        user = os.geteuid() if hasattr(os, "geteuid") else 0
        return cls(Path(tempfile.gettempdir()) / f"runatlas-{user}" / name)

    @property
    def serving(self) -> Path:
        """Locked as long as the process lives, from before it is started."""
        return self.place / "serving"

    @property
    def used(self) -> Path:
        """Locked, shared, by each that uses the process; as a whole by the process when it ends."""
        return self.place / "used"

    @property
    def address(self) -> Path:
        """Origin and key, once it answers."""
        return self.place / "address.json"

    @property
    def log(self) -> Path:
        """What the process had to say."""
        return self.place / "log"

    def make(self) -> None:
        """Make the directory.

        Raises:
            PermissionError: It is somebody else's, or others can get into it.
        """
        for path in (self.place.parent, self.place):
            path.mkdir(mode=0o700, exist_ok=True)
            found = path.lstat()
            if path.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o077:
                why = f"{path} is not private to this user; remove it, or set TMPDIR to another directory"
                raise PermissionError(errno.EACCES, why)

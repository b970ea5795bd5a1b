"""Who may read and write what a store keeps: the modes of its files and directories, whatever the umask.

A store's database file says it, as SQLite's own side files follow it: what is made beside it later has its mode. A new
store is private to its user, or shared with a group where ``RUNATLAS_SHARED`` says so.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import attrs

__all__ = [
    "FileAccess",
    "is_own_directory",
    "open_to_read",
    "read_pieces",
    "replaceable",
    "replacing",
    "sync_directory",
]

_PIECE = 1 << 20

_CANNOT_ASK = (errno.EINVAL, errno.ENOTSUP)
_NO_FILE = "it is a link, a pipe or something else that is no file"
_ITSELF = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
"""The file at a path and no other: a link leads elsewhere, and a pipe would be waited for."""

_ON, _OFF = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}
_POSIX = os.name == "posix"


@attrs.frozen
class FileAccess:
    """The modes of new files and directories.

    Attributes:
        mode: Of a file, as in ``chmod``.
        group: The number of the group they belong to; ``None`` leaves that to the system.

    Example:
        >>> FileAccess(), FileAccess(0o660).directory_mode == 0o2770
        (FileAccess(mode=384, group=None), True)
    """

    mode: int = 0o600
    group: int | None = None

    @classmethod
    def of(cls, path: Path) -> FileAccess:
        """Return the modes that go with those of a file or directory; private ones if it is not there."""
        try:
            found = path.stat()
        except OSError:
            return cls()
        mode = stat.S_IMODE(found.st_mode) & 0o666 | 0o600
        return cls(mode, found.st_gid if mode & stat.S_IWGRP and _POSIX else None)

    @classmethod
    def of_new_store(cls) -> FileAccess:
        """Return the modes of a store that is made now: private, unless ``RUNATLAS_SHARED`` says otherwise.

        Raises:
            ValueError: ``RUNATLAS_SHARED`` names no group.
        """
        wanted = os.environ.get("RUNATLAS_SHARED", "").strip()
        if wanted.lower() in _OFF or not _POSIX:
            return cls()
        return cls(0o660, None if wanted.lower() in _ON else _group_number(wanted))

    @property
    def directory_mode(self) -> int:
        """The mode of a directory: whoever reads may enter, and what a group shares stays the group's."""
        passing = (self.mode & 0o444) >> 2
        return self.mode | passing | (stat.S_ISGID if self.mode & stat.S_IWGRP else 0)

    @property
    def secret(self) -> FileAccess:
        """The modes of a secret: only who may write the store may read it."""
        return attrs.evolve(self, mode=0o660 if self.mode & stat.S_IWGRP else 0o600)

    def make_directory(self, path: Path) -> None:
        """Make a directory, and what leads there; one that is there stays as it is.

        Raises:
            OSError: It cannot be made.
        """
        _make_parents(path.parent)
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            if not path.is_dir():
                raise
            return
        self._settle(path, self.directory_mode)
        sync_directory(path.parent)

    def open_file(self, path: Path, flags: int) -> int:
        """Open a file, never what a link leads to; one that this makes has the mode from its first moment on.

        Args:
            path: The file.
            flags: Those of ``os.open``; ``os.O_CREAT`` is added.

        Raises:
            OSError: It cannot be opened.
        """
        made = not path.exists()
        descriptor = os.open(path, flags | os.O_CREAT | _ITSELF, 0o600)
        if made and self.mode != 0o600:
            try:
                self._settle(path, self.mode)
            except OSError:
                os.close(descriptor)
                raise
        return descriptor

    def write_file(self, path: Path, content: bytes) -> None:
        """Write a file whole or not at all: what was there before stays until all of it is on the disk.

        Raises:
            OSError: It cannot be written.
        """
        with replacing(path, lambda part: self.open_file(part, os.O_WRONLY | os.O_EXCL)) as file:
            file.write(content)

    def tighten(self, path: Path) -> bool:
        """Take from a file or directory of this user's what these modes do not grant.

        Returns:
            Whether anything was taken.
        """
        if not _POSIX:
            return False
        try:
            found = path.lstat()
        except OSError:
            return False
        is_directory = stat.S_ISDIR(found.st_mode)
        if found.st_uid != os.geteuid() or not (is_directory or stat.S_ISREG(found.st_mode)):
            return False
        mode = stat.S_IMODE(found.st_mode)
        granted = self.directory_mode | 0o7000 if is_directory else self.mode
        if not mode & ~granted:
            return False
        path.chmod(mode & granted)
        return True

    def _settle(self, path: Path, mode: int) -> None:
        if not _POSIX:
            return
        if self.group is not None and path.stat().st_gid != self.group:
            os.chown(path, -1, self.group)
        path.chmod(mode)


def _open_in_place_of(path: Path, part: Path) -> int:
    """Open a new file with the mode of the one whose place it takes; without one as the umask has it."""
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _ITSELF, 0o666)
    if _POSIX and path.exists():
        os.fchmod(descriptor, stat.S_IMODE(path.stat().st_mode))
    return descriptor


@contextmanager
def replacing(path: Path, open_new: Callable[[Path], int] | None = None) -> Iterator[BinaryIO]:
    """Open a file that takes another one's place once it is whole and on the disk; if the block raises, it never does.

    Args:
        path: The file whose place it takes.
        open_new: Opens a new file; without it that has the mode of the one that is there.

    Raises:
        OSError: It cannot be written.
    """
    part = path.with_name(f".{path.name}-{os.urandom(8).hex()}")
    try:
        descriptor = _open_in_place_of(path, part) if open_new is None else open_new(part)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def replaceable(path: Path) -> Path:
    """Return a path as a file may take its place: where links lead, and never a device, a pipe or a directory.

    Raises:
        FileExistsError: What is there is no file.
        FileNotFoundError: The directory is not there.
        OSError: The path leads nowhere, such as a link to itself.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise FileExistsError(errno.EEXIST, "it is no file, and would be replaced by one", str(path))
    return path.resolve()


def _group_number(name: str) -> int:
    import grp  # noqa: PLC0415 - not on Windows

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ValueError(
            f"RUNATLAS_SHARED: there is no group {name!r}; give a group's name, or 1 for your own"
        ) from None


def _make_parents(path: Path) -> None:
    """Make what leads to a directory, each on the disk before what lies in it."""
    if not path.is_dir():
        if path.parent != path:
            _make_parents(path.parent)
        path.mkdir(exist_ok=True)
        sync_directory(path.parent)


def is_own_directory(path: Path) -> bool:
    """Tell whether there is a directory, and not a link to one: what lies below is where it seems to be."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def open_to_read(path: Path, *, folder: bool = False) -> BinaryIO:
    """Open a file that somebody else may have put there: never what a link leads to, nor what has no end.

    Args:
        path: The file.
        folder: Whether the directory it lies in must not be a link either.

    Raises:
        OSError: It is not there, is no file, or cannot be read.
    """
    if folder and path.parent.is_symlink():
        raise OSError(errno.ELOOP, _NO_FILE, str(path))
    try:
        descriptor = os.open(path, os.O_RDONLY | _ITSELF)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK}:
            raise OSError(errno.ELOOP, _NO_FILE, str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.ELOOP, _NO_FILE, str(path))
    return os.fdopen(descriptor, "rb")


def sync_directory(path: Path) -> None:
    """Return when the names in a directory are on the disk, where the system can be asked for that.

    Raises:
        OSError: They are not.
    """
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        # It may be written, but not listed.
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_ASK:
            raise
    finally:
        os.close(handle)


def read_pieces(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """Read a part of a file piece by piece, and close it.

    Args:
        file: Open to read.
        start: Where the part begins, in bytes.
        end: Where it ends; what the file lacks of it is not there.

    Example:
        >>> import io
        >>> b"".join(read_pieces(io.BytesIO(b"0123456789"), 2, 5))
        b'234'
    """
    with file:
        file.seek(start)
        left = end - start
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece

"""Blobs: bytes in files named by their sha256, written once, never changed.

A blob is staged first, outside of any transaction, and kept inside the one that registers it: collecting garbage takes
the same lock, so that no blob is removed between being written and being registered.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO

import attrs
from cachetools import LRUCache

from runatlas.errors import NotFoundError, StoreError
from runatlas.file_access import FileAccess, is_own_directory, open_to_read, read_pieces, sync_directory
from runatlas.server.store.failure import file_error

__all__ = ["BlobStore", "StagedBlob", "is_sha256"]

_PIECE = 1 << 20
_RIGHT_MAX = 4096
_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_sha256(text: str) -> bool:
    """Tell whether a text is 64 lower-case hexadecimal digits."""
    return _SHA256.fullmatch(text) is not None


@attrs.frozen
class StagedBlob:
    """A blob whose bytes are on the disk, but not yet under its name."""

    sha256: str
    size: int
    path: Path


class BlobStore:
    """A directory of blobs.

    Args:
        directory: Where they lie.
        access: Tells the modes of new files.
    """

    def __init__(self, directory: Path, access: Callable[[], FileAccess] = FileAccess) -> None:
        self._directory = directory
        self._access = access
        self._lock = threading.Lock()
        self._right: LRUCache[str, tuple[int, int, int]] = LRUCache(_RIGHT_MAX)

    @contextmanager
    def stage(self, data: BinaryIO) -> Iterator[StagedBlob]:
        """Write everything ``data`` has left to a file that ``keep`` gives its name; else it is gone at the end.

        Raises:
            StoreError: The directory cannot be written.
        """
        temporary = self.part_path(secrets.token_hex(8))
        try:
            yield self._write(data, temporary)
        finally:
            with suppress(OSError):
                temporary.unlink()

    def keep(self, staged: StagedBlob) -> None:
        """Give a staged blob its name, on the disk; it takes the place of what lies there, which may be damaged.

        Raises:
            StoreError: The directory cannot be written.
        """
        target = self.path(staged.sha256)
        with self._refusals():
            self._access().make_directory(target.parent)
            _require_own(target.parent)
            staged.path.replace(target)
            sync_directory(target.parent)

    def path(self, sha256: str) -> Path:
        """Return where a blob lies, or would lie.

        Raises:
            NotFoundError: ``sha256`` is no hash of 64 lower-case hexadecimal digits.
        """
        if not is_sha256(sha256):
            raise NotFoundError(f"there is no blob {sha256[:80]!r}")
        return self._directory / sha256[:2] / sha256

    def part_path(self, name: str) -> Path:
        """Return where a file lies that is still being written; those that nobody finishes are removed in time."""
        return self._directory / f".{name}.part"

    def open_part(self, path: Path, *, writes: bool = False) -> BinaryIO:
        """Open a file that is still being written.

        Args:
            path: What ``part_path`` returned.
            writes: Whether to change it, and make it if it is not there.

        Raises:
            OSError: It is not there, is no file, or cannot be opened.
        """
        if not writes:
            return open_to_read(path)
        access = self._access()
        access.make_directory(self._directory)
        return os.fdopen(access.open_file(path, os.O_RDWR), "r+b")

    def open(self, sha256: str) -> BinaryIO:
        """Open a blob for reading, once its content was checked.

        Raises:
            NotFoundError: There is no such blob.
            StoreError: It is damaged.
        """
        self.verify(sha256)
        return self._open(sha256)

    def pieces(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Read a blob from byte ``start`` to before byte ``end``, in pieces.

        A large one is checked while it is read as a whole: its last piece comes only when all were right. A small one,
        and a part, are checked before they are read.

        Raises:
            NotFoundError: There is no such blob.
            StoreError: It is damaged; also in the middle of the iteration.
        """
        file = self._open(sha256)
        size = os.fstat(file.fileno()).st_size
        stop = size if end is None else min(end, size)
        if start <= 0 and stop == size > _PIECE:
            return self._checked(file, sha256)
        file.close()
        if start >= stop and size:
            return iter(())
        self.verify(sha256)
        return read_pieces(self._open(sha256), max(0, start), stop)

    def verify(self, sha256: str) -> None:
        """Check a blob against its name; one that was right stays so until its file changes.

        Raises:
            NotFoundError: There is no such blob.
            StoreError: It is damaged.
        """
        with self._open(sha256) as file:
            found = os.fstat(file.fileno())
            state = (found.st_ino, found.st_size, found.st_mtime_ns)
            with self._lock:
                if self._right.get(sha256) == state:
                    return
            for _ in self._checked(file, sha256):
                pass
        with self._lock:
            self._right[sha256] = state

    def _open(self, sha256: str) -> BinaryIO:
        try:
            return open_to_read(self.path(sha256), folder=True)
        except FileNotFoundError as error:
            raise NotFoundError(f"there is no blob {sha256}") from error
        except OSError as error:
            raise file_error(error, f"the blob {sha256} cannot be read from {self._directory}") from error

    def _checked(self, file: BinaryIO, sha256: str) -> Iterator[bytes]:
        digest = hashlib.sha256()
        with file:
            held = b""
            try:
                while piece := file.read(_PIECE):
                    if held:
                        yield held
                    digest.update(piece)
                    held = piece
            except OSError as error:
                raise file_error(error, f"the blob {sha256} cannot be read from {self._directory}") from error
            if digest.hexdigest() != sha256:
                raise StoreError(
                    f"the blob {sha256} in {self._directory} is damaged; store the same bytes again, "
                    "or restore it from a backup"
                )
            yield held

    def remove(self, sha256: str) -> None:
        """Remove a blob; one that is gone already is no error."""
        path = self.path(sha256)
        if is_own_directory(path.parent):
            path.unlink(missing_ok=True)

    def folders(self) -> Iterator[Path]:
        """Return the directories that blobs lie in; a link to another one is none of them."""
        yield from filter(is_own_directory, self._directory.glob("[0-9a-f][0-9a-f]"))

    def files(self) -> Iterator[Path]:
        """Return all files, blobs and those left half-written by a crash; what else lies there is somebody else's."""
        for folder in self.folders():
            yield from (path for path in folder.iterdir() if is_sha256(path.name) and path.name[:2] == folder.name)
        yield from self._directory.glob(".*.part")

    def _write(self, data: BinaryIO, path: Path) -> StagedBlob:
        digest, size = hashlib.sha256(), 0
        with self._refusals():
            access = self._access()
            access.make_directory(self._directory)
            descriptor = access.open_file(path, os.O_WRONLY | os.O_EXCL)
        # Without a buffer: closing would try again to write what was refused, and raise that in place of the reason.
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            while piece := data.read(_PIECE):
                digest.update(piece)
                size += len(piece)
                with self._refusals():
                    _write_all(file, piece)
            with self._refusals():
                os.fsync(file.fileno())
        return StagedBlob(digest.hexdigest(), size, path)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Tell what the file system refuses inside; what reading ``data`` raises is another matter."""
        try:
            yield
        except OSError as error:
            raise file_error(error, f"blobs cannot be written to {self._directory}") from error


def _require_own(folder: Path) -> None:
    if not is_own_directory(folder):
        raise OSError(errno.ELOOP, f"{folder} is a link")


def _write_all(file: FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]

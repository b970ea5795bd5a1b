"""Blobs: bytes in files named by their sha256, written once, never changed.

A blob is staged first, outside of any transaction, and kept inside the one that registers it: collecting garbage takes
the same lock, so that no blob is removed between being written and being registered.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import attrs

from runatlas.errors import NotFoundError, StoreError
from runatlas.file_access import FileAccess

__all__ = ["BlobStore", "StagedBlob", "is_sha256"]

_PIECE = 1 << 20
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
        """Give a staged blob its name; the same content twice is stored once.

        Raises:
            StoreError: The directory cannot be written.
        """
        target = self.path(staged.sha256)
        with self._refusals():
            if not target.is_file():
                self._access().make_directory(target.parent)
                staged.path.replace(target)

    def settle(self, sha256: str) -> None:
        """Make a kept blob's name durable."""
        if hasattr(os, "O_DIRECTORY"):
            handle = os.open(self.path(sha256).parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

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

    def open(self, sha256: str) -> BinaryIO:
        """Open a blob for reading.

        Raises:
            NotFoundError: There is no such blob.
        """
        try:
            return self.path(sha256).open("rb")
        except FileNotFoundError as error:
            raise NotFoundError(f"there is no blob {sha256}") from error

    def remove(self, sha256: str) -> None:
        """Remove a blob; one that is gone already is no error."""
        self.path(sha256).unlink(missing_ok=True)

    def folders(self) -> Iterator[Path]:
        """Return the directories that blobs lie in."""
        yield from self._directory.glob("[0-9a-f][0-9a-f]")

    def files(self) -> Iterator[Path]:
        """Return all files, blobs and those left half-written by a crash."""
        yield from self._directory.glob("[0-9a-f][0-9a-f]/*")
        yield from self._directory.glob(".*.part")

    def _write(self, data: BinaryIO, path: Path) -> StagedBlob:
        digest, size = hashlib.sha256(), 0
        with self._refusals():
            access = self._access()
            access.make_directory(self._directory)
            descriptor = access.open_file(path, os.O_WRONLY | os.O_EXCL)
        with os.fdopen(descriptor, "wb") as file:
            while piece := data.read(_PIECE):
                digest.update(piece)
                size += len(piece)
                with self._refusals():
                    file.write(piece)
            with self._refusals():
                file.flush()
                os.fsync(file.fileno())
        return StagedBlob(digest.hexdigest(), size, path)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Tell what the file system refuses inside; what reading ``data`` raises is another matter."""
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"blobs cannot be written to {self._directory} ({error.strerror or error}); "
                "free some space, or give your user the right to write there"
            ) from error

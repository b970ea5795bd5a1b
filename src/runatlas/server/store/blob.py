"""Blobs: bytes in files named by their sha256, written once, never changed."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from runatlas.errors import NotFoundError, StoreError
from runatlas.model.media import BlobRecord

__all__ = ["BlobStore"]

_PIECE = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """A directory of blobs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, data: BinaryIO) -> BlobRecord:
        """Store everything ``data`` has left; the same content twice is stored once. Durable on return.

        Raises:
            StoreError: The directory cannot be written.
        """
        digest, size = hashlib.sha256(), 0
        temporary = self._directory / f".{secrets.token_hex(8)}.part"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                while piece := data.read(_PIECE):
                    digest.update(piece)
                    size += len(piece)
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            self._keep(temporary, digest.hexdigest())
        except OSError as error:
            raise StoreError(
                f"blobs cannot be written to {self._directory} ({error.strerror or error}); "
                "free some space, or give your user the right to write there"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        return BlobRecord(digest.hexdigest(), size)

    def path(self, sha256: str) -> Path:
        """Return where a blob lies, or would lie.

        Raises:
            NotFoundError: ``sha256`` is no hash of 64 lower-case hexadecimal digits.
        """
        if not _SHA256.fullmatch(sha256):
            raise NotFoundError(f"there is no blob {sha256[:80]!r}")
        return self._directory / sha256[:2] / sha256

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

    def __iter__(self) -> Iterator[str]:
        """The hashes of all blobs."""
        for file in self._directory.glob("[0-9a-f][0-9a-f]/*"):
            if _SHA256.fullmatch(file.name):
                yield file.name

    def _keep(self, temporary: Path, sha256: str) -> None:
        target = self.path(sha256)
        target.parent.mkdir(exist_ok=True)
        temporary.replace(target)
        if hasattr(os, "O_DIRECTORY"):
            handle = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

"""Request bodies that arrive in parts, because something between client and server takes no large ones."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import BinaryIO

from runatlas.errors import ConflictError, RateLimitedError, ValidationError
from runatlas.server.services.caller import Caller
from runatlas.server.store.blob import is_sha256
from runatlas.server.store.engine import Store
from runatlas.server.store.failure import file_error

__all__ = ["Bodies"]

_UNUSED_MAX = 16 * 2**30
"""Bytes of bodies that a caller may have sent and not used."""

_PIECE = 1 << 20


class Bodies:
    """What may be done with bodies in parts.

    A body is known by its own sha256, so that no part that comes twice, late or damaged spoils it unseen. It lies among
    the blobs as a file half-written, which the collection of garbage removes when nobody sent more for a day.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_part(self, caller: Caller, name: str, offset: int, data: BinaryIO) -> int:
        """Take a part of a body, and return when it is on the disk; a second time, it is written over the first.

        Args:
            caller: Who sends it; nobody else can go on with it or use it.
            name: The sha256 of the whole body.
            offset: How many bytes come before the part.
            data: The part.

        Returns:
            How many bytes there are up to its end.

        Raises:
            ConflictError: What comes before is not there: the body must be sent from its beginning.
            RateLimitedError: The caller has sent too much that he did not use.
            StoreError: It cannot be written.
            ValidationError: The name is none.
        """
        path = self._path(caller, name)
        if offset < 0:
            raise ValidationError(f"offset: expected 0 or more, got {offset}")
        if sum(map(_size, path.parent.glob(f".{_own(caller)}-*.part"))) > _UNUSED_MAX:
            raise RateLimitedError(f"more than {_UNUSED_MAX} bytes of bodies were sent in parts and not used; use them")
        try:
            with self._store.blobs.open_part(path, writes=True) as file:
                if file.seek(0, os.SEEK_END) < offset:
                    raise ConflictError("the parts before this one are not there; send the body from its beginning")
                file.seek(offset)
                shutil.copyfileobj(data, file, _PIECE)
                file.flush()
                os.fsync(file.fileno())
                return file.tell()
        except OSError as error:
            raise file_error(error, "the part of a body cannot be written") from error

    def size(self, caller: Caller, name: str, limit: int) -> int:
        """Return how many bytes a body has.

        Raises:
            ConflictError: It is not there, or was used already.
            ValidationError: The name is none, or 413: the body is larger than ``limit``.
        """
        try:
            size = self._path(caller, name).stat().st_size
        except FileNotFoundError:
            raise _missing() from None
        if size > limit:
            raise ValidationError(f"the body is larger than {limit} bytes", code=413)
        return size

    def open(self, caller: Caller, name: str) -> BinaryIO:
        """Open a body whose parts were all sent, once its content was checked.

        Raises:
            ConflictError: It is not there, was used already, or is not what was to be sent.
            ValidationError: The name is none.
        """
        path = self._path(caller, name)
        try:
            file = self._store.blobs.open_part(path)
        except FileNotFoundError:
            raise _missing() from None
        except OSError as error:
            raise file_error(error, "the parts of a body cannot be read") from error
        digest = hashlib.sha256()
        while piece := file.read(_PIECE):
            digest.update(piece)
        if digest.hexdigest() != name:
            file.close()
            path.unlink(missing_ok=True)
            raise ConflictError("the parts that came do not make up the body; send it from its beginning")
        file.seek(0)
        return file

    def remove(self, caller: Caller, name: str) -> None:
        """Forget a body."""
        self._path(caller, name).unlink(missing_ok=True)

    def _path(self, caller: Caller, name: str) -> Path:
        if not is_sha256(name):
            raise ValidationError(f"body: {name[:80]!r} is no sha256 of 64 lower-case hexadecimal digits")
        return self._store.blobs.part_path(f"{_own(caller)}-{name}")


def _own(caller: Caller) -> str:
    """Return what the names of a caller's bodies begin with: nobody else can go on with one, or use it."""
    return hashlib.sha256(f"{caller.user_id} {caller.run_cuid}".encode()).hexdigest()[:32]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _missing() -> ConflictError:
    return ConflictError("the body's parts are not there; send them again")

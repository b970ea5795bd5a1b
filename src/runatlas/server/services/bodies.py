"""Request bodies that arrive in parts, because something between client and server takes no large ones."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import BinaryIO

from runatlas.errors import ConflictError, ValidationError
from runatlas.server.services.caller import Caller
from runatlas.server.store.engine import Store
from runatlas.server.store.failure import file_error

__all__ = ["Bodies"]

_NAME = re.compile(r"[0-9a-f]{32}")
_PIECE = 1 << 20


class Bodies:
    """What may be done with bodies in parts.

    They lie among the blobs as files half-written, which the collection of garbage removes when nobody sent more for a
    day.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_part(self, caller: Caller, name: str, offset: int, data: BinaryIO) -> int:
        """Take a part of a body; a second time, it is written over the first.

        Args:
            caller: Who sends it; nobody else can go on with it or use it.
            name: What the client calls the body: 32 hexadecimal digits.
            offset: How many bytes come before the part.
            data: The part.

        Returns:
            How many bytes there are now.

        Raises:
            ConflictError: What comes before is not there: the body must be sent from its beginning.
            StoreError: It cannot be written.
            ValidationError: The name is none.
        """
        path = self._path(caller, name)
        if offset < 0:
            raise ValidationError(f"offset: expected 0 or more, got {offset}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("r+b" if path.exists() else "x+b") as file:
                if file.seek(0, os.SEEK_END) < offset:
                    raise ConflictError("the parts before this one are not there; send the body from its beginning")
                file.seek(offset)
                shutil.copyfileobj(data, file, _PIECE)
                file.truncate()
                return file.tell()
        except OSError as error:
            raise file_error(error, "the part of a body cannot be written") from error

    def open(self, caller: Caller, name: str, limit: int) -> BinaryIO:
        """Open a body whose parts were all sent.

        Raises:
            ConflictError: It is not there, or was used already.
            ValidationError: The name is none, or 413: the body is larger than ``limit``.
        """
        try:
            file = self._path(caller, name).open("rb")
        except FileNotFoundError:
            raise ConflictError("the body's parts are not there; send them again") from None
        if os.fstat(file.fileno()).st_size > limit:
            file.close()
            raise ValidationError(f"the body is larger than {limit} bytes", code=413)
        return file

    def remove(self, caller: Caller, name: str) -> None:
        """Forget a body."""
        self._path(caller, name).unlink(missing_ok=True)

    def _path(self, caller: Caller, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValidationError(f"body: {name[:80]!r} is no name of 32 hexadecimal digits")
        own = hashlib.sha256(f"{caller.user_id} {caller.run_cuid} {name}".encode()).hexdigest()
        return self._store.blobs.part_path(own)

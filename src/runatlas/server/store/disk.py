"""The disk that a store lies on: how much room it has left."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

__all__ = ["Disk"]

_PLENTY_BYTES = 1 << 30
_FRESH_S = 0.05
"""How long plenty of room is taken for granted: asking costs as much as a tenth of a small transaction."""


class Disk:
    """The disk that a directory lies on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._plenty_until = 0.0

    def has_room(self, bytes_: int) -> bool:
        """Tell whether so much is free; a disk that does not tell, or is not there, has room.

        What is wrong with a disk that is not there is told by whoever writes to it.
        """
        if bytes_ < _PLENTY_BYTES and time.monotonic() < self._plenty_until:
            return True
        free = _free(self._directory)
        if free >= 2 * _PLENTY_BYTES:
            self._plenty_until = time.monotonic() + _FRESH_S
        return free >= bytes_


def _free(directory: Path) -> int:
    try:
        found = shutil.disk_usage(directory)
    except OSError:
        return sys.maxsize
    return found.free if found.total else sys.maxsize  # some file systems, such as those of a network, do not tell

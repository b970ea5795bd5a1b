"""Pieces that come one after another, read as one file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

__all__ = ["JoinedFile", "PieceFile"]

_PIECE = 1 << 20


class PieceFile(io.RawIOBase):
    """Reads pieces of bytes one after another, each asked for when its turn comes.

    Args:
        pieces: In order; an empty one is the end.

    Example:
        >>> io.BufferedReader(PieceFile(iter([b"one ", b"two"]))).read()
        b'one two'
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer`` as far as the piece at hand goes; 0 at the end."""
        if not self._rest:
            self._rest = next(self._pieces, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class JoinedFile(PieceFile):
    """Reads files one after another, each opened when its turn comes.

    Args:
        open_part: Opens a file by its name.
        names: In order.

    Example:
        >>> parts = {"a": b"one ", "b": b"two"}
        >>> io.BufferedReader(JoinedFile(lambda name: io.BytesIO(parts[name]), ["a", "b"])).read()
        b'one two'
    """

    def __init__(self, open_part: Callable[[str], BinaryIO], names: Sequence[str]) -> None:
        super().__init__(_pieces(open_part, names))


def _pieces(open_part: Callable[[str], BinaryIO], names: Sequence[str]) -> Iterator[bytes]:
    for name in names:
        with open_part(name) as file:
            while piece := file.read(_PIECE):
                yield piece

"""The records of a spool file: framed so that a damaged one costs only itself.

A file begins with ``RASPOOL1``. Each record follows as the four bytes ``F0 52 41 31``, then little-endian: the
payload's length (u32), the CRC-32 of all that comes after it (u32), the kind (one ASCII byte), the sequence (u64), the
payload.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Literal

import attrs

__all__ = ["FILE_MARK", "HEADER_SIZE", "Damage", "Frame", "FrameKind", "pack_frame", "read_frames"]

FILE_MARK = b"RASPOOL1"
_MARK = b"\xf0RA1"
_HEADER = struct.Struct("<4sIIcQ")
_PIECE = 1 << 20
_TRIED_MAX = 4
"""How often as many bytes as a file has may be read in vain, in the search for whole records."""

HEADER_SIZE = _HEADER.size
"""Bytes of a record before its payload."""

FrameKind = Literal["create", "patch", "batch", "sent"]
"""``sent`` has no payload: everything up to its sequence reached the store."""

_KINDS: dict[bytes, FrameKind] = {b"C": "create", b"P": "patch", b"B": "batch", b"S": "sent"}
_LETTERS: dict[str, bytes] = {kind: letter for letter, kind in _KINDS.items()}


@attrs.frozen
class Frame:
    """A record of a spool file.

    Attributes:
        offset: Where it begins in the file.
    """

    kind: FrameKind
    sequence: int
    payload: bytes
    offset: int = 0


@attrs.frozen
class Damage:
    """Bytes of a spool file that hold no whole record.

    Attributes:
        at_end: Nothing readable comes after: a write was cut off, or is still going on.
    """

    offset: int
    length: int
    at_end: bool


def pack_frame(kind: FrameKind, sequence: int, payload: bytes = b"") -> bytes:
    """Return a record as bytes."""
    letter = _LETTERS[kind]
    check = zlib.crc32(payload, zlib.crc32(letter + sequence.to_bytes(8, "little")))
    return _HEADER.pack(_MARK, len(payload), check, letter, sequence) + payload


def read_frames(file: BinaryIO, offset: int = len(FILE_MARK)) -> Iterator[Frame | Damage]:
    """Read the records of a spool file from ``offset`` on, and tell of what is damaged between them.

    Args:
        file: The open file; it may grow meanwhile.
        offset: Where a record begins.

    Returns:
        The records in order, each damaged stretch in its place.
    """
    size = file.seek(0, io.SEEK_END)
    scan = _Scan(file, size, _TRIED_MAX * size)
    while True:
        frame = scan.read_one(offset)
        if frame is not None:
            yield frame
            offset += HEADER_SIZE + len(frame.payload)
            continue
        found = scan.find_next(offset)
        length = (file.seek(0, io.SEEK_END) if found is None else found) - offset
        if length:
            yield Damage(offset, length, at_end=found is None)
        if found is None:
            return
        offset = found


@attrs.define
class _Scan:
    """A look through a file for records.

    Attributes:
        size: Bytes of the file when it began.
        left: How many bytes may still be read in vain: what lies in a file may say of each byte that a record begins
            there which reaches to the end.
    """

    file: BinaryIO
    size: int
    left: int

    def read_one(self, offset: int) -> Frame | None:
        """Return the record that begins at a place."""
        self.file.seek(offset)
        head = self.file.read(HEADER_SIZE)
        if len(head) < HEADER_SIZE:
            return None
        mark, length, check, letter, sequence = _HEADER.unpack(head)
        if mark != _MARK or letter not in _KINDS or not self._reaches(offset + HEADER_SIZE + length):
            return None
        payload = self.file.read(length)
        if zlib.crc32(payload, zlib.crc32(letter + sequence.to_bytes(8, "little"))) == check:
            return Frame(_KINDS[letter], sequence, payload, offset)
        self.left -= len(payload)
        return None

    def _reaches(self, end: int) -> bool:
        """Tell whether the file is so long; it may have grown."""
        if end > self.size:
            here = self.file.tell()
            self.size = self.file.seek(0, io.SEEK_END)
            self.file.seek(here)
        return end <= self.size

    def find_next(self, offset: int) -> int | None:
        """Where the next whole record begins after a damaged one; payloads may hold the mark too, so each is tried."""
        start = offset + 1
        while True:
            self.file.seek(start)
            piece = self.file.read(_PIECE)
            place = piece.find(_MARK)
            while place >= 0 and self.left >= 0:
                if self.read_one(start + place) is not None:
                    return start + place
                place = piece.find(_MARK, place + 1)
            if len(piece) < _PIECE or self.left < 0:
                return None
            start += len(piece) - len(_MARK) + 1

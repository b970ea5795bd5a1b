"""The records of a spool file: framed so that a damaged one costs only itself.

A file begins with ``RASPOOL1``. Each record follows as the four bytes ``F0 52 41 31``, then little-endian: the
payload's length (u32), the CRC-32 of all that comes after it (u32), the kind (one ASCII byte), the sequence (u64), the
payload.
"""

from __future__ import annotations

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
    while True:
        frame = _read_one(file, offset)
        if frame is not None:
            yield frame
            offset += HEADER_SIZE + len(frame.payload)
            continue
        found = _find_next(file, offset)
        file.seek(0, 2)
        length = (file.tell() if found is None else found) - offset
        if length:
            yield Damage(offset, length, at_end=found is None)
        if found is None:
            return
        offset = found


def _read_one(file: BinaryIO, offset: int) -> Frame | None:
    file.seek(offset)
    head = file.read(HEADER_SIZE)
    if len(head) < HEADER_SIZE:
        return None
    mark, length, check, letter, sequence = _HEADER.unpack(head)
    if mark != _MARK or letter not in _KINDS:
        return None
    payload = file.read(length)
    if len(payload) < length:
        return None
    if zlib.crc32(payload, zlib.crc32(letter + sequence.to_bytes(8, "little"))) != check:
        return None
    return Frame(_KINDS[letter], sequence, payload, offset)


def _find_next(file: BinaryIO, offset: int) -> int | None:
    """Where the next whole record begins after a damaged one; payloads may hold the mark too, so each is tried."""
    start = offset + 1
    while True:
        file.seek(start)
        piece = file.read(_PIECE)
        place = piece.find(_MARK)
        while place >= 0:
            if _read_one(file, start + place) is not None:
                return start + place
            place = piece.find(_MARK, place + 1)
        if len(piece) < _PIECE:
            return None
        start += len(piece) - len(_MARK) + 1

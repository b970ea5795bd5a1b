"""Chunks: points of one series as bytes, column by column.

A chunk is a header of 48 bytes (little-endian), then its columns::

    B  version        B  step form      B  time form      B  flags (1 epochs, 2 some points have none, 4 event ids)
    I  count          I  CRC-32 of all but this field     I  length of the event ids
    q  step start     q  step stride    q  time start     q  time stride

    values            count float64, bit for bit
    steps, times      one whole number each, in their form
    epochs            B form, q start, q stride; with flag 2 a bit a point; then the epochs that there are
    event ids         JSON list, deflated

A column of whole numbers is a line and what is left to it: ``start + stride * i + rest[i]``. The rest is unsigned, of
1, 2 or 4 bytes as its form says; form 0 has none (an arithmetic progression), form 8 holds the numbers themselves.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from runatlas.model import codec

__all__ = [
    "DOUBLE",
    "NO_EPOCH",
    "ChunkError",
    "Floats",
    "Frame",
    "Points",
    "Whole",
    "WholeColumn",
    "decode_chunk",
    "encode_chunk",
    "join",
]

Whole: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

DOUBLE = np.dtype("<f8")
"""How chunks hold values."""

NO_EPOCH = -(2**63)
"""Stands for a point without an epoch."""

_VERSION = 1
_HEADER = struct.Struct("<4BIIIqqqq")
_CHECKED = struct.Struct("<4BI")
_CHECKSUM = struct.Struct("<I")
_LINE = struct.Struct("<Bqq")
_EPOCHS, _EPOCH_GAPS, _EVENT_IDS = 1, 2, 4
_RAW = 8
_RESTS: dict[int, np.dtype[Any]] = {1: np.dtype("<u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4")}
_INDEX = np.arange(1 << 16, dtype=np.int64)
_SAFE = 2**61
_EVENT_ID_BYTES_MAX = 1300
"""Of one in JSON: 200 letters, each written out at the worst."""
_LOW, _HIGH = -(2**63), 2**63


class ChunkError(ValueError):
    """The bytes of a chunk are damaged, or of a form this version does not know."""


@attrs.frozen(eq=False)
class Points:
    """Points of one series, all columns of one length, in their order of arrival.

    Attributes:
        epochs: ``NO_EPOCH`` where a point has none; ``None`` when no point has one.
        event_ids: ``None`` when no point has one.
    """

    steps: Whole
    times_ms: Whole
    values: Floats
    epochs: Whole | None = None
    event_ids: tuple[str | None, ...] | None = None

    def __len__(self) -> int:
        return len(self.steps)

    def part(self, chosen: slice | Whole | npt.NDArray[np.bool_]) -> Points:
        """Return some of the points, without their event ids."""
        epochs = None if self.epochs is None else self.epochs[chosen]
        return Points(self.steps[chosen], self.times_ms[chosen], self.values[chosen], epochs)

    def take(self, places: Whole) -> Points:
        """Return the points at these places, with their event ids."""
        part = self.part(places)
        ids = self.event_ids
        return part if ids is None else attrs.evolve(part, event_ids=tuple(ids[place] for place in places.tolist()))


@attrs.frozen(eq=False)
class WholeColumn:
    """A column of whole numbers, encoded; columns that several series share are encoded once.

    Attributes:
        low, high: The smallest and the largest number.
    """

    form: int
    start: int
    stride: int
    rest: bytes
    low: int
    high: int

    @classmethod
    def of(cls, numbers: Whole) -> WholeColumn:
        """Encode a column in as few bytes as its numbers need."""
        count = len(numbers)
        if not count:
            return cls(0, 0, 0, b"", 0, 0)
        low, high = int(numbers.min()), int(numbers.max())
        if high - low >= _SAFE:
            return cls(_RAW, 0, 0, numbers.astype("<i8", copy=False).tobytes(), low, high)
        if low == high and _LOW <= low < _HIGH:
            return cls(0, low, 0, b"", low, high)
        start = int(numbers[0])
        stride = round((int(numbers[-1]) - start) / (count - 1)) if count > 1 else 0
        rest = numbers - (_indices(count) * stride + start)
        least, most = int(rest.min()), int(rest.max())
        start += least
        if least == most and _LOW <= start < _HIGH:
            return cls(0, start, stride, b"", low, high)
        for width, kind in _RESTS.items():
            if most - least < 1 << 8 * width and _LOW <= start < _HIGH:
                return cls(width, start, stride, (rest - least).astype(kind).tobytes(), low, high)
        return cls(_RAW, 0, 0, numbers.astype("<i8", copy=False).tobytes(), low, high)


class Frame(NamedTuple):
    """What chunks of the same steps and times share, if they have neither epochs nor event ids: all but the values.

    Attributes:
        before, behind: The header around its checksum.
        rest: What follows the values.
        checksum: What that of a chunk begins with.
        bounds: ``count, min_step, max_step, min_time_ms, max_time_ms``.
    """

    before: bytes
    behind: bytes
    rest: bytes
    checksum: int
    bounds: tuple[int, int, int, int, int]

    @classmethod
    def of(cls, steps: WholeColumn, times: WholeColumn, count: int) -> Frame:
        """Make it of encoded steps and times."""
        lines = (steps.start, steps.stride, times.start, times.stride)
        head = (_VERSION, steps.form, times.form, 0, count)
        header, checksum = _HEADER.pack(*head, 0, 0, *lines), _checksum(head, 0, lines, b"")
        before, behind = header[: _CHECKED.size], header[_CHECKED.size + _CHECKSUM.size :]
        bounds = (count, steps.low, steps.high, times.low, times.high)
        return cls(before, behind, steps.rest + times.rest, checksum, bounds)

    def around(self, values: bytes | memoryview) -> bytes:
        """Return the chunk of these values: little-endian doubles."""
        checksum = zlib.crc32(values, self.checksum)
        if self.rest:
            checksum = zlib.crc32(self.rest, checksum)
        return b"".join((self.before, _CHECKSUM.pack(checksum), self.behind, values, self.rest))


def encode_chunk(points: Points, steps: WholeColumn | None = None, times: WholeColumn | None = None) -> bytes:
    """Write points as bytes.

    Args:
        points: At least one; at most as many as fit 32 bits.
        steps: Their steps, when these are encoded already.
        times: Their times, when these are encoded already.

    Returns:
        The bytes, which ``decode_chunk`` reads.
    """
    steps = steps or WholeColumn.of(points.steps)
    times = times or WholeColumn.of(points.times_ms)
    if points.epochs is None and points.event_ids is None:
        return Frame.of(steps, times, len(points.values)).around(points.values.astype(DOUBLE, copy=False).tobytes())
    flags, epochs = _encode_epochs(points.epochs)
    event_ids = b""
    if points.event_ids is not None:
        flags |= _EVENT_IDS
        event_ids = zlib.compress(codec.dumps(points.event_ids).encode(), 1)
    body = b"".join((points.values.astype("<f8", copy=False).tobytes(), steps.rest, times.rest, epochs, event_ids))
    count = len(points.values)
    lines = (steps.start, steps.stride, times.start, times.stride)
    head = (_VERSION, steps.form, times.form, flags, count)
    return _HEADER.pack(*head, _checksum(head, len(event_ids), lines, body), len(event_ids), *lines) + body


def decode_chunk(data: bytes) -> Points:
    """Read what ``encode_chunk`` wrote; values are a view of ``data``.

    Raises:
        ChunkError: The bytes are damaged or cut off, or a newer version wrote them.
    """
    if not isinstance(data, (bytes, memoryview)) or len(data) < _HEADER.size:
        raise ChunkError("the chunk is cut off")
    version, step_form, time_form, flags, count, checksum, ids_length, *lines = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise ChunkError(f"the chunk has version {version}, this RunAtlas knows {_VERSION}")
    body = memoryview(data)[_HEADER.size :]
    if checksum != _checksum((version, step_form, time_form, flags, count), ids_length, tuple(lines), body):
        raise ChunkError("the chunk is damaged: its checksum is wrong")
    try:
        return _decode_body(body, count, (step_form, time_form, flags, ids_length), lines)
    except (ValueError, KeyError, struct.error, zlib.error) as error:
        raise ChunkError(f"the chunk is damaged: {error}") from error


def join(parts: Sequence[Points]) -> Points:
    """Return the points of several chunks, one after another."""
    if len(parts) == 1:
        return parts[0]
    epochs = ids = None
    if any(part.epochs is not None for part in parts):
        epochs = np.concatenate(
            [np.full(len(part), NO_EPOCH, np.int64) if part.epochs is None else part.epochs for part in parts]
        )
    if any(part.event_ids is not None for part in parts):
        ids = tuple(found for part in parts for found in part.event_ids or (None,) * len(part))
    return Points(
        steps=np.concatenate([part.steps for part in parts]),
        times_ms=np.concatenate([part.times_ms for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        epochs=epochs,
        event_ids=ids,
    )


def _indices(count: int) -> Whole:
    return _INDEX[:count] if count <= len(_INDEX) else np.arange(count, dtype=np.int64)


def _checksum(head: tuple[int, ...], ids_length: int, lines: tuple[int, ...], body: bytes | memoryview) -> int:
    start = zlib.crc32(struct.pack("<4BIIqqqq", *head, ids_length, *lines))
    return zlib.crc32(body, start)


def _encode_epochs(epochs: Whole | None) -> tuple[int, bytes]:
    if epochs is None:
        return 0, b""
    present = epochs != NO_EPOCH
    if present.all():
        column = WholeColumn.of(epochs)
        return _EPOCHS, _LINE.pack(column.form, column.start, column.stride) + column.rest
    column = WholeColumn.of(epochs[present])
    gaps = np.packbits(present).tobytes()
    return _EPOCHS | _EPOCH_GAPS, _LINE.pack(column.form, column.start, column.stride) + gaps + column.rest


def _decode_body(body: memoryview, count: int, forms: tuple[int, int, int, int], lines: list[int]) -> Points:
    step_form, time_form, flags, ids_length = forms
    values = np.frombuffer(body, "<f8", count).astype(np.float64, copy=False)
    place = 8 * count
    steps = _decode_column(body, place, count, (step_form, lines[0], lines[1]))
    place += step_form * count
    times = _decode_column(body, place, count, (time_form, lines[2], lines[3]))
    place += time_form * count
    epochs = None
    if flags & _EPOCHS:
        epochs, place = _decode_epochs(body, place, count, gaps=bool(flags & _EPOCH_GAPS))
    ids = _decode_event_ids(body[place : place + ids_length], count) if flags & _EVENT_IDS else None
    if place + ids_length != len(body):
        raise ChunkError(f"it has {len(body)} bytes, not {place + ids_length}")
    return Points(steps, times, values, epochs, ids)


def _decode_column(body: memoryview, place: int, count: int, line: tuple[int, int, int]) -> Whole:
    form, start, stride = line
    if form == _RAW:
        return np.frombuffer(body, "<i8", count, place).astype(np.int64, copy=False)
    numbers = _indices(count) * stride
    numbers += start
    if form:
        numbers += np.frombuffer(body, _RESTS[form], count, place)
    return numbers


def _decode_epochs(body: memoryview, place: int, count: int, *, gaps: bool) -> tuple[Whole, int]:
    line = _LINE.unpack_from(body, place)
    place += _LINE.size
    if not gaps:
        return _decode_column(body, place, count, line), place + line[0] * count
    size = -(-count // 8)
    present = np.unpackbits(np.frombuffer(body, np.uint8, size, place), count=count).astype(bool)
    place += size
    there = int(present.sum())
    epochs = np.full(count, NO_EPOCH, np.int64)
    epochs[present] = _decode_column(body, place, there, line)
    return epochs, place + line[0] * there


def _decode_event_ids(data: memoryview, count: int) -> tuple[str | None, ...]:
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(data, _EVENT_ID_BYTES_MAX * (count + 1))
    if not unpacker.eof:
        raise ChunkError("its event ids are longer than any are")
    found = codec.loads(text)
    if not isinstance(found, list) or len(found) != count:
        raise ChunkError("its event ids do not fit its points")
    return tuple(found)

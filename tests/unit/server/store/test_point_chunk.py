"""The chunk codec keeps every bit, stays small, and knows damage when it sees it."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.server.store.point_chunk import (
    NO_EPOCH,
    ChunkError,
    Points,
    WholeColumn,
    decode_chunk,
    encode_chunk,
    join,
)

WHOLE = st.integers(-(2**63), 2**63 - 1)
BITS = st.integers(0, 2**64 - 1)
RUNS = st.tuples(st.integers(-(2**40), 2**40), st.integers(-1000, 1000), st.integers(0, 2**20))


@st.composite
def columns(draw: st.DrawFn, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    if draw(st.booleans()):
        start, stride, jitter = draw(RUNS)
        rest = draw(st.lists(st.integers(0, jitter), min_size=count, max_size=count))
        return np.array([start + stride * i + extra for i, extra in enumerate(rest)], np.int64)
    return np.array(draw(st.lists(WHOLE, min_size=count, max_size=count)), np.int64)


@st.composite
def points(draw: st.DrawFn) -> Points:
    count = draw(st.integers(1, 40))
    bits = draw(st.lists(BITS, min_size=count, max_size=count))
    epoch = st.one_of(st.just(NO_EPOCH), WHOLE)
    epochs = draw(st.none() | st.lists(epoch, min_size=count, max_size=count))
    ids = draw(st.none() | st.lists(st.none() | st.text(max_size=20), min_size=count, max_size=count))
    return Points(
        steps=draw(columns(count)),
        times_ms=draw(columns(count)),
        values=np.array(bits, np.uint64).view(np.float64),
        epochs=None if epochs is None else np.array(epochs, np.int64),
        event_ids=None if ids is None else tuple(ids),
    )


def same(left: Points, right: Points) -> bool:
    epochs = (left.epochs is None) == (right.epochs is None)
    if left.epochs is not None and right.epochs is not None:
        epochs = left.epochs.tolist() == right.epochs.tolist()
    return (
        epochs
        and left.steps.tolist() == right.steps.tolist()
        and left.times_ms.tolist() == right.times_ms.tolist()
        and left.values.tobytes() == right.values.tobytes()
        and left.event_ids == right.event_ids
    )


@given(points())
def test_what_is_written_is_read_bit_for_bit(given_points: Points) -> None:
    assert same(decode_chunk(encode_chunk(given_points)), given_points)


@given(points(), points())
def test_chunks_join_in_order_of_arrival(first: Points, second: Points) -> None:
    joined = join([first, second])
    cut = len(first)
    assert joined.steps.tolist() == first.steps.tolist() + second.steps.tolist()
    assert joined.values.tobytes() == first.values.tobytes() + second.values.tobytes()
    assert same(decode_chunk(encode_chunk(joined)), joined)
    if joined.epochs is not None:
        assert joined.epochs[:cut].tolist() == (first.epochs.tolist() if first.epochs is not None else [NO_EPOCH] * cut)


@given(points(), st.data())
def test_any_changed_bit_is_noticed(given_points: Points, data: st.DataObject) -> None:
    encoded = bytearray(encode_chunk(given_points))
    place = data.draw(st.integers(0, len(encoded) * 8 - 1))
    encoded[place // 8] ^= 1 << place % 8
    with pytest.raises(ChunkError):
        decode_chunk(bytes(encoded))


@given(points(), st.data())
def test_a_cut_chunk_is_noticed(given_points: Points, data: st.DataObject) -> None:
    encoded = encode_chunk(given_points)
    with pytest.raises(ChunkError):
        decode_chunk(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@given(st.binary(max_size=200))
def test_foreign_bytes_are_no_chunk(data: bytes) -> None:
    with pytest.raises(ChunkError):
        decode_chunk(data)


def test_a_newer_version_is_told() -> None:
    encoded = bytearray(encode_chunk(Points(np.array([1]), np.array([2]), np.array([0.5]))))
    encoded[0] = 9
    with pytest.raises(ChunkError, match="version 9"):
        decode_chunk(bytes(encoded))


@pytest.mark.parametrize(
    ("numbers", "bytes_each"),
    [
        (np.arange(0, 50_000, 10), 0),
        (np.full(5000, 7), 0),
        (1_700_000_000_000 + 13 * np.arange(5000) + np.arange(5000) % 7, 1),
        (1_700_000_000_000 + np.arange(5000) * 100 + (np.arange(5000) * 7919) % 30_000, 2),
        (np.array([-(2**63), 2**63 - 1] * 2500), 8),
    ],
    ids=["steps", "constant", "even times", "uneven times", "extremes"],
)
def test_whole_numbers_take_as_few_bytes_as_they_need(
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]], bytes_each: int
) -> None:
    assert len(WholeColumn.of(numbers).rest) == bytes_each * len(numbers)


def test_nan_keeps_its_payload() -> None:
    payload = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_DEAD_BEEF))[0]
    read = decode_chunk(encode_chunk(Points(np.array([1]), np.array([2]), np.array([payload]))))
    assert read.values.tobytes() == struct.pack("<Q", 0x7FF8_0000_DEAD_BEEF)


def test_event_ids_that_unpack_to_more_than_any_have_are_not_unpacked() -> None:
    one = np.zeros(1, np.int64)
    made = encode_chunk(Points(one, one, np.zeros(1), event_ids=("e",)))
    *head, _, length, start, stride, time, pace = struct.unpack_from("<4BIIIqqqq", made)
    bomb = zlib.compress(b"[" + b" " * (1 << 26) + b'"e"]', 9)
    body = made[48 : len(made) - length] + bomb
    lines = (start, stride, time, pace)
    check = zlib.crc32(body, zlib.crc32(struct.pack("<4BIIqqqq", *head, len(bomb), *lines)))
    with pytest.raises(ChunkError, match="longer than any"):
        decode_chunk(struct.pack("<4BIIIqqqq", *head, check, len(bomb), *lines) + body)

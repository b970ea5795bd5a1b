from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from runatlas.tracking.spool_frame import FILE_MARK, Damage, Frame, FrameKind, pack_frame, read_frames

KINDS: list[FrameKind] = ["create", "patch", "batch", "sent"]
# Payloads that hold the mark of a record are the hard ones.
payloads = st.one_of(st.binary(max_size=40), st.sampled_from([b"\xf0RA1", pack_frame("batch", 9, b"inner")]))
frames = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 2**64 - 1), payloads), max_size=6)


def written(given_frames: list[tuple[FrameKind, int, bytes]]) -> bytes:
    return FILE_MARK + b"".join(pack_frame(*frame) for frame in given_frames)


def read(data: bytes) -> list[Frame | Damage]:
    return list(read_frames(io.BytesIO(data)))


def plain(items: list[Frame | Damage]) -> list[tuple[FrameKind, int, bytes]]:
    return [(item.kind, item.sequence, item.payload) for item in items if isinstance(item, Frame)]


@given(frames)
def test_what_is_written_is_read(given_frames: list[tuple[FrameKind, int, bytes]]) -> None:
    items = read(written(given_frames))

    assert plain(items) == given_frames
    assert not any(isinstance(item, Damage) for item in items)


@given(frames, st.data())
def test_a_cut_costs_only_the_last_record(
    given_frames: list[tuple[FrameKind, int, bytes]], data: st.DataObject
) -> None:
    whole = written(given_frames)
    cut = data.draw(st.integers(len(FILE_MARK), len(whole)))
    items = read(whole[:cut])
    kept = plain(items)

    # A payload that looks like a record may be taken for one when the record around it is cut off.
    assert kept[: len(given_frames)] == given_frames[: len(kept)] or kept[:-1] == given_frames[: len(kept) - 1]
    if len(written(kept)) != cut:
        assert any(isinstance(item, Damage) for item in items)


@given(frames, st.data())
def test_a_flipped_bit_costs_only_its_record(
    given_frames: list[tuple[FrameKind, int, bytes]], data: st.DataObject
) -> None:
    if not given_frames:
        return
    whole = bytearray(written(given_frames))
    place = data.draw(st.integers(len(FILE_MARK), len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    kept = plain(read(bytes(whole)))

    hit = next(n for n in range(len(given_frames)) if place < len(written(given_frames[: n + 1])))
    others = given_frames[:hit] + given_frames[hit + 1 :]
    inner = ("batch", 9, b"inner")
    assert [frame for frame in kept if frame != inner] == [frame for frame in others if frame != inner]


def test_damage_tells_where_it_is() -> None:
    first, second = pack_frame("patch", 1, b"one"), pack_frame("batch", 2, b"two")
    place = len(FILE_MARK) + len(first)
    items = read(FILE_MARK + first + b"junk" + second + b"end")

    assert items[1] == Damage(place, 4, at_end=False)
    assert items[3] == Damage(place + 4 + len(second), 3, at_end=True)

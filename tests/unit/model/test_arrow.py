from __future__ import annotations

import io
import math
import struct
from typing import Any

import numpy as np
import pytest
from arro3.core import Array, ChunkedArray, DataType, Field, RecordBatch, Schema, Table
from arro3.io import read_ipc_stream, write_ipc_stream
from hypothesis import given
from hypothesis import strategies as st

from runatlas.errors import ResponseFormatError, ValidationError
from runatlas.model.arrow import decode_batch, decode_block, encode_batch, encode_block
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.ids import RunPath
from runatlas.model.log import LogDraft
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.series import ColumnDraft, Context, PointBlock, ReadFailure, SeriesPoints, SeriesSlice

RUN = RunPath("ann", "demo", "k3x9q2ab")
INT, FLOAT = DataType.int64(), DataType.float64()

whole = st.integers(-(2**63), 2**63 - 1)
number = st.floats(allow_nan=True, allow_infinity=True)
name = st.text(min_size=1, max_size=12)
context: st.SearchStrategy[Context] = st.dictionaries(
    name, st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.none(), number), max_size=3
).map(lambda value: tuple(sorted(value.items())))


@st.composite
def series_points(draw: st.DrawFn) -> SeriesPoints:
    size = draw(st.integers(0, 9))

    def column(item: st.SearchStrategy[Any], kind: DataType) -> Array:
        return Array(draw(st.lists(item, min_size=size, max_size=size)), kind)

    return SeriesPoints(
        key=draw(name),
        steps=column(whole, INT),
        values=column(number, FLOAT),
        times_ms=column(whole, INT),
        context=draw(context),
        epochs=column(st.one_of(whole, st.none()), INT) if draw(st.booleans()) else None,
        event_ids=tuple(draw(st.lists(name, min_size=size, max_size=size))) if draw(st.booleans()) else None,
        column_class=draw(st.sampled_from(["CUSTOM", "SYSTEM"])),
        column_type=draw(st.sampled_from(["FLOAT", "BOOLEAN"])),
    )


def plain(value: Any) -> Any:
    """Make NaN equal to itself, and tell 1 from 1.0 and True."""
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    return (type(value), "NaN" if isinstance(value, float) and math.isnan(value) else value)


def series_facts(series: SeriesPoints) -> tuple[Any, ...]:
    return (
        series.key,
        tuple(series.steps.to_pylist()),
        plain(tuple(series.values.to_pylist())),
        tuple(series.times_ms.to_pylist()),
        plain(series.context),
        None if series.epochs is None else tuple(series.epochs.to_pylist()),
        series.event_ids,
        series.column_class,
        series.column_type,
    )


def make_block(rows: int = 5, *, epochs: list[int | None] | None = None, **changes: Any) -> PointBlock:
    parts: dict[str, Any] = {
        "runs": (("c1", "r1", "first"), ("c2", "r2", "second")),
        "series": (
            SeriesSlice(0, "loss", 0, 3, 30),
            SeriesSlice(1, "loss", 3, rows - 3, 30, (("subset", "val"),)),
        ),
        "steps": Array(range(rows), INT),
        "values": Array([math.nan, math.inf, -math.inf, *[0.5] * (rows - 3)], FLOAT),
        "times_ms": Array(range(rows), INT),
        "epochs": None if epochs is None else Array(epochs, INT),
        "missing": ("gone",),
        "failures": (ReadFailure("ann/demo/r3", "loss", "no such run"),),
        "next_cursor": "after",
    }
    return PointBlock(**{**parts, **changes})


@given(st.lists(series_points(), max_size=4))
def test_a_batch_of_any_points_comes_back_unchanged(points: list[SeriesPoints]) -> None:
    back = decode_batch(encode_batch(Batch(RUN, tuple(points))), RUN)

    assert [series_facts(series) for series in back.points] == [series_facts(series) for series in points]


def test_what_a_batch_carries_beside_points_comes_back_unchanged() -> None:
    item = MediaItem("media/image/1.png", "ab" * 32, 12, "image/png", "a cat", meta={"width": 3})
    batch = Batch(
        RUN,
        media=(MediaDraft("image", 1, (item,), "IMAGE", (("subset", "val"),), epoch=2, time_ms=7),),
        logs=(LogDraft("hello", "WARN", 3, "record", 7, {"loss": math.inf}),),
        columns=(ColumnDraft("loss"),),
        artifacts=(ArtifactDraft("weights/last.pt", "cd" * 32, 99),),
        writer="w1",
        sequence=7,
    )

    back = decode_batch(encode_batch(batch), RUN)

    for part in ("run", "media", "logs", "columns", "artifacts", "writer", "sequence"):
        assert getattr(back, part) == getattr(batch, part)
    assert back.points == ()


@pytest.mark.parametrize("epochs", [None, [1, None, 3, None, None], [1, 2, 3, 4, 5]])
def test_a_block_comes_back_unchanged(epochs: list[int | None] | None) -> None:
    block = make_block(epochs=epochs)

    back = decode_block(encode_block(block))

    for part in ("runs", "series", "missing", "failures", "next_cursor"):
        assert getattr(back, part) == getattr(block, part)
    assert back.steps.to_pylist() == [0, 1, 2, 3, 4]
    assert str(back.values.to_pylist()) == "[nan, inf, -inf, 0.5, 0.5]"
    assert (back.epochs.to_pylist() if back.epochs else None) == epochs


def test_an_empty_block_comes_back_empty() -> None:
    empty = Array([], INT)

    back = decode_block(encode_block(PointBlock((("c1", "r1", ""),), (), empty, Array([], FLOAT), empty)))

    assert back.series == ()
    assert len(back.steps) == len(back.values) == 0
    assert back.runs == (("c1", "r1", ""),)


def test_decoded_columns_are_views_of_the_bytes() -> None:
    data = encode_block(make_block(1000))

    column = np.frombuffer(decode_block(data).steps.buffer(), np.int64)  # type: ignore[attr-defined]

    assert np.shares_memory(column, np.frombuffer(data, np.uint8))
    assert column.tolist() == list(range(1000))


def test_a_stream_of_several_record_batches_is_read_as_one() -> None:
    one = read_ipc_stream(io.BytesIO(encode_block(make_block()))).read_all()
    parts = [one.slice(0, 2), one.slice(2, 3)]
    columns = [ChunkedArray([part.column(name).combine_chunks() for part in parts]) for name in one.column_names]
    sink = io.BytesIO()
    write_ipc_stream(Table.from_arrays(columns, schema=one.schema), sink, compression=None)

    assert decode_block(sink.getvalue()).steps.to_pylist() == [0, 1, 2, 3, 4]


BATCH_BYTES = encode_batch(
    Batch(
        RUN,
        (
            SeriesPoints("loss", Array([1, 2], INT), Array([0.5, 0.25], FLOAT), Array([7, 8], INT)),
            SeriesPoints("acc", Array([1], INT), Array([1.0], FLOAT), Array([7], INT), epochs=Array([None], INT)),
        ),
        logs=(LogDraft("hello"),),
    )
)
BLOCK_BYTES = encode_block(make_block(epochs=[1, None, 3, None, None]))


@given(st.integers(0, len(BLOCK_BYTES) - 1))
def test_a_block_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(ResponseFormatError, match="the points do not decode"):
        decode_block(BLOCK_BYTES[:length])


@given(st.integers(0, len(BATCH_BYTES) - 1))
def test_a_batch_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(ValidationError, match="the batch does not decode"):
        decode_batch(BATCH_BYTES[:length], RUN)


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(BATCH_BYTES) - 1),
            st.one_of(st.sampled_from([0, 1, 8, 127, 128, 255]), st.integers(0, 255)),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_batch_with_any_bytes_changed_is_read_or_refused(changes: list[tuple[int, int]]) -> None:
    data = bytearray(BATCH_BYTES)
    for position, byte in changes:
        data[position] = byte

    try:
        batch = decode_batch(bytes(data), RUN)
    except ValidationError:
        return
    for series in batch.points:
        assert len(series.steps.to_pylist()) == len(series.values.to_pylist()) == len(series.times_ms.to_pylist())


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_refused(data: bytes) -> None:
    with pytest.raises(ResponseFormatError):
        decode_block(data)


def stream_of(columns: dict[str, Array], metadata: dict[str, str], *, nullable: bool = False, **options: Any) -> bytes:
    schema = Schema(
        [Field(name, column.type, nullable=nullable) for name, column in columns.items()], metadata=metadata
    )
    sink = io.BytesIO()
    write_ipc_stream(RecordBatch.from_arrays(list(columns.values()), schema=schema), sink, **options)
    return sink.getvalue()


COLUMNS = {"step": Array([1], INT), "value": Array([0.5], FLOAT), "time_ms": Array([7], INT)}
HEAD = '{"series": [{"key": "loss", "length": 1}]}'


@pytest.mark.parametrize(
    ("columns", "head", "said"),
    [
        ({"value": COLUMNS["value"], "time_ms": COLUMNS["time_ms"]}, HEAD, "no column 'step'"),
        ({**COLUMNS, "more": Array([1], INT)}, HEAD, "unexpected column 'more'"),
        ({**COLUMNS, "step": Array([1.0], FLOAT)}, HEAD, "unexpected column 'step' of float64"),
        ({**COLUMNS, "step": Array([1], DataType.int32())}, HEAD, "neither int64 nor float64"),
        ({**COLUMNS, "step": Array([None], INT)}, HEAD, "has nulls"),
        (COLUMNS, "{", "Expecting property name"),
        (COLUMNS, "[]", "_BatchHead"),
        (COLUMNS, "[" * 100_000, "nested too deeply"),
        (COLUMNS, '{"series": [{"key": "loss", "length": 2}]}', "do not add up to its 1 rows"),
        (COLUMNS, '{"series": [{"key": "loss", "length": -1}, {"key": "acc", "length": 2}]}', "do not add up"),
        (COLUMNS, '{"series": [{"key": "loss", "length": 1, "epochs": true}]}', "there is no such column"),
        (COLUMNS, '{"series": [{"key": "loss", "length": 1, "event_ids": []}]}', "has 0 event ids"),
        (COLUMNS, '{"series": [{"key": "loss", "length": 1, "column_class": "MINE"}]}', "column_class"),
    ],
)
def test_a_well_formed_stream_with_other_content_is_refused(columns: dict[str, Array], head: str, said: str) -> None:
    data = stream_of(columns, {"runatlas": head}, nullable=True, compression=None)

    with pytest.raises(ValidationError, match=said):
        decode_batch(data, RUN)


def test_a_compressed_stream_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValidationError, match="send it plain"):
        decode_batch(stream_of(COLUMNS, {"runatlas": HEAD}, compression="zstd"), RUN)


def test_a_stream_without_our_metadata_is_refused() -> None:
    with pytest.raises(ValidationError, match="no metadata 'runatlas'"):
        decode_batch(stream_of(COLUMNS, {"other": HEAD}, compression=None), RUN)


def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(ResponseFormatError, match="bytes after its end"):
        decode_block(BLOCK_BYTES + b"\0" * 8)


def numbers_in_the_record_batch() -> list[int]:
    """Return where the header of the record batch holds the 64-bit numbers of its lengths and offsets."""
    start = 8 + struct.unpack_from("<I", BLOCK_BYTES, 4)[0]
    end = start + 8 + struct.unpack_from("<I", BLOCK_BYTES, start + 4)[0]
    known = {5, 40, 64, len(BLOCK_BYTES) - 8 - end}
    return [at for at in range(start, end - 7, 4) if struct.unpack_from("<q", BLOCK_BYTES, at)[0] in known]


@pytest.mark.parametrize("at", numbers_in_the_record_batch())
@pytest.mark.parametrize("number", [-1, -8, 8, 2**20, 2**40, 2**62, 2**63 - 8])
def test_lengths_and_offsets_that_lie_are_refused_or_do_no_harm(at: int, number: int) -> None:
    data = bytearray(BLOCK_BYTES)
    data[at : at + 8] = struct.pack("<q", number)

    try:
        block = decode_block(bytes(data))
    except ResponseFormatError:
        return
    columns = (block.steps, block.values, block.times_ms)
    assert [len(column.to_pylist()) for column in columns] == [5, 5, 5]


@pytest.mark.parametrize(
    "changes",
    [
        {"series": (SeriesSlice(0, "loss", 3, 3, 3),)},
        {"series": (SeriesSlice(2, "loss", 0, 3, 3),)},
        {"series": (SeriesSlice(-1, "loss", 0, 3, 3),)},
        {"series": (SeriesSlice(0, "loss", 0, -3, 3),)},
    ],
)
def test_a_block_whose_series_lie_elsewhere_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ResponseFormatError, match="the points do not decode"):
        decode_block(encode_block(make_block(**changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": Array([1], INT)},
        {"steps": Array([1.0, 2.0], FLOAT)},
        {"values": Array([1, 2], INT)},
        {"event_ids": ("e1",)},
        {"epochs": Array([1], INT)},
    ],
)
def test_a_series_of_unequal_columns_cannot_be_encoded(changes: dict[str, Any]) -> None:
    parts = {"steps": Array([1, 2], INT), "values": Array([0.5, 0.25], FLOAT), "times_ms": Array([7, 8], INT)}

    with pytest.raises(ValueError, match=r"points: .*'loss'"):
        encode_batch(Batch(RUN, (SeriesPoints("loss", **{**parts, **changes}),)))

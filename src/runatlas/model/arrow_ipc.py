"""Arrow IPC streams of whole-number and float columns, checked byte by byte before they are used.

The Arrow libraries, nanoarrow's verifying reader among them, trust the lengths, offsets and names inside a stream: a
malformed one ends the process instead of raising an error. Streams come from the network, so they are read here, with
every offset checked. What is read is the subset that RunAtlas writes: uncompressed ``int64`` and ``float64`` columns,
in one record batch or several.

The layout is that of the Arrow columnar format 1.x: https://arrow.apache.org/docs/format/Columnar.html and its
FlatBuffers schemas ``Schema.fbs`` and ``Message.fbs``.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from itertools import chain
from typing import Literal

import attrs
from arro3.core import Array, DataType, Field, RecordBatch, Schema
from arro3.io import write_ipc_stream

from runatlas.model.arrow_array import join_arrays, make_array

__all__ = ["MalformedStreamError", "Stream", "read_stream", "write_stream"]

Kind = Literal["int64", "float64"]

_CONTINUATION = 0xFFFFFFFF
_END = struct.pack("<II", _CONTINUATION, 0)
_SCHEMA, _RECORD_BATCH = 1, 3
_INT, _FLOAT = 2, 3
_DOUBLE = 2
_METADATA_KEY = "runatlas"
_FORMATS: dict[Kind, str] = {"int64": "q", "float64": "d"}
_TYPES: dict[Kind, DataType] = {"int64": DataType.int64(), "float64": DataType.float64()}


_BITS = tuple(tuple(bool(byte >> bit & 1) for bit in range(8)) for byte in range(256))


class MalformedStreamError(ValueError):
    """The bytes are no stream that can be read; the message says where."""


@attrs.frozen(eq=False)
class Stream:
    """The content of a stream: its columns by name, and the text that came with them."""

    metadata: str
    columns: dict[str, Array]
    rows: int


def write_stream(metadata: str, columns: Mapping[str, Array]) -> bytes:
    """Write equally long columns as one record batch.

    Args:
        metadata: Text kept in the schema.
        columns: ``int64`` and ``float64`` arrays; one named ``epoch`` may have nulls.

    Returns:
        The stream's bytes, its end marker included.
    """
    fields = [Field(name, column.type, nullable=name == "epoch") for name, column in columns.items()]
    schema = Schema(fields, metadata={_METADATA_KEY: metadata})
    sink = io.BytesIO()
    write_ipc_stream(RecordBatch.from_arrays(list(columns.values()), schema=schema), sink, compression=None)
    return sink.getvalue()


def read_stream(data: bytes, kinds: Mapping[str, Kind], *, optional: frozenset[str] = frozenset()) -> Stream:
    """Read what ``write_stream`` wrote; columns without nulls are views of ``data``.

    Args:
        data: A whole stream.
        kinds: The columns it must have, and their kinds.
        optional: Those of them that it may lack; only these may have nulls.

    Returns:
        The columns and the schema's text.

    Raises:
        MalformedStreamError: It is cut off, is no such stream, or has other columns.
    """
    try:
        return _read(bytes(data), kinds, optional)
    except struct.error:
        raise MalformedStreamError("an offset points outside of the Arrow stream") from None
    except UnicodeDecodeError:
        raise MalformedStreamError("a name in the Arrow stream is not UTF-8 text") from None


def _read(data: bytes, kinds: Mapping[str, Kind], optional: frozenset[str]) -> Stream:
    header, kind, start, length = _read_message(data, 0)
    if kind != _SCHEMA or length:
        raise MalformedStreamError("the Arrow stream does not begin with a schema")
    fields, metadata = _read_schema(header)
    for name, found in fields.items():
        if kinds.get(name) != found:
            raise MalformedStreamError(f"the Arrow stream has an unexpected column {name!r} of {found}")
    missing = sorted(set(kinds) - set(fields) - optional)
    if missing:
        raise MalformedStreamError(f"the Arrow stream has no column {missing[0]!r}")
    chunks: list[tuple[_Chunk, ...]] = []
    while data[start : start + 8] != _END:
        header, kind, start, length = _read_message(data, start)
        if kind != _RECORD_BATCH:
            raise MalformedStreamError("the Arrow stream has a message that is no record batch")
        chunks.append(_read_batch(header, memoryview(data)[start : start + length], fields))
        start += length
    if start + 8 != len(data):
        raise MalformedStreamError("the Arrow stream has bytes after its end")
    return _assemble(metadata, fields, chunks, optional)


def _assemble(
    metadata: str, fields: dict[str, Kind], chunks: list[tuple[_Chunk, ...]], optional: frozenset[str]
) -> Stream:
    columns: dict[str, Array] = {}
    for index, (name, kind) in enumerate(fields.items()):
        parts = [batch[index] for batch in chunks]
        if name not in optional and any(part.nulls for part in parts):
            raise MalformedStreamError(f"the column {name!r} of the Arrow stream has nulls")
        columns[name] = join_arrays([_make_array(part, kind) for part in parts], _TYPES[kind])
    return Stream(metadata, columns, sum(batch[0].rows for batch in chunks))


def _make_array(part: _Chunk, kind: Kind) -> Array:
    values = part.values.cast(_FORMATS[kind])  # type: ignore[call-overload]
    if not part.nulls:
        return make_array(values)
    flags = chain.from_iterable(map(_BITS.__getitem__, part.validity))
    return Array([value if valid else None for value, valid in zip(values.tolist(), flags, strict=False)], _TYPES[kind])


@attrs.frozen(eq=False)
class _Chunk:
    rows: int
    nulls: int
    validity: memoryview
    values: memoryview


def _read_message(data: bytes, start: int) -> tuple[_Table, int, int, int]:
    """Return a message's header table, its kind, and where its body starts and how long it is."""
    if start + 8 > len(data):
        raise MalformedStreamError("the Arrow stream is cut off")
    marker, size = struct.unpack_from("<II", data, start)
    body = start + 8 + size
    if marker != _CONTINUATION or size % 8:
        raise MalformedStreamError("the bytes are no Arrow stream")
    if body > len(data):
        raise MalformedStreamError("the Arrow stream is cut off")
    message = _Table.root(data[start + 8 : body])
    length = message.number(3, "<q")
    if length < 0 or length % 8:
        raise MalformedStreamError("the Arrow stream has a body of an impossible length")
    if body + length > len(data):
        raise MalformedStreamError("the Arrow stream is cut off")
    header = message.table(2)
    if header is None:
        raise MalformedStreamError("the Arrow stream has a message without a header")
    return header, message.number(1, "<B"), body, length


def _read_schema(schema: _Table) -> tuple[dict[str, Kind], str]:
    if schema.number(0, "<h") != 0:
        raise MalformedStreamError("the Arrow stream is big-endian")
    fields: dict[str, Kind] = {}
    for field in schema.tables(1):
        name = field.text(0)
        if name in fields or field.table(4) is not None or field.tables(5):
            raise MalformedStreamError(f"the Arrow stream has an unexpected column {name!r}")
        fields[name] = _read_kind(field, name)
    for pair in schema.tables(2):
        if pair.text(0) == _METADATA_KEY:
            return fields, pair.text(1)
    raise MalformedStreamError(f"the schema of the Arrow stream has no metadata {_METADATA_KEY!r}")


def _read_kind(field: _Table, name: str) -> Kind:
    type_ = field.table(3)
    number = field.number(2, "<B")
    if type_ is not None and number == _INT and type_.number(0, "<i") == 64 and type_.number(1, "<B") == 1:
        return "int64"
    if type_ is not None and number == _FLOAT and type_.number(0, "<h") == _DOUBLE:
        return "float64"
    raise MalformedStreamError(f"the column {name!r} of the Arrow stream is neither int64 nor float64")


def _read_batch(batch: _Table, body: memoryview, fields: dict[str, Kind]) -> tuple[_Chunk, ...]:
    rows = batch.number(0, "<q")
    nodes = batch.structs(1, "<qq")
    buffers = batch.structs(2, "<qq")
    if batch.table(3) is not None:
        raise MalformedStreamError("the Arrow stream is compressed; send it plain, with gzip around it if needed")
    if rows < 0 or len(nodes) != len(fields) or len(buffers) != 2 * len(fields):
        raise MalformedStreamError("a record batch of the Arrow stream does not fit its schema")
    return tuple(_read_chunk(rows, node, buffers[2 * index : 2 * index + 2], body) for index, node in enumerate(nodes))


def _read_chunk(rows: int, node: tuple[int, ...], buffers: list[tuple[int, ...]], body: memoryview) -> _Chunk:
    length, nulls = node
    for offset, size in buffers:
        if offset < 0 or size < 0 or offset % 8 or offset + size > len(body):
            raise MalformedStreamError("a buffer of the Arrow stream lies outside of its record batch")
    (valid, valid_size), (offset, size) = buffers
    if length != rows or not 0 <= nulls <= rows or size < rows * 8 or (nulls and valid_size * 8 < rows):
        raise MalformedStreamError("a column of the Arrow stream is not as long as its record batch")
    return _Chunk(rows, nulls, body[valid : valid + valid_size], body[offset : offset + rows * 8])


class _Table:
    """A FlatBuffers table: numbered slots, each of which may be absent. Every read is checked against the bounds."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position
        self._vtable = position - self._at(position, "<i")
        self._slots = (self._at(self._vtable, "<H") - 4) // 2

    @classmethod
    def root(cls, data: bytes) -> _Table:
        (position,) = struct.unpack_from("<I", data, 0)
        return cls(data, position)

    def _at(self, position: int, form: str) -> int:
        if position < 0:
            raise MalformedStreamError("an offset points outside of the Arrow stream")
        return int(struct.unpack_from(form, self._data, position)[0])

    def _slot(self, index: int) -> int:
        offset = self._at(self._vtable + 4 + 2 * index, "<H") if index < self._slots else 0
        return self._position + offset if offset else 0

    def number(self, index: int, form: str) -> int:
        position = self._slot(index)
        return self._at(position, form) if position else 0

    def _target(self, index: int) -> int:
        position = self._slot(index)
        return position + self._at(position, "<I") if position else 0

    def table(self, index: int) -> _Table | None:
        target = self._target(index)
        return _Table(self._data, target) if target else None

    def text(self, index: int) -> str:
        target = self._target(index)
        if not target:
            return ""
        size = self._at(target, "<I")
        if target + 4 + size > len(self._data):
            raise MalformedStreamError("an offset points outside of the Arrow stream")
        return self._data[target + 4 : target + 4 + size].decode()

    def tables(self, index: int) -> list[_Table]:
        start, count = self._vector(index, 4)
        positions = range(start, start + 4 * count, 4)
        return [_Table(self._data, position + self._at(position, "<I")) for position in positions]

    def structs(self, index: int, form: str) -> list[tuple[int, ...]]:
        size = struct.calcsize(form)
        start, count = self._vector(index, size)
        return list(struct.iter_unpack(form, self._data[start : start + size * count]))

    def _vector(self, index: int, size: int) -> tuple[int, int]:
        target = self._target(index)
        if not target:
            return 0, 0
        count = self._at(target, "<I")
        if target + 4 + size * count > len(self._data):
            raise MalformedStreamError("an offset points outside of the Arrow stream")
        return target + 4, count

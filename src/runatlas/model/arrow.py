"""Batches and point blocks as Arrow IPC streams: points as columns, everything else as JSON in the schema.

Columns are ``step`` (int64), ``value`` (float64), ``time_ms`` (int64) and, when any point has one, ``epoch`` (int64
with nulls). The points of all series lie one after another; the metadata ``runatlas`` tells where each series lies.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, TypeVar

import attrs
from arro3.core import Array, DataType

from runatlas.errors import ResponseFormatError, ValidationError
from runatlas.model import codec
from runatlas.model.arrow_array import join_arrays, make_array
from runatlas.model.arrow_ipc import MalformedStreamError, Stream, read_stream, write_stream
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.ids import RunPath
from runatlas.model.log import LogDraft
from runatlas.model.media import MediaDraft
from runatlas.model.series import (
    POINT_COLUMNS,
    ColumnClass,
    ColumnDraft,
    ColumnType,
    Context,
    PointBlock,
    ReadFailure,
    SeriesPoints,
    SeriesSlice,
)

__all__ = ["MEDIA_TYPE", "decode_batch", "decode_block", "encode_batch", "encode_block"]

T = TypeVar("T")

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
"""The content type of these streams."""

_OPTIONAL = frozenset({"epoch"})
_INT64, _FLOAT64 = DataType.int64(), DataType.float64()


@attrs.frozen
class _SeriesHead:
    """What a batch's metadata says of one series."""

    key: str
    length: int
    context: Context = ()
    epochs: bool = False
    event_ids: tuple[str, ...] | None = None
    column_class: ColumnClass = "CUSTOM"
    column_type: ColumnType = "FLOAT"


@attrs.frozen
class _BatchHead:
    """A batch's metadata."""

    series: tuple[_SeriesHead, ...] = ()
    media: tuple[MediaDraft, ...] = ()
    logs: tuple[LogDraft, ...] = ()
    columns: tuple[ColumnDraft, ...] = ()
    artifacts: tuple[ArtifactDraft, ...] = ()
    writer: str | None = None
    sequence: int | None = None
    once_per_step: bool = False
    new_values_only: bool = False
    rewind: int | None = None


@attrs.frozen
class _BlockHead:
    """A block's metadata: the series as columns, keys and contexts as indices, since they repeat run by run."""

    runs: tuple[tuple[str, str, str], ...]
    keys: tuple[str, ...]
    contexts: tuple[Context, ...]
    run: list[Any]
    key: list[Any]
    context: list[Any]
    start: list[Any]
    length: list[Any]
    total: list[Any]
    missing: tuple[str, ...] = ()
    failures: tuple[ReadFailure, ...] = ()
    next_cursor: str | None = None


def encode_batch(batch: Batch) -> bytes:
    """Write a batch; the run it belongs to is not part of the stream.

    Raises:
        ValueError: The columns of a series differ in length or have other types than they should.

    Example:
        >>> path = RunPath.parse("ann/demo/k3x9q2ab")
        >>> decode_batch(encode_batch(Batch(path, logs=(LogDraft("hello"),))), path).logs[0].message
        'hello'
    """
    for series in batch.points:
        _check_series(series)
    head: dict[str, Any] = {
        "series": [_series_head(series) for series in batch.points],
        "media": codec.encode(batch.media),
        "logs": codec.encode(batch.logs),
        "columns": codec.encode(batch.columns),
        "artifacts": codec.encode(batch.artifacts),
        "writer": batch.writer,
        "sequence": batch.sequence,
        "once_per_step": batch.once_per_step,
        "new_values_only": batch.new_values_only,
        "rewind": batch.rewind,
    }
    columns = {
        "step": join_arrays([series.steps for series in batch.points], _INT64),
        "value": join_arrays([series.values for series in batch.points], _FLOAT64),
        "time_ms": join_arrays([series.times_ms for series in batch.points], _INT64),
    }
    if any(series.epochs is not None for series in batch.points):
        columns["epoch"] = join_arrays([_epochs_or_nulls(series) for series in batch.points], _INT64)
    said = {name: part for name, part in head.items() if part or part == 0}
    return write_stream(codec.dumps(said), columns)


def decode_batch(data: bytes, run: RunPath) -> Batch:
    """Read a batch of ``run``; columns without nulls are views of ``data``.

    Raises:
        ValidationError: The bytes are no batch; the message says where.
    """
    try:
        stream = read_stream(data, POINT_COLUMNS, optional=_OPTIONAL)
        head = codec.decode(codec.loads(stream.metadata), _BatchHead, strict=True)
        points = _read_points(stream, head.series)
    except (MalformedStreamError, ValueError, ResponseFormatError) as error:
        raise ValidationError(f"the batch does not decode: {error}", code=400) from error
    return Batch(
        run,
        points,
        head.media,
        head.logs,
        head.columns,
        head.artifacts,
        writer=head.writer,
        sequence=head.sequence,
        once_per_step=head.once_per_step,
        new_values_only=head.new_values_only,
        rewind=head.rewind,
    )


def encode_block(block: PointBlock) -> bytes:
    """Write a block of points.

    Raises:
        ValueError: A column has another type than it should.
    """
    keys = {key: index for index, key in enumerate(dict.fromkeys(item.key for item in block.series))}
    contexts = {value: index for index, value in enumerate(dict.fromkeys(item.context for item in block.series))}
    head: dict[str, Any] = {
        "runs": block.runs,
        "keys": list(keys),
        "contexts": list(contexts),
        "run": [item.run for item in block.series],
        "key": [keys[item.key] for item in block.series],
        "context": [contexts[item.context] for item in block.series],
        "start": [item.start for item in block.series],
        "length": [item.length for item in block.series],
        "total": [item.total for item in block.series],
        "missing": block.missing,
        "failures": codec.encode(block.failures),
        "next_cursor": block.next_cursor,
    }
    columns = {
        "step": _typed(block.steps, _INT64, "steps"),
        "value": _typed(block.values, _FLOAT64, "values"),
        "time_ms": _typed(block.times_ms, _INT64, "times_ms"),
    }
    if block.epochs is not None:
        columns["epoch"] = _typed(block.epochs, _INT64, "epochs")
    return write_stream(codec.dumps(head), columns)


def decode_block(data: bytes) -> PointBlock:
    """Read a block of points; columns without nulls are views of ``data``.

    Raises:
        ResponseFormatError: The bytes are no block; the message says where.
    """
    try:
        stream = read_stream(data, POINT_COLUMNS, optional=_OPTIONAL)
        head = codec.decode(codec.loads(stream.metadata), _BlockHead)
        series = _read_slices(head, stream.rows)
    except (MalformedStreamError, ValueError, ResponseFormatError) as error:
        raise ResponseFormatError(f"the points do not decode: {error}") from error
    return PointBlock(
        runs=head.runs,
        series=series,
        steps=stream.columns["step"],
        values=stream.columns["value"],
        times_ms=stream.columns["time_ms"],
        epochs=stream.columns.get("epoch"),
        missing=head.missing,
        failures=head.failures,
        next_cursor=head.next_cursor,
    )


def _series_head(series: SeriesPoints) -> dict[str, Any]:
    head: dict[str, Any] = {"key": series.key, "length": len(series.steps)}
    if series.context:
        head["context"] = series.context
    if series.epochs is not None:
        head["epochs"] = True
    if series.event_ids is not None:
        head["event_ids"] = series.event_ids
    if series.column_class != "CUSTOM":
        head["column_class"] = series.column_class
    if series.column_type != "FLOAT":
        head["column_type"] = series.column_type
    return head


def _check_series(series: SeriesPoints) -> None:
    _typed(series.steps, _INT64, f"steps of {series.key!r}")
    _typed(series.values, _FLOAT64, f"values of {series.key!r}")
    _typed(series.times_ms, _INT64, f"times_ms of {series.key!r}")
    lengths = {len(series.steps), len(series.values), len(series.times_ms)}
    if series.epochs is not None:
        _typed(series.epochs, _INT64, f"epochs of {series.key!r}")
        lengths.add(len(series.epochs))
    if series.event_ids is not None:
        lengths.add(len(series.event_ids))
    if len(lengths) > 1:
        raise ValueError(f"points: the columns of {series.key!r} differ in length")


def _typed(array: Array, kind: DataType, name: str) -> Array:
    if array.type != kind:
        raise ValueError(f"points: {name} must be a column of {kind!s}, got {array.type!s}")
    return array


def _epochs_or_nulls(series: SeriesPoints) -> Array:
    if series.epochs is not None:
        return series.epochs
    return Array([None] * len(series.steps), _INT64)


def _read_points(stream: Stream, heads: tuple[_SeriesHead, ...]) -> tuple[SeriesPoints, ...]:
    if any(head.length < 0 for head in heads) or sum(head.length for head in heads) != stream.rows:
        raise MalformedStreamError(f"the lengths of its series do not add up to its {stream.rows} rows")
    starts = accumulate((head.length for head in heads), initial=0)
    return tuple(_read_series(stream, head, start) for head, start in zip(heads, starts, strict=False))


def _read_series(stream: Stream, head: _SeriesHead, start: int) -> SeriesPoints:
    columns = stream.columns
    if head.event_ids is not None and len(head.event_ids) != head.length:
        raise MalformedStreamError(f"the series {head.key!r} has {len(head.event_ids)} event ids")
    if head.epochs and "epoch" not in columns:
        raise MalformedStreamError(f"the series {head.key!r} has epochs, but there is no such column")
    return SeriesPoints(
        key=head.key,
        steps=columns["step"].slice(start, head.length),
        values=columns["value"].slice(start, head.length),
        times_ms=columns["time_ms"].slice(start, head.length),
        context=head.context,
        epochs=columns["epoch"].slice(start, head.length) if head.epochs else None,
        event_ids=head.event_ids,
        column_class=head.column_class,
        column_type=head.column_type,
    )


def _read_slices(head: _BlockHead, rows: int) -> tuple[SeriesSlice, ...]:
    count = len(head.run)
    _check_indices("run", head.run, count, len(head.runs))
    _check_indices("key", head.key, count, len(head.keys))
    _check_indices("context", head.context, count, len(head.contexts))
    for name in ("start", "length", "total"):
        _check_indices(name, getattr(head, name), count, 2**63)
    if any(start + length > rows for start, length in zip(head.start, head.length, strict=True)):
        raise MalformedStreamError(f"a series reaches beyond the {rows} rows")
    keys, contexts = head.keys, head.contexts
    entries = zip(head.run, head.key, head.start, head.length, head.total, head.context, strict=True)
    return tuple(
        SeriesSlice(run, keys[key], start, length, total, contexts[context])
        for run, key, start, length, total, context in entries
    )


def _check_indices(name: str, values: Iterable[Any], count: int, below: int) -> None:
    found = list(values)
    if len(found) != count or any(type(value) is not int or not 0 <= value < below for value in found):
        raise MalformedStreamError(f"{name!r} does not hold {count} numbers from 0 to {below - 1}")


def _use_once() -> None:
    """Let arro3 make now what it makes when it is first used.

    It does so under locks. Where a thread did that just when the process forked, the child found them taken for ever,
    and a run in it hung at its first batch.
    """
    whole, number = make_array(array("q", [0])), make_array(array("d", [0.0]))
    columns = {
        "step": join_arrays([whole, whole], _INT64),
        "value": join_arrays([number, number], _FLOAT64),
        "time_ms": _typed(Array([0, 1], _INT64), _INT64, "times_ms"),
        "epoch": join_arrays([whole, Array([None], _INT64)], _INT64),
    }
    stream = read_stream(write_stream("{}", columns), POINT_COLUMNS, optional=_OPTIONAL)
    stream.columns["epoch"].slice(1, 1).to_pylist()


_use_once()

"""Batches and blocks of points on the wire: Arrow streams, or JSON for those who have no Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import attrs
from arro3.core import Array, DataType

from runatlas.errors import ApiStatusError, ValidationError
from runatlas.model.arrow import MEDIA_TYPE as ARROW
from runatlas.model.arrow import decode_batch, encode_block
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.codec import encode_json
from runatlas.model.ids import RunPath
from runatlas.model.log import LogDraft
from runatlas.model.media import MediaDraft
from runatlas.model.series import (
    ColumnClass,
    ColumnDraft,
    Context,
    PointBlock,
    ReadFailure,
    SeriesPoints,
    SeriesSlice,
)
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.payload import decode_payload

__all__ = ["BatchDocument", "BlockDocument", "read_batch", "write_block"]

JSON = "application/json"


@attrs.frozen
class PointsDocument:
    """Points of one series as lists of one length."""

    key: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    times_ms: tuple[int, ...]
    context: Context = ()
    epochs: tuple[int | None, ...] | None = None
    event_ids: tuple[str, ...] | None = None
    column_class: ColumnClass = "CUSTOM"
    column_type: Literal["FLOAT", "BOOLEAN"] = "FLOAT"


@attrs.frozen
class BatchDocument:
    """What a run appends, applied together or not at all."""

    points: tuple[PointsDocument, ...] = ()
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
class BlockDocument:
    """Points of many series in four lists."""

    runs: tuple[tuple[str, str, str], ...]
    series: tuple[SeriesSlice, ...]
    steps: tuple[int, ...]
    values: tuple[float, ...]
    times_ms: tuple[int, ...]
    epochs: tuple[int | None, ...] | None
    missing: tuple[str, ...]
    failures: tuple[ReadFailure, ...]
    next_cursor: str | None


def read_batch(call: EndpointCall, run: RunPath) -> Batch:
    """Read the batch that a request carries.

    Raises:
        ValidationError: It does not decode.
        ApiStatusError: 415, it is neither Arrow nor JSON.
    """
    kind = call.media_type
    if kind == ARROW:
        return decode_batch(call.body, run)
    if kind != JSON:
        raise ApiStatusError(f"a batch is sent as {ARROW} or {JSON}, not as {kind[:80]!r}", code=415)
    document = decode_payload(call.body, BatchDocument)
    return Batch(
        run,
        tuple(_points(series) for series in document.points),
        document.media,
        document.logs,
        document.columns,
        document.artifacts,
        writer=document.writer,
        sequence=document.sequence,
        once_per_step=document.once_per_step,
        new_values_only=document.new_values_only,
        rewind=document.rewind,
    )


def _points(series: PointsDocument) -> SeriesPoints:
    columns: tuple[Sequence[Any] | None, ...] = (
        series.steps, series.values, series.times_ms, series.epochs, series.event_ids,
    )  # fmt: skip
    if len({len(column) for column in columns if column is not None}) > 1:
        raise ValidationError(f"points: the columns of {series.key!r} differ in length")
    return SeriesPoints(
        key=series.key,
        steps=Array(series.steps, DataType.int64()),
        values=Array(series.values, DataType.float64()),
        times_ms=Array(series.times_ms, DataType.int64()),
        context=series.context,
        epochs=None if series.epochs is None else Array(series.epochs, DataType.int64()),
        event_ids=series.event_ids,
        column_class=series.column_class,
        column_type=series.column_type,
    )


def write_block(call: EndpointCall, block: PointBlock) -> Answer:
    """Write a block as the request's ``Accept`` asks: JSON if it names that, else Arrow."""
    accepted = call.headers.get("accept", "")
    if JSON in accepted and ARROW not in accepted:
        return Answer(_block_text(block))
    return Answer(encode_block(block), media_type=ARROW, packed=False)


def _block_text(block: PointBlock) -> bytes:
    document = BlockDocument(
        runs=block.runs,
        series=block.series,
        steps=tuple(block.steps.to_pylist()),
        values=tuple(block.values.to_pylist()),
        times_ms=tuple(block.times_ms.to_pylist()),
        epochs=None if block.epochs is None else tuple(block.epochs.to_pylist()),
        missing=block.missing,
        failures=block.failures,
        next_cursor=block.next_cursor,
    )
    return encode_json(document)

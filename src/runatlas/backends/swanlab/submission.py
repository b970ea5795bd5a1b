"""Batches as this protocol can say them; what it cannot say is refused before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs
from arro3.core import Array, DataType

from runatlas.backends.swanlab.client import unsupported
from runatlas.backends.swanlab.record import SYSTEM_PREFIX, column_class
from runatlas.errors import ValidationError
from runatlas.model.batch import Batch
from runatlas.model.batch_check import clean_batch, identity_of
from runatlas.model.instant import iso_text
from runatlas.model.log import LogDraft
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.series import MEDIA_TYPES, ColumnDraft, ColumnType, SeriesPoints

__all__ = ["Submission", "line_record", "make_submission", "split", "time_text"]

_TYPES: Final[frozenset[ColumnType]] = frozenset(
    ("FLOAT", "IMAGE", "AUDIO", "VIDEO", "TEXT", "ECHARTS", "OBJECT3D", "MOLECULE", "HTML")
)
_IN_FILE = {"format", "width", "height", "rate"}
"""What is said of a media file that the file itself says too."""


@attrs.frozen(eq=False)
class Submission:
    """A batch in the words of this protocol, its lines not numbered yet.

    Attributes:
        scalars: Records of points; of each key in their own order.
        steps: The steps of each key, of points and of media.
        contents: What is sent to each path before its media are recorded: a text, or the hash of what was put.
        columns: By key; those of points come of themselves.
    """

    batch: Batch
    scalars: list[dict[str, Any]]
    steps: dict[str, list[int]]
    media: list[dict[str, Any]]
    contents: dict[str, MediaItem]
    columns: dict[str, dict[str, Any]]

    @property
    def hashes(self) -> set[str]:
        """What was to be put before."""
        named = {item.sha256 for item in self.contents.values() if item.sha256 is not None}
        return named | {draft.sha256 for draft in self.batch.artifacts}


def make_submission(batch: Batch, now_ms: int) -> Submission:
    """Put a batch into the words of this protocol.

    Args:
        batch: What a run appends.
        now_ms: The time of what comes without one.

    Raises:
        NotSupportedError: There are no words for something in it.
        ValidationError: Something in it is out of bounds.
    """
    batch = clean_batch(batch)
    everything: list[ColumnDraft | SeriesPoints | MediaDraft] = [*batch.columns, *batch.points, *batch.media]
    for named in everything:
        identity_of(named)
        if named.context:
            raise unsupported("contexts of series")
        if named.column_type not in _TYPES:
            raise unsupported(f"columns of the type {named.column_type}")
    if batch.once_per_step or batch.new_values_only or batch.rewind is not None:
        raise unsupported("way to leave out points that are there, or to go back behind them")
    made = Submission(batch, [], {}, [], {}, {})
    for series in batch.points:
        _add_points(made, series)
    for draft in batch.media:
        _add_media(made, draft, now_ms)
    for column in batch.columns:
        made.columns[_wire_key(column)] = _column(column)
    for line in batch.logs:
        if line.tag or line.fields is not None:
            raise unsupported("lines but those of the terminal")
    return made


def split(records: list[Any], size: int) -> Iterator[list[Any]]:
    """Cut records into what one request takes."""
    return (records[start : start + size] for start in range(0, len(records), size))


def _wire_key(named: ColumnDraft | SeriesPoints) -> str:
    """Name a series: those of the machine by their beginning."""
    if named.column_class == "SYSTEM":
        return named.key if named.key.startswith(SYSTEM_PREFIX) else SYSTEM_PREFIX + named.key
    if column_class(named.key) == "SYSTEM":
        raise unsupported(f"keys of one's own that begin with {SYSTEM_PREFIX}")
    return named.key


def _add_points(made: Submission, series: SeriesPoints) -> None:
    if series.column_type in MEDIA_TYPES:
        raise ValidationError(f"points: {series.key!r} of type {series.column_type} cannot have points")
    if series.event_ids is not None:
        raise unsupported("ids of points")
    if series.epochs is not None and series.epochs.null_count < len(series.epochs):
        raise unsupported("epochs of points", "log them as a metric of their own")
    key = _wire_key(series)
    steps = _numbers(series.steps, DataType.int64(), f"steps of {series.key!r}")
    values = _numbers(series.values, DataType.float64(), f"values of {series.key!r}")
    times = _numbers(series.times_ms, DataType.int64(), f"times_ms of {series.key!r}")
    if not len(steps) == len(values) == len(times):
        raise ValidationError(f"points: the columns of {series.key!r} differ in length")
    _take_steps(made, key, steps)
    made.columns.setdefault(key, _column(ColumnDraft(series.key, "FLOAT", series.column_class)))
    made.scalars.extend(
        {"key": key, "index": step, "data": _data(value), "create_time": time_text(time_ms)}
        for step, value, time_ms in zip(steps, values, times, strict=True)
    )


def _numbers(column: Array, kind: DataType, what: str) -> list[Any]:
    if column.null_count or column.type != kind:
        raise ValidationError(f"points: {what} must be a column of {kind!s} without nulls, got {column.type!s}")
    return list(column.to_pylist())


def _take_steps(made: Submission, key: str, steps: Iterable[int]) -> None:
    held = made.steps.setdefault(key, [])
    held += steps
    if held and min(held) < 0:
        raise unsupported("steps below 0")
    if len(set(held)) < len(held):
        raise unsupported("second point of a step", "it keeps one a step")


def _data(value: float) -> float | str:
    """Write a value; JSON has no words for those that are not finite."""
    return value if math.isfinite(value) else str(value)


def time_text(time_ms: int) -> str:
    """Write a time.

    Raises:
        NotSupportedError: It has no such form.
    """
    try:
        return iso_text(time_ms)
    except OverflowError:
        raise unsupported(f"time such as {time_ms} ms") from None


def _column(column: ColumnDraft) -> dict[str, Any]:
    key = _wire_key(column)
    made: dict[str, Any] = {"key": key, "type": column.column_type, "class": column.column_class}
    section, slash, _ = column.key.partition("/")
    if column.column_class == "SYSTEM":
        made |= {"name": column.name or column.key, "sectionType": "SYSTEM"}
    elif column.name:
        made["name"] = column.name
    if slash and section and column.column_class != "SYSTEM":
        made["sectionName"] = section
    return made


def _add_media(made: Submission, draft: MediaDraft, now_ms: int) -> None:
    if draft.column_type == "FLOAT":
        raise ValidationError(f"media {draft.key!r}: FLOAT is no type of media")
    if draft.epoch is not None:
        raise unsupported("epochs of media")
    if draft.key in made.steps and draft.key in {record["key"] for record in made.scalars}:
        raise ValidationError(f"key: {draft.key!r} holds numbers; {draft.column_type} data needs another key")
    key = _wire_key(ColumnDraft(draft.key))
    _take_steps(made, key, [draft.step])
    for item in draft.items:
        _add_item(made, draft, item)
    captions = [{"caption": item.caption} for item in draft.items]
    made.columns.setdefault(key, _column(ColumnDraft(draft.key, draft.column_type)))
    made.media.append(
        {
            "key": key,
            "index": draft.step,
            "data": [item.path for item in draft.items],
            # Found again by their place: either each has one, or none.
            "more": captions if any(item.caption for item in draft.items) else [],
            "create_time": time_text(draft.time_ms or now_ms),
        }
    )


def _add_item(made: Submission, draft: MediaDraft, item: MediaItem) -> None:
    folder = f"media/{draft.column_type.lower()}/"
    if not item.path.startswith(folder):
        raise unsupported(f"media of the type {draft.column_type} but below {folder}")
    if item.meta.keys() - _IN_FILE:
        raise unsupported(f"{', '.join(sorted(item.meta.keys() - _IN_FILE))} of media")
    text = None if item.data is None else item.data.get("text")
    if item.data is not None and not (draft.column_type == "TEXT" and isinstance(text, str) and len(item.data) == 1):
        raise unsupported("media in its database but texts")
    held = made.contents.setdefault(item.path, item)
    if (held.sha256, held.data) != (item.sha256, item.data):
        raise unsupported(f"second file of the path {item.path}")


def line_record(line: LogDraft, number: int, now_ms: int) -> dict[str, Any]:
    """Write a line."""
    return {
        "level": line.level,
        "epoch": number,
        "message": line.message,
        "create_time": time_text(line.time_ms or now_ms),
    }

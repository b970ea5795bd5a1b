"""What a batch must be to be stored, and the form in which the store takes it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt
from arro3.core import Array, DataType

from runatlas.errors import ValidationError
from runatlas.model.artifact import ArtifactDraft, validate_artifact_name
from runatlas.model.batch import Batch
from runatlas.model.codec import context_text, dumps, make_context
from runatlas.model.log import LOG_LEVELS, LogDraft
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.series import COLUMN_CLASSES, COLUMN_TYPES, MEDIA_TYPES, ColumnDraft, Context, SeriesPoints
from runatlas.model.text import check_text
from runatlas.server.store.blob import is_sha256
from runatlas.server.store.chunk import NO_EPOCH, Points, Whole, join

__all__ = ["NO_STEP", "Identity", "Incoming", "clean_batch", "identity_of", "series_of"]

NO_STEP = -(2**63)
"""Stands for an event without a step, until it is given one."""

Identity: TypeAlias = "tuple[str, str]"
"""A series of a run: its key, and the canonical text of its context."""

_KEY_MAX = 1000
_INDEXED_BYTES = 2400
"""What PostgreSQL can hold in an index row, less what stands beside it."""
_EVENT_ID_MAX = 200
_WRITER_MAX = 100
_TAG_MAX = 20
_MIME_MAX = 255
_MESSAGE_MAX = 1 << 20
_ITEMS_MAX = 1000
_WHOLE_MIN, _WHOLE_MAX = -(2**63) + 1, 2**63 - 1
_INT64, _FLOAT64 = np.dtype(np.int64), np.dtype(np.float64)
_MIME = re.compile(r"[\w.+-]+/[\w.+-]+( *;[ -~]*)?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Incoming(NamedTuple):
    """A scalar series of a batch: what is said of it, and its points, if it has any."""

    column_class: str
    column_type: str
    name: str
    points: Points | None


def clean_batch(batch: Batch) -> Batch:
    """Check all of a batch but its series, which ``series_of`` checks.

    Returns:
        The batch; in log messages, what no database holds as text (NUL, lone surrogates) is U+FFFD.

    Raises:
        ValidationError: Something is out of bounds; the sentence names it.
    """
    if (batch.writer is None) != (batch.sequence is None):
        raise ValidationError("writer, sequence: give both or neither")
    if batch.writer is not None:
        _check_length(batch.writer, "writer", _WRITER_MAX)
        _check_whole(batch.sequence, "sequence")
    for media in batch.media:
        _check_media(media)
    for artifact in batch.artifacts:
        _check_artifact(artifact)
    if not batch.logs:
        return batch
    return attrs.evolve(batch, logs=tuple(_clean_log(line) for line in batch.logs))


def series_of(batch: Batch) -> dict[Identity, Incoming]:
    """Return the scalar series of a batch and its announced columns, by key and context text.

    Raises:
        ValidationError: A column has another type or length than it should, or a name is out of bounds.
    """
    found: dict[Identity, Incoming] = {}
    for column in batch.columns:
        _check_length(column.name, f"name of {column.key!r}", _KEY_MAX, least=0)
        found[identity_of(column)] = Incoming(column.column_class, column.column_type, column.name, None)
    for series in batch.points:
        if series.column_type in MEDIA_TYPES:
            raise ValidationError(f"points: {series.key!r} of type {series.column_type} cannot have points")
        identity = identity_of(series)
        known = found.get(identity)
        parts = [part for part in (known and known.points, _points_of(series)) if part is not None]
        points = join(parts) if parts else None
        found[identity] = Incoming(series.column_class, series.column_type, known.name if known else "", points)
    return found


def identity_of(series: ColumnDraft | SeriesPoints | MediaDraft) -> Identity:
    """Return a series' key and the canonical text of its context.

    Raises:
        ValidationError: One is out of bounds.
    """
    key = series.key
    column_type = series.column_type
    if column_type not in COLUMN_TYPES:
        raise ValidationError(f"column_type: {column_type!r} is none of {', '.join(COLUMN_TYPES)}")
    if not isinstance(series, MediaDraft) and series.column_class not in COLUMN_CLASSES:
        raise ValidationError(f"column_class: {series.column_class!r} is none of {', '.join(COLUMN_CLASSES)}")
    if not isinstance(key, str):
        raise ValidationError(f"key: expected text, got {type(key).__name__}")
    _check_key(key)
    if not series.context:
        return key, ""
    context = _context_text(series.context)
    _check_indexed(key + context, f"context of {key!r}")
    return key, context


@lru_cache(maxsize=4096)
def _check_key(key: str) -> None:
    """Check a key; the same few come again and again."""
    _check_length(key, "key", _KEY_MAX)
    if _CONTROL.search(key):
        raise ValidationError(f"key: {key!r} must not have control characters")
    _check_indexed(key, "key")


def _context_text(context: Context) -> str:
    try:
        return check_text(context_text(make_context(dict(context))), "context")
    except (TypeError, ValueError) as error:
        raise ValidationError(f"context: {error}") from error


def _check_indexed(text: str, what: str) -> None:
    if len(text) > _INDEXED_BYTES // 4 and len(text.encode()) > _INDEXED_BYTES:
        raise ValidationError(
            f"{what}: is too long; a name, or a key with its context, has at most {_INDEXED_BYTES} bytes"
        )


def _points_of(series: SeriesPoints) -> Points | None:
    key, ids = series.key, series.event_ids
    steps = _steps_of(series)
    times = _column(series.times_ms, _INT64, "times_ms", key)
    values = _column(series.values, _FLOAT64, "values", key)
    count = steps.size
    if times.size != count or values.size != count or (ids is not None and len(ids) != count):
        raise ValidationError(f"points: the columns of {key!r} differ in length")
    epochs = None if series.epochs is None else _epochs_of(series.epochs, count, key)
    for event_id in ids or ():
        _check_length(event_id, f"event_ids of {key!r}", _EVENT_ID_MAX)
    return Points(steps, times, values, epochs, ids) if count else None


def _steps_of(series: SeriesPoints) -> Whole:
    """Return the steps; an event may come without one, and is given it where the series is known."""
    steps, key = series.steps, series.key
    if series.event_ids is None or not steps.null_count or steps.type != DataType.int64():
        return _column(steps, _INT64, "steps", key)
    return np.array([NO_STEP if step is None else step for step in steps.to_pylist()], np.int64)


def _column(array: Array, kind: np.dtype[Any], name: str, key: str) -> npt.NDArray[Any]:
    if array.null_count:
        raise ValidationError(f"points: {name} of {key!r} must not have nulls")
    found: npt.NDArray[Any] = array.to_numpy()
    if found.dtype != kind:
        raise ValidationError(f"points: {name} of {key!r} must be a column of {kind}, got {array.type!s}")
    return found


def _epochs_of(epochs: Array, count: int, key: str) -> Whole | None:
    if len(epochs) != count:
        raise ValidationError(f"points: the columns of {key!r} differ in length")
    if epochs.null_count == count:
        return None
    if epochs.type != DataType.int64():
        raise ValidationError(f"points: epochs of {key!r} must be a column of int64, got {epochs.type!s}")
    given = epochs.to_numpy() if epochs.null_count == 0 else np.array(epochs.to_pylist(), object)
    if (given == NO_EPOCH).any():
        raise ValidationError(f"points: epochs of {key!r} must be above {NO_EPOCH}")
    if epochs.null_count:
        given[given == None] = NO_EPOCH  # noqa: E711 - an elementwise comparison
    return given.astype(np.int64)


def _check_length(text: Any, what: str, most: int, *, least: int = 1) -> None:
    if not isinstance(text, str):
        raise ValidationError(f"{what}: expected text, got {type(text).__name__}")
    if not least <= len(text) <= most:
        raise ValidationError(f"{what}: expected {least} to {most} characters, got {len(text)}")
    check_text(text, what)


def _check_whole(number: Any, what: str, *, least: int = _WHOLE_MIN) -> None:
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValidationError(f"{what}: expected a whole number, got {type(number).__name__}")
    if not least <= number <= _WHOLE_MAX:
        raise ValidationError(f"{what}: {number} is out of bounds")


def _check_json(value: Any, what: str) -> None:
    if not isinstance(value, dict):
        raise ValidationError(f"{what}: expected an object, got {type(value).__name__}")
    try:
        check_text(dumps(value), what)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(f"{what}: {error}") from error


def _clean_log(line: LogDraft) -> LogDraft:
    if line.level not in LOG_LEVELS:
        raise ValidationError(f"level: {line.level!r} is none of {', '.join(LOG_LEVELS)}")
    if line.line is not None:
        _check_whole(line.line, "line", least=0)
    _check_length(line.tag, "tag", _TAG_MAX, least=0)
    _check_whole(line.time_ms, "time_ms", least=0)
    if line.fields is not None:
        _check_json(line.fields, "fields")
    if not isinstance(line.message, str) or len(line.message) > _MESSAGE_MAX:
        raise ValidationError(f"message: expected text of at most {_MESSAGE_MAX} characters")
    if line.message.isprintable():
        return line
    return attrs.evolve(line, message=_UNSTORABLE.sub("\ufffd", line.message))


def _check_artifact(artifact: ArtifactDraft) -> None:
    try:
        validate_artifact_name(artifact.name)
    except (TypeError, ValueError) as error:
        raise ValidationError(str(error)) from error
    check_text(artifact.name, "name")
    _check_indexed(artifact.name, "name")
    _check_blob(artifact.sha256, artifact.mime_type, f"artifact {artifact.name!r}")


def _check_blob(sha256: str, mime_type: str, what: str) -> None:
    if not isinstance(sha256, str) or not is_sha256(sha256):
        raise ValidationError(f"sha256 of {what}: expected 64 lower-case hexadecimal digits")
    _check_mime(mime_type, what)


def _check_mime(mime_type: str, what: str) -> None:
    if not isinstance(mime_type, str) or len(mime_type) > _MIME_MAX or not _MIME.fullmatch(mime_type):
        raise ValidationError(f"mime_type of {what}: {mime_type!r} is no media type, such as 'image/png'")


def _check_media(media: MediaDraft) -> None:
    what = f"media {media.key!r}"
    if media.column_type not in MEDIA_TYPES:
        raise ValidationError(f"{what}: {media.column_type!r} is none of {', '.join(MEDIA_TYPES)}")
    _check_whole(media.step, f"step of {what}")
    _check_whole(media.time_ms, f"time_ms of {what}", least=0)
    if media.epoch is not None:
        _check_whole(media.epoch, f"epoch of {what}")
    if not 1 <= len(media.items) <= _ITEMS_MAX:
        raise ValidationError(f"items of {what}: expected 1 to {_ITEMS_MAX}, got {len(media.items)}")
    for item in media.items:
        _check_item(item, what)


def _check_item(item: MediaItem, what: str) -> None:
    try:
        validate_artifact_name(item.path, argument="path")
    except (TypeError, ValueError) as error:
        raise ValidationError(f"{what}: {error}") from error
    if (item.sha256 is None) == (item.data is None):
        raise ValidationError(f"item {item.path!r} of {what}: give either sha256 or data")
    if item.sha256 is None:
        _check_json(item.data, f"data of {what}")
        _check_mime(item.mime_type, what)
    else:
        _check_blob(item.sha256, item.mime_type, what)
    _check_json(item.meta, f"meta of {what}")
    if not isinstance(item.caption, str):
        raise ValidationError(f"caption of {what}: expected text, got {type(item.caption).__name__}")
    check_text(item.path, f"path of {what}")
    check_text(item.caption, f"caption of {what}")

"""What may be appended to runs: the bounds of all of a batch but its points, the same wherever they are checked."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, TypeAlias

import attrs

from runatlas.errors import ValidationError
from runatlas.model.artifact import ArtifactDraft, validate_artifact_name
from runatlas.model.batch import Batch
from runatlas.model.codec import context_text, dumps, make_context
from runatlas.model.log import LOG_LEVELS, LogDraft
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.series import COLUMN_CLASSES, COLUMN_TYPES, MEDIA_TYPES, ColumnDraft, Context, SeriesPoints
from runatlas.model.text import check_text, is_storable, storable

__all__ = [
    "EVENT_ID_MAX",
    "KEY_MAX",
    "Identity",
    "check_indexed",
    "check_key",
    "check_length",
    "clean_batch",
    "identity_of",
    "write_context",
]

Identity: TypeAlias = "tuple[str, str]"
"""A series of a run: its key, and the canonical text of its context."""

KEY_MAX = 1000
"""How many characters a key may have, and a column's name."""

EVENT_ID_MAX = 200
"""How many characters the id of an event may have."""

_INDEXED_BYTES = 2400
"""What PostgreSQL can hold in an index row, less what stands beside it."""
_WRITER_MAX = 100
_TAG_MAX = 20
_OPEN_KEY_MAX = 100
_MIME_MAX = 255
_MESSAGE_MAX = 1 << 20
_ITEMS_MAX = 1000
_WHOLE_MIN, _WHOLE_MAX = -(2**63) + 1, 2**63 - 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MIME = re.compile(r"[\w.+-]+/[\w.+-]+( *;[ -~]*)?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def clean_batch(batch: Batch) -> Batch:
    """Check all of a batch but its points and the names of its series, which ``identity_of`` checks.

    Returns:
        The batch; in log messages, what no database holds as text (NUL, lone surrogates) is U+FFFD.

    Raises:
        ValidationError: Something is out of bounds; the sentence names it.
    """
    if (batch.writer is None) != (batch.sequence is None):
        raise ValidationError("writer, sequence: give both or neither")
    if batch.writer is not None:
        check_length(batch.writer, "writer", _WRITER_MAX)
        _check_whole(batch.sequence, "sequence")
    if batch.rewind is not None:
        _check_whole(batch.rewind, "rewind", most=_WHOLE_MAX - 1)
    for media in batch.media:
        _check_media(media)
    for column in batch.columns:
        check_length(column.name, f"name of {column.key!r}", KEY_MAX, least=0)
    for artifact in batch.artifacts:
        _check_artifact(artifact)
    if not batch.logs:
        return batch
    return attrs.evolve(batch, logs=tuple(_clean_log(line) for line in batch.logs))


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
    check_key(key)
    if not series.context:
        return key, ""
    context = write_context(series.context)
    check_indexed(key + context, f"context of {key!r}")
    return key, context


@lru_cache(maxsize=4096)
def check_key(key: str) -> None:
    """Check a key; the same few come again and again.

    Raises:
        ValidationError: It is empty, too long, or has control characters.
    """
    check_length(key, "key", KEY_MAX)
    if _CONTROL.search(key):
        raise ValidationError(f"key: {key!r} must not have control characters")
    check_indexed(key, "key")


def write_context(context: Context) -> str:
    """Return the stored text of a context.

    Raises:
        ValidationError: It is none.
    """
    try:
        return check_text(context_text(make_context(dict(context))), "context")
    except (TypeError, ValueError) as error:
        raise ValidationError(f"context: {error}") from error


def check_indexed(text: str, what: str) -> None:
    """Check that a name, or a key with its context, is short enough for an index.

    Raises:
        ValidationError: It is not; the sentence names it.
    """
    if len(text) > _INDEXED_BYTES // 4 and len(text.encode()) > _INDEXED_BYTES:
        raise ValidationError(
            f"{what}: is too long; a name, or a key with its context, has at most {_INDEXED_BYTES} bytes"
        )


def check_length(text: Any, what: str, most: int, *, least: int = 1) -> None:
    """Check a text and its length.

    Raises:
        ValidationError: It is none, or too short or too long; the sentence names it.
    """
    if not isinstance(text, str):
        raise ValidationError(f"{what}: expected text, got {type(text).__name__}")
    if not least <= len(text) <= most:
        raise ValidationError(f"{what}: expected {least} to {most} characters, got {len(text)}")
    check_text(text, what)


def _check_whole(number: Any, what: str, *, least: int = _WHOLE_MIN, most: int = _WHOLE_MAX) -> None:
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValidationError(f"{what}: expected a whole number, got {type(number).__name__}")
    if not least <= number <= most:
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
    check_length(line.tag, "tag", _TAG_MAX, least=0)
    check_length(line.key, "key of a line", _OPEN_KEY_MAX, least=0)
    if line.key and line.line is not None:
        raise ValidationError("key of a line: give either that or its number")
    if line.is_open and not line.key:
        raise ValidationError("is_open: an open line needs a key")
    _check_whole(line.time_ms, "time_ms", least=0)
    if line.fields is not None:
        _check_json(line.fields, "fields")
    if not isinstance(line.message, str) or len(line.message) > _MESSAGE_MAX:
        raise ValidationError(f"message: expected text of at most {_MESSAGE_MAX} characters")
    if is_storable(line.message):
        return line
    return attrs.evolve(line, message=storable(line.message))


def _check_artifact(artifact: ArtifactDraft) -> None:
    try:
        validate_artifact_name(artifact.name)
    except (TypeError, ValueError) as error:
        raise ValidationError(str(error)) from error
    check_text(artifact.name, "name")
    check_indexed(artifact.name, "name")
    _check_blob(artifact.sha256, artifact.mime_type, f"artifact {artifact.name!r}")


def _check_blob(sha256: str, mime_type: str, what: str) -> None:
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
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

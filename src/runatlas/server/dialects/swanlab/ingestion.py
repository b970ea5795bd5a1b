"""The route that everything a run logs comes in by."""

from __future__ import annotations

import hashlib
import math
import mimetypes
from array import array
from collections.abc import Mapping
from typing import Any

import attrs
from arro3.core import Array

from runatlas.errors import ValidationError
from runatlas.model.batch import Batch
from runatlas.model.ids import RunPath
from runatlas.model.log import LOG_LEVELS, LogDraft, LogLevel
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.series import COLUMN_TYPES, ColumnType, SeriesPoints
from runatlas.server.dialects.swanlab.body import answer, read_object
from runatlas.server.dialects.swanlab.instant import read_instant
from runatlas.server.dialects.swanlab.reference import locate
from runatlas.server.services.uploads import UploadRecord
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import INT64, objects, text, texts, whole

__all__ = ["SYSTEM_PREFIX", "add_metrics"]

SYSTEM_PREFIX = "__swanlab__."
"""What the keys of a machine's own measurements begin with."""

_RECORDS_MAX = 100_000
_ITEMS_MAX = 1000
_TEXT_MAX = 1 << 20
_KINDS: dict[str, ColumnType] = {kind.lower(): kind for kind in COLUMN_TYPES}
_SUFFIXES: dict[str, ColumnType] = {
    **dict.fromkeys(("png", "jpg", "jpeg", "bmp", "gif", "webp"), "IMAGE"),
    **dict.fromkeys(("wav", "mp3", "flac", "ogg"), "AUDIO"),
    **dict.fromkeys(("mp4", "webm", "avi", "mov"), "VIDEO"),
    **dict.fromkeys(("glb", "obj", "ply", "pts", "stl"), "OBJECT3D"),
    **dict.fromkeys(("pdb", "sdf", "mol", "smiles"), "MOLECULE"),
    "json": "ECHARTS",
    "txt": "TEXT",
    "html": "HTML",
}
_SPECIAL = {"nan": math.nan, "inf": math.inf, "+inf": math.inf, "-inf": -math.inf}


def add_metrics(call: EndpointCall) -> Answer:
    """Append scalars, media or lines to a run; a step that a key has already keeps its first value."""
    body = read_object(call)
    kind = text(body, "type")
    records = objects(body.get("metrics"), "metrics", _RECORDS_MAX)
    cuid = text(body, "experimentId")
    run = locate(call, [cuid])[cuid]
    if kind == "scalar":
        batch = Batch(run, points=_scalars(records, call.services.store.clock()), once_per_step=True)
    elif kind == "media":
        batch = Batch(run, media=_media(call, run, records))
    elif kind == "log":
        # Programs that share a run number their lines alike.
        batch = Batch(run, logs=tuple(_line(record) for record in records), lines_apart=True)
    else:
        raise ValidationError("type: expected scalar, media or log")
    call.services.recording.append(call.user, batch)
    return answer({})


@attrs.define(eq=False)
class _Columns:
    """The points of one key as they come in."""

    steps: array[int] = attrs.field(factory=lambda: array("q"))
    values: array[float] = attrs.field(factory=lambda: array("d"))
    times: array[int] = attrs.field(factory=lambda: array("q"))


def _scalars(records: list[dict[str, Any]], now_ms: int) -> tuple[SeriesPoints, ...]:
    found: dict[str, _Columns] = {}
    for record in records:
        key = record.get("key")
        if not isinstance(key, str):
            raise ValidationError("key: expected text")
        columns = found.get(key)
        if columns is None:
            columns = found[key] = _Columns()
        columns.steps.append(whole(record, "index", *INT64))
        columns.values.append(_value(record.get("data"), key))
        created = record.get("create_time")
        columns.times.append(now_ms if created is None else read_instant(created, "create_time"))
    return tuple(
        SeriesPoints(
            key,
            Array.from_buffer(columns.steps),
            Array.from_buffer(columns.values),
            Array.from_buffer(columns.times),
            column_class="SYSTEM" if key.startswith(SYSTEM_PREFIX) else "CUSTOM",
        )
        for key, columns in found.items()
    )


def _value(data: Any, key: str) -> float:
    try:
        if type(data) is float or type(data) is int:
            return float(data)
        if isinstance(data, str):
            special = _SPECIAL.get(data.strip().lower())
            return float(data) if special is None else special
    except (ValueError, OverflowError):
        pass
    raise ValidationError(f"data of {key!r}: expected a number")


def _line(record: dict[str, Any]) -> LogDraft:
    created = record.get("create_time")
    return LogDraft(
        text(record, "message"),
        _level(text(record, "level", "INFO")),
        line=whole(record, "epoch", 1),
        time_ms=0 if created is None else read_instant(created, "create_time"),
    )


def _level(wanted: str) -> LogLevel:
    return next((level for level in LOG_LEVELS if level == wanted.upper()), "INFO")


def _media(call: EndpointCall, run: RunPath, records: list[dict[str, Any]]) -> tuple[MediaDraft, ...]:
    paths = [path for record in records for path in texts(record.get("data"), "data", _ITEMS_MAX)]
    sent = call.services.uploads.find_uploads(call.user, run, list(dict.fromkeys(paths)))
    return tuple(_draft(call, record, sent) for record in records)


def _draft(call: EndpointCall, record: dict[str, Any], sent: Mapping[str, UploadRecord]) -> MediaDraft:
    key, step = text(record, "key"), whole(record, "index", *INT64)
    created = record.get("create_time")
    captions = _captions(record.get("more"))
    data: list[str] = record["data"]
    items = []
    kind: ColumnType = "TEXT"
    for place, path in enumerate(data):
        caption = captions[place] if place < len(captions) else ""
        upload = sent.get(path)
        if upload is None:
            if _is_path(path):
                raise ValidationError(f"data of {key!r}: nothing was sent to {path!r}")
            # The oldest clients send text itself, where others send a path.
            items.append(MediaItem(_text_path(step, path), data={"text": path}, caption=caption))
            continue
        kind = _kind(path)
        items.append(_item(call, upload, kind, caption))
    time_ms = 0 if created is None else read_instant(created, "create_time")
    return MediaDraft(key, step, tuple(items), kind, time_ms=time_ms)


def _item(call: EndpointCall, upload: UploadRecord, kind: ColumnType, caption: str) -> MediaItem:
    guessed = mimetypes.guess_type(upload.path)[0] or upload.mime_type
    mime_type = guessed if upload.mime_type == "application/octet-stream" else upload.mime_type
    if kind == "TEXT" and upload.size <= _TEXT_MAX:
        with call.services.store.blobs.open(upload.sha256) as file:
            content = file.read().decode(errors="replace")
        return MediaItem(upload.path, data={"text": content}, mime_type="text/plain", caption=caption)
    return MediaItem(upload.path, sha256=upload.sha256, size=upload.size, mime_type=mime_type, caption=caption)


def _text_path(step: int, content: str) -> str:
    """Name a text by what it says: links are asked for by path alone, and several keys have texts at one step."""
    digest = hashlib.sha256(content.encode(errors="replace")).hexdigest()
    return f"media/text/{step:03d}-{digest[:16]}.txt"


def _is_path(data: str) -> bool:
    """Tell a path that its file is missing of from a text: clients make paths of one form only."""
    return data.startswith("media/") and data.partition("/")[2].partition("/")[0] in _KINDS


def _kind(path: str) -> ColumnType:
    parts = path.split("/")
    if parts[0] == "media" and len(parts) > 2 and parts[1] in _KINDS:
        return _KINDS[parts[1]]
    if path.endswith(".pts.json"):
        return "OBJECT3D"
    return _SUFFIXES.get(path.rpartition(".")[2].lower(), "IMAGE")


def _captions(more: Any) -> list[str]:
    """Read captions. Clients leave out those of files without one, so that they cannot be told apart then."""
    found = []
    for item in more if isinstance(more, list) else []:
        caption = item.get("caption") if isinstance(item, dict) else None
        found.append(caption if isinstance(caption, str) else "")
    return found

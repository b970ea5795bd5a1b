"""From what was said to a batch: points in columns, objects, lines."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import attrs
from arro3.core import Array, DataType

from runatlas.model.artifact import validate_artifact_name
from runatlas.model.batch import Batch
from runatlas.model.ids import RunPath
from runatlas.model.log import LogDraft
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.series import ColumnClass, ColumnQuery, Context, SeriesPoints
from runatlas.server.dialects.matyan.message import ObjectSaid, PointSaid, weights_of
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services
from runatlas.server.services.uploads import UploadRecord
from runatlas.server.wire.download import safe_media_type

__all__ = ["LastSteps", "filled", "last_steps", "make_batch", "object_path"]

LastSteps = dict[tuple[str, Context], int]
"""Where series are that get something without a step."""

_SYSTEM = "__system__"
_SUFFIXES = {"TEXT": "txt", "DISTRIBUTION": "json", "FIGURE": "json"}
_MIME_TYPES = {"TEXT": "text/plain", "FIGURE": "application/vnd.plotly.v1+json"}


def last_steps(
    services: Services, caller: Caller, path: RunPath, messages: Sequence[PointSaid | ObjectSaid | LogDraft]
) -> LastSteps:
    """Find the last steps of the series that get something without a step."""
    names = {item.name for item in messages if not isinstance(item, LogDraft) and item.step is None}
    found: LastSteps = {}
    for name in names:
        for column in services.columns.list_columns(caller, path, ColumnQuery(key=name)).items:
            if column.key == name and column.last_step is not None:
                found[name, column.context] = column.last_step
    return found


def make_batch(
    services: Services,
    caller: Caller,
    path: RunPath,
    messages: Sequence[PointSaid | ObjectSaid | LogDraft],
    steps: LastSteps,
) -> Batch:
    """Make one batch of everything.

    Raises:
        ValidationError: An object is none.
    """
    now = services.store.clock()
    points: dict[tuple[str, Context], list[PointSaid]] = {}
    media: list[MediaDraft] = []
    logs: list[LogDraft] = []
    for item in messages:
        if isinstance(item, LogDraft):
            logs.append(item)
            continue
        placed = _placed(item, steps, now)
        if isinstance(placed, PointSaid):
            points.setdefault((placed.name, placed.context), []).append(placed)
        else:
            media.append(_media(placed))
    uploads = services.uploads.find_uploads(caller, path, [item.path for draft in media for item in draft.items])
    return Batch(
        path,
        points=tuple(_series(name, context, rows) for (name, context), rows in points.items()),
        media=tuple(filled(draft, uploads) for draft in media),
        logs=tuple(logs),
        new_values_only=True,
    )


def _placed(item: Any, steps: LastSteps, now_ms: int) -> Any:
    series = (item.name, item.context)
    step = item.step if item.step is not None else steps.get(series, -1) + 1
    steps[series] = max(step, steps.get(series, step))
    return attrs.evolve(item, step=step, time_ms=item.time_ms or now_ms)


def _series(name: str, context: Context, rows: Sequence[PointSaid]) -> SeriesPoints:
    # Of several values of one step the last counts.
    rows = list({row.step: row for row in rows}.values())
    epochs = [row.epoch for row in rows]
    column_class: ColumnClass = "SYSTEM" if name.startswith(_SYSTEM) else "CUSTOM"
    return SeriesPoints(
        name,
        Array([row.step for row in rows], DataType.int64()),
        Array([row.value for row in rows], DataType.float64()),
        Array([row.time_ms for row in rows], DataType.int64()),
        context=context,
        epochs=Array(epochs, DataType.int64()) if any(epoch is not None for epoch in epochs) else None,
        column_class=column_class,
    )


def object_path(name: str, step: int, suffix: str) -> str:
    """Return the path of an object in its run; the client sends its bytes there."""
    path = f"seq/{name}/{step}.{suffix}"
    try:
        return validate_artifact_name(path)
    except ValueError:
        return f"seq/{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:16]}/{step}.{suffix[:20]}"


def _media(said: ObjectSaid) -> MediaDraft:
    value, kind, step = said.value, said.column_type, said.step or 0
    format_ = value.get("format") if isinstance(value.get("format"), str) else ""
    suffix = _SUFFIXES.get(kind, str(format_).lower())
    caption = value.get("caption")
    item = MediaItem(
        object_path(said.name, step, suffix),
        mime_type=_MIME_TYPES.get(kind, "application/json"),
        caption=caption if isinstance(caption, str) else "",
        data=_content(said),
        meta=_meta(said),
    )
    return MediaDraft(said.name, step, (item,), kind, said.context, said.epoch, said.time_ms)


def _content(said: ObjectSaid) -> dict[str, Any]:
    """What lies in the object itself; of one whose bytes come later, nothing yet."""
    value = said.value
    if said.column_type == "TEXT":
        return {"text": str(value.get("data", ""))}
    if said.column_type == "FIGURE":
        data = value.get("data")
        return data if isinstance(data, dict) else {"data": data}
    if said.column_type == "DISTRIBUTION":
        weights = weights_of(value)
        return {"bin_count": value.get("bin_count", len(weights)), "range": value.get("range"), "data": weights}
    return {}


def _meta(said: ObjectSaid) -> dict[str, Any]:
    names = {"IMAGE": ("format", "width", "height"), "AUDIO": ("format", "rate")}.get(said.column_type, ())
    return {name: said.value[name] for name in names if isinstance(said.value.get(name), (str, int, float))}


def filled(draft: MediaDraft, uploads: dict[str, UploadRecord]) -> MediaDraft:
    """Put the bytes into objects that were sent by themselves."""
    if draft.column_type not in {"IMAGE", "AUDIO"}:
        return draft

    def with_bytes(item: MediaItem) -> MediaItem:
        sent = uploads.get(item.path)
        if sent is None:
            return item
        kind = safe_media_type(sent.mime_type)
        return attrs.evolve(item, sha256=sent.sha256, size=sent.size, mime_type=kind, data=None)

    return attrs.evolve(draft, items=tuple(with_bytes(item) for item in draft.items))

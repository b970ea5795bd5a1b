"""The media of runs: objects at the steps of a series."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import attrs
from sqlalchemy import Connection, Select, bindparam, select

from runatlas.model import codec
from runatlas.model.media import MediaItem
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import media, series
from runatlas.server.store.statement import code_points, listing, member_of, rows

__all__ = [
    "MediaRow",
    "decode_items",
    "encode_items",
    "held_media",
    "media_items",
    "media_steps",
    "put_media",
    "read_media",
]

_GIVEN = {"url", "expires_at_ms"}
_READ: tuple[Any, ...] = (
    series.c.key,
    series.c.context,
    series.c.column_type,
    media.c.step,
    media.c.epoch,
    media.c.time_ms,
    media.c["items"],
)

_HELD = Prepared(
    select(media.c.step, media.c["items"]).where(
        media.c.series_id == bindparam("series_id"), member_of(media.c.step, "steps")
    ),
    "series_id",
    "steps",
)
_REMOVE = Prepared(
    media.delete().where(media.c.series_id == bindparam("series_id"), media.c.step == bindparam("step")),
    "series_id",
    "step",
)
_ROW = ("series_id", "step", "epoch", "time_ms", "items")
_ADD = Prepared(media.insert().values({name: bindparam(name) for name in _ROW}), *_ROW)


@attrs.frozen
class MediaRow:
    """Objects of a series at one step; ``items`` is what ``encode_items`` made of them."""

    series_id: int
    step: int
    epoch: int | None
    time_ms: int
    items: str


def encode_items(items: Sequence[MediaItem]) -> str:
    """Return objects as JSON text, without the links that reads make."""
    return codec.dumps(
        [{name: value for name, value in codec.encode(item).items() if name not in _GIVEN} for item in items]
    )


def decode_items(text: str) -> tuple[MediaItem, ...]:
    """Read what ``encode_items`` wrote."""
    return tuple(MediaItem(**item) for item in codec.loads(text))


def held_media(connection: Connection, series_id: int, steps: Collection[int]) -> dict[int, str]:
    """Return the items that a series has at some of these steps."""
    return dict(_HELD.all(connection, series_id, listing(connection.dialect, steps)))


def put_media(connection: Connection, added: Collection[MediaRow], replaced: Collection[tuple[int, int]]) -> None:
    """Store media, in place of what lies at the ``(series_id, step)`` of ``replaced``."""
    if replaced:
        _REMOVE.run_many(connection, replaced)
    _ADD.run_many(connection, [(row.series_id, row.step, row.epoch, row.time_ms, row.items) for row in added])


def read_media(
    connection: Connection, run_pk: int, *, keys: Collection[str] | None, step: int | None, every: bool
) -> list[tuple[Any, ...]]:
    """Read media by key, context and step: ``key, context, column_type, step, epoch, time_ms, items``.

    Args:
        connection: An open transaction.
        run_pk: The run's row.
        keys: Only these; ``None`` for all.
        step: Only that step; ``None`` for the latest of each series.
        every: Every step.
    """
    statement = _chosen(select(*_READ), run_pk, keys)
    if step is not None:
        statement = statement.where(media.c.step == step)
    elif not every:
        statement = statement.where(media.c.step == series.c.last_step)
    return rows(connection, statement.order_by(code_points(series.c.key), code_points(series.c.context), media.c.step))


def media_items(connection: Connection, run_pk: int) -> list[str]:
    """Read the items of all media of a run, as ``encode_items`` wrote them."""
    return [text for (text,) in rows(connection, _chosen(select(media.c["items"]), run_pk, None))]


def media_steps(connection: Connection, run_pk: int, keys: Collection[str] | None) -> tuple[int, ...]:
    """Return the steps that have media of these keys, ascending."""
    statement = _chosen(select(media.c.step).distinct(), run_pk, keys).order_by(media.c.step)
    return tuple(step for (step,) in rows(connection, statement))


def _chosen(statement: Select[Any], run_pk: int, keys: Collection[str] | None) -> Select[Any]:
    statement = statement.select_from(media.join(series, series.c.id == media.c.series_id))
    statement = statement.where(series.c.run_pk == run_pk)
    return statement if keys is None else statement.where(member_of(series.c.key, "keys", keys))

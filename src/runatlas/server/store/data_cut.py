"""Data that is cut out of runs: it goes to rows in the trash that hold it.

A run that something is cut from gets a holder: a row of ``runs`` in the trash whose ``cut_of`` names the run. A whole
series is given to the holder with its chunks and media, as it is. Of a series that is cut in part the points are parted
by step: those of one step go or stay together, so that their order is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from sqlalchemy import Connection, bindparam, cast, delete, func, insert, literal_column, select, update

from runatlas.model.data_cut import DataCut
from runatlas.model.ids import new_cuid
from runatlas.server.store.blob_ref import add_refs
from runatlas.server.store.data_portion import (
    CutSeries,
    Held,
    Portion,
    count_media,
    find_cut,
    going,
    groups,
    only_parted,
    portions_of,
    read_parted,
)
from runatlas.server.store.latest import renew_latest
from runatlas.server.store.point_chunk import Points, WholeColumn, join
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import artifacts, blob_refs, chunks, media, runs, series
from runatlas.server.store.series import (
    SeriesRow,
    add_chunks,
    encode_chunk_row,
    encode_series,
    replace_chunks,
    summaries_of,
    update_series,
)
from runatlas.server.store.statement import member_of, rows
from runatlas.server.store.summary import Extreme, Summary

__all__ = ["cut_out", "recount_runs", "touch_runs"]

_OWN = {
    *("id", "cuid", "config", "labels", "folder_id", "point_count", "point_bytes", "trash_id", "cut_of"),
    *("latest", "shown", "shown_as_of_ms"),
}
_COPIED = [column for column in runs.c if column.name not in _OWN]
_ADD_HOLDER = Prepared(
    insert(runs).from_select(
        [*(column.name for column in _COPIED), "config", "labels", "cut_of", "cuid", "trash_id"],
        select(
            *_COPIED,
            literal_column("'{}'"),
            literal_column("'[]'"),
            runs.c.cuid,
            cast(bindparam("cuid"), runs.c.cuid.type),
            cast(bindparam("entry"), runs.c.trash_id.type),
        ).where(runs.c.id == bindparam("source")),
        include_defaults=False,
    ),
    *("cuid", "entry", "source"),
)
_CUT_RUN = runs.alias("cut_run")
_HOLDERS = (
    select(_CUT_RUN.c.id, runs.c.id)
    .join(_CUT_RUN, _CUT_RUN.c.cuid == runs.c.cut_of)
    .where(runs.c.trash_id == bindparam("entry"))
)
_GIVE_SERIES = Prepared(
    update(series).values(run_pk=bindparam("new_run_pk")).where(series.c.id == bindparam("series_id")),
    *("new_run_pk", "series_id"),
)
_GIVE_ARTIFACT = Prepared(
    update(artifacts)
    .values(run_pk=bindparam("new_run_pk"))
    .where(artifacts.c.run_pk == bindparam("old_run_pk"), artifacts.c.name == bindparam("file")),
    *("new_run_pk", "old_run_pk", "file"),
)
_DROP_REF = Prepared(
    delete(blob_refs).where(blob_refs.c.run_pk == bindparam("run"), blob_refs.c.sha256 == bindparam("hash")),
    *("run", "hash"),
)
_KEPT = ("key", "context", "name", "column_class", "column_type", "created_at_ms")
_NOUGHT = ("count", "finite_count", "chunk_count", "value_sum", "value_sum_squares")
_ADD_PART = Prepared(
    insert(series).from_select(
        [*_KEPT, *_NOUGHT, "last_kind", "run_pk"],
        select(
            *(series.c[name] for name in _KEPT),
            *(literal_column("0") for _ in _NOUGHT),
            literal_column("'num'"),
            cast(bindparam("holder"), series.c.run_pk.type),
        ).where(series.c.id == bindparam("source")),
        include_defaults=False,
    ),
    *("holder", "source"),
)
_MOVE_MEDIA = Prepared(
    update(media)
    .values(series_id=bindparam("new_series_id"))
    .where(
        media.c.series_id == bindparam("old_series_id"),
        media.c.step >= bindparam("low"),
        media.c.step <= bindparam("high"),
    ),
    *("new_series_id", "old_series_id", "low", "high"),
)
_SUMS = {"point_count": series.c.count, "point_bytes": series.c.bytes}
_RECOUNT = (
    update(runs)
    .values(
        {
            name: func.coalesce(
                select(func.sum(column))
                .where(series.c.run_pk == runs.c.id, series.c.chunk_count > 0)
                .correlate(runs)
                .scalar_subquery(),
                0,
            )
            for name, column in _SUMS.items()
        }
    )
    .where(member_of(runs.c.id, "runs"))
)
_TOUCH = update(runs).values(updated_at_ms=bindparam("now")).where(member_of(runs.c.id, "runs"))


def recount_runs(connection: Connection, run_keys: Collection[int]) -> None:
    """Sum up anew what the series of runs have."""
    connection.execute(_RECOUNT, {"runs": list(run_keys)})


def touch_runs(connection: Connection, run_keys: Collection[int], now_ms: int) -> None:
    """Note that runs changed."""
    connection.execute(_TOUCH, {"runs": list(run_keys), "now": now_ms})


def cut_out(
    connection: Connection, run_keys: Sequence[int], cut: DataCut, trash_id: int, now_ms: int
) -> dict[int, Portion]:
    """Move what a cut takes of runs to holders in an entry of the trash; nothing else may write to the runs meanwhile.

    Args:
        connection: A transaction that holds the locks of the runs.
        run_keys: The runs' rows; each gets a holder.
        cut: What is cut.
        trash_id: The entry.
        now_ms: The time.

    Returns:
        What was taken of each.

    Raises:
        ConflictError: Points that must be parted are damaged.
    """
    _ADD_HOLDER.run_many(connection, [(new_cuid(), trash_id, run_pk) for run_pk in run_keys])
    holders = dict(rows(connection, _HOLDERS, {"entry": trash_id}))
    found = find_cut(connection, run_keys, cut)
    portions = portions_of(connection, run_keys, cut, found, _part_points(connection, only_parted(found), cut, holders))
    _GIVE_SERIES.run_many(connection, [(holders[one.run_pk], one.id) for one in found if one.is_whole])
    _part_media(connection, [one for one in found if one.is_media and not one.is_whole], cut, holders)
    if cut.artifacts:
        taken = [run_pk for run_pk, portion in portions.items() if portion.artifacts]
        _GIVE_ARTIFACT.run_many(
            connection, [(holders[run_pk], run_pk, name) for run_pk in taken for name in dict.fromkeys(cut.artifacts)]
        )
    for run_pk, portion in portions.items():
        if portion.files:
            add_refs(connection, holders[run_pk], sorted(portion.files))
            _DROP_REF.run_many(connection, [(run_pk, sha256) for sha256 in sorted(portion.leaving)])
    recount_runs(connection, [*run_keys, *holders.values()])
    renew_latest(connection, run_keys)
    touch_runs(connection, run_keys, now_ms)
    return portions


def _part_points(
    connection: Connection, parted: Sequence[CutSeries], cut: DataCut, holders: Mapping[int, int]
) -> list[tuple[CutSeries, int, int]]:
    """Move those points of series that a cut takes; return how many of each, and their bytes."""
    taken: list[tuple[CutSeries, int, int]] = []
    for group in groups(parted):
        parts = [part for one, held in read_parted(connection, group) if (part := _Part.of(one, held, cut)) is not None]
        if not parts:
            continue
        encoded = encode_series([part.going for part in parts])
        ids = _add_parts(connection, [part.one for part in parts], holders)
        summaries = summaries_of([part.staying for part in parts])
        changed: list[SeriesRow] = []
        for part, found, stays in zip(parts, encoded, summaries, strict=True):
            row = part.one.row(ids[part.one.id])
            row.add(found)
            changed += [row, part.remainder(Summary.of(stays))]
            taken.append((part.one, len(part.going), found.size))
        add_chunks(connection, [(ids[part.one.id], found) for part, found in zip(parts, encoded, strict=True)])
        replace_chunks(connection, [replaced for part in parts for replaced in part.replaced])
        gone = [chunk_id for part in parts for chunk_id in part.gone]
        connection.execute(delete(chunks).where(member_of(chunks.c.id, "gone", gone)))
        update_series(connection, changed)
    return taken


@attrs.frozen(eq=False)
class _Part:
    """A series that is parted.

    Attributes:
        gone: The rows of chunks of which nothing stays.
        replaced: Those of which something stays, and what they hold then.
        freed: How many bytes less the chunks have.
    """

    one: CutSeries
    going: Points
    staying: Points
    gone: list[int]
    replaced: list[tuple[int, tuple[Any, ...]]]
    freed: int

    @classmethod
    def of(cls, one: CutSeries, held: Held, cut: DataCut) -> _Part | None:
        """Part a series; ``None`` if nothing of it goes."""
        points = join([part for _, _, part in held])
        goes = going(points, cut)
        if not goes.any():
            return None
        gone, replaced, freed, start = [], [], 0, 0
        known: dict[bytes, WholeColumn] = {}
        for chunk_id, size, part in held:
            stays = np.flatnonzero(~goes[start : start + len(part)])
            start += len(part)
            if not len(stays):
                gone.append(chunk_id)
                freed += size
            elif len(stays) < len(part):
                row = encode_chunk_row(part.take(stays), known)
                replaced.append((chunk_id, row))
                freed += size - len(row[-1])
        return cls(one, points.take(np.flatnonzero(goes)), points.part(np.flatnonzero(~goes)), gone, replaced, freed)

    def remainder(self, summary: Summary) -> SeriesRow:
        """Return the row of what stays."""
        row = self.one.row(self.one.id, chunk_count=self.one.chunk_count, summary=summary)
        row.chunks_added, row.bytes_added = -len(self.gone), -self.freed
        return row


def _add_parts(connection: Connection, parted: Sequence[CutSeries], holders: Mapping[int, int]) -> dict[int, int]:
    """Give holders series like these, without points yet; return their rows by those that they are parted from."""
    _ADD_PART.run_many(connection, [(holders[one.run_pk], one.id) for one in parted])
    chosen = member_of(series.c.run_pk, "holders", {holders[one.run_pk] for one in parted})
    found = rows(connection, select(series.c.run_pk, series.c.key, series.c.context, series.c.id).where(chosen))
    ids = {(holder, key, context): id_ for holder, key, context, id_ in found}
    return {one.id: ids[holders[one.run_pk], one.key, one.context] for one in parted}


def _part_media(connection: Connection, parted: Sequence[CutSeries], cut: DataCut, holders: Mapping[int, int]) -> None:
    moved = [one for one in parted if count_media(connection, one, cut)]
    if not moved:
        return
    ids = _add_parts(connection, moved, holders)
    _MOVE_MEDIA.run_many(connection, [(ids[one.id], one.id, cut.low, cut.high) for one in moved])
    _resume_media(connection, [one.row(id_) for one in moved for id_ in (one.id, ids[one.id])])


_MEDIA_SUMS = (
    select(
        media.c.series_id,
        func.count(),
        func.min(media.c.step),
        func.max(media.c.step),
        func.max(media.c.time_ms),
    )
    .where(member_of(media.c.series_id, "series"))
    .group_by(media.c.series_id)
)
_TIME_AT = Prepared(
    select(media.c.time_ms).where(media.c.series_id == bindparam("series_id"), media.c.step == bindparam("step")),
    *("series_id", "step"),
)


def _resume_media(connection: Connection, changed: Sequence[SeriesRow]) -> None:
    """Count anew what series of media have."""
    by_id = {row.id: row for row in changed}
    for series_id, count, first, last, newest in rows(connection, _MEDIA_SUMS, {"series": list(by_id)}):
        time_ms = _TIME_AT.first(connection, series_id, last)[0]
        at = Extreme(float("nan"), last, time_ms)
        by_id[series_id].summary = Summary(count, 0, first, at, newest, None, None, 0.0, 0.0)
    update_series(connection, changed)

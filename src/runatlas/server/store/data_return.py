"""Data that was cut out of runs goes back to them: all that a holder has, or nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, bindparam, delete, select, update

from runatlas.errors import ConflictError
from runatlas.model.ids import ProjectPath
from runatlas.model.series import MEDIA_TYPES
from runatlas.server.store.blob_ref import add_refs
from runatlas.server.store.data_cut import recount_runs, touch_runs
from runatlas.server.store.latest import renew_latest
from runatlas.server.store.point_chunk import ChunkError
from runatlas.server.store.point_reading import held_values
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import artifacts, blob_refs, chunks, media, projects, runs, series, workspaces
from runatlas.server.store.series import SeriesRow, update_series
from runatlas.server.store.statement import member_of, rows
from runatlas.server.store.summary import COLUMNS, Summary

__all__ = ["Holder", "give_back", "lock_holders", "obstacles"]


class Holder(NamedTuple):
    """A row that holds what was cut out of a run.

    Attributes:
        run_id: Of the run.
        source: The run's row; ``None`` if it is gone for good.
        is_trashed: Whether the run lies in the trash.
        project_id, project: The project that both lie in.
    """

    id: int
    run_id: str
    source: int | None
    is_trashed: bool
    project_id: int
    project: ProjectPath


_SOURCE = runs.alias("source")
_OF_ENTRY = (
    select(
        runs.c.id,
        runs.c.run_id,
        _SOURCE.c.id,
        _SOURCE.c.trash_id.is_not(None),
        projects.c.id,
        workspaces.c.username,
        projects.c.name,
    )
    .select_from(runs.join(projects, projects.c.id == runs.c.project_id).join(workspaces))
    .outerjoin(_SOURCE, _SOURCE.c.cuid == runs.c.cut_of)
    .where(runs.c.trash_id == bindparam("entry"))
    .order_by(runs.c.id)
)
_LOCK = select(runs.c.id).where(member_of(runs.c.id, "runs")).order_by(runs.c.id).with_for_update()


def lock_holders(connection: Connection, trash_id: int, run_keys: Collection[int] | None) -> list[Holder]:
    """Read the holders of an entry, all or these, and keep other transactions from them and from their runs."""
    found = _read_holders(connection, trash_id, run_keys)
    connection.execute(_LOCK, {"runs": sorted({key for one in found for key in (one.id, one.source) if key})})
    return _read_holders(connection, trash_id, run_keys)


def _read_holders(connection: Connection, trash_id: int, run_keys: Collection[int] | None) -> list[Holder]:
    found = rows(connection, _OF_ENTRY, {"entry": trash_id})
    return [
        Holder(id_, run_id, source, bool(trashed), project_id, ProjectPath(workspace, project))
        for id_, run_id, source, trashed, project_id, workspace, project in found
        if run_keys is None or id_ in run_keys
    ]


class _Pair(NamedTuple):
    """A series of a holder, and the one of the same key and context that its run has by now.

    Attributes:
        run_pk: The holder.
        held_bytes: Of the holder's points.
        created_at_ms: When the first of both was made.
    """

    run_pk: int
    held_bytes: int
    created_at_ms: int
    held: SeriesRow
    live: SeriesRow


_STATE = ("key", "context", "column_class", "column_type", "name", "id", "chunk_count")
_HELD, _LIVE = series.alias("held"), series.alias("live")
_HOME = select(_SOURCE.c.id).join(runs, runs.c.cut_of == _SOURCE.c.cuid).where(runs.c.id == _HELD.c.run_pk)
_PAIRS = (
    select(
        _HELD.c.run_pk,
        _HELD.c.bytes,
        _HELD.c.created_at_ms,
        _LIVE.c.created_at_ms,
        *(table.c[name] for table in (_HELD, _LIVE) for name in (*_STATE, *COLUMNS)),
    )
    .select_from(_HELD)
    .join(
        _LIVE,
        (_LIVE.c.key == _HELD.c.key)
        & (_LIVE.c.context == _HELD.c.context)
        & (_LIVE.c.run_pk == _HOME.correlate(_HELD).scalar_subquery()),
    )
    .where(member_of(_HELD.c.run_pk, "holders"))
    .order_by(_HELD.c.run_pk, _HELD.c.id)
)


def _pairs(connection: Connection, holders: Collection[int]) -> list[_Pair]:
    width = len(_STATE) + len(COLUMNS)
    found = rows(connection, _PAIRS, {"holders": list(holders)})
    return [
        _Pair(holder, size, min(made, made_again), _row(values[:width]), _row(values[width:]))
        for holder, size, made, made_again, *values in found
    ]


def _row(values: Sequence[Any]) -> SeriesRow:
    key, context, column_class, column_type, name, id_, chunk_count = values[: len(_STATE)]
    summary = Summary.of_row(values[len(_STATE) :])
    return SeriesRow(key, context, column_class, column_type, name, id_, chunk_count, summary=summary)


_OTHER = artifacts.alias("other")
_TAKEN_FILES = (
    select(artifacts.c.run_pk, artifacts.c.name)
    .join(runs, runs.c.id == artifacts.c.run_pk)
    .join(_SOURCE, _SOURCE.c.cuid == runs.c.cut_of)
    .join(_OTHER, (_OTHER.c.run_pk == _SOURCE.c.id) & (_OTHER.c.name == artifacts.c.name))
    .where(member_of(artifacts.c.run_pk, "holders"))
    .order_by(artifacts.c.run_pk, artifacts.c.name)
)
_MEDIA_STEPS = Prepared(
    select(media.c.step).where(media.c.series_id == bindparam("series_id")).order_by(media.c.step), "series_id"
)


def obstacles(connection: Connection, holders: Sequence[Holder], most: int) -> list[str]:
    """Say what stands in the way of giving back what holders have; nothing if all of it can go back.

    Args:
        connection: A transaction that holds the locks of the holders and their runs.
        holders: The holders.
        most: How many are wanted at the most.

    Raises:
        ConflictError: Points that must be looked at are damaged.
    """
    found = [
        f"run {one.run_id!r} ({'itself in the trash' if one.is_trashed else 'gone for good'})"
        for one in holders
        if one.source is None or one.is_trashed
    ]
    names = {one.id: one.run_id for one in holders}
    for pair in _pairs(connection, names):
        if len(found) >= most:
            return found
        if reason := _in_the_way(connection, pair):
            found.append(f"{pair.held.key!r} of run {names[pair.run_pk]!r} ({reason})")
    for run_pk, name in rows(connection, _TAKEN_FILES, {"holders": list(names)}):
        found.append(f"file {name!r} of run {names[run_pk]!r}")
    return found


def _in_the_way(connection: Connection, pair: _Pair) -> str:
    """Say why points or media cannot be added to a series; ``""`` if they can."""
    held, live = pair.held, pair.live
    if held.summary is None or live.summary is None:
        return ""
    if held.column_type != live.column_type and {held.column_type, live.column_type} & set(MEDIA_TYPES):
        return f"of type {live.column_type} by now, and {held.column_type} before"
    low = max(held.summary.first_step, live.summary.first_step)
    high = min(held.summary.last.step, live.summary.last.step)
    if low > high:
        return ""
    both = np.intersect1d(
        _distinct(_steps(connection, held, low, high)),
        _distinct(_steps(connection, live, low, high)),
        assume_unique=True,
    )
    if not len(both):
        return ""
    return f"recorded again at step {int(both[0])}" + (f" and {len(both) - 1} more" if len(both) > 1 else "")


def _steps(connection: Connection, row: SeriesRow, low: int, high: int) -> Any:
    if row.column_type in MEDIA_TYPES:
        return np.array([step for (step,) in _MEDIA_STEPS.all(connection, row.id)], np.int64)
    try:
        return held_values(connection, row.id, low, high)[0]
    except ChunkError as error:
        raise ConflictError(
            f"the points of {row.key!r} are damaged, and cannot be held against those that come back: {error}"
        ) from error


def _distinct(steps: Any) -> Any:
    """Return steps in order, each once; NumPy would find them by a table of hashes, which takes long for a million."""
    if len(steps) < 2 or (steps[1:] > steps[:-1]).all():
        return steps
    ordered = np.sort(steps)
    return ordered[np.concatenate(([True], ordered[1:] > ordered[:-1]))]


_GIVE_SERIES = Prepared(
    update(series).values(run_pk=bindparam("new_run_pk")).where(series.c.run_pk == bindparam("holder")),
    *("new_run_pk", "holder"),
)
_MOVE: tuple[Prepared, ...] = tuple(
    Prepared(
        update(table)
        .values(series_id=bindparam("new_series_id"))
        .where(table.c.series_id == bindparam("old_series_id")),
        *("new_series_id", "old_series_id"),
    )
    for table in (chunks, media)
)
_MADE_AT = Prepared(
    update(series).values(created_at_ms=bindparam("made_at")).where(series.c.id == bindparam("live")),
    *("made_at", "live"),
)
_GIVE_ARTIFACTS = Prepared(
    update(artifacts).values(run_pk=bindparam("new_run_pk")).where(artifacts.c.run_pk == bindparam("holder")),
    *("new_run_pk", "holder"),
)
_REFS = select(blob_refs.c.run_pk, blob_refs.c.sha256).where(member_of(blob_refs.c.run_pk, "holders"))


def give_back(connection: Connection, sources: Mapping[int, int], now_ms: int) -> None:
    """Give runs back what holders have, and remove the holders; nothing is in the way.

    Args:
        connection: A transaction that holds the locks of both.
        sources: The row of each holder's run.
        now_ms: The time.
    """
    _put_together(connection, _pairs(connection, sources))
    _GIVE_SERIES.run_many(connection, [(source, holder) for holder, source in sources.items()])
    _GIVE_ARTIFACTS.run_many(connection, [(source, holder) for holder, source in sources.items()])
    hashes: dict[int, list[str]] = {}
    for holder, sha256 in rows(connection, _REFS, {"holders": list(sources)}):
        hashes.setdefault(sources[holder], []).append(sha256)
    for source, needed in hashes.items():
        add_refs(connection, source, needed)
    connection.execute(delete(runs).where(member_of(runs.c.id, "holders")), {"holders": list(sources)})
    recount_runs(connection, sources.values())
    renew_latest(connection, sources.values())
    touch_runs(connection, sources.values(), now_ms)


def _put_together(connection: Connection, pairs: Sequence[_Pair]) -> None:
    """Add series of holders to those that their runs have."""
    if not pairs:
        return
    moved = [(pair.live.id, pair.held.id) for pair in pairs]
    # Points of one step lie all on one side, so that chunks may stay in the order in which they were made.
    for statement in _MOVE:
        statement.run_many(connection, moved)
    for pair in pairs:
        held, live = pair.held, pair.live
        if live.summary is None:
            live.column_type = held.column_type
        elif held.summary is not None and live.column_type != held.column_type:
            live.column_type = "FLOAT"
        live.name = live.name or held.name
        if held.summary is not None:
            live.summary = held.summary if live.summary is None else live.summary.merge(held.summary)
        live.chunks_added, live.bytes_added = held.chunk_count, pair.held_bytes
    update_series(connection, [pair.live for pair in pairs])
    _MADE_AT.run_many(connection, [(pair.created_at_ms, pair.live.id) for pair in pairs])
    connection.execute(delete(series).where(member_of(series.c.id, "held")), {"held": [held for _, held in moved]})

"""Reading the points of many series at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Select, bindparam, func, select

from runatlas.model.ranges import RangeQuery
from runatlas.model.series import MEDIA_TYPES
from runatlas.server.store.failure import damage_error, decoding
from runatlas.server.store.point_chunk import ChunkError, Floats, Points, Whole, decode_chunk, join
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.sampling import sample_places
from runatlas.server.store.schema import chunks, projects, runs, series, workspaces
from runatlas.server.store.statement import member_of, rows
from runatlas.server.store.summary import COLUMNS

__all__ = [
    "ChosenPoints",
    "SeriesChunks",
    "SeriesHead",
    "choose_points",
    "count_scalar_series",
    "decode_all",
    "find_scalar_series",
    "held_values",
    "last_point_times",
    "read_series",
    "run_paths",
]

_BATCH_POINTS = 4_000_000


_OVERLAPPING = Prepared(
    select(chunks.c.data)
    .where(
        chunks.c.series_id == bindparam("series_id"),
        chunks.c.max_step >= bindparam("low"),
        chunks.c.min_step <= bindparam("high"),
    )
    .order_by(chunks.c.id),
    "series_id",
    "low",
    "high",
)


class SeriesHead(NamedTuple):
    """A series with points, as far as reading them needs it."""

    id: int
    run_pk: int
    key: str
    context: str
    points: int
    max_time_ms: int


_HEAD = ("id", "run_pk", "key", "context", "count", "max_time_ms")


class ChosenPoints(NamedTuple):
    """What is left of a series, sorted by step, and how many points its range has."""

    points: Points
    total: int


class SeriesChunks(NamedTuple):
    """Chunks of a series, in the order of arrival.

    Attributes:
        held: How many points all chunks of the series have together, where not all of them were read.
    """

    data: list[bytes]
    held: int | None


def find_scalar_series(
    connection: Connection,
    run_pks: Collection[int],
    *,
    keys: Collection[str] | None,
    context: str | None,
    column_class: str | None,
    with_summary: bool = False,
) -> list[Any]:
    """Find the series of runs that have points, in no order.

    Args:
        connection: An open transaction.
        run_pks: The runs' rows.
        keys: Only these; ``None`` for all.
        context: Only this context text; ``None`` for all.
        column_class: Only this class; ``None`` for all.
        with_summary: Whether to read class, type and summary too.

    Returns:
        Rows whose first columns are those of ``SeriesHead``, then ``column_class, column_type`` and ``COLUMNS``.
    """
    names = (*_HEAD, *(("column_class", "column_type", *COLUMNS) if with_summary else ()))
    statement = _scalar(select(*(series.c[name] for name in names)), run_pks, keys, context, column_class)
    found = rows(connection, statement)
    for row in found:
        if not _is_head(row):
            raise damage_error("rows of series", "the store", TypeError(f"a number or a text is missing in {row[:6]}"))
    return found


def _is_head(row: Sequence[Any]) -> bool:
    return type(row[4]) is int and type(row[5]) is int and type(row[2]) is str and type(row[3]) is str


def count_scalar_series(
    connection: Connection, run_pks: Collection[int], *, keys: Collection[str] | None, column_class: str | None
) -> int:
    """Count what ``find_scalar_series`` finds."""
    counted = _scalar(select(func.count()).select_from(series), run_pks, keys, None, column_class)
    return connection.scalar(counted) or 0


def _scalar(
    statement: Select[Any],
    run_pks: Collection[int],
    keys: Collection[str] | None,
    context: str | None,
    column_class: str | None,
) -> Select[Any]:
    statement = statement.where(
        member_of(series.c.run_pk, "runs", run_pks), series.c.count > 0, series.c.column_type.not_in(MEDIA_TYPES)
    )
    if keys is not None:
        statement = statement.where(member_of(series.c.key, "keys", keys))
    if context is not None:
        statement = statement.where(series.c.context == context)
    if column_class is not None:
        statement = statement.where(series.c.column_class == column_class)
    return statement


def read_series(
    connection: Connection, heads: Sequence[SeriesHead], wanted: RangeQuery | None = None
) -> Iterator[tuple[SeriesHead, SeriesChunks]]:
    """Read the chunks of series, in the order given.

    Only chunks that can have points in the range are read, with one statement for some million points.
    """
    partly = wanted is not None and not (_is_unbounded(wanted) and not (wanted.head or wanted.tail))
    for group in _groups(heads):
        held = _held_points(connection, group) if partly else {}
        found: dict[int, list[tuple[int, bytes]]] = {}
        for series_id, id_, data in rows(connection, _chunk_query(connection, group, wanted)):
            found.setdefault(series_id, []).append((id_, data))
        for head in group:
            own = sorted(found.pop(head.id, ()), key=lambda row: row[0])
            yield head, SeriesChunks([data for _, data in own], held.get(head.id, 0) if partly else None)


def _held_points(connection: Connection, heads: Sequence[SeriesHead]) -> dict[int, int]:
    """Count the points that the rows of chunks promise, 0 where their bounds are not those of their series."""
    of_series = member_of(chunks.c.series_id, "series", [head.id for head in heads])
    bounds = func.min(chunks.c.min_step), func.max(chunks.c.max_step), func.max(chunks.c.max_time_ms)
    counted = select(chunks.c.series_id, func.sum(chunks.c.count), *bounds).where(of_series)
    found = {id_: (count, bounds) for id_, count, *bounds in rows(connection, counted.group_by(chunks.c.series_id))}
    edges = select(series.c.id, series.c.first_step, series.c.last_step, series.c.max_time_ms)
    held = {}
    for id_, *expected in rows(connection, edges.where(member_of(series.c.id, "series", found))):
        count, bounds = found[id_]
        held[id_] = int(count) if bounds == expected else 0
    return held


def decode_all(head: SeriesHead, held: SeriesChunks) -> Points:
    """Decode the chunks of a series, in the order of arrival.

    Raises:
        ChunkError: One is damaged, or points that the series counts are not there.
    """
    parts = [decode_chunk(data) for data in held.data]
    there = sum(map(len, parts)) if held.held is None else held.held
    if there != head.points:
        raise ChunkError(f"the series has {head.points} points, and its chunks have {there}")
    return join(parts) if parts else _NO_POINTS


def held_values(connection: Connection, series_id: int, low: int, high: int) -> tuple[Whole, Floats]:
    """Return steps and values of all points of a series that lie in chunks which reach into ``low`` to ``high``.

    They come in the order of arrival.

    Raises:
        ChunkError: A chunk is damaged.
    """
    parts = [decode_chunk(data) for (data,) in _OVERLAPPING.all(connection, series_id, low, high)]
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.float64)
    return np.concatenate([part.steps for part in parts]), np.concatenate([part.values for part in parts])


def choose_points(head: SeriesHead, held: SeriesChunks, wanted: RangeQuery | None, sample: int | None) -> ChosenPoints:
    """Decode a series' chunks, keep the range, sort by step, cut and sample.

    Args:
        head: The series.
        held: Its chunks.
        wanted: The range.
        sample: How many points at the most; ``None`` for all.

    Raises:
        ChunkError: A chunk is damaged, or points that the series counts are not there.
    """
    total = head.points
    points = decode_all(head, held)
    if wanted is not None and not _is_unbounded(wanted):
        points = _in_range(points, wanted, head.max_time_ms)
        total = len(points)
    steps = points.steps
    if len(steps) > 1 and (steps[1:] < steps[:-1]).any():
        points = points.part(np.argsort(steps, kind="stable"))
    if wanted is not None and wanted.head is not None:
        points = points.part(slice(0, wanted.head))
    elif wanted is not None and wanted.tail is not None:
        points = points.part(slice(max(0, len(points) - wanted.tail), None))
    if sample is not None and len(points) > sample:
        points = points.part(sample_places(points.steps, points.values, sample))
    return ChosenPoints(points, total)


def run_paths(connection: Connection, run_pks: Collection[int]) -> dict[int, str]:
    """Return the paths of runs, as text, by row."""
    path = select(runs.c.id, workspaces.c.username, projects.c.name, runs.c.run_id)
    path = path.join(projects, projects.c.id == runs.c.project_id)
    path = path.join(workspaces, workspaces.c.id == projects.c.workspace_id)
    found = rows(connection, path.where(member_of(runs.c.id, "runs", run_pks)))
    return {id_: f"{workspace}/{project}/{run}" for id_, workspace, project, run in found}


_NO_POINTS = Points(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def _groups(heads: Sequence[SeriesHead]) -> Iterator[Sequence[SeriesHead]]:
    start, total = 0, 0
    for place, head in enumerate(heads):
        if total and total + head.points > _BATCH_POINTS:
            yield heads[start:place]
            start, total = place, 0
        total += head.points
    if start < len(heads):
        yield heads[start:]


def last_point_times(connection: Connection, cuids: Collection[str]) -> dict[str, int]:
    """Return the latest time of a point of each run, as Unix milliseconds; runs without points are left out.

    Args:
        connection: To the database.
        cuids: The runs.
    """
    statement = (
        select(runs.c.cuid, func.max(series.c.max_time_ms))
        .join(series, series.c.run_pk == runs.c.id)
        .where(member_of(runs.c.cuid, "cuids", list(cuids)), series.c.max_time_ms.is_not(None))
        .group_by(runs.c.cuid)
    )
    return dict(rows(connection, statement))


def _chunk_query(connection: Connection, heads: Sequence[SeriesHead], wanted: RangeQuery | None) -> Any:
    statement = select(chunks.c.series_id, chunks.c.id, chunks.c.data)
    of_series = member_of(chunks.c.series_id, "series", [head.id for head in heads])
    if wanted is not None and _is_unbounded(wanted) and (wanted.head or wanted.tail):
        bounds = select(chunks.c.series_id, chunks.c.id, chunks.c.count, chunks.c.min_step, chunks.c.max_step)
        with decoding("rows of chunks", "the store"):
            needed = _edge_chunks(rows(connection, bounds.where(of_series)), wanted)
        return statement.where(member_of(chunks.c.id, "chunks", needed))
    statement = statement.where(of_series)
    if wanted is None:
        return statement
    if wanted.last is not None:
        newest = series.c.max_time_ms - wanted.last
        return statement.join(series, series.c.id == chunks.c.series_id).where(chunks.c.max_time_ms >= newest)
    axis = "step" if wanted.type == "step" else "time_ms"
    if wanted.start is not None:
        statement = statement.where(chunks.c[f"max_{axis}"] >= wanted.start)
    if wanted.end is not None:
        statement = statement.where(chunks.c[f"min_{axis}"] <= wanted.end)
    return statement


def _is_unbounded(wanted: RangeQuery) -> bool:
    return wanted.start is None and wanted.end is None and wanted.last is None


def _edge_chunks(held: Iterable[tuple[int, int, int, int, int]], wanted: RangeQuery) -> list[int]:
    """Choose the chunks that can have one of the first or last points of their series."""
    by_series: dict[int, list[tuple[int, int, int, int]]] = {}
    for series_id, id_, count, min_step, max_step in held:
        # A tail is a head of the steps turned round.
        near, far = (min_step, max_step) if wanted.head else (-max_step, -min_step)
        by_series.setdefault(series_id, []).append((far, near, id_, count))
    needed = []
    for members in by_series.values():
        members.sort()
        left = wanted.head or wanted.tail or 0
        for far, _, _, count in members:
            left -= count
            if left <= 0:
                needed += [id_ for _, near, id_, _ in members if near <= far]
                break
        else:
            needed += [id_ for _, _, id_, _ in members]
    return needed


def _in_range(points: Points, wanted: RangeQuery, newest_ms: int) -> Points:
    axis: Whole = points.steps if wanted.type == "step" else points.times_ms
    start, end = wanted.start, wanted.end
    if wanted.last is not None:
        axis, start = points.times_ms, newest_ms - wanted.last
    kept = np.ones(len(points), bool)
    if start is not None:
        kept &= axis >= start
    if end is not None:
        kept &= axis <= end
    return points if kept.all() else points.part(kept)

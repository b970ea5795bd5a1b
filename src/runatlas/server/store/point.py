"""Reading the points of many series at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Select, bindparam, func, select

from runatlas.model.ranges import RangeQuery
from runatlas.server.store.chunk import Floats, Points, Whole, decode_chunk, join
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.sampling import sample_places
from runatlas.server.store.schema import chunks, projects, runs, series, workspaces
from runatlas.server.store.statement import member_of, rows
from runatlas.server.store.summary import COLUMNS

__all__ = [
    "SCALAR_TYPES",
    "ChosenPoints",
    "SeriesHead",
    "choose_points",
    "count_scalar_series",
    "find_scalar_series",
    "held_values",
    "last_point_times",
    "read_series",
    "run_paths",
]

SCALAR_TYPES = ("FLOAT", "BOOLEAN", "STRING")
"""The column types whose data are points."""

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
    return rows(connection, statement)


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
        member_of(series.c.run_pk, "runs", run_pks), series.c.count > 0, series.c.column_type.in_(SCALAR_TYPES)
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
) -> Iterator[tuple[SeriesHead, list[bytes]]]:
    """Read the chunks of series, in the order given, each series' in the order of arrival.

    Only chunks that can have points in the range are read, with one statement for some million points.
    """
    for group in _groups(heads):
        found: dict[int, list[tuple[int, bytes]]] = {}
        for series_id, id_, data in rows(connection, _chunk_query(connection, group, wanted)):
            found.setdefault(series_id, []).append((id_, data))
        for head in group:
            held = sorted(found.pop(head.id, ()), key=lambda row: row[0])
            yield head, [data for _, data in held]


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


def choose_points(
    head: SeriesHead, data: Iterable[bytes], wanted: RangeQuery | None, sample: int | None
) -> ChosenPoints:
    """Decode a series' chunks, keep the range, sort by step, cut and sample.

    Args:
        head: The series.
        data: Its chunks in the order of arrival.
        wanted: The range.
        sample: How many points at the most; ``None`` for all.

    Raises:
        ChunkError: A chunk is damaged.
    """
    total = head.points
    parts = [decode_chunk(chunk) for chunk in data]
    points = join(parts) if parts else _NO_POINTS
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

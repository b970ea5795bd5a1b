"""Points and summaries of many runs' series at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, islice, pairwise
from typing import Any

import numpy as np
from arro3.core import Array, ChunkedArray, DataType

from runatlas.errors import StoreError, ValidationError
from runatlas.model.arrow_array import make_array
from runatlas.model.batch_check import write_context
from runatlas.model.page import Page
from runatlas.model.run import RunRecord
from runatlas.model.series import (
    PointBlock,
    PointQuery,
    ReadFailure,
    SeriesSlice,
    Statistic,
    SummaryQuery,
    SummaryRecord,
)
from runatlas.server.services.caller import Caller
from runatlas.server.services.paging import check_page
from runatlas.server.services.series_walk import Stop, Walk, check_series, read_context
from runatlas.server.store.engine import Store
from runatlas.server.store.failure import decoding
from runatlas.server.store.median import medians_of
from runatlas.server.store.point_chunk import NO_EPOCH, ChunkError, Points, Whole
from runatlas.server.store.point_reading import (
    ChosenPoints,
    SeriesHead,
    choose_points,
    count_scalar_series,
    find_scalar_series,
    last_point_times,
    read_series,
    run_paths,
)
from runatlas.server.store.statement import Connection
from runatlas.server.store.summary import Extreme, Summary, average, deviation
from runatlas.server.work import current

__all__ = ["PointReading"]

_SERIES_LIMIT = 100_000
_POINT_SIZE = 96
"""How many bytes a point is taken to hold until it is sent: its columns, and what is written of them."""

_INT64 = DataType.int64()
_NULLS = Array([None] * 1024, _INT64)
_HEAD_WIDTH = len(SeriesHead._fields)

Found = list[tuple[Stop, Any]]


class PointReading:
    """What may be read of the points of runs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_points(self, caller: Caller, query: PointQuery) -> PointBlock:
        """Read points of many runs and keys; the rest comes with ``next_cursor``.

        Raises:
            NotFoundError: There is no such project or workspace.
            ValidationError: The query is out of bounds.
        """
        _check_query(query)
        context = None if query.context is None else write_context(query.context)
        with self._store.read() as connection:
            walk = Walk(connection, caller, query.selection, keys=query.keys, listing="points", cursor=query.cursor)

            def find(run_pks: list[int]) -> list[Any]:
                return find_scalar_series(
                    connection, run_pks, keys=query.keys, context=context, column_class=query.column_class
                )

            found: Found = []
            carried = 0
            cursor = None
            for stop, row in walk.series(find):
                size = _carried(SeriesHead(*row), query)
                if found and (carried + size > query.point_limit or len(found) == _SERIES_LIMIT):
                    cursor = walk.cursor(found[-1][0])
                    break
                carried += size
                found.append((stop, SeriesHead(*row)))
            if (work := current.work) is not None:
                work.foresee(carried * _POINT_SIZE)
            advice = _advice(self._store, caller)
            return _read_block(connection, walk, found, cursor, query, advice=advice)

    def read_whole(self, caller: Caller, query: PointQuery) -> PointBlock:
        """Read points as ``read_points`` does, for protocols that have no word for what is missing.

        Raises:
            NotFoundError: There is no such project or workspace.
            StoreError: Points are damaged.
            ValidationError: The query is out of bounds.
        """
        block = self.read_points(caller, query)
        for failure in block.failures:
            raise StoreError(f"the points of {failure.key!r} of {failure.path} cannot be read: {failure.reason}")
        return block

    def last_times(self, runs: Iterable[RunRecord]) -> dict[str, int]:
        """Return when the last point of each run was, as Unix milliseconds by cuid; runs without points are left out.

        Args:
            runs: As the caller was given them.
        """
        with self._store.read() as connection:
            return last_point_times(connection, [run.cuid for run in runs])

    def read_summaries(self, caller: Caller, query: SummaryQuery) -> Page[SummaryRecord]:
        """Read the summaries of scalar series; runs in the selection's order, then key, then context.

        Raises:
            NotFoundError: There is no such project or workspace.
            StoreError: The summaries, or the points that a median was asked of, are damaged.
            ValidationError: The query is out of bounds.
        """
        check_page(query.page)
        check_series(query.keys, query.column_class)
        page = query.page
        with self._store.read() as connection:
            walk = Walk(connection, caller, query.selection, keys=None, listing="summaries", cursor=page.cursor)

            def find(run_pks: list[int]) -> list[Any]:
                return find_scalar_series(
                    connection,
                    run_pks,
                    keys=query.keys,
                    context=None,
                    column_class=query.column_class,
                    with_summary=True,
                )

            found = list(islice(walk.series(find), page.offset, page.offset + page.limit + 1))
            shown = found[: page.limit]
            medians = {}
            if query.median:
                heads = [SeriesHead(*row[:_HEAD_WIDTH]) for _, row in shown]
                medians = medians_of(connection, heads, self._store.location)
            total = None
            if page.with_total:
                run_pks = [run.id for run in walk.runs]
                total = count_scalar_series(connection, run_pks, keys=query.keys, column_class=query.column_class)
            cursor = walk.cursor(shown[-1][0]) if len(found) > page.limit else None
            with decoding("the summaries of series", self._store.location):
                return Page(tuple(_summary(walk, stop, row, medians) for stop, row in shown), cursor, total)


def _check_query(query: PointQuery) -> None:
    check_series(query.keys, query.column_class)
    if query.sample is not None and query.sample < 1:
        raise ValidationError(f"sample: expected 1 or more points, got {query.sample}")
    if query.point_limit < 1:
        raise ValidationError(f"point_limit: expected 1 or more points, got {query.point_limit}")


def _carried(head: SeriesHead, query: PointQuery) -> int:
    """Return how many points a series may bring at the most."""
    bounds = [head.points]
    if query.sample is not None:
        bounds.append(query.sample)
    if query.range is not None:
        bounds += [bound for bound in (query.range.head, query.range.tail) if bound is not None]
    return min(bounds)


def _advice(store: Store, caller: Caller) -> str:
    """Tell what to do about damage; where a server lies is nothing for its clients."""
    where = f" {store.location}" if caller.origin is None else ""
    return f"check the store with `runatlas fsck{where}`, and restore it from a backup"


def _read_block(
    connection: Connection, walk: Walk, found: Found, cursor: str | None, query: PointQuery, *, advice: str
) -> PointBlock:
    chosen: list[tuple[Stop, ChosenPoints]] = []
    failed: list[tuple[Stop, str]] = []
    stops = (stop for stop, _ in found)
    for head, held in read_series(connection, [head for _, head in found], query.range):
        stop = next(stops)
        try:
            chosen.append((stop, choose_points(head, held, query.range, query.sample)))
        except ChunkError as error:
            failed.append((stop, f"{error}; {advice}"))
    end = found[-1][0].place + 1 if cursor is not None else len(walk.runs)
    lengths = [len(part.points) for _, part in chosen]
    starts = accumulate(lengths, initial=0)
    contexts = {text: read_context(text) for text in {stop.context for stop, _ in chosen}}
    series = tuple(
        SeriesSlice(stop.place - walk.start, stop.key, start, length, part.total, contexts[stop.context])
        for (stop, part), start, length in zip(chosen, starts, lengths, strict=False)
    )
    steps, times, values, epochs = _columns([part.points for _, part in chosen])
    return PointBlock(
        runs=tuple((run.cuid, run.run_id, run.name) for run in walk.runs[walk.start : end]),
        series=series,
        steps=steps,
        values=values,
        times_ms=times,
        epochs=epochs,
        missing=walk.missing,
        failures=_failures(connection, failed),
        next_cursor=cursor,
    )


def _failures(connection: Connection, failed: Sequence[tuple[Stop, str]]) -> tuple[ReadFailure, ...]:
    if not failed:
        return ()
    paths = run_paths(connection, {stop.run_pk for stop, _ in failed})
    return tuple(ReadFailure(paths[stop.run_pk], stop.key, reason) for stop, reason in failed)


def _columns(parts: Sequence[Points]) -> tuple[Array, Array, Array, Array | None]:
    """Put the columns of series one after another: steps, times, values, epochs."""
    if not parts:
        return Array([], _INT64), Array([], _INT64), Array([], DataType.float64()), None
    epochs = None
    if any(part.epochs is not None for part in parts):
        epochs = _nullable(
            np.concatenate([np.full(len(part), NO_EPOCH) if part.epochs is None else part.epochs for part in parts])
        )
    return (
        _array([part.steps for part in parts]),
        _array([part.times_ms for part in parts]),
        _array([part.values for part in parts]),
        epochs,
    )


def _array(parts: Sequence[Any]) -> Array:
    return make_array(np.ascontiguousarray(parts[0]) if len(parts) == 1 else np.concatenate(parts))


def _nullable(epochs: Whole) -> Array:
    """Make an Arrow column in which ``NO_EPOCH`` is null."""
    present = epochs != NO_EPOCH
    if present.all():
        return make_array(epochs)
    edges = [0, *(np.flatnonzero(present[1:] != present[:-1]) + 1).tolist(), len(epochs)]
    if len(edges) > len(epochs) // 8:
        return Array([epoch if there else None for epoch, there in zip(epochs.tolist(), present, strict=True)], _INT64)
    pieces: list[Array] = []
    for start, end in pairwise(edges):
        if present[start]:
            pieces.append(make_array(epochs[start:end]))
        else:
            whole, rest = divmod(end - start, len(_NULLS))
            pieces += [*[_NULLS] * whole, _NULLS.slice(0, rest)]
    return ChunkedArray(pieces).combine_chunks()


def _summary(walk: Walk, stop: Stop, row: Any, medians: dict[int, float]) -> SummaryRecord:
    column_class, column_type, *rest = row[_HEAD_WIDTH:]
    summary = Summary.of_row(rest)
    if summary is None:
        raise StoreError(f"the summary of {stop.key!r} is empty although it has points; restore it from a backup")
    low, high = summary.low, summary.high
    extremes = (low.value if low else None, high.value if high else None)
    last = summary.last
    return SummaryRecord(
        run=walk.runs[stop.place].cuid,
        key=stop.key,
        context=read_context(stop.context),
        count=summary.points,
        column_class=column_class,
        column_type=column_type,
        first_step=summary.first_step,
        last_step=last.step,
        latest=Statistic(last.value, last.step, last.time_ms),
        min=_statistic(low),
        max=_statistic(high),
        avg=average(summary.finite_count, summary.value_sum, *extremes),
        std=deviation(summary.finite_count, summary.squares, *extremes),
        median=medians.get(row[0]),
    )


def _statistic(extreme: Extreme | None) -> Statistic | None:
    return None if extreme is None else Statistic(extreme.value, extreme.step, extreme.time_ms)

"""The series of runs, and the chunks that their points lie in."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce
from itertools import accumulate
from typing import Any, TypeAlias

import attrs
import numpy as np
from sqlalchemy import Connection, bindparam, insert, select, update

from runatlas.model.compact import compact
from runatlas.model.series import MEDIA_TYPES
from runatlas.server.store.point_chunk import DOUBLE, Floats, Frame, Points, Whole, WholeColumn, encode_chunk, join
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import chunks, runs, series, writers
from runatlas.server.store.statement import listing, member_of
from runatlas.server.store.summary import COLUMNS, Row, Summary, summarise

__all__ = [
    "CHUNK_POINTS",
    "MERGE_CHUNKS",
    "Encoded",
    "NewSeries",
    "SeriesRow",
    "add_chunks",
    "add_series",
    "add_series_of_runs",
    "encode_chunk_row",
    "encode_joined",
    "encode_series",
    "find_series",
    "lock_run",
    "note_batch",
    "replace_chunks",
    "summaries_of",
    "touch_run",
    "update_series",
]

CHUNK_POINTS = 1 << 16
"""The most points of a chunk."""

MERGE_CHUNKS = 32
"""How many neighbouring chunks at the least become one."""

_MERGE_EVERY = MERGE_CHUNKS // 2
_SHARED_POINTS = 1 << 12

_STATE = ("name", "column_class", "column_type")
_FIND = Prepared(
    select(*(series.c[name] for name in ("id", "key", "context", *_STATE, "chunk_count", *COLUMNS))).where(
        series.c.run_pk == bindparam("run_pk"), member_of(series.c.key, "keys")
    ),
    "run_pk",
    "keys",
)
_OF_RUNS = Prepared(select(series.c.id).where(member_of(series.c.run_pk, "runs")).order_by(series.c.id), "runs")
_ADD = Prepared(
    insert(series).values(
        {
            name: bindparam(name)
            for name in ("run_pk", "key", "context", "created_at_ms", *_STATE, *COLUMNS, "chunk_count", "bytes")
        }
    ),
    *("run_pk", "key", "context", "name", "column_class", "column_type", "created_at_ms", "count", "finite_count"),
    *("chunk_count", "bytes", *COLUMNS[2:]),
)
_UPDATE = Prepared(
    # Chunks and bytes are counted up, not set: merging counts them down, and was perhaps quicker.
    update(series)
    .values({name: bindparam(f"new_{name}") for name in (*_STATE, *COLUMNS)})
    .values({name: series.c[name] + bindparam(f"new_{name}") for name in ("chunk_count", "bytes")})
    .where(series.c.id == bindparam("row_id")),
    *("new_name", "new_column_class", "new_column_type", "new_count", "new_finite_count", "new_chunk_count"),
    "new_bytes",
    *(f"new_{name}" for name in COLUMNS[2:]),
    "row_id",
)
_CHUNK = ("series_id", "count", "min_step", "max_step", "min_time_ms", "max_time_ms", "data")
_ADD_CHUNK = Prepared(insert(chunks).values({name: bindparam(name) for name in _CHUNK}), *_CHUNK)
_REPLACE_CHUNK = Prepared(
    update(chunks)
    .values({name: bindparam(f"new_{name}") for name in _CHUNK[1:]})
    .where(chunks.c.id == bindparam("chunk_id")),
    *(f"new_{name}" for name in _CHUNK[1:]),
    "chunk_id",
)
_LOCK = Prepared(select(runs.c.id).where(runs.c.id == bindparam("run_pk")).with_for_update(), "run_pk")
_TOUCH = Prepared(
    update(runs)
    .values(updated_at_ms=bindparam("now"), heartbeat_at_ms=bindparam("beat"))
    .values({name: runs.c[name] + bindparam(f"new_{name}") for name in ("point_count", "point_bytes")})
    .where(runs.c.id == bindparam("row_id")),
    *("now", "beat", "new_point_count", "new_point_bytes", "row_id"),
)
_LAST_SEQUENCE = Prepared(
    select(writers.c.sequence).where(writers.c.run_pk == bindparam("run_pk"), writers.c.writer == bindparam("writer")),
    "run_pk",
    "writer",
)
_FIRST_SEQUENCE = Prepared(
    insert(writers).values(run_pk=bindparam("run_pk"), writer=bindparam("writer"), sequence=bindparam("sequence")),
    "run_pk",
    "writer",
    "sequence",
)
_NEXT_SEQUENCE = Prepared(
    update(writers)
    .values(sequence=bindparam("new_sequence"))
    .where(writers.c.run_pk == bindparam("row_run_pk"), writers.c.writer == bindparam("row_writer")),
    "new_sequence",
    "row_run_pk",
    "row_writer",
)


@compact
@attrs.frozen
class Encoded:
    """Points ready to be stored.

    Attributes:
        row: What they amount to.
        chunks: ``count, min_step, max_step, min_time_ms, max_time_ms, data`` each.
        size: How many bytes the data of its chunks has.
    """

    row: Row
    chunks: tuple[tuple[Any, ...], ...]
    size: int

    @classmethod
    def of(cls, row: Row, parts: Iterable[Points], known: dict[bytes, WholeColumn]) -> Encoded:
        """Encode points, which are to become one chunk a part."""
        encoded = tuple(encode_chunk_row(part, known) for part in parts)
        return cls(row, encoded, sum(len(chunk[-1]) for chunk in encoded))

    @property
    def points(self) -> int:
        """How many there are."""
        return int(self.row[0])

    @property
    def latest(self) -> float:
        """The last value."""
        return math.nan if self.row[4] is None else float(self.row[4])


NewSeries: TypeAlias = "tuple[str, str, Encoded | None]"
"""A series of numbers of a new run, without context: its key and type, and its points, if it has any."""


@attrs.define(eq=False)
class SeriesRow:
    """A series as it is being changed; ``id`` is 0 until it is stored."""

    key: str
    context: str
    column_class: str
    column_type: str
    name: str = ""
    id: int = 0
    chunk_count: int = 0
    chunks_added: int = 0
    bytes_added: int = 0
    summary: Summary | None = None

    def add(self, found: Encoded) -> bool:
        """Count points that arrived; return whether its chunks are worth merging now."""
        summary = Summary.of(found.row)
        self.summary = summary if self.summary is None else self.summary.merge(summary)
        before = self.chunk_count
        self.chunk_count += len(found.chunks)
        self.chunks_added += len(found.chunks)
        self.bytes_added += found.size
        return self.chunk_count >= MERGE_CHUNKS and before // _MERGE_EVERY != self.chunk_count // _MERGE_EVERY

    def values(self) -> tuple[Any, ...]:
        """Return the values of ``COLUMNS``; media have counts and steps only."""
        if self.column_type in MEDIA_TYPES and self.summary is not None:
            values = self.summary.row
            return (*values[:4], None, "none", *values[6:])
        return _EMPTY if self.summary is None else self.summary.row


_EMPTY = (0, 0, None, None, None, "num", *(None,) * 8, 0.0, 0.0)


def encode_series(batch: Sequence[Points]) -> list[Encoded]:
    """Encode and summarise the points of several series at once."""
    if all(points.epochs is None and points.event_ids is None for points in batch):
        return encode_joined(join(batch), list(map(len, batch)))
    known: dict[bytes, WholeColumn] = {}
    rows = summaries_of(batch)
    return [Encoded.of(row, _parts(points), known) for points, row in zip(batch, rows, strict=True)]


def encode_joined(points: Points, counts: Sequence[int]) -> list[Encoded]:
    """Encode and summarise series whose points lie one behind the other, and have neither epochs nor event ids.

    Args:
        points: The points of all of them.
        counts: How many each has, at least one.
    """
    found: list[Encoded] = []
    frames: dict[tuple[bytes, bytes], Frame] = {}
    columns = (points.steps, points.times_ms, points.values.astype(DOUBLE, copy=False))
    steps, times, values = (memoryview(column).cast("B") for column in columns)  # type: ignore[arg-type]
    start = 0
    for count, row in zip(counts, _summaries(points, counts), strict=True):
        stop = start + count
        if count > _SHARED_POINTS:
            found.append(Encoded.of(row, _parts(points.part(slice(start, stop))), {}))
        else:
            # The series of one batch mostly share their steps and times.
            place = slice(8 * start, 8 * stop)
            shape = steps[place].tobytes(), times[place].tobytes()
            frame = frames.get(shape)
            if frame is None:
                part = points.part(slice(start, stop))
                frame = frames[shape] = Frame.of(WholeColumn.of(part.steps), WholeColumn.of(part.times_ms), count)
            data = frame.around(values[place])
            found.append(Encoded(row, ((*frame.bounds, data),), len(data)))
        start = stop
    return found


def find_series(connection: Connection, run_pk: int, keys: Collection[str]) -> dict[tuple[str, str], SeriesRow]:
    """Return a run's series of these keys, by key and context text."""
    found = {}
    for id_, key, context, name, class_, type_, chunk_count, *rest in _FIND.all(
        connection, run_pk, listing(connection.dialect, keys)
    ):
        summary = Summary.of_row(rest)
        found[key, context] = SeriesRow(key, context, class_, type_, name, id_, chunk_count, summary=summary)
    return found


def add_series(connection: Connection, run_pk: int, rows: Collection[SeriesRow], now_ms: int) -> None:
    """Store new series, and give each its id."""
    _ADD.run_many(connection, [_new_row(run_pk, row, now_ms) for row in rows])
    stored = find_series(connection, run_pk, {row.key for row in rows})
    for row in rows:
        row.id = stored[row.key, row.context].id


def add_series_of_runs(connection: Connection, added: Mapping[int, Sequence[NewSeries]], now_ms: int) -> None:
    """Store all series of new runs, by the run's row id, with their points."""
    rows = []
    held: list[Encoded | None] = []
    for run_pk, of_run in added.items():
        for key, column_type, points in of_run:
            row, chunk_count, size = (_EMPTY, 0, 0) if points is None else (points.row, len(points.chunks), points.size)
            said = (run_pk, key, "", "", "CUSTOM", column_type, now_ms)
            rows.append((*said, row[0], row[1], chunk_count, size, *row[2:]))
            held.append(points)
    _ADD.run_many(connection, rows)
    # They are numbered as they came.
    ids = _OF_RUNS.all(connection, listing(connection.dialect, added))
    add_chunks(connection, [(id_, points) for (id_,), points in zip(ids, held, strict=True) if points is not None])


def update_series(connection: Connection, rows: Iterable[SeriesRow]) -> None:
    """Store what changed of series."""
    _UPDATE.run_many(
        connection,
        [
            (
                row.name,
                row.column_class,
                row.column_type,
                *(values := row.values())[:2],
                row.chunks_added,
                row.bytes_added,
                *values[2:],
                row.id,
            )
            for row in rows
        ],
    )


def add_chunks(connection: Connection, added: Iterable[tuple[int, Encoded]]) -> None:
    """Store chunks behind those that their series have."""
    _ADD_CHUNK.run_many(connection, [(id_, *chunk) for id_, encoded in added for chunk in encoded.chunks])


def replace_chunks(connection: Connection, rows: Iterable[tuple[int, tuple[Any, ...]]]) -> None:
    """Store other points in place of those of chunks: the chunk's row, and what ``encode_chunk_row`` made of them."""
    _REPLACE_CHUNK.run_many(connection, [(*row, chunk_id) for chunk_id, row in rows])


def lock_run(connection: Connection, run_pk: int) -> None:
    """Let no other transaction append to a run until this one ends."""
    if connection.dialect.name == "postgresql":
        _LOCK.first(connection, run_pk)


def touch_run(connection: Connection, run_pk: int, now_ms: int, *, points: int = 0, bytes_: int = 0) -> None:
    """Note that a run is alive and changed, and how many points, of how many bytes, it got."""
    _TOUCH.run(connection, now_ms, now_ms, points, bytes_, run_pk)


def note_batch(connection: Connection, run_pk: int, writer: str, sequence: int) -> bool:
    """Remember the last batch of a writer; ``False`` if that one, or a later one, was applied before."""
    found = _LAST_SEQUENCE.first(connection, run_pk, writer)
    if found is None:
        _FIRST_SEQUENCE.run(connection, run_pk, writer, sequence)
    elif sequence <= found[0]:
        return False
    else:
        _NEXT_SEQUENCE.run(connection, sequence, run_pk, writer)
    return True


def _new_row(run_pk: int, row: SeriesRow, now_ms: int) -> tuple[Any, ...]:
    head = (run_pk, row.key, row.context, row.name, row.column_class, row.column_type, now_ms)
    values = row.values()
    return (*head, *values[:2], row.chunk_count, row.bytes_added, *values[2:])


def _parts(points: Points) -> Iterable[Points]:
    if len(points) <= CHUNK_POINTS:
        return (points,)
    cuts = range(0, len(points), CHUNK_POINTS)
    ids = points.event_ids
    return (
        attrs.evolve(
            points.part(slice(cut, cut + CHUNK_POINTS)),
            event_ids=None if ids is None else ids[cut : cut + CHUNK_POINTS],
        )
        for cut in cuts
    )


def encode_chunk_row(points: Points, known: dict[bytes, WholeColumn]) -> tuple[Any, ...]:
    """Return ``count, min_step, max_step, min_time_ms, max_time_ms, data`` of points that become one chunk.

    Args:
        points: The points.
        known: Columns that were encoded already, which other series share.
    """
    steps, times = _column(points.steps, known), _column(points.times_ms, known)
    return (len(points), steps.low, steps.high, times.low, times.high, encode_chunk(points, steps, times))


def _column(numbers: Any, known: dict[bytes, WholeColumn]) -> WholeColumn:
    """Encode a column; the series of one batch mostly share their steps and times."""
    if len(numbers) > _SHARED_POINTS:
        return WholeColumn.of(numbers)
    identity = numbers.tobytes()
    found = known.get(identity)
    if found is None:
        found = known[identity] = WholeColumn.of(numbers)
    return found


def summaries_of(batch: Sequence[Points]) -> list[Row]:
    """Summarise series."""
    return _summaries(join(batch), list(map(len, batch)))


def _summaries(points: Points, counts: Sequence[int]) -> list[Row]:
    """Summarise series that lie one behind the other, those of one length together, in parts that fit the cache."""
    starts = list(accumulate(counts, initial=0))
    groups: dict[int, list[int]] = {}
    for place, count in enumerate(counts):
        groups.setdefault(count, []).append(place)
    found: dict[int, Row] = {}
    for count, places in groups.items():
        wide = max(1, CHUNK_POINTS // count)
        for cut in range(0, len(places), wide):
            some = places[cut : cut + wide]
            found.update(zip(some, _summarise_group(points, [starts[place] for place in some], count), strict=True))
    return [found[place] for place in range(len(counts))]


def _summarise_group(points: Points, starts: Sequence[int], count: int) -> list[Row]:
    """Summarise series of one length, which begin at these places."""
    if count > CHUNK_POINTS:
        parts = [
            summarise(*_matrix(part, [0], len(part)))
            for part in _parts(points.part(slice(starts[0], starts[0] + count)))
        ]
        return [reduce(Summary.merge, (Summary.of(row) for (row,) in parts)).row]
    return summarise(*_matrix(points, starts, count))


def _matrix(points: Points, starts: Sequence[int], count: int) -> tuple[Whole, Whole, Floats]:
    """Return steps, times and values of series of one length, a row a series."""
    shape = (len(starts), count)
    first, size = starts[0], len(starts) * count
    if starts[-1] + count - first == size:
        chosen: Any = slice(first, first + size)
    else:
        chosen = np.add.outer(starts, np.arange(count)).ravel()
    return (
        points.steps[chosen].reshape(shape),
        points.times_ms[chosen].reshape(shape),
        points.values[chosen].reshape(shape),
    )

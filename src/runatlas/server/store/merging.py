"""Merging: many small chunks of a series become few large ones, in the background, in the order of their arrival."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
from sqlalchemy import Connection, bindparam, func, literal_column, select, update

from runatlas.errors import StoreError
from runatlas.server.store.engine import Store
from runatlas.server.store.point_chunk import ChunkError, decode_chunk, join
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import chunks, runs, series
from runatlas.server.store.series import CHUNK_POINTS, MERGE_CHUNKS, encode_chunk_row, replace_chunks

__all__ = ["Merge", "Merger", "apply_merge", "merge_series", "next_merge"]

_log = logging.getLogger(__name__)

_PAUSE_S = 0.2
_GROWTH = 4
"""A merged chunk is at least this many times as large as the largest it is made of, so that none is rewritten often."""

_SIZES = Prepared(
    select(chunks.c.id, chunks.c.count).where(chunks.c.series_id == bindparam("series_id")).order_by(chunks.c.id),
    "series_id",
)
_IN_RANGE = (
    chunks.c.series_id == bindparam("series_id"),
    chunks.c.id >= bindparam("first"),
    chunks.c.id <= bindparam("last"),
)
_DATA = Prepared(
    select(chunks.c.id, chunks.c.data).where(*_IN_RANGE).order_by(chunks.c.id),
    *("series_id", "first", "last"),
)
_HEAD_BYTES = 16
_HEAD = func.substr(chunks.c.data, literal_column("1"), literal_column(str(_HEAD_BYTES)))
# The count and the checksum are in the head: a cut may take chunks away, and SQLite gives their ids to the next ones.
_CHECK = Prepared(select(chunks.c.id, _HEAD).where(*_IN_RANGE).order_by(chunks.c.id), *("series_id", "first", "last"))
_RUN = select(series.c.run_pk).where(series.c.id == bindparam("series_id"))
_HOME = Prepared(_RUN, "series_id")
_LOCK = Prepared(select(runs.c.id).where(runs.c.id == _RUN.scalar_subquery()).with_for_update(), "series_id")
_REMOVE = Prepared(
    chunks.delete().where(
        chunks.c.series_id == bindparam("series_id"),
        chunks.c.id > bindparam("first"),
        chunks.c.id <= bindparam("last"),
    ),
    *("series_id", "first", "last"),
)
_RECOUNT = Prepared(
    update(series)
    .values(chunk_count=series.c.chunk_count - bindparam("gone"), bytes=series.c.bytes - bindparam("freed"))
    .where(series.c.id == bindparam("series_id")),
    *("gone", "freed", "series_id"),
)
_RECOUNT_RUN = Prepared(
    update(runs)
    .values(point_bytes=runs.c.point_bytes - bindparam("freed"), shown=runs.c.shown)
    .where(runs.c.id == _RUN.scalar_subquery()),
    *("freed", "series_id"),
)


@attrs.frozen
class Merge:
    """Neighbouring chunks, as id and head, the row that takes their place, and how many bytes that frees."""

    sources: tuple[tuple[int, bytes], ...]
    row: tuple[Any, ...]
    freed: int

    @property
    def bounds(self) -> tuple[int, int]:
        """The first and the last of the rows."""
        return self.sources[0][0], self.sources[-1][0]


class Merger:
    """Merges series one after another on a thread of its own, which begins when there is something to merge."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[int, None] = {}
        self._thread: threading.Thread | None = None
        self._reset()
        store.at_close(self.close)

    def offer(self, series_ids: Iterable[int]) -> None:
        """Name series that have many chunks."""
        wanted = dict.fromkeys(series_ids)
        if not wanted:
            return
        if os.getpid() != self._pid:
            self._reset()
        with self._condition:
            if self._closing:
                return
            self._waiting.update(wanted)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="runatlas-merger", daemon=True)
                self._thread.start()
            self._condition.notify()

    def drain(self) -> None:
        """Wait until nothing is left to merge."""
        with self._condition:
            self._hurried = True
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._thread is None or not (self._waiting or self._busy))
            self._hurried = False

    def close(self) -> None:
        """Merge what is waiting, then end the thread; a second call does nothing."""
        if os.getpid() != self._pid:
            self._reset()
        with self._condition:
            self._closing = True
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _reset(self) -> None:
        """Begin anew; also after a fork, which leaves the thread behind."""
        self._pid = os.getpid()
        self._condition = threading.Condition()
        self._waiting = {}
        self._thread = None
        self._busy = False
        self._closing = False
        self._hurried = False

    def _work(self) -> None:
        try:
            while series_ids := self._take():
                for series_id in series_ids:
                    self._merge(series_id)
        finally:
            # What nobody thought of ends the thread, and is told as any thread's end: the next offer begins another.
            with self._condition:
                self._thread, self._busy = None, False
                self._condition.notify_all()

    def _take(self) -> list[int]:
        """Wait for series to merge, and a little longer: a burst of batches is cheaper to merge after it."""
        with self._condition:
            self._busy = False
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._waiting or self._closing)
            self._condition.wait_for(lambda: self._hurried or self._closing, timeout=_PAUSE_S)
            taken = list(self._waiting)
            self._waiting.clear()
            self._busy = True
            return taken

    def _merge(self, series_id: int) -> None:
        try:
            merge_series(self._store, series_id)
        except (StoreError, ChunkError) as error:
            _log.warning("the chunks of series %d stay as they are: %s", series_id, error)


def merge_series(store: Store, series_id: int) -> int:
    """Merge neighbouring small chunks of a series until none is left that is worth it.

    What is to be merged is read and encoded without a lock; a short transaction then puts it in place, if the chunks
    are still the ones that were read.

    Args:
        store: The store.
        series_id: The series' row.

    Returns:
        How many merges were made.

    Raises:
        ChunkError: A chunk is damaged.
        NoSpaceError: The room that is left is kept for cleaning up.
        StoreError: The database failed.
    """
    made = 0
    while True:
        with store.read() as connection:
            merge = next_merge(connection, series_id)
        if merge is None:
            return made
        # A merged chunk is written before those that it takes the place of are gone.
        store.require_room()
        with store.write() as connection:
            # Where another process was quicker, there may be other chunks to merge now.
            made += apply_merge(connection, series_id, merge)


def next_merge(connection: Connection, series_id: int) -> Merge | None:
    """Read neighbouring chunks that are worth merging, and encode what they become; ``None`` if there are none.

    Raises:
        ChunkError: One is damaged.
    """
    sizes = _SIZES.all(connection, series_id)
    chosen = _choose([count for _, count in sizes])
    if chosen is None:
        return None
    first, last = sizes[chosen.start][0], sizes[chosen.stop - 1][0]
    rows = _DATA.all(connection, series_id, first, last)
    row = encode_chunk_row(join([decode_chunk(data) for _, data in rows]), {})
    freed = sum(len(held) for _, held in rows) - len(row[-1])
    return Merge(tuple((id_, bytes(held[:_HEAD_BYTES])) for id_, held in rows), row, freed)


def _choose(counts: Sequence[int]) -> range | None:
    """Find neighbours worth merging: many, or as many as fill a chunk, none of which dwarfs the rest."""
    for start in range(len(counts)):
        end, total = start, 0
        while end < len(counts) and total + counts[end] <= CHUNK_POINTS:
            total += counts[end]
            end += 1
        enough = end - start >= MERGE_CHUNKS or end < len(counts)
        if enough and end - start > 1 and total >= _GROWTH * max(counts[start:end]):
            return range(start, end)
    return None


def apply_merge(connection: Connection, series_id: int, merge: Merge) -> bool:
    """Put a merge in place, if the chunks are still those that were read; return whether they are."""
    if connection.dialect.name == "postgresql":
        # Of the run first, as who appends to it does, so that no two transactions wait for each other.
        locked, home = _LOCK.first(connection, series_id), _HOME.first(connection, series_id)
        if locked is None or home is None or locked[0] != home[0]:
            return False  # it was cut out of its run meanwhile, or came back
    first, last = merge.bounds
    if tuple((id_, bytes(head)) for id_, head in _CHECK.all(connection, series_id, first, last)) != merge.sources:
        return False
    replace_chunks(connection, [(first, merge.row)])
    _REMOVE.run(connection, series_id, first, last)
    _RECOUNT.run(connection, len(merge.sources) - 1, merge.freed, series_id)
    _RECOUNT_RUN.run(connection, merge.freed, series_id)
    return True

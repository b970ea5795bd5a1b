"""Copies of runs: their rows as they are under new numbers, in steps, unseen until all of them are there.

They lie in an entry of the trash of a kind that nobody sees, and are brought back out of it in one transaction. What a
process that was killed leaves of them is garbage a day later.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from sqlalchemy import Row, Select, Table, bindparam, func, insert, select, update

from runatlas.errors import ConflictError
from runatlas.server.store.blob_ref import lock_blobs
from runatlas.server.store.engine import Store
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import blob_refs, chunks, media, metadata, notes, runs, series, trash
from runatlas.server.store.statement import Connection, member_of, rows, unique
from runatlas.server.store.trash import COPYING

__all__ = ["LEFT_OUT", "RunCopy", "copy_runs", "lock_copies"]

_RUNS = 100
_ROWS = 5000
_BYTES = 8 << 20
"""The most runs that are read at once, and the most rows and bytes of points that one transaction writes."""

LEFT_OUT = frozenset({"change_runs", "ingestion_keys", "model_versions"})
"""The tables whose rows belong to a run itself, and not to its copies."""

_FRESH: dict[str, Any] = {
    "pin": False,
    "pinned_at_ms": None,
    "baseline": False,
    "protected": False,
    "protected_reason": "",
    "folder_id": None,
    "cut_of": None,
    "shown": None,
    "shown_as_of_ms": None,
}
"""What a copy does not have of its original."""

_GONE = "nothing was copied: a run, a file or the project was removed meanwhile"


@attrs.frozen
class RunCopy:
    """A run to be copied.

    Attributes:
        source: Its row id.
        cuid: The copy's.
        run_id: The copy's.
    """

    source: int
    cuid: str
    run_id: str


@attrs.frozen
class _Copied:
    """A table whose rows are copied.

    Attributes:
        names: Its columns but its own number.
        place: That of the column that says what a row belongs to.
    """

    table: Table
    names: tuple[str, ...]
    place: int
    insert: Prepared

    @classmethod
    def of(cls, table: Table, owner: str) -> _Copied:
        """Look at a table."""
        names = tuple(column.name for column in table.c if column.autoincrement is not True)
        statement = insert(table).values({name: bindparam(name) for name in names})
        return cls(table, names, names.index(owner), Prepared(statement, *names))

    def read(self, *more: str) -> Select[Any]:
        """Make the query of its rows, with other columns behind those that are copied."""
        return select(*(self.table.c[name] for name in (*self.names, *more)))

    def given(self, row: Sequence[Any], owner: int) -> list[Any]:
        """Return a row that was read as one that belongs to something else."""
        values = list(row[: len(self.names)])
        values[self.place] = owner
        return values


_RUN = _Copied.of(runs, "project_id")
_SERIES = _Copied.of(series, "run_pk")
_CHUNK, _MEDIA = _Copied.of(chunks, "series_id"), _Copied.of(media, "series_id")
_PARTS = [
    _Copied.of(table, "run_pk")
    for name, table in metadata.tables.items()
    if "run_pk" in table.c and name not in LEFT_OUT and table is not series
]
_NEW_RUNS = select(runs.c.cuid, runs.c.id).where(runs.c.trash_id == bindparam("entry"))
_NEW_SERIES = select(series.c.run_pk, series.c.key, series.c.context, series.c.id).where(
    member_of(series.c.run_pk, "runs")
)
_ALIVE = (
    update(trash)
    .where(trash.c.id == bindparam("entry"), trash.c.kind == COPYING)
    .values(deleted_at_ms=bindparam("now"))
)


def lock_copies(connection: Connection, entry: int) -> int:
    """Keep other transactions from an entry in which copies lie, and return how many there are."""
    connection.execute(select(trash.c.id).where(trash.c.id == entry, trash.c.kind == COPYING).with_for_update())
    return int(connection.scalar(select(func.count()).where(runs.c.trash_id == entry)) or 0)


class _Writer:
    """Writes rows in transactions that are short, and leaves others as much time in between."""

    def __init__(self, store: Store, entry: int) -> None:
        self._store = store
        self._entry = entry
        self._held: dict[str, tuple[_Copied, list[Sequence[Any]]]] = {}
        self._rows = self._bytes = 0

    def add(self, copied: _Copied, row: Sequence[Any], size: int = 0) -> None:
        """Take a row; it is written by now, or with others after it."""
        if self._rows >= _ROWS or (self._rows and self._bytes + size > _BYTES):
            self.flush()
        self._held.setdefault(copied.table.name, (copied, []))[1].append(row)
        self._rows, self._bytes = self._rows + 1, self._bytes + size

    def flush(self, then: Select[Any] | None = None, **values: Any) -> list[Any]:
        """Write what was taken, and return what a query finds after it.

        Raises:
            ConflictError: What they belong to is gone.
            StoreError: The database failed.
        """
        self._store.require_room()
        began = time.monotonic()
        with self._store.write() as connection, unique(_GONE):
            # Whoever collects garbage sees by the time that somebody is at work.
            if not connection.execute(_ALIVE, {"entry": self._entry, "now": self._store.clock()}).rowcount:
                raise ConflictError(_GONE)
            if blob_refs.name in self._held:
                lock_blobs(connection)
            for copied, held in self._held.values():
                copied.insert.run_many(connection, held)
            found = [] if then is None else rows(connection, then, values)
        self._held, self._rows, self._bytes = {}, 0, 0
        time.sleep(time.monotonic() - began)
        return found


def copy_runs(store: Store, entry: int, project_id: int, wanted: Sequence[RunCopy]) -> dict[int, int]:
    """Copy runs into a project, unseen in an entry of the trash.

    Each is copied as it is at one moment, whatever is recorded meanwhile.

    Args:
        store: The store.
        entry: The row id of an entry of the kind ``COPYING``.
        project_id: The project.
        wanted: The runs.

    Returns:
        The copies' row ids by those of the originals.

    Raises:
        ConflictError: A run, the entry or the project was removed meanwhile.
        StoreError: The database failed.
    """
    copied: dict[int, int] = {}
    writer = _Writer(store, entry)
    # In the order of their numbers, which tells runs of one moment apart in listings.
    ordered = sorted(wanted, key=lambda copy: copy.source)
    for first in range(0, len(ordered), _RUNS):
        group = ordered[first : first + _RUNS]
        with store.read(changes=True) as snapshot:
            keys = _copy_heads(snapshot, writer, entry, project_id, group)
            copied |= keys
            _copy_parts(snapshot, writer, keys)
            writer.flush()
    return copied


def _copy_heads(
    snapshot: Connection, writer: _Writer, entry: int, project_id: int, group: Sequence[RunCopy]
) -> dict[int, int]:
    statement = _RUN.read("id").where(member_of(runs.c.id, "runs"))
    held = {row.id: row for row in _stream(snapshot, statement, runs=[copy.source for copy in group])}
    for copy in group:
        if copy.source not in held:
            raise ConflictError(_GONE)
        own = {"cuid": copy.cuid, "run_id": copy.run_id, "trash_id": entry}
        values = zip(_RUN.names, _RUN.given(held[copy.source], project_id), strict=True)
        writer.add(_RUN, [{**_FRESH, **own}.get(name, value) for name, value in values])
    found = dict(writer.flush(_NEW_RUNS, entry=entry))
    return {copy.source: found[copy.cuid] for copy in group}


def _copy_parts(snapshot: Connection, writer: _Writer, keys: Mapping[int, int]) -> None:
    """Copy all that hangs on runs, given the copies' row ids by theirs."""
    chosen = {"runs": list(keys)}
    for part in _PARTS:
        named = part.names.index("uuid") if part.table is notes else None
        for row in _stream(snapshot, part.read().where(member_of(part.table.c.run_pk, "runs")), **chosen):
            values = part.given(row, keys[row[part.place]])
            if named is not None:
                values[named] = str(uuid.uuid4())
            writer.add(part, values)
    held = list(_stream(snapshot, _SERIES.read("id").where(member_of(series.c.run_pk, "runs")), **chosen))
    for row in held:
        writer.add(_SERIES, _SERIES.given(row, keys[row.run_pk]))
    made = {tuple(name): key for *name, key in writer.flush(_NEW_SERIES, runs=list(keys.values()))}
    numbers = {row.id: made[keys[row.run_pk], row.key, row.context] for row in held}
    for ids in _batches([row for row in held if row.chunk_count]):
        for row in _chunks_of(snapshot, ids):
            writer.add(_CHUNK, _CHUNK.given(row, numbers[row.series_id]), len(row.data))
    without = [row.id for row in held if not row.chunk_count]
    for row in _stream(snapshot, _MEDIA.read().where(member_of(media.c.series_id, "series")), series=without):
        writer.add(_MEDIA, _MEDIA.given(row, numbers[row.series_id]))


def _batches(held: Sequence[Row[Any]]) -> Iterator[list[int]]:
    """Yield series whose points are read at once: so few that they fit into memory, or one alone."""
    batch: list[int] = []
    size = 0
    for row in held:
        if batch and size + row.bytes > _BYTES:
            yield batch
            batch, size = [], 0
        batch.append(row.id)
        size += row.bytes
    if batch:
        yield batch


def _chunks_of(snapshot: Connection, ids: Sequence[int]) -> Iterable[Row[Any]]:
    """Read the chunks of series, of each in the order of arrival."""
    statement = _CHUNK.read("id")
    if len(ids) == 1:
        return _stream(snapshot, statement.where(chunks.c.series_id == ids[0]).order_by(chunks.c.id))
    found = _stream(snapshot, statement.where(member_of(chunks.c.series_id, "series")), series=list(ids))
    # Sorted here: the database would write all of it to a file for that.
    return sorted(found, key=lambda row: row.id)


def _stream(snapshot: Connection, statement: Select[Any], **values: Any) -> Iterable[Row[Any]]:
    return snapshot.execute(statement, values, execution_options={"yield_per": _RUNS})

"""Purging: how what was thrown away goes for good, in steps each of which leaves what the next one can go on with.

Entries are marked first, in one transaction: from then on they are nowhere to be seen. Their rows go in transactions
so short that others write in between; what a process that was killed left of them, the next purge removes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import bindparam, case, delete, exists, func, or_, select, tuple_, union, update
from sqlalchemy.sql import Executable

from runatlas.server.store.blob_ref import known_blobs, lock_blobs
from runatlas.server.store.engine import Store
from runatlas.server.store.schema import chunks, media, metadata, projects, runs, series, trash
from runatlas.server.store.statement import Connection, member_of, rows
from runatlas.server.store.trash import COPYING, PURGING, entries_beside, find_unneeded_blobs, forget_blobs

__all__ = ["homes_of", "mark_broken_copies", "mark_purged", "remove_purged", "remove_unneeded_blobs", "weigh_runs"]

_RUNS = 100
_ROWS = 1000
_BYTES = 8 << 20
"""The most runs, rows of a table and bytes of points that one transaction removes."""

_BLOBS = 500

_DOOMED_PROJECTS = select(projects.c.id).where(member_of(projects.c.trash_id, "entries"))
_ENTRY = select(projects.c.trash_id).where(projects.c.id == runs.c.project_id).scalar_subquery()
_GATHER = (
    update(runs)
    .where(runs.c.project_id.in_(_DOOMED_PROJECTS), runs.c.trash_id.is_distinct_from(_ENTRY))
    .values(trash_id=_ENTRY)
)
_HELD = select(func.count()).where(runs.c.trash_id == trash.c.id).scalar_subquery()
_RECOUNT = update(trash).where(member_of(trash.c.id, "entries")).values(runs=_HELD)
_MARK = update(trash).where(member_of(trash.c.id, "entries")).values(kind=PURGING)
_HOLDS_SOMETHING = exists().where(runs.c.trash_id == trash.c.id) | exists().where(projects.c.trash_id == trash.c.id)
_FORGET_EMPTY = delete(trash).where(~_HOLDS_SOMETHING, trash.c.kind != COPYING)

_MARKED = select(trash.c.id).where(trash.c.kind == PURGING).order_by(trash.c.id).with_for_update()
_DOOMED = (
    select(runs.c.id)
    .where(or_(member_of(runs.c.trash_id, "entries"), runs.c.project_id.in_(_DOOMED_PROJECTS)))
    .order_by(runs.c.id)
    .limit(bindparam("most"))
    .with_for_update()
)
_OF_RUNS = member_of(series.c.run_pk, "runs")
_CHUNKS = (
    select(chunks.c.id, func.length(chunks.c.data))
    .join(series, series.c.id == chunks.c.series_id)
    .where(_OF_RUNS)
    .limit(bindparam("most"))
)
_REMOVE_CHUNKS = delete(chunks).where(member_of(chunks.c.id, "chunks"))


def _some_of(table: str) -> Executable:
    """Make the statement that removes some of what runs have in a table whose rows are known by their run."""
    own = metadata.tables[table]
    chosen = select(*own.primary_key).where(member_of(own.c.run_pk, "runs")).limit(bindparam("most"))
    return delete(own).where(tuple_(*own.primary_key).in_(chosen))


_MEDIA = select(media.c.id).join(series, series.c.id == media.c.series_id).where(_OF_RUNS).limit(bindparam("most"))
_PARTS: tuple[Executable, ...] = (
    delete(media).where(media.c.id.in_(_MEDIA)),
    delete(series).where(series.c.id.in_(select(series.c.id).where(_OF_RUNS).limit(bindparam("most")))),
    *(_some_of(name) for name, table in metadata.tables.items() if "run_pk" in table.primary_key.columns),
)


def weigh_runs(connection: Connection, run_keys: Sequence[int]) -> tuple[int, int, int]:
    """Return how many of these rows are runs, and of all of them the points and in how many bytes these are."""
    is_run = case((runs.c.cut_of.is_(None), 1), else_=0)
    sums = (func.sum(column) for column in (is_run, runs.c.point_count, runs.c.point_bytes))
    found = rows(connection, select(*sums).where(member_of(runs.c.id, "runs")), {"runs": list(run_keys)})[0]
    count, points, size = (int(number or 0) for number in found)
    return count, points, size


_HOMES = union(
    select(runs.c.trash_id, runs.c.project_id).where(member_of(runs.c.trash_id, "entries")),
    select(projects.c.trash_id, projects.c.id).where(member_of(projects.c.trash_id, "entries")),
)


def homes_of(connection: Connection, trash_ids: Collection[int]) -> dict[int, set[int]]:
    """Return the projects of what entries hold."""
    found: dict[int, set[int]] = {}
    for entry, project_id in rows(connection, _HOMES, {"entries": list(trash_ids)}):
        found.setdefault(entry, set()).add(project_id)
    return found


def mark_purged(connection: Connection, trash_ids: Collection[int]) -> None:
    """Take entries out of the trash with all they hold, for good.

    The runs of their projects that were deleted earlier go along; entries that held some of them are counted anew, and
    go too if they are left without anything.
    """
    values = {"entries": list(trash_ids)}
    beside = entries_beside(connection, trash_ids)
    connection.execute(_GATHER, values)
    connection.execute(_RECOUNT, {"entries": beside})
    connection.execute(_MARK, values)
    connection.execute(_FORGET_EMPTY)


def mark_broken_copies(connection: Connection, before_ms: int) -> None:
    """Take out of the store for good what is left of copies at which nobody has been at work since a time."""
    left = select(trash.c.id).where(trash.c.kind == COPYING, trash.c.deleted_at_ms < before_ms)
    mark_purged(connection, [key for (key,) in rows(connection, left.with_for_update())])


def remove_purged(store: Store) -> None:
    """Remove the rows of all that was marked; others write in between.

    Raises:
        BusyError: Others hold the lock; what is left the next call removes.
        StoreError: The database failed.
    """
    store.in_steps(_remove_some)


def _remove_some(connection: Connection, part: float) -> bool:
    """Remove some of what is marked, and tell whether there was something."""
    entries = [key for (key,) in rows(connection, _MARKED)]
    if not entries:
        return False
    most = max(1, int(part * _ROWS))
    doomed = [key for (key,) in rows(connection, _DOOMED, {"entries": entries, "most": max(1, int(part * _RUNS))})]
    if not doomed:
        connection.execute(delete(trash).where(member_of(trash.c.id, "entries")), {"entries": entries})
    elif not (_cut_chunks(connection, doomed, most, part * _BYTES) or _cut_rows(connection, doomed, most)):
        connection.execute(delete(runs).where(member_of(runs.c.id, "runs")), {"runs": doomed})
    return True


def _cut_chunks(connection: Connection, doomed: Sequence[int], most: int, size: float) -> bool:
    """Remove chunks of runs; return whether there may be more."""
    found = rows(connection, _CHUNKS, {"runs": doomed, "most": most})
    taken = 0
    for _, length in found:
        if taken and size < length:
            break
        taken, size = taken + 1, size - length
    connection.execute(_REMOVE_CHUNKS, {"chunks": [key for key, _ in found[:taken]]})
    return len(found) == most or taken < len(found)


def _cut_rows(connection: Connection, doomed: Sequence[int], most: int) -> bool:
    """Remove what else runs have; return whether there may be more."""
    values = {"runs": doomed, "most": most}
    return any(connection.execute(part, values).rowcount >= most for part in _PARTS)


def remove_unneeded_blobs(store: Store, before_ms: int) -> tuple[int, int]:
    """Remove the blobs that nobody needs and that were stored before a time: how many, and how many bytes.

    Their rows go first, then their files, except of blobs that came back meanwhile.

    Raises:
        StoreError: The database failed.
    """
    with store.read() as connection:
        found = find_unneeded_blobs(connection, (), before_ms)
    removed = size = 0
    for group in _groups(found):
        with store.write() as connection:
            lock_blobs(connection)
            among = [sha256 for sha256, _ in group]
            gone = [sha256 for sha256, _ in find_unneeded_blobs(connection, (), before_ms, among)]
            forget_blobs(connection, gone)
        with store.write() as connection:
            lock_blobs(connection)
            back = known_blobs(connection, gone)
            for sha256 in gone:
                if sha256 not in back:
                    store.blobs.remove(sha256)
        sizes = dict(group)
        removed, size = removed + len(gone), size + sum(sizes[sha256] for sha256 in gone)
    return removed, size


def _groups(found: Sequence[tuple[str, int]]) -> Iterator[Sequence[tuple[str, int]]]:
    for first in range(0, len(found), _BLOBS):
        yield found[first : first + _BLOBS]

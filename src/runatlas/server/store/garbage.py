"""Garbage: files that no row knows, left by a crash, and rows whose time is over."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import attrs
from sqlalchemy import and_, bindparam, func, or_, select

from runatlas.file_access import is_own_directory
from runatlas.model.ids import is_cuid
from runatlas.server.store.blob import is_sha256
from runatlas.server.store.blob_ref import known_blobs, lock_blobs
from runatlas.server.store.engine import Store
from runatlas.server.store.export import remove_expired
from runatlas.server.store.idempotency import forget_requests
from runatlas.server.store.journal import forget_texts
from runatlas.server.store.purge import mark_broken_copies, remove_purged, remove_unneeded_blobs
from runatlas.server.store.schema import exports, runs, trash
from runatlas.server.store.statement import Connection, rows
from runatlas.server.store.trash import COPYING, PURGING, find_unneeded_blobs

__all__ = ["DAY_MS", "Collected", "Leftovers", "collect_garbage", "find_leftovers"]

DAY_MS = 24 * 3600 * 1000
"""How old what nobody needs must be: it may still be waiting for its row."""

_AT_ONCE = 500


@attrs.frozen
class Collected:
    """What was removed.

    Attributes:
        files: Those that no row knew.
    """

    files: int
    exports: int
    blobs: int = 0
    blob_bytes: int = 0


@attrs.frozen
class Leftovers:
    """What of one kind nobody needs.

    Attributes:
        kind: What it is, in the plural.
    """

    kind: str
    count: int
    bytes: int


def find_leftovers(store: Store) -> tuple[Leftovers, ...]:
    """Tell what ``collect_garbage`` would remove, and remove nothing.

    Raises:
        StoreError: The database failed.
    """
    before_ms = store.clock() - DAY_MS
    with store.read() as connection:
        purged = rows(connection, _PURGED, {"before": before_ms})[0]
        blobs = [size for _, size in find_unneeded_blobs(connection, (), before_ms)]
        old = [path for path in store.blobs.files() if _is_older(path, before_ms)]
        known: dict[str, int] = {}
        for group in _groups(old):
            known |= known_blobs(connection, [path.name for path in group if is_sha256(path.name)])
        sizes = [size for (size,) in rows(connection, _EXPIRED, {"now": store.clock()})]
    lost = [path for path in old if path.name not in known]
    unfinished = [path for path in lost if not is_sha256(path.name)]
    sizes += [_size_of(path) for path in _lost_exports(store, before_ms)]
    return (
        Leftovers("runs of purges and copies that broke off", int(purged[0]), int(purged[1] or 0)),
        Leftovers("files that no run and no model needs", len(blobs), sum(blobs)),
        Leftovers("files that nothing knows", len(lost) - len(unfinished), _total(set(lost) - set(unfinished))),
        Leftovers("unfinished uploads", len(unfinished), _total(unfinished)),
        Leftovers("old exports", len(sizes), sum(sizes)),
    )


_PURGED = (
    select(func.count(), func.sum(runs.c.point_bytes))
    .select_from(runs.join(trash, trash.c.id == runs.c.trash_id))
    .where(or_(trash.c.kind == PURGING, and_(trash.c.kind == COPYING, trash.c.deleted_at_ms < bindparam("before"))))
)
_EXPIRED = select(exports.c.size).where(exports.c.expires_at_ms < bindparam("now"))


def collect_garbage(store: Store) -> Collected:
    """Remove what was purged, what is left of copies that broke off, blobs that nobody needs, expired exports, old
    answers kept for repeated requests, files that no row knows, and what runs were before changes that cannot be taken
    back any more.

    A blob's file is written before its row, so that one without a row counts as lost only after a day.

    Raises:
        StoreError: The database failed.
    """
    now_ms = store.clock()
    with store.write() as connection:
        expired = remove_expired(connection, store, now_ms)
        forget_requests(connection, now_ms - DAY_MS, now_ms - DAY_MS)
        mark_broken_copies(connection, now_ms - DAY_MS)
    lost = _remove_lost_blobs(store, now_ms - DAY_MS) + _remove_lost_exports(store, now_ms - DAY_MS)
    remove_purged(store)
    store.in_steps(lambda connection, part: forget_texts(connection, now_ms, max(1, int(part * _AT_ONCE))))
    blobs, size = remove_unneeded_blobs(store, now_ms - DAY_MS)
    return Collected(lost, expired, blobs, size)


def _remove_lost_blobs(store: Store, before_ms: int) -> int:
    removed = 0
    for group in _groups([path for path in store.blobs.files() if _is_older(path, before_ms)]):
        # Under the lock that storing a blob takes, so that none gets its row between the look and the removal.
        with store.write() as connection:
            lock_blobs(connection)
            known = known_blobs(connection, [path.name for path in group if is_sha256(path.name)])
            lost = [path for path in group if path.name not in known]
            for path in lost:
                path.unlink(missing_ok=True)
            removed += len(lost)
    return removed


def _remove_lost_exports(store: Store, before_ms: int) -> int:
    lost = _lost_exports(store, before_ms)
    for path in lost:
        shutil.rmtree(path, ignore_errors=True)
    return len(lost)


def _lost_exports(store: Store, before_ms: int) -> list[Path]:
    if not is_own_directory(store.exports_dir):
        return []
    old = [path for path in store.exports_dir.iterdir() if is_cuid(path.name) and _is_older(path, before_ms)]
    with store.read() as connection:
        known = _known_exports(connection)
    return [path for path in old if path.name not in known]


def _known_exports(connection: Connection) -> set[str]:
    return {cuid for (cuid,) in rows(connection, select(exports.c.cuid))}


def _total(paths: Iterable[Path]) -> int:
    return sum(map(_size_of, paths))


def _size_of(path: Path) -> int:
    """Return the bytes of a file, or of those in a directory; what is gone by now has none."""
    with suppress(OSError):
        return sum(map(_size_of, path.iterdir())) if is_own_directory(path) else path.lstat().st_size
    return 0


def _is_older(path: Path, before_ms: int) -> bool:
    try:
        return path.lstat().st_mtime * 1000 < before_ms
    except FileNotFoundError:
        return False


def _groups(paths: list[Path]) -> Iterator[list[Path]]:
    for first in range(0, len(paths), _AT_ONCE):
        yield paths[first : first + _AT_ONCE]

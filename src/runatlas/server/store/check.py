"""Checking a store: whether everything it counts is there and can be read."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from sqlalchemy import bindparam, func, or_, select, text

from runatlas.errors import NotFoundError, StoreError
from runatlas.server.store.engine import Store
from runatlas.server.store.latest import latest_problem
from runatlas.server.store.point_chunk import ChunkError
from runatlas.server.store.point_reading import (
    SeriesChunks,
    SeriesHead,
    decode_all,
    find_scalar_series,
    read_series,
    run_paths,
)
from runatlas.server.store.run_text import shown_problem
from runatlas.server.store.schema import blob_refs, blobs, chunks, runs, series, trash
from runatlas.server.store.statement import Connection, rows
from runatlas.server.store.trash import HIDDEN

__all__ = ["Damage", "check_store"]


@attrs.frozen
class Damage:
    """Something of a store that is not what it should be.

    Attributes:
        what: Its name.
        problem: What is wrong with it.
        runs: The paths of the runs that it touches.
    """

    what: str
    problem: str
    runs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.what}: {self.problem}"


def check_store(store: Store) -> Iterator[Damage]:
    """Look at the database, the points of every series, the figures that are kept of them, and every blob.

    Args:
        store: The store; it may be in use.

    Yields:
        Each thing that is damaged.

    Raises:
        StoreError: The database cannot be read at all.
    """
    with store.read() as connection:
        if store.dialect == "sqlite":
            found = rows(connection, text("PRAGMA integrity_check"))
            yield from (Damage("database", line) for (line,) in found if line != "ok")
        for (run_pk,) in rows(connection, _RUNS):
            yield from _check_run(connection, run_pk)
        hashes = [sha256 for (sha256,) in rows(connection, select(blobs.c.sha256))]
    for sha256 in hashes:
        if problem := _blob_problem(store, sha256):
            with store.read() as connection:
                touched = [run_pk for (run_pk,) in rows(connection, _REFERRING, {"sha256": sha256})]
                paths = tuple(sorted(run_paths(connection, touched).values()))
            yield Damage(f"file {sha256}", problem, paths)


_REFERRING = select(blob_refs.c.run_pk).where(blob_refs.c.sha256 == bindparam("sha256"))


def _check_run(connection: Connection, run_pk: int) -> Iterator[Damage]:
    heads = find_scalar_series(connection, [run_pk], keys=None, context=None, column_class=None)
    for head, held in read_series(connection, [SeriesHead(*row) for row in heads]):
        if problem := _points_problem(head, held):
            path = _path_of(connection, run_pk)
            yield Damage(f"{path}: {head.key!r}", problem, (path,))
    if problem := _figures_problem(connection, run_pk):
        path = _path_of(connection, run_pk)
        yield Damage(path, problem, (path,))


def _path_of(connection: Connection, run_pk: int) -> str:
    return run_paths(connection, [run_pk]).get(run_pk, f"run {run_pk}")


_OF_RUN = series.c.run_pk == bindparam("run"), series.c.chunk_count > 0
_HELD = select(func.coalesce(func.sum(func.length(chunks.c.data)), 0)).where(chunks.c.series_id == series.c.id)
_SERIES_BYTES = select(series.c.key, series.c.bytes, _HELD.scalar_subquery()).where(*_OF_RUN)
_SUMS = [func.coalesce(func.sum(series.c[name]), 0) for name in ("count", "bytes")]
_RUN_FIGURES = [
    select(*_SUMS).where(*_OF_RUN),
    select(runs.c.point_count, runs.c.point_bytes).where(runs.c.id == bindparam("run")),
]


# What is left of runs that are going for good need not fit together any more.
_GOING = select(trash.c.id).where(trash.c.kind.in_(HIDDEN))
_RUNS = select(runs.c.id).where(or_(runs.c.trash_id.is_(None), runs.c.trash_id.not_in(_GOING))).order_by(runs.c.id)


def _figures_problem(connection: Connection, run_pk: int) -> str:
    """Hold the figures that are kept of a run and its series against the chunks."""
    for key, noted, found in rows(connection, _SERIES_BYTES, {"run": run_pk}):
        if noted != found:
            return f"{key!r}: its chunks are said to have {noted} bytes, and have {found}"
    summed, noted = (tuple(rows(connection, statement, {"run": run_pk})[0]) for statement in _RUN_FIGURES)
    if noted == summed:
        return latest_problem(connection, run_pk) or shown_problem(connection, run_pk)
    return f"it is said to have {noted[0]} points in {noted[1]} bytes; its series have {summed[0]} in {summed[1]}"


def _points_problem(head: SeriesHead, held: SeriesChunks) -> str:
    try:
        decode_all(head, held)
    except ChunkError as error:
        return str(error)
    return ""


def _blob_problem(store: Store, sha256: str) -> str:
    try:
        store.blobs.verify(sha256)
    except (NotFoundError, StoreError) as error:
        return error.message
    return ""

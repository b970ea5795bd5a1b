"""Exports: files made on demand, with links to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import attrs

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.batch_check import write_context
from runatlas.model.ids import RunPath, new_cuid
from runatlas.model.media import LinkRecord
from runatlas.model.series import Context
from runatlas.server.services.access import require_run
from runatlas.server.services.caller import Caller
from runatlas.server.services.export_text import column_pieces, value_texts
from runatlas.server.services.links import LINK_MS, Links
from runatlas.server.services.series_walk import check_series
from runatlas.server.store.engine import Store
from runatlas.server.store.export import ExportRow, add_export, find_export, remove_expired, remove_export, write_export
from runatlas.server.store.failure import damage_error
from runatlas.server.store.log import read_logs
from runatlas.server.store.point_chunk import ChunkError, Points
from runatlas.server.store.point_reading import SeriesHead, choose_points, find_scalar_series, read_series
from runatlas.server.store.run import RunRow
from runatlas.server.store.statement import Connection

__all__ = ["ExportColumn", "Exports"]

ROWS_MAX = 500_000
"""The most lines of one log export, as in the SwanLab API."""

_FILE_MS = 24 * LINK_MS
_PIECE_ROWS = 50_000
_EXACT = 2.0**53
_UNSAFE = re.compile(r"[^\w.+-]+")
_NAME_MAX = 60


@attrs.frozen
class ExportColumn:
    """A scalar series to be written.

    Attributes:
        title: What its columns are called: ``{title}_step`` holds the values, ``{title}_timestamp`` the times.
    """

    run: RunPath
    key: str
    title: str
    context: Context = ()


class Exports:
    """Writes what runs recorded to files."""

    def __init__(self, store: Store, links: Links) -> None:
        self._store = store
        self._links = links

    def export_logs(self, caller: Caller, run: RunPath, *, start: int, rows: int) -> LinkRecord:
        """Write lines ``start`` to ``start + rows`` (from 0) to a ``.log`` file and return a link to it.

        Raises:
            NotFoundError: There is no such run.
            ValidationError: The lines are out of bounds.
        """
        if not 0 <= start < _EXACT:
            raise ValidationError(f"start: expected 0 or more, got {start}")
        if not 1 <= rows <= ROWS_MAX:
            raise ValidationError(f"rows: expected 1 to {ROWS_MAX}, got {rows}")
        with self._store.read() as connection:
            found = require_run(connection, caller, run, "read")
            name = f"{_safe(found.name or found.run_id)}.log"
            return self._write(caller, name, _log_pieces(connection, found, start, rows))

    def export_csv(self, caller: Caller, run: RunPath, key: str) -> LinkRecord:
        """Write one column to a ``.csv`` file and return a link to it.

        It has a header, ``step,value,timestamp``, and one row a point by step; timestamps are Unix milliseconds. Where
        the key has several contexts, they follow one another, and a fourth column, ``context``, tells them apart.

        Raises:
            NotFoundError: The run has no such scalar column.
            StoreError: Its points are damaged.
        """
        check_series((key,), None)
        with self._store.read() as connection:
            found = require_run(connection, caller, run, "read")
            heads = [
                SeriesHead(*row)
                for row in find_scalar_series(connection, [found.id], keys=(key,), context=None, column_class=None)
            ]
            if not heads:
                raise NotFoundError(f"run {run} has no scalar column {key!r}")
            name = f"{_safe(found.name or found.run_id)}-{_safe(key)}.csv"
            try:
                return self._write(caller, name, _csv_pieces(connection, heads))
            except ChunkError as error:
                raise damage_error(f"the points of {key!r} of run {run}", self._store.location, error) from error

    def export_columns(self, caller: Caller, columns: Sequence[ExportColumn]) -> str:
        """Write columns of runs side by side to a ``.csv`` file.

        It has a header, then one row a step, ascending: the step and, for each column in the order given, the value
        and the time in Unix milliseconds. Of several points of one step the last counts; what is not there is empty.

        Returns:
            The file's id, for ``get_link``.

        Raises:
            NotFoundError: There is no such run.
            StoreError: Points are damaged.
        """
        if not columns:
            raise ValidationError("columns: give one or more")
        check_series([column.key for column in columns], None)
        with self._store.read() as connection:
            found = [_points_of(self._store, connection, caller, column) for column in columns]
        pieces = column_pieces([column.title for column in columns], found)
        return self._keep(caller, f"{_safe(columns[0].title)}.csv", pieces).cuid

    def get_link(self, caller: Caller, cuid: str) -> LinkRecord:
        """Return a new link to a file that was made, for a caller that has its id.

        Raises:
            NotFoundError: There is none, or it expired.
        """
        with self._store.read() as connection:
            found = find_export(connection, cuid)
        if found is None or found.expires_at_ms < self._store.clock():
            raise NotFoundError("the export expired; make it again")
        return self._links.export_link(caller, found)

    def _write(self, caller: Caller, name: str, pieces: Iterable[str]) -> LinkRecord:
        return self._links.export_link(caller, self._keep(caller, name, pieces))

    def _keep(self, caller: Caller, name: str, pieces: Iterable[str]) -> ExportRow:
        cuid = new_cuid()
        size = write_export(self._store, cuid, name, pieces)
        now_ms = self._store.clock()
        row = ExportRow(cuid, name, size, now_ms + (_FILE_MS if caller.origin is None else LINK_MS))
        try:
            with self._store.write() as connection:
                remove_expired(connection, self._store, now_ms)
                add_export(connection, row)
        except BaseException:
            remove_export(self._store, cuid)
            raise
        return row


def _safe(text: str) -> str:
    """Return a text that is good as part of a file name anywhere."""
    return _UNSAFE.sub("_", text).strip("._")[:_NAME_MAX] or "export"


def _log_pieces(connection: Connection, run: RunRow, start: int, rows: int) -> Iterator[str]:
    for first in range(start, start + rows, _PIECE_ROWS):
        wanted = min(_PIECE_ROWS, start + rows - first)
        lines = read_logs(connection, run.id, offset=_BEFORE_ALL, severity=0, tag=None, limit=wanted, skip=first)
        yield "".join(f"{line.message}\n" for line in lines)
        if len(lines) < wanted:
            return


_BEFORE_ALL = -(2**63)


def _csv_pieces(connection: Connection, heads: list[SeriesHead]) -> Iterator[str]:
    heads = sorted(heads, key=lambda head: head.context)
    many = len(heads) > 1
    yield "step,value,timestamp,context\n" if many else "step,value,timestamp\n"
    for head, held in read_series(connection, heads):
        points = choose_points(head, held, None, None).points
        tail = ',"' + head.context.replace('"', '""') + '"\n' if many else "\n"
        for first in range(0, len(points), _PIECE_ROWS):
            yield "".join(_csv_rows(points.part(slice(first, first + _PIECE_ROWS)), tail))


def _csv_rows(points: Points, tail: str) -> Iterator[str]:
    columns = (points.steps.tolist(), value_texts(points.values), points.times_ms.tolist())
    return (f"{step},{value},{time}{tail}" for step, value, time in zip(*columns, strict=True))


def _points_of(store: Store, connection: Connection, caller: Caller, column: ExportColumn) -> Points | None:
    run = require_run(connection, caller, column.run, "read")
    context = write_context(column.context)
    found = find_scalar_series(connection, [run.id], keys=(column.key,), context=context, column_class=None)
    if not found:
        return None
    ((head, held),) = read_series(connection, [SeriesHead(*found[0])])
    try:
        return choose_points(head, held, None, None).points
    except ChunkError as error:
        raise damage_error(f"the points of {column.key!r} of run {column.run}", store.location, error) from error

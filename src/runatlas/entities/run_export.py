"""Listings of any length as files: what was read lies in a file beside them, so that an export can go on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import attrs

from runatlas.errors import BusyError, ResponseFormatError, RunAtlasError, ValidationError
from runatlas.file_access import replaceable, replacing
from runatlas.model.codec import decode_json, dumps, encode_json, with_float_texts
from runatlas.model.page import PAGE_LIMIT, Page, PageRequest, following
from runatlas.model.run import RunRecord
from runatlas.process.file_lock import FileLock
from runatlas.progress import Progress, showing
from runatlas.tables.run import RunColumns, RunTable, write_runs

__all__ = ["FORMATS", "ExportFormat", "RunExport", "format_of"]

ExportFormat = Literal["csv", "parquet", "jsonl"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

_HEAD = b'{"runatlas":"runs","version":1,'
"""What the first line of the file beside begins with; it goes on with what is listed. Runs follow, a line each, and a
mark behind each page of them."""


def format_of(path: Path, wanted: str | None) -> ExportFormat:
    """Return the format of a file: what is wanted, or what its name ends in.

    Raises:
        ValueError: There is no such format.
    """
    name = path.suffix.lower().removeprefix(".") if wanted is None else wanted
    for found in FORMATS:
        if name == found:
            return found
    if wanted is None:
        raise ValueError(f"path: {path.name!r} ends in none of .csv, .parquet and .jsonl; name the format")
    raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {wanted!r}")


@attrs.frozen
class _Mark:
    """How far an export came: how many runs are there, where the next ones begin, and whether there are none."""

    done: int = 0
    cursor: str | None = None
    is_last: bool = False


class RunExport:
    """An export of a listing.

    Args:
        path: The file; it is replaced when all of it is written.
        form: Its format.
        exact: Whether texts of a CSV file are written as they are, also those that a spreadsheet would run.
        listing: Tells one listing from another, so that none goes on with the runs of another one.
    """

    def __init__(self, path: Path, form: ExportFormat, *, exact: bool, listing: str) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._form = form
        self._exact = exact
        self._head = _HEAD + b'"listing":"%s"}\n' % hashlib.sha256(listing.encode()).hexdigest().encode()
        self._now_ms = time.time_ns() // 1_000_000
        self._columns = RunColumns()

    def write(self, read: Callable[[PageRequest], Page[RunRecord]], *, resume: bool, progress: Progress) -> None:
        """Read what was not read before, and write the file.

        Args:
            read: Reads a page of the listing.
            resume: Whether to go on where another export to this file was interrupted; else it begins anew.
            progress: Whether and how to show how far it is.

        Raises:
            OSError: A file cannot be written.
            RunAtlasError: Runs could not be read; what was read stays for the next time.
        """
        replaceable(self._path)
        lock = FileLock(self._part)
        if not lock.acquire():
            raise BusyError(f"{self._path} is being written by another process")
        try:
            with self._part.open("r+b") as part, showing(progress, "exporting", "run") as tell:
                head = part.readline()
                if not (head.startswith(_HEAD) or _HEAD.startswith(head)):
                    raise FileExistsError(f"{self._part} is not of an export, and in its way; move it away")
                is_whole = resume and head.endswith(b"\n")
                if is_whole and head != self._head:
                    raise ValidationError(self._of_another())
                self._collect(part, read, tell, self._take_up(part) if is_whole else _Mark())
                self._convert(part)
            self._part.unlink()
        finally:
            lock.release()

    # -- reading ------------------------------------------------------------------------------------------------

    def _take_up(self, part: BinaryIO) -> _Mark:
        """Return how far the file beside came, and leave off what comes behind."""
        mark, end = _Mark(), part.tell()
        for records, found in _pages(part):
            self._columns.add(self._table(records))
            mark, end = found, part.tell()
        part.seek(end)
        part.truncate()
        return mark

    def _collect(
        self,
        part: BinaryIO,
        read: Callable[[PageRequest], Page[RunRecord]],
        tell: Callable[[int, int], object],
        mark: _Mark,
    ) -> None:
        """Put all runs into the file beside, from a mark on."""
        if not mark.done:
            part.seek(0)
            part.truncate()
            part.write(self._head)
        total: int | None = None
        while not mark.is_last:
            try:
                page = read(PageRequest(limit=PAGE_LIMIT, cursor=mark.cursor, with_total=total is None))
                cursor = following(mark.cursor, page.next_cursor)
            except RunAtlasError as error:
                if not mark.done:
                    self._part.unlink()
                    raise
                raise self._told(error, mark.done) from error
            self._columns.add(self._table(page.items))
            part.writelines(encode_json(record) + b"\n" for record in page.items)
            mark = _Mark(mark.done + len(page.items), cursor, cursor is None)
            part.write(dumps(attrs.astuple(mark)).encode() + b"\n")
            part.flush()
            total = page.total if total is None else total
            tell(mark.done, max(total or 0, mark.done))

    def _told(self, error: RunAtlasError, done: int) -> RunAtlasError:
        """Say with an error how to go on."""
        if isinstance(error, ValidationError):
            return error.reworded(self._of_another())
        return error.reworded(f"{error.message}; {done:,} runs are kept: exporting again with resume goes on")

    def _of_another(self) -> str:
        return f"{self._part} has runs of another filter or order: give the same ones, or begin anew without resume"

    def _table(self, records: Sequence[RunRecord]) -> RunTable:
        return RunTable(records, now_ms=self._now_ms)

    # -- writing ------------------------------------------------------------------------------------------------

    def _convert(self, part: BinaryIO) -> None:
        """Make the file of what lies beside it."""
        with replacing(self._path.resolve()) as file:
            if self._form == "jsonl":
                for table in self._tables(part):
                    file.writelines(_line(row) for row in table.json())
                return
            write_runs(self._tables(part), self._columns, file, self._form, exact=self._exact)

    def _tables(self, part: BinaryIO) -> Iterator[RunTable]:
        part.seek(len(self._head))
        return (self._table(records) for records, _ in _pages(part))


def _pages(part: BinaryIO) -> Iterator[tuple[list[RunRecord], _Mark]]:
    """Yield the runs of each page that is there whole, and the mark behind it; the file stands behind that then."""
    records: list[RunRecord] = []
    done = 0
    with suppress(ValueError, ResponseFormatError):  # a disk that lost power may have anything behind what is whole
        while (line := part.readline()).endswith(b"\n"):
            if not line.startswith(b"["):
                records.append(decode_json(line, RunRecord))
                continue
            mark = _Mark(*decode_json(line, tuple[int, str | None, bool]))
            done += len(records)
            if mark.done != done:
                return
            yield records, mark
            records = []


def _line(row: dict[str, Any]) -> bytes:
    """Return a row as JSON, without what a run does not have."""
    there = {name: with_float_texts(value) for name, value in row.items() if value is not None}
    return dumps(there).encode() + b"\n"

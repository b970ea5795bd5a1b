"""Runs as tables: in other tools, in files, and as a stream of any length."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Literal
from weakref import finalize

import attrs
from arro3.core import RecordBatch, RecordBatchReader

from runatlas.entities.argument import boolean
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.run_export import RunExport, format_of
from runatlas.model.codec import decode_json, encode_json
from runatlas.model.page import PAGE_LIMIT
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.progress import Progress
from runatlas.response import ApiResponse
from runatlas.tables.frame import Tabular
from runatlas.tables.run import RunColumns, RunTable

__all__ = ["RunTables", "Snapshot"]

_IN_MEMORY = 4 << 20
"""How many bytes of a listing are held in memory; what is more lies in a temporary file."""


class RunTables(Tabular):
    """Runs that leave as tables.

    A stream (``__arrow_c_stream__``) has a record batch for each thousand runs, and every column that any of them has:
    the runs are read to the end first, once, and lie in a temporary file until they are streamed.
    """

    _handle: BackendHandle
    _snapshot: Snapshot | None = None

    @property
    @abstractmethod
    def _query(self) -> RunQuery:
        """Which runs."""

    @abstractmethod
    def _whole_records(self) -> Iterator[RunRecord]:
        """Yield the runs with config and last values: those in memory, or a page a request."""

    @abstractmethod
    def selection(self) -> RunSelection:
        """Return these runs as a selection."""

    def _frame(self) -> RunTable:
        return self._table()

    @abstractmethod
    def _table(self) -> RunTable:
        """Return one row a run."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        # Who takes a stream may ask for one or two first only to know its columns: those need not be read again.
        snapshot = self._snapshot
        if snapshot is None:
            snapshot = self._snapshot = Snapshot(self._whole_records())
        return snapshot.stream(self._begin).__arrow_c_stream__(requested_schema)

    def _begin(self) -> None:
        """Read the runs anew for the next stream."""
        self._snapshot = None

    def export(
        self,
        path: str | Path,
        *,
        format: Literal["csv", "parquet", "jsonl"] | None = None,
        exact: bool = False,
        resume: bool = False,
        progress: Progress = None,
    ) -> ApiResponse[str]:
        """Write ``table()`` to a file as it is read, in the same little memory for any number of runs.

        The file is there when all of it is written. What was read lies beside it meanwhile, in ``<path>.part``, and
        stays when the export is interrupted.

        Args:
            path: The file; it is replaced.
            format: ``None`` for what the path ends in. JSON lines leave out what a run does not have, and have NaN and
                ±Inf as the texts of that name.
            exact: Whether texts of a CSV file are written as they are: for programs, not for spreadsheets.
            resume: Whether to go on where an export to this file was interrupted: of the same filter and order.
            progress: ``None`` shows it on a terminal and in a notebook, ``True`` in any case, ``False`` never; a
                function is called with how many runs are done, and of how many.

        Returns:
            The file's path.

        Raises:
            OSError: The file cannot be written.
            ValueError: The format is unknown.

        Example:
            >>> from runatlas import Api, Run
            >>> with Run(repo="./experiments", experiment="demo") as made:
            ...     pass
            >>> Api("./experiments").projects().first().runs().export("runs.jsonl").data
            'runs.jsonl'
        """
        file, form = Path(path), format_of(Path(path), format)
        is_exact, goes_on = boolean(exact, "exact"), boolean(resume, "resume")

        def write() -> str:
            selection = self.selection()
            query = attrs.evolve(self._query, selection=selection, parts=("config", "summary"))
            list_runs = self._handle.backend.list_runs
            made = RunExport(file, form, exact=is_exact, listing=f"{self._handle.location} {query!r}")
            made.write(lambda page: list_runs(attrs.evolve(query, page=page)), resume=goes_on, progress=progress)
            return str(path)

        return ApiResponse.of(write)


class Snapshot:
    """Runs as they were read, a page a line, and the columns that hold all of them.

    Args:
        records: The runs, with config and last values.
    """

    def __init__(self, records: Iterator[RunRecord]) -> None:
        self._now_ms = time.time_ns() // 1_000_000
        self._columns = RunColumns()
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - it is closed with its last reader
        finalize(self, self._file.close)
        self._lock = threading.Lock()
        while page := list(islice(records, PAGE_LIMIT)):
            self._columns.add(self._table(page))
            self._file.write(encode_json(page) + b"\n")

    def stream(self, begin: Callable[[], None]) -> RecordBatchReader:
        """Return a reader of them.

        Args:
            begin: Called when the first batch is asked for.
        """
        return RecordBatchReader.from_batches(self.empty().schema, self.batches(begin))

    def empty(self) -> RecordBatch:
        """Return a batch of all columns without rows."""
        columns = self._columns.fill(self._table(()))
        return RecordBatch.from_pydict({name: columns[name].combine_chunks() for name in columns.column_names})

    def batches(self, begin: Callable[[], None] | None = None) -> Iterator[RecordBatch]:
        """Yield them, a batch a page.

        Args:
            begin: Called when the first batch is asked for.
        """
        if begin is not None:
            begin()
        place = 0
        while True:
            with self._lock:  # several readers may be at different places
                self._file.seek(place)
                line = self._file.readline()
                place = self._file.tell()
            if not line:
                return
            yield from self._columns.fill(self._table(decode_json(line, list[RunRecord]))).to_batches()

    def _table(self, records: Sequence[RunRecord]) -> RunTable:
        return RunTable(records, now_ms=self._now_ms)

"""Runs of any number as one file, written a portion at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, Literal

import arro3.io
from arro3.core import RecordBatchReader

from runatlas.tables.frame import write_csv
from runatlas.tables.run import RunColumns, RunTable

__all__ = ["write_runs"]

_ROW_GROUP = 10_000


def write_runs(
    tables: Iterable[RunTable],
    columns: RunColumns,
    file: BinaryIO,
    form: Literal["csv", "parquet"],
    *,
    exact: bool = False,
) -> None:
    """Write runs that come in portions as CSV or Parquet.

    Args:
        tables: The portions.
        columns: What they have together: each of them was added.
        file: Where to.
        form: The format.
        exact: Whether texts of CSV are written as they are, also those that a spreadsheet would run.
    """
    empty = columns.fill(RunTable(()))
    filled = (columns.fill(table) for table in tables if len(table))
    if form == "csv":
        write_csv(empty, file, exact=exact)
        for portion in filled:
            write_csv(portion, file, exact=exact, header=False)
        return
    batches = (batch for portion in filled for batch in portion.to_batches())
    reader = RecordBatchReader.from_batches(empty.schema, batches)
    arro3.io.write_parquet(reader, file, max_row_group_size=_ROW_GROUP)

"""A table as CSV, which no spreadsheet runs."""

from __future__ import annotations

import re
from typing import BinaryIO

import arro3.io
from arro3.core import Array, DataType, Table

__all__ = ["number_of", "plain_cell", "write_csv"]

_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet takes for the beginning of a formula, in full width too."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|Infinity)|-?NaN", re.ASCII)
_DIGITS_MAX = 400
_TIMES = "%Y-%m-%dT%H:%M:%S%.3fZ"


def write_csv(table: Table, file: BinaryIO, *, exact: bool, header: bool = True) -> None:
    """Write CSV text.

    Args:
        table: What to write.
        file: Where to.
        exact: Whether texts are written as they are, also those that a spreadsheet would run.
        header: Whether the names of the columns come first.
    """
    written = table if exact else _plain_cells(table)
    arro3.io.write_csv(written, file, header=header, timestamp_tz_format=_TIMES)


def _plain_cells(table: Table) -> Table:
    """Return a table that no spreadsheet runs."""
    columns = [_plain_column(column.combine_chunks()) for column in table.columns]
    return Table.from_arrays(columns, names=list(map(plain_cell, table.column_names))) if columns else table


def plain_cell(text: str) -> str:
    """Return a text that no spreadsheet runs as a formula; numbers stay what they are.

    Args:
        text: A cell.

    Example:
        >>> plain_cell("=1+1"), plain_cell("-1.5"), plain_cell("adam")
        ("'=1+1", '-1.5', 'adam')
    """
    return f"'{text}" if text[:1] in _FORMULA and not _NUMBER.fullmatch(text) else text


def number_of(text: str) -> int | float | None:
    """Return the number that a cell of CSV says; ``None`` if it says none.

    Args:
        text: A cell.

    Example:
        >>> number_of("1e-7"), number_of("12"), number_of("NaN"), number_of("adam")
        (1e-07, 12, nan, None)
    """
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if len(text) < _DIGITS_MAX and text.lstrip("+-").isdigit() else float(text)


def _plain_column(column: Array) -> Array:
    if column.type != DataType.string():
        return column
    texts = column.to_pylist()
    plain = [text if text is None else plain_cell(text) for text in texts]
    return column if plain == texts else Array(plain, DataType.string())

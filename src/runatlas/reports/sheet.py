"""A report as an Excel file: exact numbers, times of UTC, and texts that nothing runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, BinaryIO

from arro3.core import DataType, Table

from runatlas.errors import ValidationError
from runatlas.extra import load_extra
from runatlas.model.instant import iso_text, to_milliseconds

__all__ = ["ABOUT", "REPORT", "SEAL", "cell_text", "head_of", "sheet_cell", "write_sheet"]

REPORT, ABOUT, SEAL = "report", "about", "runatlas-report"
"""The sheets: the rows, what is to be known of them, and, hidden, what they are checked by."""

_ROWS_MAX, _COLUMNS_MAX, _TEXT_MAX = 1_048_576, 16_384, 32_767
_TIME_WIDTH, _WIDTH_MIN, _WIDTH_MAX = 24, 14, 50
"""How wide columns are, in digits."""
_EXACT = 2**53
_YEAR_MIN = 1901
"""Of 1900 Excel has a day too many."""


class _Exact(float):
    """A number that is written with all its digits: the package writes 16, and some doubles have 17."""

    def __format__(self, _: str) -> str:
        return repr(float(self))


def write_sheet(table: Table, file: BinaryIO, *, about: Mapping[str, str], seal: str = "") -> None:
    """Write a table as a sheet, and what is to be known of it as a second one.

    Excel has times without zone: they are UTC, and the head of their column says so. A number that Excel does not hold
    exactly, or that is none, is text.

    Args:
        table: The rows.
        file: Where to.
        about: What is to be known of it.
        seal: What it is checked by, which a hidden sheet holds in as many cells as it takes.

    Raises:
        ImportError: XlsxWriter is not installed.
        ValidationError: A sheet does not hold so much.
    """
    if table.num_rows + 1 > _ROWS_MAX or table.num_columns > _COLUMNS_MAX:
        raise ValidationError(
            f"{table.num_rows:,} rows x {table.num_columns:,} columns are more than an Excel sheet holds "
            f"({_ROWS_MAX - 1:,} x {_COLUMNS_MAX:,}); write CSV or Parquet"
        )
    workbook = load_extra("xlsxwriter", "an Excel file").Workbook(file, {"in_memory": True})
    bold = workbook.add_format({"bold": True})
    time = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
    rows = workbook.add_worksheet(REPORT)
    rows.freeze_panes(1, 0)
    for place, name in enumerate(table.column_names):
        is_time = DataType.is_timestamp(table.column(place).type)
        head, values = head_of(name, is_time=is_time), table.column(place).to_pylist()
        rows.write_string(0, place, head, bold)
        rows.set_column(place, place, _TIME_WIDTH if is_time else _width(head, values))
        for line, value in enumerate(values, start=1):
            _write(rows, line, place, value, time)
    told = workbook.add_worksheet(ABOUT)
    told.set_column(0, 1, 30)
    for line, (name, said) in enumerate(about.items()):
        told.write_string(line, 0, cell_text(name), bold)
        told.write_string(line, 1, cell_text(said))
    if seal:
        hidden = workbook.add_worksheet(SEAL)
        hidden.very_hidden()
        for line, start in enumerate(range(0, len(seal), _TEXT_MAX)):
            hidden.write_string(line, 0, seal[start : start + _TEXT_MAX])
    workbook.close()


def head_of(name: str, *, is_time: bool) -> str:
    """Return what stands above a column.

    Args:
        name: The name of the column.
        is_time: Whether it holds times.
    """
    return cell_text(f"{name} (UTC)" if is_time else name)


def sheet_cell(value: Any) -> Any:
    """Return what a cell holds of a value: nothing, a boolean, a number, a time or a text.

    Args:
        value: A plain value, or a time, as Arrow gives it.

    Example:
        >>> sheet_cell(0.5), sheet_cell(float("nan")), sheet_cell(2**60)
        (0.5, 'NaN', '1152921504606846976')
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return cell_text(value)
    if isinstance(value, datetime):
        return value if value.year >= _YEAR_MIN else iso_text(to_milliseconds(value))
    if math.isfinite(value):
        return value if isinstance(value, float) or abs(value) <= _EXACT else str(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _width(head: str, values: Sequence[Any]) -> int:
    """Return how wide a column is in which its head and its texts can be read, but for long ones."""
    longest = max(len(text) for text in (head, *map(sheet_cell, values)) if isinstance(text, str))
    return min(max(longest + 2, _WIDTH_MIN), _WIDTH_MAX)


def _write(sheet: Any, line: int, place: int, value: Any, time: Any) -> None:
    held = sheet_cell(value)
    if isinstance(held, bool):
        sheet.write_boolean(line, place, held)
    elif isinstance(held, datetime):
        sheet.write_datetime(line, place, held.replace(tzinfo=None), time)  # Arrow gives them in UTC
    elif isinstance(held, str):
        sheet.write_string(line, place, held)
    elif held is not None:
        sheet.write_number(line, place, _Exact(held))


def cell_text(text: str) -> str:
    """Return what a cell holds of a text.

    Args:
        text: The text.
    """
    shown = text.encode(errors="backslashreplace").decode()
    return shown if len(shown) <= _TEXT_MAX else f"{shown[: _TEXT_MAX - 1]}…"

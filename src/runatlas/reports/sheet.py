"""A report as an Excel file: exact numbers, times of UTC, and texts that nothing runs."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, BinaryIO

from arro3.core import DataType, Table

from runatlas.errors import ValidationError
from runatlas.extra import load_extra

__all__ = ["write_sheet"]

_ROWS_MAX, _COLUMNS_MAX, _TEXT_MAX = 1_048_576, 16_384, 32_767
_EXACT = 2**53
_YEAR_MIN = 1900


class _Exact(float):
    """A number that is written with all its digits: the package writes 16, and some doubles have 17."""

    def __format__(self, _: str) -> str:
        return repr(float(self))


def write_sheet(table: Table, file: BinaryIO, *, title: str, facts: dict[str, str]) -> None:
    """Write a table as a sheet, and what is to be known of it as a second one.

    Excel has times without zone: they are UTC, and the head of their column says so. A number that Excel does not hold
    exactly, or that is none, is text.

    Args:
        table: The rows.
        file: Where to.
        title: The title.
        facts: What is to be known of it.

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
    rows = workbook.add_worksheet("report")
    rows.freeze_panes(1, 0)
    for place, name in enumerate(table.column_names):
        is_time = DataType.is_timestamp(table.column(place).type)
        rows.write_string(0, place, _text(f"{name} (UTC)" if is_time else name), bold)
        rows.set_column(place, place, 22 if is_time else 14)
        for line, value in enumerate(table.column(place).to_pylist(), start=1):
            _write(rows, line, place, value, time)
    about = workbook.add_worksheet("about")
    about.set_column(0, 1, 30)
    for line, (name, said) in enumerate({"title": title, **facts}.items()):
        about.write_string(line, 0, _text(name), bold)
        about.write_string(line, 1, _text(said))
    workbook.close()


def _write(sheet: Any, line: int, place: int, value: Any, time: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(line, place, value)
    elif isinstance(value, datetime):
        naive = value.replace(tzinfo=None)  # Arrow gives them in UTC
        if naive.year < _YEAR_MIN:
            sheet.write_string(line, place, value.isoformat())
        else:
            sheet.write_datetime(line, place, naive, time)
    elif (
        isinstance(value, (int, float)) and math.isfinite(value) and (isinstance(value, float) or abs(value) <= _EXACT)
    ):
        sheet.write_number(line, place, _Exact(value))
    else:
        sheet.write_string(line, place, _text(value if isinstance(value, str) else _named(value)))


def _named(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _text(text: str) -> str:
    """Return what a cell holds of a text."""
    shown = text.encode(errors="backslashreplace").decode()
    return shown if len(shown) <= _TEXT_MAX else f"{shown[: _TEXT_MAX - 1]}…"

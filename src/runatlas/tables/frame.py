"""What every table can do: leave for Arrow, pandas, Polars, CSV, Parquet and HTML."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import arro3.io
from arro3.core import Array, ChunkedArray, DataType, Table

from runatlas.display.markup import Html, failure, is_empty, joined, more, note, number, table
from runatlas.display.shown import Shown, shown
from runatlas.extra import load_extra
from runatlas.model.series import ReadFailure
from runatlas.tables.csv import write_csv
from runatlas.terminal import counted

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["ArrowFrame", "Frame", "Tabled", "Tabular", "to_pandas"]

_MILLISECONDS = DataType.timestamp("ms", tz="UTC")
_HTML_COLUMNS = 40


class Frame(Shown):
    """A table of columns of one length.

    Attributes:
        complete: Whether everything that was asked for is in it.
        sampled: Whether any series was thinned.
        total: How many rows there would be without thinning; ``None`` when the server does not tell.
        failures: Parts that could not be had.
        units: The units of columns that have one, which a notebook shows beside their names.
    """

    units: Mapping[str, str] = MappingProxyType({})
    complete: bool = True
    sampled: bool = False
    total: int | None
    failures: tuple[ReadFailure, ...] = ()
    _html_rows: ClassVar[int] = 10

    @abstractmethod
    def to_arrow(self) -> Table:
        """Return an Arrow table; anything that speaks the Arrow interface takes it without a copy."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._head(0).column_names)

    @property
    def num_rows(self) -> int:
        """How many rows it has."""
        return int(self.to_arrow().num_rows)

    def to_pandas(self) -> pd.DataFrame:
        """Return a pandas table: times aware UTC, missing values as pandas has them for each type.

        Raises:
            ImportError: pandas is not installed.
        """
        return to_pandas(load_extra("pandas", "to_pandas()"), self.to_arrow())  # type: ignore[no-any-return]

    def to_polars(self) -> pl.DataFrame:
        """Return a Polars table.

        Raises:
            ImportError: Polars is not installed.
        """
        return load_extra("polars", "to_polars()").DataFrame(self.to_arrow())  # type: ignore[no-any-return]

    def to_csv(self, path: str | Path | None = None, *, exact: bool = False) -> str:
        """Write CSV text: times as ISO 8601 with ``Z``, nothing for a missing value, ``NaN`` for NaN.

        A text or the name of a column that a spreadsheet would take for a formula (it begins with ``=``, ``+``, ``-``,
        ``@``, a tab or the end of a line, and is no number) gets an apostrophe before it.

        Args:
            path: A file to write; it is replaced.
            exact: Whether texts are written as they are: for programs, not for spreadsheets.

        Returns:
            The file's path, or the text itself if no path was given.
        """
        buffer = BytesIO()
        write_csv(self.to_arrow(), buffer, exact=exact)
        if path is None:
            return buffer.getvalue().decode()
        Path(path).write_bytes(buffer.getbuffer())
        return str(path)

    def to_parquet(self, path: str | Path) -> str:
        """Write a Parquet file.

        Args:
            path: The file; it is replaced.

        Returns:
            The file's path.
        """
        buffer = BytesIO()
        arro3.io.write_parquet(self.to_arrow(), buffer)
        Path(path).write_bytes(buffer.getbuffer())
        return str(path)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def _show(self) -> Html:
        return joined(self._rows_shown(), self._told())

    def _rows_shown(self) -> Html:
        columns = self._html_columns()
        names = columns[:_HTML_COLUMNS]
        rows = [[number(held) if isinstance(held, float) else held for held in row] for row in self._first_rows(names)]
        left = more(self.num_rows - self._html_rows, "row")
        bare = [name for name, *cells in zip(names, *rows, strict=True) if cells and all(map(is_empty, cells))]
        nothing = note(f"nothing in {', '.join(bare)}") if bare else None
        return joined(table(self._titles(names), rows), left, nothing, more(len(columns) - len(names), "column"))

    def _titles(self, names: Iterable[str]) -> list[str]:
        """Return what stands above columns."""
        return [f"{name} ({self.units[name]})" if name in self.units else name for name in names]

    def _html_columns(self) -> Sequence[str]:
        """Return the columns that a notebook shows, in its order."""
        return self.columns

    def _first_rows(self, names: Sequence[str]) -> Iterable[Sequence[Any]]:
        """Return the rows that are shown."""
        part = self._head(self._html_rows)
        return zip(*(part[name].to_pylist() for name in names), strict=True)

    def _head(self, rows: int) -> Table:
        """Return so many of the first rows."""
        arrow = self.to_arrow()
        return arrow.slice(0, min(rows, arrow.num_rows))

    def _told(self) -> Html:
        """Say how large it is, what is not in it and why."""
        reasons = (f"{item.path} {item.key}: {item.reason}" for item in self.failures[: self._html_rows])
        return joined(note(self._describe()), *map(failure, reasons))

    def _describe(self) -> str:
        """Return one line on size and completeness."""
        parts = [f"{counted(self.num_rows, 'row')} x {counted(len(self.columns), 'column')}"]
        if self.sampled:
            parts.append("sampled" if self.total is None else f"sampled from {self.total}")
        if not self.complete and not self.sampled:
            parts.append("incomplete")
        if self.failures:
            parts.append(f"{len(self.failures)} failures")
        return ", ".join(parts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._describe()})"


class Tabular(Shown):
    """What leaves for Arrow, pandas, Polars, CSV and Parquet as the table that it has."""

    __slots__ = ()

    @abstractmethod
    def _frame(self) -> Frame:
        """Return it as a table."""

    def to_arrow(self) -> Table:
        """Return its table as an Arrow table; anything that speaks the Arrow interface takes the object itself too."""
        return self._frame().to_arrow()

    def to_pandas(self) -> pd.DataFrame:
        """Return its table as a pandas table.

        Raises:
            ImportError: pandas is not installed.
        """
        return self._frame().to_pandas()

    def to_polars(self) -> pl.DataFrame:
        """Return its table as a Polars table.

        Raises:
            ImportError: Polars is not installed.
        """
        return self._frame().to_polars()

    def to_csv(self, path: str | Path | None = None, *, exact: bool = False) -> str:
        """Write its table as CSV text, which no spreadsheet runs.

        Args:
            path: A file to write; it is replaced.
            exact: Whether texts are written as they are: for programs, not for spreadsheets.

        Returns:
            The file's path, or the text itself if no path was given.
        """
        return self._frame().to_csv(path, exact=exact)

    def to_parquet(self, path: str | Path) -> str:
        """Write its table as a Parquet file.

        Args:
            path: The file; it is replaced.

        Returns:
            The file's path.
        """
        return self._frame().to_parquet(path)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._frame().__arrow_c_stream__(requested_schema)


class Tabled(Tabular):
    """What has a table, and shows it."""

    __slots__ = ()

    @abstractmethod
    def table(self) -> Frame:
        """Return it as a table."""

    def _frame(self) -> Frame:
        return self.table()

    def _show(self) -> Html:
        return shown(self.table())


class ArrowFrame(Frame):
    """A table that is held as Arrow columns.

    Args:
        table: The columns.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self.total = table.num_rows

    def to_arrow(self) -> Table:
        """Return the Arrow table."""
        return self._table

    def __getstate__(self) -> dict[str, Any]:
        sink = BytesIO()
        arro3.io.write_ipc_stream(self._table, sink)
        return {**self.__dict__, "_table": sink.getvalue()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _table=arro3.io.read_ipc_stream(BytesIO(state["_table"])).read_all())


def to_pandas(pandas: Any, table: Table) -> Any:
    """Return an Arrow table as a pandas table, without PyArrow.

    Args:
        pandas: The package.
        table: The table.
    """
    return pandas.DataFrame({name: _to_pandas_column(pandas, table[name]) for name in table.column_names})


def _to_pandas_column(pandas: Any, column: ChunkedArray) -> Any:
    """Convert one column without PyArrow."""
    numpy = import_module("numpy")
    kind, array = column.type, column.combine_chunks()
    if kind == _MILLISECONDS:
        return _to_pandas_times(pandas, numpy, array)
    if kind == DataType.string():
        return pandas.Series(array.to_pylist(), dtype="str")
    if array.null_count == 0:
        return numpy.asarray(array)
    if kind == DataType.float64():
        return numpy.array(array.to_pylist(), dtype="float64")
    return pandas.array(array.to_pylist(), dtype="boolean" if kind == DataType.bool() else "Int64")


def _to_pandas_times(pandas: Any, numpy: Any, array: Array) -> Any:
    plain = array.cast(DataType.int64())
    if plain.null_count > 0:
        times = numpy.array([pandas.NaT.value if item is None else item for item in plain.to_pylist()], dtype="int64")
    else:
        times = numpy.asarray(plain)
    return pandas.DatetimeIndex(times.view("datetime64[ms]"), tz="UTC")

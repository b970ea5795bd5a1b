"""One row a run: its own fields, its config and the last values of its metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, overload

import arro3.io
from arro3.core import Array, DataType, RecordBatchReader, Table

from runatlas.display.markup import Html, joined, note
from runatlas.extra import load_extra
from runatlas.model import codec
from runatlas.model.instant import moment
from runatlas.model.missing_key import MissingKeyError
from runatlas.model.run import OWN_FIELDS, OwnField, RunRecord
from runatlas.model.run_value import flatten
from runatlas.tables.csv import write_csv
from runatlas.tables.frame import Frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunColumns", "RunTable", "arrow_column", "write_runs"]

_MILLISECONDS = DataType.timestamp("ms", tz="UTC")
_ROW_GROUP = 10_000
_INT64 = range(-(2**63), 2**63)
_EXACT_IN_FLOAT = range(-(2**53), 2**53 + 1)
_TABLED = [field for field in OWN_FIELDS.values() if field.tabled]
_TIME_FIELDS = {field.name for field in _TABLED if field.kind == "time"}


def _reader(field: OwnField) -> Callable[[RunRecord, int], Any]:
    read = attrgetter(field.attribute)
    if field.name == "user":
        return lambda record, _: record.user.username if record.user else None
    if isinstance(field.default, tuple):
        return lambda record, _: list(read(record))
    return lambda record, _: read(record)


_FIELDS: dict[str, Callable[[RunRecord, int], Any]] = {
    "run": lambda record, _: record.id,
    **{field.name: _reader(field) for field in _TABLED},
    "duration": lambda record, now_ms: record.duration_s(now_ms),
    "path": lambda record, _: str(record.path),
}


class RunTable(Frame, Sequence[dict[str, Any]]):
    """Runs as rows: ``table[0]["config.lr"]``, ``table.column("summary.loss")``.

    Columns are the run's own fields, then ``config.<key>`` (nested keys joined by dots), then ``summary.<metric>``
    (last values). In Arrow, CSV and Parquet a config column whose values have several types, or are lists, holds their
    JSON text; rows and ``to_pandas`` keep the values as they are. ``sampled`` is always false.

    Args:
        records: The runs, each with config and summary.
        total: How many runs there are; the table is complete when it has them all.
        now_ms: Until when runs that are RUNNING have lasted, in Unix milliseconds; ``None`` for now.
        metrics: What the records' ``statistics`` are called: more columns of ``summary``.
        units: The units of columns that have one.
        notes: What is to be known of it.
        ask_units: Asks for the units of metrics when they are first shown, and says what failed.
    """

    def __init__(
        self,
        records: Iterable[RunRecord],
        *,
        total: int | None = None,
        now_ms: int | None = None,
        metrics: Sequence[str] = (),
        units: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
        ask_units: Callable[[Sequence[str]], tuple[Mapping[str, str], Html | None]] | None = None,
    ) -> None:
        self._ask_units = ask_units
        self.notes = tuple(notes)
        self.units = dict(units or {})
        self._records = tuple(records)
        self._now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        self._configs = [_flat(record.config or {}) for record in self._records]
        self._summaries = [_with_metrics(record, metrics) for record in self._records]
        self._config_names = _names("config.", self._configs)
        self._summary_names = _names("summary.", self._summaries)
        self.total = len(self._records) if total is None else total
        self.complete = len(self._records) >= self.total
        self.missing = tuple(name for name in metrics if f"summary.{name}" not in self._summary_names)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return (*_FIELDS, *self._config_names, *self._summary_names)

    @property
    def num_rows(self) -> int:
        """How many runs it has."""
        return len(self._records)

    def column(self, name: str) -> list[Any]:
        """Return one column's values, ``None`` where a run has none.

        Args:
            name: The column's name.

        Raises:
            KeyError: There is no such column.
        """
        if name in _FIELDS:
            return [_FIELDS[name](record, self._now_ms) for record in self._records]
        if name in self._config_names:
            return [row.get(self._config_names[name]) for row in self._configs]
        if name in self._summary_names:
            return [row.get(self._summary_names[name]) for row in self._summaries]
        raise MissingKeyError(name, self.columns)

    def _show(self) -> Html:
        failed = None
        if self._ask_units is not None:
            told, failed = self._ask_units(list(self._summary_names.values()))
            self.units = {name: told[key] for name, key in self._summary_names.items() if key in told}
            self._ask_units = self._ask_units if failed else None
        return joined(super()._show(), failed)

    def _told(self) -> Html:
        return joined(*map(note, self.notes), super()._told())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ask_units": None}

    def to_arrow(self) -> Table:
        """Return an Arrow table; times are timestamps in UTC."""
        columns = RunColumns()
        columns.add(self)
        return columns.fill(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return a pandas table: times aware UTC, config values as they are.

        Raises:
            ImportError: pandas is not installed.
        """
        pandas = load_extra("pandas", "to_pandas()")
        columns = {name: _to_pandas_column(pandas, name, self.column(name)) for name in self.columns}
        return pandas.DataFrame(columns, columns=list(self.columns))  # type: ignore[no-any-return]

    def json(self) -> list[dict[str, Any]]:
        """Return the rows; times are Unix milliseconds."""
        names = self.columns
        return [dict(zip(names, row, strict=True)) for row in zip(*map(self.column, names), strict=True)]

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self._row(position) for position in range(len(self._records))[index]]
        return self._row(range(len(self._records))[index])

    def __len__(self) -> int:
        return len(self._records)

    def _first_rows(self, names: Sequence[str]) -> Iterable[Sequence[Any]]:
        for row in self[: self._html_rows]:
            yield [moment(row[name]) if name in _TIME_FIELDS and row[name] else row[name] for name in names]

    def _row(self, position: int) -> dict[str, Any]:
        config, summary = self._configs[position], self._summaries[position]
        row = {name: read(self._records[position], self._now_ms) for name, read in _FIELDS.items()}
        row.update((name, config.get(key)) for name, key in self._config_names.items())
        row.update((name, summary.get(key)) for name, key in self._summary_names.items())
        return row


def _with_metrics(record: RunRecord, metrics: Sequence[str]) -> dict[str, float]:
    held = record.summary or {}
    if not metrics:
        return held
    told = zip(metrics, record.statistics or (), strict=True)
    return {**held, **{name: value for name, value in told if value is not None}}


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    return dict(flatten(config)) if dict in map(type, config.values()) else config


def _names(prefix: str, rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return the keys of all rows by the names of their columns, in order."""
    return {prefix + key: key for key in sorted(set(chain.from_iterable(rows)))}


class RunColumns:
    """The columns of runs that come in portions: which there are, and what holds the values of each without loss."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {name: _Kind() for name in _FIELDS}

    @property
    def names(self) -> list[str]:
        """Their names: the own fields, then config, then summary."""
        rest = sorted(self._kinds.keys() - _FIELDS.keys())  # "config." comes before "summary."
        return [*_FIELDS, *rest]

    def add(self, table: RunTable) -> None:
        """Look at a portion."""
        for name in table.columns:
            self._kinds.setdefault(name, _Kind()).add(table.column(name))

    def fill(self, table: RunTable) -> Table:
        """Return a portion, of those that were added, as an Arrow table of all these columns."""
        there = set(table.columns)
        nothing = [None] * table.num_rows
        return Table.from_pydict(
            {
                name: _to_arrow_column(name, table.column(name) if name in there else nothing, self._kinds[name].kind)
                for name in self.names
            }
        )


class _Kind:
    """The one type that holds all values of a column without loss."""

    def __init__(self) -> None:
        self._types: set[type] = set()
        self._fits_int = self._fits_float = True

    def add(self, values: list[Any]) -> None:
        """Look at more values."""
        found = set(map(type, values)) - {type(None)}
        self._types |= found
        if int in found:
            self._fits_int = self._fits_int and _fit(values, _INT64)
            self._fits_float = self._fits_float and _fit(values, _EXACT_IN_FLOAT)

    @property
    def kind(self) -> type | None:
        """The type; ``None`` if there is none."""
        if self._types == {int, float}:
            return float if self._fits_float else None
        if len(self._types) != 1:
            return None
        (kind,) = self._types
        return None if kind is int and not self._fits_int else kind


def _fit(values: list[Any], bounds: range) -> bool:
    return all(value in bounds for value in values if type(value) is int)


def _to_arrow_column(name: str, values: list[Any], kind: type | None) -> Array:
    if name in _TIME_FIELDS:
        return Array(values, DataType.int64()).cast(_MILLISECONDS)
    return _typed_column(values, kind)


def arrow_column(values: list[Any]) -> Array:
    """Return values of runs as an Arrow column; of several types, or lists, it holds their JSON text.

    Args:
        values: The values, ``None`` where a run has none.
    """
    held = _Kind()
    held.add(values)
    return _typed_column(values, held.kind)


def _typed_column(values: list[Any], kind: type | None) -> Array:
    if kind is float:
        return Array([None if value is None else float(value) for value in values], DataType.float64())
    if kind is bool or kind is int:
        return Array(values, DataType.bool() if kind is bool else DataType.int64())
    if kind is not str:
        values = [None if value is None else codec.dumps(value) for value in values]
    return Array(values, DataType.string())


def _to_pandas_column(pandas: Any, name: str, values: list[Any]) -> Any:
    if name in _TIME_FIELDS:
        return pandas.to_datetime(pandas.array(values, dtype="Int64"), unit="ms", utc=True)
    held = _Kind()
    held.add(values)
    kind = held.kind
    if kind is float:
        return pandas.Series(values, dtype="float64")
    if kind in {int, bool} and None in values:
        return pandas.array(values, dtype="boolean" if kind is bool else "Int64")
    return pandas.Series(values, dtype=None if kind in {int, bool, str} else "object")


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

"""A table of columns of plain values, with what is to be said of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

from arro3.core import Table

from runatlas.display.markup import Html, joined, note
from runatlas.model.missing_key import MissingKeyError
from runatlas.tables.frame import Frame
from runatlas.tables.run import arrow_column

__all__ = ["ValueTable", "make_value_table"]


class ValueTable(Frame, Sequence[dict[str, Any]]):
    """Rows of plain values: ``table[0]["key"]``, ``table.column("key")``.

    In Arrow, pandas, CSV and Parquet a column whose values have several types, or are lists, holds their JSON text.

    Args:
        columns: The columns, all of one length.
        description: What the table tells.
        notes: What is to be known of it.
        units: The units of columns that have one.
    """

    def __init__(
        self,
        columns: Mapping[str, list[Any]],
        *,
        description: str = "",
        notes: Sequence[str] = (),
        units: Mapping[str, str] | None = None,
    ) -> None:
        self._columns = dict(columns)
        self.description = description
        self.notes = tuple(notes)
        self.units = dict(units or {})
        self.total = len(self)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    @property
    def num_rows(self) -> int:
        """How many rows it has."""
        return len(self)

    def column(self, name: str) -> list[Any]:
        """Return one column's values, ``None`` where there is none.

        Args:
            name: The column's name.

        Raises:
            KeyError: There is no such column.
        """
        if name not in self._columns:
            raise MissingKeyError(name, self.columns)
        return list(self._columns[name])

    def to_arrow(self) -> Table:
        """Return an Arrow table."""
        return self._head(len(self))

    def json(self) -> dict[str, Any]:
        """Return the description, the notes and the rows as plain values."""
        return {"description": self.description, "notes": list(self.notes), "rows": list(self)}

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[position] for position in range(len(self))[index]]
        return {name: values[index] for name, values in self._columns.items()}

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def _first_rows(self, names: Sequence[str]) -> Iterable[Sequence[Any]]:
        return zip(*(self._columns[name][: self._html_rows] for name in names), strict=True)

    def _head(self, rows: int) -> Table:
        return Table.from_pydict({name: arrow_column(values[:rows]) for name, values in self._columns.items()})

    def _told(self) -> Html:
        return joined(*map(note, filter(None, (self.description, *self.notes))), super()._told())


def make_value_table(rows: Iterable[Mapping[str, Any]]) -> ValueTable:
    """Make a table of rows that may differ in what they have: a column for each name that any of them has.

    Args:
        rows: The rows.

    Example:
        >>> make_value_table([{"a": 1}, {"b": 2}]).column("a")
        [1, None]
    """
    held = list(rows)
    names = dict.fromkeys(name for row in held for name in row)
    return ValueTable({name: [row.get(name) for row in held] for name in names})

"""One row a group of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arro3.core import Array, DataType, Table

from runatlas.display.markup import Html, joined, note
from runatlas.model.run_group import RunGroupRecord
from runatlas.tables.frame import Frame
from runatlas.tables.run import arrow_column

__all__ = ["RunGroupTable"]

_MILLISECONDS = DataType.timestamp("ms", tz="UTC")


class RunGroupTable(Frame):
    """The values of each group, how many runs have them, in which states, and when they were made.

    Args:
        fields: What was grouped by, as filters name it.
        groups: The groups.
        values: What each group has in these fields.
        notes: What is to be known of it.
    """

    def __init__(
        self,
        fields: Sequence[str],
        groups: Sequence[RunGroupRecord],
        values: Sequence[Sequence[Any]],
        notes: Sequence[str] = (),
    ) -> None:
        self._fields = tuple(fields)
        self._groups = tuple(groups)
        self._values = tuple(values)
        self.total = len(self._groups)
        self.notes = tuple(notes)

    def to_arrow(self) -> Table:
        """Return an Arrow table: the fields, ``runs``, a column a state, and when the first and last were made."""
        return self._head(len(self._groups))

    @property
    def num_rows(self) -> int:
        """How many groups it has."""
        return len(self._groups)

    def _told(self) -> Html:
        return joined(*map(note, self.notes), super()._told())

    def _head(self, rows: int) -> Table:
        groups = self._groups[:rows]
        columns: dict[str, Any] = {}
        for place, name in enumerate(self._fields):
            columns[name] = arrow_column([values[place] for values in self._values[:rows]])
        columns["runs"] = Array([group.count for group in groups], DataType.int64())
        for state in sorted({state for group in self._groups for state in group.states}):
            columns[state.lower()] = Array([group.states.get(state, 0) for group in groups], DataType.int64())
        for name in ("first_created_at", "last_created_at"):
            times = Array([getattr(group, f"{name}_ms") for group in groups], DataType.int64())
            columns[name] = times.cast(_MILLISECONDS)
        return Table.from_pydict(columns)

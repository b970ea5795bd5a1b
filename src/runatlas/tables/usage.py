"""One row a workspace, project, run or metric: the room that it takes."""

from __future__ import annotations

from typing import ClassVar

from arro3.core import Array, DataType, Table

from runatlas.model.usage import SpaceRecord
from runatlas.tables.frame import Frame

__all__ = ["UsageTable"]

_NUMBERS = (
    "bytes",
    "runs",
    "points",
    "point_bytes",
    "files",
    "file_bytes",
    "trashed_runs",
    "trashed_bytes",
)


class UsageTable(Frame):
    """What takes how much room, largest first.

    Args:
        record: The figures.
    """

    _html_rows: ClassVar[int] = 20

    def __init__(self, record: SpaceRecord) -> None:
        self._record = record
        self.complete = len(record.items) == record.groups
        self.total = record.groups

    def to_arrow(self) -> Table:
        """Return an Arrow table; the first column is named for what is told apart."""
        items = self._record.items
        numbers = {name: Array([getattr(item, name) for item in items], DataType.int64()) for name in _NUMBERS}
        return Table.from_pydict({self._record.by: Array([item.name for item in items], DataType.string()), **numbers})

"""One row a run that goes to another project."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from arro3.core import Array, DataType, Table

from runatlas.model.transfer import TransferItem
from runatlas.tables.frame import Frame

__all__ = ["TransferTable"]

_TEXTS = {
    "run": "path",
    "target": "target",
    "name": "name",
    "state": "state",
    "folder": "folder",
    "in_way": "in_way",
}


class TransferTable(Frame):
    """The runs of a plan.

    Args:
        items: The runs.
        complete: Whether all that was asked for by id is there.
    """

    _html_rows: ClassVar[int] = 20

    def __init__(self, items: Iterable[TransferItem], *, complete: bool = True) -> None:
        self._items = list(items)
        self.complete = complete
        self.total = len(self._items)

    def to_arrow(self) -> Table:
        """Return an Arrow table; ``in_way`` says why a run cannot go."""
        return self._head(len(self._items))

    @property
    def num_rows(self) -> int:
        """How many runs it has."""
        return len(self._items)

    def _head(self, rows: int) -> Table:
        part = self._items[:rows]
        columns = {
            column: Array([getattr(item, attribute) for item in part], DataType.string())
            for column, attribute in _TEXTS.items()
        }
        points = Array([item.points for item in part], DataType.int64())
        return Table.from_pydict({**columns, "points": points})

"""One row a run that a deletion takes or keeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from arro3.core import Array, DataType, Table

from runatlas.model.series import ReadFailure
from runatlas.model.trash import PlannedItem
from runatlas.tables.frame import Frame

__all__ = ["PlanTable"]

_MILLISECONDS = DataType.timestamp("ms", tz="UTC")


class PlanTable(Frame):
    """The runs of a plan: those that go, then those that are kept.

    Args:
        items: What goes.
        kept: What is guarded and stays.
        complete: Whether all that was asked for by id is there.
    """

    _html_rows: ClassVar[int] = 20

    def __init__(self, items: Iterable[PlannedItem], kept: Iterable[PlannedItem], *, complete: bool = True) -> None:
        self._rows = [*(("delete", item) for item in items), *(("keep", item) for item in kept)]
        self.complete = complete
        self.sampled = False
        self.total = len(self._rows)
        self.failures: tuple[ReadFailure, ...] = ()

    def to_arrow(self) -> Table:
        """Return an Arrow table; ``created_at`` is a timestamp in UTC."""
        items = [item for _, item in self._rows]
        columns: dict[str, Any] = {"action": Array([action for action, _ in self._rows], DataType.string())}
        for column, attribute in {"run": "path", "name": "name", "state": "state", "reason": "reason"}.items():
            columns[column] = Array([getattr(item, attribute) for item in items], DataType.string())
        times = Array([item.created_at_ms for item in items], DataType.int64())
        columns["created_at"] = times.cast(_MILLISECONDS)
        for name in ("points", "files", "bytes"):
            columns[name] = Array([getattr(item, name) for item in items], DataType.int64())
        return Table.from_pydict(columns)

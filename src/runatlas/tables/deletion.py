"""One row a run that a deletion takes or keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

from arro3.core import Array, DataType, Table

from runatlas.model.trash import PlannedItem
from runatlas.tables.frame import Frame

__all__ = ["PlanTable", "ReportRow", "ReportTable"]

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
        self.total = len(self._rows)

    def to_arrow(self) -> Table:
        """Return an Arrow table; ``created_at`` is a timestamp in UTC."""
        return self._head(len(self._rows))

    @property
    def num_rows(self) -> int:
        """How many runs it has."""
        return len(self._rows)

    def _html_columns(self) -> Sequence[str]:
        """Show first what a run is told by, and last its path."""
        reason = ("reason",) if any(item.reason for _, item in self._rows) else ()
        return ("action", "name", "state", *reason, "points", "files", "bytes", "created_at", "run")

    def _head(self, rows: int) -> Table:
        part = self._rows[:rows]
        action = Array([action for action, _ in part], DataType.string())
        return Table.from_pydict({"action": action, **_columns([item for _, item in part])})


class ReportRow(NamedTuple):
    """What became of a run that a policy looked at.

    Attributes:
        policy: The policy's name; ``""`` if it has none.
        outcome: ``planned``, ``deleted``, ``thinned``, ``kept``, ``refused`` or ``failed``.
        entry: The entry of the trash that brings it back; ``""`` if it did not go.
        item: The run; ``None`` for the policy as a whole, of which ``reason`` tells why it was refused.
        reason: Why; ``""`` for what the run says.
    """

    policy: str
    outcome: str
    entry: str
    item: PlannedItem | None
    reason: str = ""


class ReportTable(Frame):
    """What became of the runs of policies, one row each.

    Args:
        rows: The runs.
    """

    def __init__(self, rows: Iterable[ReportRow]) -> None:
        self._rows = list(rows)
        self.total = len(self._rows)

    def to_arrow(self) -> Table:
        """Return an Arrow table; ``created_at`` is a timestamp in UTC."""
        columns: dict[str, Any] = {
            name: Array([getattr(row, name) for row in self._rows], DataType.string())
            for name in ("policy", "outcome", "entry")
        }
        columns |= _columns([row.item for row in self._rows])
        reasons = [row.reason or (row.item.reason if row.item else "") for row in self._rows]
        return Table.from_pydict({**columns, "reason": Array(reasons, DataType.string())})


def _columns(items: Sequence[PlannedItem | None]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for column, attribute in {"run": "path", "name": "name", "state": "state", "reason": "reason"}.items():
        columns[column] = Array([getattr(item, attribute, None) for item in items], DataType.string())
    times = Array([getattr(item, "created_at_ms", None) for item in items], DataType.int64())
    columns["created_at"] = times.cast(_MILLISECONDS)
    for name in ("points", "files", "bytes"):
        columns[name] = Array([getattr(item, name, None) for item in items], DataType.int64())
    return columns

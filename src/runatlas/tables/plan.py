"""Tables of plans: a row a run that is deleted, kept or moved, and a row a field that an update changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from arro3.core import Array, DataType, Table

from runatlas.model.change import ChangedRunRecord
from runatlas.model.transfer import TransferItem
from runatlas.model.trash import PlannedItem
from runatlas.tables.frame import Frame

__all__ = ["FieldRow", "PlanTable", "ReportRow", "ReportTable", "TransferTable", "UpdateTable", "field_rows"]

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


class FieldRow(NamedTuple):
    """A field of a run, before and after; texts are in quotes, and ``None`` is what is not there."""

    run: str
    field: str
    before: str | None
    after: str | None


def field_rows(runs: Iterable[ChangedRunRecord]) -> Iterator[FieldRow]:
    """Yield what a change makes of the fields of runs."""
    for run in runs:
        for name in dict.fromkeys((*run.before, *run.after)):
            yield FieldRow(run.path, name, _written(run.before, name), _written(run.after, name))


def _written(fields: Mapping[str, Any], name: str) -> str | None:
    return repr(fields[name]) if name in fields else None


class UpdateTable(Frame):
    """What would differ, of the first runs.

    Args:
        runs: These runs.
        differ: How many runs would.
        complete: Whether all that was asked for by id is there.
    """

    _html_rows: ClassVar[int] = 50

    def __init__(self, runs: Iterable[ChangedRunRecord], differ: int, *, complete: bool = True) -> None:
        held = list(runs)
        self._rows = list(field_rows(held))
        self.complete = complete
        self.sampled = len(held) < differ
        self.total = None if self.sampled else len(self._rows)

    def to_arrow(self) -> Table:
        """Return an Arrow table of texts."""
        columns = {name: [getattr(row, name) for row in self._rows] for name in FieldRow._fields}
        return Table.from_pydict({name: Array(cells, DataType.string()) for name, cells in columns.items()})


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

"""One row a field of a run that a change makes other than it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from arro3.core import Array, DataType, Table

from runatlas.model.change import ChangedRunRecord
from runatlas.tables.frame import Frame

__all__ = ["FieldRow", "UpdateTable", "field_rows"]


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

"""Walking through the series of many runs in a fixed order, and going on from a cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from runatlas.errors import ValidationError
from runatlas.model.codec import loads, make_context
from runatlas.model.run import RunSelection
from runatlas.model.series import COLUMN_CLASSES, Context
from runatlas.model.text import check_text
from runatlas.server.services.access import selected_runs
from runatlas.server.services.caller import Caller
from runatlas.server.services.paging import read_cursor, write_cursor
from runatlas.server.store.failure import decoding
from runatlas.server.store.statement import Connection, rows

__all__ = ["SelectedRun", "Stop", "Walk", "check_series", "read_context"]

_RUNS_AT_ONCE = 2000


class SelectedRun(NamedTuple):
    """A run of a selection."""

    id: int
    cuid: str
    run_id: str
    name: str


class Stop(NamedTuple):
    """A series of a walk: the place of its run in the selection, the run's row, and the series' key and context."""

    place: int
    run_pk: int
    key: str
    context: str


class Walk:
    """The series of a selection: runs in the selection's order, then keys as asked or by name, then contexts.

    Attributes:
        runs: The selection's runs.
        missing: The selected ids that are no runs.
        start: The place of the first run to look at.
    """

    def __init__(
        self,
        connection: Connection,
        caller: Caller,
        selection: RunSelection,
        *,
        keys: Sequence[str] | None,
        listing: str,
        cursor: str | None,
    ) -> None:
        """Find the runs.

        Args:
            connection: An open transaction.
            caller: Who asks.
            selection: Which runs.
            keys: The keys as asked; ``None`` for all, by name.
            listing: What the cursors are for.
            cursor: Where an earlier walk ended.

        Raises:
            NotFoundError: There is no such project or workspace.
            ValidationError: The cursor is none of this listing.
        """
        chosen = selected_runs(connection, caller, selection, "read")
        with decoding("rows of runs", "the store"):
            self.runs = [_selected(row) for row in rows(connection, chosen.query)]
        self.missing = chosen.missing
        self.start = 0
        self._ranks = None if keys is None else {key: rank for rank, key in enumerate(dict.fromkeys(keys))}
        self._listing = listing
        self._after = None if cursor is None else Stop(*read_cursor(cursor, listing, ("int", "int", "text", "text")))
        if self._after is not None:
            self.start = self._resume(self._after)

    def series(self, find: Callable[[list[int]], list[Any]]) -> Iterator[tuple[Stop, Any]]:
        """Walk, from the cursor on.

        Args:
            find: Returns the series of runs, in no order, as rows that begin with ``id, run_pk, key, context``.

        Yields:
            Where the walk is, and the row.
        """
        for first in range(self.start, len(self.runs), _RUNS_AT_ONCE):
            group = self.runs[first : first + _RUNS_AT_ONCE]
            found: dict[int, list[Any]] = {}
            for row in find([run.id for run in group]):
                found.setdefault(row[1], []).append(row)
            for place, run in enumerate(group, first):
                for row in self._sorted(run, found.get(run.id, ())):
                    yield Stop(place, run.id, row[2], row[3]), row

    def cursor(self, stop: Stop) -> str:
        """Return the cursor that goes on behind a series."""
        return write_cursor(self._listing, stop)

    def _sorted(self, run: SelectedRun, members: Sequence[Any]) -> list[Any]:
        ordered = sorted(members, key=lambda row: self._order(row[2], row[3]))
        after = self._after
        if after is None or after.run_pk != run.id:
            return ordered
        passed = self._order(after.key, after.context)
        return [row for row in ordered if self._order(row[2], row[3]) > passed]

    def _order(self, key: str, context: str) -> tuple[Any, str]:
        if self._ranks is None:
            return key, context
        return self._ranks.get(key, -1), context

    def _resume(self, after: Stop) -> int:
        """Find the run again; where it is gone, the one in its place comes next."""
        for place, run in enumerate(self.runs):
            if run.id == after.run_pk:
                return place
        return max(0, min(after.place, len(self.runs)))


def check_series(keys: Sequence[str] | None, column_class: str | None) -> None:
    """Check which series are asked for.

    Raises:
        ValidationError: A key is no text, or there is no such class.
    """
    for key in keys or ():
        if not isinstance(key, str):
            raise ValidationError(f"keys: expected text, got {type(key).__name__}")
        check_text(key, "keys")
    if column_class is not None and column_class not in COLUMN_CLASSES:
        raise ValidationError(f"column_class: {column_class!r} is none of {', '.join(COLUMN_CLASSES)}")


def _selected(row: Sequence[Any]) -> SelectedRun:
    if not all(isinstance(text, str) for text in row[1:]):
        raise TypeError("a run's name is no text")
    return SelectedRun(*row)


def read_context(text: str) -> Context:
    """Return the context that a stored text means.

    Raises:
        StoreError: It means none.
    """
    with decoding("contexts of series", "the store"):
        return make_context(loads(text)) if text else ()

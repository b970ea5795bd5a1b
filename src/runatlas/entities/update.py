"""Changes of many things at once: a plan to look at, and what they did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from runatlas.display.markup import Html, facts, failure, heading, joined, note
from runatlas.display.shown import Shown
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.change import Change, noted, undo
from runatlas.entities.plan import SHOWN, Plan, more
from runatlas.model.change import ChangedRunRecord, PlannedUpdate, UpdatePlanRecord
from runatlas.model.series import ReadFailure
from runatlas.response import ApiResponse
from runatlas.tables.frame import Frame
from runatlas.tables.plan import UpdateTable, field_rows
from runatlas.terminal import counted

__all__ = ["Update", "UpdatePlan"]


@attrs.frozen
class Update(Shown):
    """What a change of many things did; they were settled before anything was changed.

    Attributes:
        ids: What was chosen: the store's ids of runs, or paths of projects.
        total: How many were changed.
        failures: What could not be changed. Runs are changed in one transaction, so there never are any of them.
        change: The line of the journal; ``None`` if nothing differs from what was, and for projects, which are changed
            one by one.
        notes: What should be looked at, such as a key of the filter that no run has.
    """

    ids: tuple[str, ...] = attrs.field(repr=False)
    total: int
    failures: tuple[ReadFailure, ...] = ()
    change: Change | None = attrs.field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything that was chosen was changed."""
        return self.total == len(self.ids)

    @property
    def sampled(self) -> bool:
        """Always false."""
        return False

    def undo(self) -> ApiResponse[Change]:
        """Take it back, as ``Change.undo`` does.

        Returns:
            The change that took it back; a ``ConflictError`` if there is nothing to take back.
        """
        return undo(self.change)

    def _show(self) -> Html:
        told = facts({"change": self.change and self.change.id})
        reasons = (f"{item.path}: {item.reason}" for item in self.failures[:SHOWN])
        notes = (note(f"note: {text}") for text in self.notes)
        back = note("undo() takes it back") if self.change is not None else None
        head = heading(f"{self.total:,} of {len(self.ids):,} changed")
        return joined(head, told, *map(failure, reasons), *notes, back)

    def json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        failures = [attrs.asdict(item) for item in self.failures]
        change = "" if self.change is None else self.change.id
        told = {"ids": list(self.ids), "total": self.total, "complete": self.complete, "failures": failures}
        return {**told, "change": change, "notes": list(self.notes)}


class UpdatePlan(Plan[UpdatePlanRecord, PlannedUpdate]):
    """What an update would do, frozen: applying it does exactly this, or fails and changes nothing.

    Args:
        handle: The way to the backend.
        record: The plan as the backend made it.
        done: Called when it was applied.

    Example:
        >>> from runatlas import Api, Run
        >>> with Run(repo="./experiments", experiment="demo") as made:
        ...     pass
        >>> plan = Api("./experiments").run(made.path).update(group="keep", commit=False).data
        >>> plan.total, plan.differ, plan.sample[0].after
        (1, 1, {'group': 'keep'})
        >>> plan.apply().data.undo().ok
        True
    """

    def __init__(self, handle: BackendHandle, record: UpdatePlanRecord, done: Callable[[], None]) -> None:
        super().__init__(handle, record)
        self._done = done

    @property
    def items(self) -> tuple[PlannedUpdate, ...]:
        """The runs, each with its ``path``, and a ``mark`` if something of it would differ."""
        return self.record.items

    @property
    def differ(self) -> int:
        """How many of them would be other than they are."""
        return self.record.differ

    @property
    def sample(self) -> tuple[ChangedRunRecord, ...]:
        """The first of those that would differ, at most ten: what would differ of each, ``before`` and ``after``."""
        return self.record.sample

    @property
    def sampled(self) -> bool:
        """Whether more runs would differ than ``sample`` and ``table()`` show."""
        return len(self.sample) < self.differ

    @property
    def refusal(self) -> str:
        """Why applying it is refused, as far as that is known by now; ``""`` if nothing is known."""
        return self.record.refusal

    def apply(self) -> ApiResponse[Update]:
        """Change what is planned: all of it or nothing.

        A ``ConflictError`` names the runs that keep it from being done: they are no longer there, or what would be
        changed of them was changed meanwhile.

        Returns:
            Which runs were changed; ``undo()`` takes it back.
        """
        return noted(self._handle, self._apply)

    def _apply(self) -> tuple[Update, str]:
        done = self._handle.backend.apply_update(attrs.evolve(self.record, sample=()))
        self._done()
        change = Change(self._handle, done.change_id) if done.change_id else None
        return Update(tuple(item.cuid for item in self.items), done.updated, change=change), done.change_id

    def json(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        record = self.record
        return {
            "total": record.total,
            "differ": record.differ,
            "runs": [item.path for item in record.items],
            "sample": [attrs.asdict(run) for run in record.sample],
            "missing": list(record.missing),
            "notes": list(record.notes),
            "refusal": record.refusal,
            "complete": self.complete,
        }

    def table(self) -> UpdateTable:
        """Return one row a run and field of the ``sample``, with its value before and after as text."""
        return UpdateTable(self.sample, self.differ, complete=self.complete)

    def _summary(self) -> str:
        return f"{self.differ:,} of {counted(self.total, 'run')} would be changed"

    def _tables(self) -> Sequence[Frame]:
        return [self.table()] if self.sample else []

    def _lines(self) -> list[str]:
        lines = []
        for row in field_rows(self.sample):
            before, after = ("nothing" if value is None else value for value in (row.before, row.after))
            lines.append(f"{row.run}: {row.field} {before} → {after}")
        return lines + more(self.differ - len(self.sample))

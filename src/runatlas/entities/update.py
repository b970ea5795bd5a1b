"""Changes of many things at once: a plan to look at, and what they did."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.change import Change, noted, undo
from runatlas.model.change import ChangedRunRecord, PlannedUpdate, UpdatePlanRecord
from runatlas.model.series import ReadFailure
from runatlas.response import ApiResponse
from runatlas.tables.frame import Tabled
from runatlas.tables.update import UpdateTable, field_rows
from runatlas.terminal import counted, printable

__all__ = ["Update", "UpdatePlan"]

_SHOWN = 20


@attrs.frozen
class Update:
    """What a change of many things did; they were settled before anything was changed.

    Attributes:
        ids: What was chosen: the store's ids of runs, or paths of projects.
        total: How many were changed.
        failures: What could not be changed. Runs are changed in one transaction, so there never are any of them.
        change: The line of the journal; ``None`` if nothing differs from what was, and for projects, which are changed
            one by one.
    """

    ids: tuple[str, ...] = attrs.field(repr=False)
    total: int
    failures: tuple[ReadFailure, ...] = ()
    change: Change | None = attrs.field(default=None, repr=False)

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

    def json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        failures = [attrs.asdict(failure) for failure in self.failures]
        change = "" if self.change is None else self.change.id
        told = {"ids": list(self.ids), "total": self.total, "complete": self.complete, "failures": failures}
        return {**told, "change": change}


class UpdatePlan(Tabled):
    """What an update would do, frozen: applying it does exactly this, or fails and changes nothing.

    Args:
        handle: The way to the backend.
        record: The plan as the backend made it.
        done: Called when it was applied.

    Attributes:
        record: The plan as the backend made it.
        complete: Whether everything asked for by id is there; a plan that is not complete cannot be applied.
        failures: Asked for by id, but not there.

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
        self._handle = handle
        self._done = done
        self.record = record
        self.failures = record.missing
        self.complete = not record.missing

    @property
    def items(self) -> tuple[PlannedUpdate, ...]:
        """The runs, each with its ``path``, and a ``mark`` if something of it would differ."""
        return self.record.items

    @property
    def total(self) -> int:
        """How many runs were chosen."""
        return self.record.total

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
    def missing(self) -> tuple[str, ...]:
        """Ids that are no runs."""
        return self.record.missing

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be looked at before it is applied, such as a key of the filter that no run has."""
        return self.record.notes

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

    def __iter__(self) -> Iterator[PlannedUpdate]:
        return iter(self.record.items)

    def __len__(self) -> int:
        return len(self.record.items)

    def _sentences(self) -> list[str]:
        """Say what would happen, and what should be known before."""
        told = [f"{self.differ:,} of {counted(self.total, 'run')} would be changed"]
        told += [f"there is no such run: {name}" for name in self.missing[:_SHOWN]]
        told += [f"note: {note}" for note in self.notes[:_SHOWN]]
        return [printable(line) for line in [*told, *([f"refused: {self.refusal}"] if self.refusal else [])]]

    def _repr_html_(self) -> str:
        parts = [f"<p>{html.escape(line)}</p>" for line in self._sentences()]
        return f"<div>{''.join(parts)}{self.table()._repr_html_() if self.sample else ''}</div>"

    def __repr__(self) -> str:
        first, *rest = self._sentences()
        lines = [f"UpdatePlan: {first}", *(f"- {line}" for line in rest)]
        for row in field_rows(self.sample):
            before, after = ("nothing" if value is None else value for value in (row.before, row.after))
            lines.append(f"- {printable(f'{row.run}: {row.field} {before} → {after}')}")
        more = self.differ - len(self.sample)
        return "\n".join(lines + ([f"- … and {counted(more, 'run')} more"] if more else []))

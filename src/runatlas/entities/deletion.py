"""Deletion: a plan to look at, its execution, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from runatlas.backends.base import Backend
from runatlas.entities.argument import flag
from runatlas.entities.backend_handle import BackendHandle
from runatlas.model.ids import ProjectPath
from runatlas.model.instant import iso_text
from runatlas.model.run import RunSelection
from runatlas.model.trash import DeletionPlanRecord, DeletionRecord, PlannedItem, TrashRecord
from runatlas.response import ApiResponse
from runatlas.terminal import printable

__all__ = ["Deletion", "DeletionPlan", "delete"]

_SHOWN = 20


class Deletion:
    """What was deleted; it lies in the trash until it expires.

    Attributes:
        trash_id: The entry of the trash.
        kind: ``"runs"`` or ``"project"``.
        runs: How many runs went.
        project: The project's path, when it went too.
        expires_at: ISO 8601: until when it can be brought back; ``None`` for ever.
    """

    def __init__(self, handle: BackendHandle, record: DeletionRecord) -> None:
        self._handle = handle
        self.trash_id = record.trash_id
        self.kind = record.kind
        self.runs = record.runs
        self.project = record.project
        self.expires_at = None if record.expires_at_ms is None else iso_text(record.expires_at_ms)

    def restore(self) -> ApiResponse[TrashRecord]:
        """Bring everything back.

        Returns:
            The entry of the trash as it was.
        """
        return ApiResponse.of(lambda: self._handle.backend.restore(self.trash_id))

    undo = restore

    def json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {
            "trash_id": self.trash_id,
            "kind": self.kind,
            "runs": self.runs,
            "project": self.project,
            "expires_at": self.expires_at,
        }

    def __repr__(self) -> str:
        return f"Deletion({self.json()!r})"


class DeletionPlan:
    """What a deletion would take, frozen: applying it deletes exactly this, or fails and deletes nothing.

    Attributes:
        record: The plan as the backend made it.
        complete: Whether everything asked for by id is there; a plan that is not complete cannot be applied.
        sampled: Always false.
        failures: Asked for by id, but not there.
    """

    sampled = False

    def __init__(self, handle: BackendHandle, record: DeletionPlanRecord) -> None:
        self._handle = handle
        self.record = record
        self.failures = record.missing
        self.complete = not record.missing

    @property
    def items(self) -> tuple[PlannedItem, ...]:
        """The runs."""
        return self.record.items

    @property
    def missing(self) -> tuple[str, ...]:
        """Ids that are no runs."""
        return self.record.missing

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be looked at before it is applied, such as a key of the filter that no run has."""
        return self.record.notes

    @property
    def total(self) -> int:
        """How many runs would go."""
        return self.record.total

    @property
    def project(self) -> str | None:
        """The project's path, when it would go too."""
        return self.record.project

    def apply(self) -> ApiResponse[Deletion]:
        """Delete what is planned: all of it or nothing.

        Returns:
            What was deleted, with ``restore()``.
        """
        return ApiResponse.of(lambda: Deletion(self._handle, self._handle.backend.delete(self.record)))

    def json(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        record = self.record
        return {
            "kind": record.kind,
            "project": record.project,
            "total": record.total,
            "items": [{**attrs.asdict(item), "created_at": iso_text(item.created_at_ms)} for item in record.items],
            "missing": list(record.missing),
            "notes": list(record.notes),
            "points": record.points,
            "media": record.media,
            "artifacts": record.artifacts,
            "bytes": record.bytes,
            "complete": self.complete,
        }

    def __iter__(self) -> Iterator[PlannedItem]:
        return iter(self.record.items)

    def __len__(self) -> int:
        return len(self.record.items)

    def __repr__(self) -> str:
        record = self.record
        what = f"project {record.project} with {record.total} runs" if record.project else f"{record.total} runs"
        held = "" if record.points is None else f", {record.points} points, {record.bytes} bytes"
        lines = [f"DeletionPlan: {what} would be deleted{held}"]
        lines += [f"- {item.path}: {printable(item.name)} ({item.state})" for item in record.items[:_SHOWN]]
        if record.total > _SHOWN:
            lines.append(f"- … and {record.total - _SHOWN} more")
        lines += [f"- {printable(name)}: there is no such run, so nothing would be deleted" for name in record.missing]
        lines += [f"- note: {printable(note)}" for note in record.notes]
        return "\n".join(lines)


def delete(
    handle: BackendHandle, what: Callable[[], RunSelection | ProjectPath], *, commit: bool
) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]:
    """Delete runs or a project, or tell what that would take; either is one request.

    Args:
        handle: The way to the backend.
        what: Tells which.
        commit: Whether to delete.

    Returns:
        The plan, or what was deleted.
    """
    if flag(commit, "commit"):
        return ApiResponse.of(lambda: Deletion(handle, _delete(handle.backend, what())))
    return ApiResponse.of(lambda: DeletionPlan(handle, _plan(handle.backend, what())))


def _delete(backend: Backend, what: RunSelection | ProjectPath) -> DeletionRecord:
    return backend.delete_runs(what) if isinstance(what, RunSelection) else backend.delete_project(what)


def _plan(backend: Backend, what: RunSelection | ProjectPath) -> DeletionPlanRecord:
    return backend.plan_run_deletion(what) if isinstance(what, RunSelection) else backend.plan_project_deletion(what)

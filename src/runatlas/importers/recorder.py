"""Imported runs into a store: each once, whole, and completed if an earlier import broke off."""

from __future__ import annotations

import time
from typing import Literal

from runatlas.backends.base import Backend
from runatlas.importers.imported_run import MARK, ImportedRun
from runatlas.model.batch import Batch
from runatlas.model.run import RunPatch, RunQuery, RunRecord, RunSelection

__all__ = ["Outcome", "Recorder", "RunConflictError"]

Outcome = Literal["added", "completed", "present"]
"""``completed``: an earlier import had begun it. ``present``: it was there, nothing was written."""

_WRITER = "import"
_BATCH = 200_000


class RunConflictError(ValueError):
    """The store has a run of that id which is not this one; it is left as it is."""


class Recorder:
    """Writes runs to one workspace.

    A run is made RUNNING and marked incomplete, gets its points in numbered batches that count once each however
    often they are sent, and then is FINISHED and marked complete: an import can break off anywhere and be repeated.

    Args:
        backend: Where to.
        workspace: Its name; ``None`` is the caller's own.

    Raises:
        NotFoundError: There is no such workspace.
    """

    def __init__(self, backend: Backend, workspace: str | None = None) -> None:
        self._backend = backend
        self._time_ms = time.time_ns() // 1_000_000
        self.workspace = backend.get_workspace(workspace).username

    def record(self, run: ImportedRun) -> Outcome:
        """Write a run.

        Returns:
            What there was to do.

        Raises:
            RunConflictError: The store has another run of that id, or other points for it.
            ValidationError: The store refuses something of it.
        """
        found = self._moved(run)
        record, created = self._backend.create_run(run.draft(self.workspace)) if found is None else (found, False)
        if not created:
            mark = _mark_of(record)
            if mark is None:
                raise RunConflictError(f"the project has a run {run.id!r} that no import made; it is left as it is")
            if mark.get("points_sha256") != run.digest:
                raise RunConflictError(
                    f"run {run.id!r} was imported with other points (line {mark.get('line')} of "
                    f"{mark.get('file')!r}); it is left as it is"
                )
            if mark.get("complete") is True:
                return "present"
        for number, series in enumerate(run.points.pieces(_BATCH, self._time_ms), 1):
            self._backend.append(Batch(record.path, points=series, writer=_WRITER, sequence=number))
        self._finish(run, record)
        return "added" if created else "completed"

    def _moved(self, run: ImportedRun) -> RunRecord | None:
        """Find where a run that was imported before was moved to; ``None`` if it is in its project, or nowhere."""
        selection = RunSelection(self.workspace, ids=(run.id,))
        found = self._backend.list_runs(RunQuery(selection, parts=("profile",))).items
        if any(record.project == run.project for record in found):
            return None
        return next((record for record in found if run.is_marked(_mark_of(record) or {})), None)

    def _finish(self, run: ImportedRun, record: RunRecord) -> None:
        selection = RunSelection(self.workspace, record.project, ids=(record.cuid,))
        patch = RunPatch(state="FINISHED", profile=run.profile(complete=True), by_run=True)
        self._backend.update_runs(selection, patch)


def _mark_of(record: RunRecord) -> dict[str, object] | None:
    mark = record.profile.metadata.get(MARK) if record.profile is not None else None
    return mark if isinstance(mark, dict) else None

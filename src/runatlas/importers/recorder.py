"""Imported runs into a store: each once, whole, and completed if an earlier import broke off."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Literal

import attrs

from runatlas.backends.contract import Backend
from runatlas.errors import ConflictError, NotSupportedError, ValidationError
from runatlas.importers.imported_run import MARK, ImportedRun
from runatlas.model.batch import Batch
from runatlas.model.page import each_item
from runatlas.model.run import RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.model.run_import import IMPORT_VALUES_MAX
from runatlas.process.garbage_collector import collector_paused

__all__ = ["TOGETHER", "TOGETHER_BYTES", "Outcome", "Recorder", "Refusal"]

Outcome = Literal["added", "completed", "present"]
"""``completed``: an earlier import had begun it. ``present``: it was there, nothing was written."""

TOGETHER, TOGETHER_BYTES = 500, 4 << 20
"""How many runs are worth writing together, and how many bytes of their lines."""

_WRITER = "import"
_BATCH = 200_000
_SMALL = 20_000
"""How many values a run has at the most that is written together with others."""


@attrs.frozen
class Refusal:
    """Why a run is not stored: the store refuses something of it, or has a run of its id that is not this one."""

    reason: str


class Recorder:
    """Writes runs to one workspace.

    Small ones that are new are made whole, many in one transaction. A large run, and one that an import began, is made
    RUNNING and marked incomplete, gets its points in numbered batches that count once each however often they are
    sent, and then is FINISHED and marked complete: an import can break off anywhere and be repeated.

    Args:
        backend: Where to.
        workspace: Its name; ``None`` is the caller's own.

    Raises:
        NotFoundError: There is no such workspace.
    """

    def __init__(self, backend: Backend, workspace: str | None = None) -> None:
        self._backend = backend
        self._time_ms = time.time_ns() // 1_000_000
        self._takes_whole = True
        self.workspace = backend.get_workspace(workspace).username

    def record(self, runs: Sequence[ImportedRun]) -> list[Outcome | Refusal]:
        """Write runs; those that are new and small together.

        Returns:
            What there was to do of each, in their order.
        """
        held = self._held([run.id for run in runs])
        done: dict[tuple[str, str], Outcome | Refusal] = {}
        new = [run for run in runs if run.points.count <= _SMALL and _is_new(run, held.get(run.id, ()))]
        for some in _portions(new):
            done |= self._record_whole(some)
        return [done.get((run.project, run.id)) or self._record(run, held.get(run.id, ())) for run in runs]

    def _record_whole(self, runs: Sequence[ImportedRun]) -> dict[tuple[str, str], Outcome | Refusal]:
        """Write new runs in one transaction, and answer by project and id; not of those that are there by now."""
        if not (runs and self._takes_whole):
            return {}
        with collector_paused():
            given = tuple(run.whole(self.workspace, self._time_ms) for run in runs)
        try:
            answers = self._backend.import_runs(given)
        except NotSupportedError:
            self._takes_whole = False
            return {}
        except ValidationError:  # one of them cannot even be sent: each is written alone, and that one refused
            return {}
        found: dict[tuple[str, str], Outcome | Refusal] = {}
        for run, answer in zip(runs, answers, strict=True):
            if answer.outcome == "added":
                found[run.project, run.id] = "added"
            elif answer.outcome == "refused":
                found[run.project, run.id] = Refusal(answer.reason)
        return found

    def _record(self, run: ImportedRun, held: Sequence[RunRecord]) -> Outcome | Refusal:
        try:
            return self._complete(run, held)
        except (ConflictError, ValidationError) as error:
            return Refusal(str(error))

    def _complete(self, run: ImportedRun, held: Sequence[RunRecord]) -> Outcome | Refusal:
        """Write what is missing of a run.

        Args:
            run: The run.
            held: The runs of the workspace that have its id.

        Raises:
            ConflictError: Something was in the way of writing it.
            ValidationError: The store refuses something of it.
        """
        found = _moved(run, held)
        record, created = self._backend.create_run(run.draft(self.workspace)) if found is None else (found, False)
        if not created:
            mark = _mark_of(record)
            if mark is None:
                return Refusal(f"the project has a run {run.id!r} that no import made; it is left as it is")
            if mark.get("points_sha256") != run.digest:
                return Refusal(
                    f"run {run.id!r} was imported with other points (line {mark.get('line')} of "
                    f"{mark.get('file')!r}); it is left as it is"
                )
            if mark.get("complete") is True:
                return "present"
        for number, series in enumerate(run.points.pieces(_BATCH, self._time_ms), 1):
            self._backend.append(Batch(record.path, points=series, writer=_WRITER, sequence=number))
        self._finish(run, record)
        return "added" if created else "completed"

    def _held(self, ids: Sequence[str]) -> dict[str, list[RunRecord]]:
        """Find the runs of the workspace that have these ids, in whatever project."""
        found: dict[str, list[RunRecord]] = {}
        query = RunQuery(RunSelection(self.workspace, ids=tuple(dict.fromkeys(ids))), parts=("profile",))
        for record in each_item(lambda page: self._backend.list_runs(attrs.evolve(query, page=page))):
            found.setdefault(record.id, []).append(record)
        return found

    def _finish(self, run: ImportedRun, record: RunRecord) -> None:
        selection = RunSelection(self.workspace, record.project, ids=(record.cuid,))
        patch = RunPatch(state="FINISHED", profile=run.profile(complete=True), by_run=True)
        self._backend.update_runs(selection, patch)


def _is_new(run: ImportedRun, held: Sequence[RunRecord]) -> bool:
    """Whether no import had to do with a run: those that have its id are others, of other projects."""
    return all(record.project != run.project for record in held) and _moved(run, held) is None


def _moved(run: ImportedRun, held: Sequence[RunRecord]) -> RunRecord | None:
    """Find where a run that was imported before was moved to; ``None`` if it is in its project, or nowhere."""
    if any(record.project == run.project for record in held):
        return None
    return next((record for record in held if run.is_marked(_mark_of(record) or {})), None)


def _mark_of(record: RunRecord) -> dict[str, object] | None:
    mark = record.profile.metadata.get(MARK) if record.profile is not None else None
    return mark if isinstance(mark, dict) else None


def _portions(runs: Sequence[ImportedRun]) -> Iterator[list[ImportedRun]]:
    """Split runs into as many as may come at once."""
    some: list[ImportedRun] = []
    values = 0
    for run in runs:
        if values + run.points.count > IMPORT_VALUES_MAX:
            yield some
            some, values = [], 0
        some.append(run)
        values += run.points.count
    yield some

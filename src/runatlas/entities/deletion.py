"""Deletion: a plan to look at, its execution, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from runatlas.backends.contract import Backend
from runatlas.display.markup import Html, facts, heading, joined, note
from runatlas.display.shown import Shown, shown
from runatlas.entities.argument import boolean
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.plan import SHOWN, Plan, more
from runatlas.errors import ConflictError, NotFoundError
from runatlas.file_access import FileAccess, open_to_read
from runatlas.model.codec import encode
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.instant import iso_text, iso_text_if
from runatlas.model.plan_file import PLAN_MAX, read_plan, write_plan
from runatlas.model.run import RunSelection
from runatlas.model.trash import DeletionPlanRecord, DeletionRecord, PlannedItem, TrashRecord
from runatlas.response import ApiResponse
from runatlas.tables.frame import Frame
from runatlas.tables.plan import PlanTable
from runatlas.terminal import counted, printable

__all__ = ["Deletion", "DeletionPlan", "apply_plan", "delete", "item_json", "kept_lines"]

_LONG = 2_000_000
"""Cutting more points than these out of series takes more than about a second."""
_NAMED = 5


class Deletion(Shown):
    """What was deleted; it lies in the trash until it expires.

    Attributes:
        trash_id: The entry of the trash.
        kind: ``"runs"``, ``"project"``, or ``"data"`` that was cut out of runs.
        runs: How many runs went, or lost data.
        project: The project's path, when it went too.
        expires_at: ISO 8601: until when it can be brought back; ``None`` for ever.
        kept: Asked for, but guarded: these runs stayed, each with its ``reason``.
    """

    def __init__(self, handle: BackendHandle, record: DeletionRecord) -> None:
        self._handle = handle
        self.trash_id = record.trash_id
        self.kind = record.kind
        self.runs = record.runs
        self.project = record.project
        self.kept = record.kept
        self.expires_at = iso_text_if(record.expires_at_ms)

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
            "kept": [item_json(item) for item in self.kept],
        }

    def _show(self) -> Html:
        what = f"project {self.project} with {counted(self.runs, 'run')}" if self.project else counted(self.runs, "run")
        title = f"data of {what} was deleted" if self.kind == "data" else f"deleted: {what}"
        told = facts({"in the trash as": self.trash_id, "until": self.expires_at})
        kept = shown(PlanTable((), self.kept)) if self.kept else None
        return joined(heading(title), told, kept, note("restore() brings it back") if self.trash_id else None)

    def __repr__(self) -> str:
        fields = {**self.json(), "kept": len(self.kept)}
        return "\n".join([f"Deletion({fields!r})", *(f"- {line}" for line in kept_lines(self.kept))])


class DeletionPlan(Plan[DeletionPlanRecord, PlannedItem]):
    """What a deletion would take, frozen: applying it deletes exactly this, or fails and deletes nothing.

    Attributes:
        store: The location of the store that it is of.
    """

    def __init__(self, handle: BackendHandle, record: DeletionPlanRecord, *, store: str | None = None) -> None:
        super().__init__(handle, record)
        self.store = handle.location if store is None else store

    @property
    def items(self) -> tuple[PlannedItem, ...]:
        """The runs."""
        return self.record.items

    @property
    def kept(self) -> tuple[PlannedItem, ...]:
        """Asked for, but guarded: these runs stay, each with its ``reason``."""
        return self.record.kept

    @property
    def refusal(self) -> str:
        """Why applying it is refused, as far as that is known by now; ``""`` if nothing is known."""
        if self.missing:
            rest = f" and {len(self.missing) - _NAMED} more" if len(self.missing) > _NAMED else ""
            return f"there is no run {', '.join(map(repr, self.missing[:_NAMED]))}{rest}"
        return "" if self.record.refusal is None else str(self.record.refusal)

    @property
    def project(self) -> str | None:
        """The project's path, when it would go too."""
        return self.record.project

    @property
    def points(self) -> int | None:
        """How many points the runs have that would go; ``None`` when the server does not tell."""
        return self.record.points

    @property
    def bytes(self) -> int | None:
        """What purging frees once they lie in the trash, which holds it until then; ``None`` when that is not told."""
        return self.record.bytes

    def apply(self) -> ApiResponse[Deletion]:
        """Delete what is planned: all of it or nothing.

        A ``ConflictError`` says why nothing was deleted: a run is no longer as it was planned or came under a guard,
        guarded runs stand in the way, the plan is of another store, or it has ``notes`` and was not made with
        ``force``.

        Returns:
            What was deleted, with ``restore()``.
        """
        return ApiResponse.of(self._apply)

    def _apply(self) -> Deletion:
        foreign = self._foreign()
        if foreign:
            raise ConflictError(f"nothing was deleted: {foreign}")
        return apply_plan(self._handle, self.record)

    def _foreign(self) -> str:
        """Say that it is of another store: one at another location, in which none of its first runs is."""
        here = self._handle.location
        if self.store == here or any(_is_there(self._handle.backend, item) for item in self.record.items[:SHOWN]):
            return ""
        return f"the plan is of another store, {self.store}, and not of {here}, where none of its runs is"

    def json(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        record = self.record
        return {
            "kind": record.kind,
            "project": record.project,
            "total": record.total,
            "items": [item_json(item) for item in record.items],
            "kept": [item_json(item) for item in record.kept],
            "takes": list(record.takes),
            "missing": list(record.missing),
            "notes": list(record.notes),
            "points": record.points,
            "media": record.media,
            "artifacts": record.artifacts,
            "bytes": record.bytes,
            "cut": None if record.cut is None else encode(record.cut),
            "complete": self.complete,
        }

    def table(self) -> PlanTable:
        """Return one row a run, those that go and those that are kept; ``action`` says which."""
        return PlanTable(self.items, self.kept, complete=self.complete)

    def save(self, path: str | Path) -> str:
        """Write the plan to a file that only you can read, whole or not at all; ``Api.load_plan`` reads it.

        Args:
            path: The file; it is replaced.

        Returns:
            The file's path.

        Raises:
            OSError: It cannot be written.
        """
        FileAccess().write_file(Path(path), write_plan(self.record, self.store))
        return str(path)

    @classmethod
    def load(cls, handle: BackendHandle, path: str | Path) -> DeletionPlan:
        """Read a plan from a file, as ``Api.load_plan`` does.

        Args:
            handle: The way to the backend that it is of.
            path: The file.

        Raises:
            OSError: It cannot be read.
            RunAtlasError: It was made at another location, and the store here cannot be asked for its runs.
            ValueError: It is no plan, damaged, or of another store; the sentence says how.
        """
        with open_to_read(Path(path)) as file:
            content = file.read(PLAN_MAX + 1)
        try:
            record, store = read_plan(content)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        plan = cls(handle, record, store=store)
        foreign = plan._foreign()
        if foreign:
            raise ValueError(f"{path}: {foreign}")
        return plan

    def _summary(self) -> str:
        record = self.record
        is_refused = bool(record.whole and record.kept)
        total = record.total + (len(record.kept) if is_refused else 0)
        what = counted(total, "run")
        it = "it" if total == 1 else "them"
        what = f"project {record.project} with {what}" if record.project else what
        if is_refused:
            guarded = len(record.kept)
            stay = "would stay" if record.cut is None else "would stay whole"
            return f"{what} {stay}, as {guarded} of {it} {'is' if guarded == 1 else 'are'} guarded"
        if record.points is None:
            return f"{what} would be deleted"
        freed = f"purging {it} frees {counted(record.bytes or 0, 'byte')}, which the trash holds until then"
        if record.cut is not None:
            parts = ((record.points, "point"), (record.media or 0, "media step"), (record.artifacts or 0, "file"))
            told = ", ".join(counted(count, noun) for count, noun in parts if count) or "no points"
            is_parted = record.cut.has_bounds or record.cut.thin is not None
            waits = (
                "; that takes seconds, in which others wait to write: cut it out of fewer runs at once if they must not"
            )
            freed += waits if is_parted and record.points > _LONG else ""
            return f"{printable(str(record.cut))} would be cut out of {what}: {told}; {freed}"
        held = f"{counted(record.points, 'point')}; {freed}"
        return f"{what} would be deleted, {held}"

    def _tables(self) -> Sequence[Frame]:
        parts = ((self.items, ()), ((), self.kept))
        return [PlanTable(items, kept) for items, kept in parts if items or kept]

    def _lines(self) -> list[str]:
        record = self.record
        lines = [f"{_item_text(item)}{_item_amount(record, item)}" for item in record.items[:SHOWN]]
        return lines + more(record.total - SHOWN) + kept_lines(record.kept)


def _is_there(backend: Backend, item: PlannedItem) -> bool:
    try:
        return backend.get_run(RunPath.parse(item.path)).cuid == item.cuid
    except (NotFoundError, ValueError):
        return False


def apply_plan(handle: BackendHandle, plan: DeletionPlanRecord) -> Deletion:
    """Delete what is planned: all of it or nothing.

    Args:
        handle: The way to the backend.
        plan: The plan.
    """
    # What stays may be many runs, and matters to the backend only where it stands in the way.
    sent = plan if plan.whole else attrs.evolve(plan, kept=())
    return Deletion(handle, attrs.evolve(handle.backend.delete(sent), kept=plan.kept))


def delete(
    handle: BackendHandle, what: Callable[[], RunSelection | RunPath | ProjectPath], *, commit: bool, force: bool
) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]:
    """Delete runs, a run or a project, or tell what that would take; either is one request.

    Args:
        handle: The way to the backend.
        what: Tells which.
        commit: Whether to delete.
        force: Whether to take also what is guarded, but for protected runs.

    Returns:
        The plan, or what was deleted.
    """
    forced = boolean(force, "force")
    if boolean(commit, "commit"):
        return ApiResponse.of(lambda: Deletion(handle, _delete(handle.backend, what(), force=forced)))
    return ApiResponse.of(lambda: DeletionPlan(handle, _plan(handle.backend, what(), force=forced)))


def _delete(backend: Backend, what: RunSelection | RunPath | ProjectPath, *, force: bool) -> DeletionRecord:
    if isinstance(what, RunPath):
        return backend.delete_run(what, force=force)
    if isinstance(what, RunSelection):
        return backend.delete_runs(what, force=force)
    return backend.delete_project(what, force=force)


def _plan(backend: Backend, what: RunSelection | RunPath | ProjectPath, *, force: bool) -> DeletionPlanRecord:
    if isinstance(what, ProjectPath):
        return backend.plan_project_deletion(what, force=force)
    return backend.plan_run_deletion(what, force=force)


def kept_lines(kept: Sequence[PlannedItem]) -> list[str]:
    """Say what a deletion keeps and why, a line a run, for people; of many the first ones."""
    lines = [f"kept: {_item_text(item)}" for item in kept[:SHOWN]]
    if len(kept) > SHOWN:
        lines.append(f"kept: … and {len(kept) - SHOWN} more")
    return lines


def item_json(item: PlannedItem) -> dict[str, Any]:
    """Return a planned run as plain values."""
    return {**attrs.asdict(item), "guards": list(item.guards), "created_at": iso_text(item.created_at_ms)}


def _item_text(item: PlannedItem) -> str:
    guarded = f", {item.reason}" if item.reason and item.reason != item.state.lower() else ""
    return printable(f"{item.path}: {item.name} ({item.state}{guarded})")


def _item_amount(plan: DeletionPlanRecord, item: PlannedItem) -> str:
    """Say how much is cut out of a run that stays."""
    return "" if plan.cut is None else f": {counted(item.points or 0, 'point')}, {counted(item.files or 0, 'file')}"

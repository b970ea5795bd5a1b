"""Deletion: planned, all or nothing, and undone while it lies in the trash."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

import attrs

from runatlas.errors import ConflictError
from runatlas.model.data_cut import DataCut
from runatlas.model.guard import Guard, GuardKind, TakenKind
from runatlas.terminal import printable

__all__ = [
    "RETENTION_MS",
    "DeletionPlanRecord",
    "DeletionRecord",
    "PlannedItem",
    "PurgeRecord",
    "TrashKind",
    "TrashRecord",
    "guarded_error",
    "planned_item",
]

TrashKind = Literal["runs", "project", "data"]
"""What a deletion takes: runs, a project with all its runs, or data that is cut out of runs, which stay."""

RETENTION_MS = 30 * 24 * 3600 * 1000
"""How long what was deleted can be restored, and any other change taken back."""


@attrs.frozen
class PlannedItem:
    """One run that a deletion would take, or keep.

    Attributes:
        guards: What guards it, whether the deletion takes that or not.
        reason: The same for people: ``pinned``, ``protected: the best of the sweep``; ``""`` for none. In the plan of a
            policy it tells why the run goes or stays.
        points: How many it has; where data is cut out of it, how many of them go, and so are the others.
        files: How many it refers to: artifacts and media.
        bytes: Of its points as they are stored, and of its files; these three are ``None`` if that is not told.
    """

    path: str
    cuid: str
    name: str
    state: str
    created_at_ms: int
    guards: tuple[GuardKind, ...] = ()
    reason: str = ""
    points: int | None = None
    files: int | None = None
    bytes: int | None = None

    def is_taken(self, takes: Collection[str]) -> bool:
        """Whether a deletion takes it that takes these kinds of guard."""
        return all(kind in takes for kind in self.guards)


_UNTOLD = (None, None, None)


class _Run(Protocol):
    """What a plan says of a run."""

    @property
    def cuid(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def created_at_ms(self) -> int: ...


def planned_item(
    run: _Run,
    path: str,
    guards: Sequence[Guard],
    weight: tuple[int, int, int] | tuple[None, None, None] = _UNTOLD,
    *,
    judged: str = "",
) -> PlannedItem:
    """Say of a run what a plan says.

    Args:
        run: The run.
        path: Its path.
        guards: What guards it.
        weight: Its points, files and bytes.
        judged: Why a policy says that it goes or stays; ``""`` if what guards it says all.
    """
    guarded = " and ".join(guard.reason for guard in guards)
    reason = "; ".join(part for part in (guarded, judged) if part)
    kinds = tuple(dict.fromkeys(guard.kind for guard in guards))
    return PlannedItem(path, run.cuid, run.name, run.state, run.created_at_ms, kinds, reason, *weight)


@attrs.frozen
class DeletionPlanRecord:
    """What a deletion would take, frozen: applying it deletes exactly these, or fails with a ``ConflictError``.

    Attributes:
        items: The runs.
        missing: Asked for by id, but not there. A deletion with missing ids fails and takes nothing.
        points, media, artifacts: What hangs on the runs that go; ``None`` when the server does not tell.
        bytes: What purging frees once they lie in the trash: points as they are stored, and files that nothing else
            needs. Until then the trash holds them.
        project: The project's path, when it goes too.
        notes: What should be looked at before it is applied, such as a key that no run has.
        kept: Asked for, but guarded: these runs stay.
        takes: The kinds of guard that it takes all the same.
        whole: Whether it takes all that was asked for or nothing: then ``kept`` runs stand in its way.
        cut: What is cut out of the runs; ``None`` where they go themselves.
    """

    kind: TrashKind
    items: tuple[PlannedItem, ...]
    missing: tuple[str, ...] = ()
    points: int | None = 0
    media: int | None = 0
    artifacts: int | None = 0
    bytes: int | None = 0
    project: str | None = None
    notes: tuple[str, ...] = ()
    kept: tuple[PlannedItem, ...] = ()
    takes: tuple[TakenKind, ...] = ()
    whole: bool = False
    cut: DataCut | None = None

    @property
    def total(self) -> int:
        """How many runs."""
        return len(self.items)

    @property
    def is_forced(self) -> bool:
        """Whether it was made with ``force``."""
        return "registered" in self.takes

    @property
    def refusal(self) -> ConflictError | None:
        """Why applying it is refused, as far as that is known when it is made."""
        if self.whole and self.kept:
            return guarded_error(self.kept)
        if self.notes and not self.is_forced:
            return doubtful_error(self.notes)
        return None


@attrs.frozen
class DeletionRecord:
    """What was deleted, and the trash entry that brings it back; ``""`` when the server keeps no trash.

    Attributes:
        kept: Asked for, but guarded: these runs stayed.
    """

    trash_id: str
    kind: TrashKind
    runs: int
    expires_at_ms: int | None
    project: str | None = None
    kept: tuple[PlannedItem, ...] = ()


_SHOWN = 5


def guarded_error(kept: Sequence[PlannedItem]) -> ConflictError:
    """Make the error of a deletion that guarded runs stand in the way of.

    Args:
        kept: The runs.
    """
    shown = "; ".join(f"{item.path} is {printable(item.reason)}" for item in kept[:_SHOWN])
    if len(kept) > _SHOWN:
        shown += f"; and {len(kept) - _SHOWN} more"
    ways = []
    if any("protected" in item.guards for item in kept):
        ways.append("unprotect what is protected")
    if any("protected" not in item.guards for item in kept):
        ways.append("delete the others with force" if ways else "delete with force if that is meant")
    return ConflictError(f"nothing was deleted: {shown}; {', '.join(ways)}")


def doubtful_error(notes: Sequence[str]) -> ConflictError:
    """Make the error of a deletion that may not be what was meant.

    Args:
        notes: Why.
    """
    return ConflictError(f"nothing was deleted: {printable('; '.join(notes))}; delete with force if that is meant")


@attrs.frozen
class TrashRecord:
    """An entry of the trash: one deletion; ``runs`` are those that went, or that data was cut out of."""

    id: str
    kind: TrashKind
    workspace: str
    project: str
    runs: int
    deleted_at_ms: int
    expires_at_ms: int | None
    deleted_by: str = ""


@attrs.frozen
class PurgeRecord:
    """What a purge removed for good, or would (``dry_run``).

    Attributes:
        bytes: Those of the blobs.
        point_bytes: Those of the points, as they were stored.
        bytes_before, bytes_after: How large the store was, database and blobs, and is now; ``None`` where that is not
            measured, or not told to who does not administer the store.
    """

    entries: int
    runs: int
    points: int
    blobs: int
    bytes: int
    dry_run: bool = False
    point_bytes: int = 0
    bytes_before: int | None = None
    bytes_after: int | None = None

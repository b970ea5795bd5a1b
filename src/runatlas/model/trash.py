"""Deletion: planned, all or nothing, and undone while it lies in the trash."""

from __future__ import annotations

from typing import Literal

import attrs

__all__ = ["DeletionPlanRecord", "DeletionRecord", "PlannedItem", "PurgeRecord", "TrashKind", "TrashRecord"]

TrashKind = Literal["runs", "project"]


@attrs.frozen
class PlannedItem:
    """One run that a deletion would take."""

    path: str
    cuid: str
    name: str
    state: str
    created_at_ms: int


@attrs.frozen
class DeletionPlanRecord:
    """What a deletion would take, frozen: applying it deletes exactly these, or fails with a ``ConflictError``.

    Attributes:
        items: The runs.
        missing: Asked for by id, but not there. A deletion with missing ids fails and takes nothing.
        points, media, artifacts, bytes: What hangs on the runs; ``None`` when the server does not tell.
        project: The project's path, when it goes too.
        notes: What should be looked at before it is applied, such as a key that no run has.
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

    @property
    def total(self) -> int:
        """How many runs."""
        return len(self.items)


@attrs.frozen
class DeletionRecord:
    """What was deleted, and the trash entry that brings it back; ``""`` when the server keeps no trash."""

    trash_id: str
    kind: TrashKind
    runs: int
    expires_at_ms: int | None
    project: str | None = None


@attrs.frozen
class TrashRecord:
    """An entry of the trash: one deletion."""

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
    """What a purge removed for good, or would (``dry_run``)."""

    entries: int
    runs: int
    points: int
    blobs: int
    bytes: int
    dry_run: bool = False

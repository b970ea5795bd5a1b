"""Changes as the journal keeps them: who did what, when and by which door, and what it was before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from runatlas.model.page import PageRequest
from runatlas.model.run import RunPatch

__all__ = [
    "LASTING",
    "ChangeKind",
    "ChangeQuery",
    "ChangeRecord",
    "ChangedRunRecord",
    "PlannedUpdate",
    "UpdatePlanRecord",
    "UpdateRecord",
]

ChangeKind = Literal[
    "update",
    "move",
    "copy",
    "merge",
    "rename_metric",
    "protect",
    "unprotect",
    "create",
    "project",
    "delete",
    "cut",
    "restore",
    "purge",
    "stage",
    "undo",
]
"""``project`` is a change of a project's own fields, its name among them; ``stage`` one of a model version's."""

LASTING: Mapping[str, str] = {
    "create": "delete the project instead",
    "restore": "delete it again instead",
    "purge": "what was purged is gone for good",
    "stage": "promote the version that was there before instead",
}
"""The kinds of change that are not taken back, and why, or what to do instead."""


@attrs.frozen
class ChangeRecord:
    """A line of the journal.

    Attributes:
        door: How who made it came in: ``python`` for a directory in process, ``http``, ``chachaml``, ``matyan``,
            ``swanlab``, ``syvain``, or ``policy``.
        project: The name that the project had; ``""`` if it reached several, or none.
        what: The same for people, in a sentence.
        runs: How many runs it changed.
        trash_id: The entry of the trash that a deletion or a merge made; ``""`` for other changes.
        expires_at_ms: Until when it can be taken back; ``None`` for ever.
        undoes: The change that this one took back; ``""`` if it took back none.
        undone_by: The change that took this one back; ``""`` while it counts.
    """

    id: str
    at_ms: int
    by: str
    door: str
    kind: ChangeKind
    workspace: str
    project: str
    what: str
    runs: int
    trash_id: str = ""
    expires_at_ms: int | None = None
    undoes: str = ""
    undone_by: str = ""
    undone_at_ms: int | None = None


@attrs.frozen
class ChangedRunRecord:
    """What a change made of one run.

    Attributes:
        path: Its path today.
        before: Just the fields that were changed, as they were; a config's by dotted key. What was not there is left
            out. Without any, the change did not reach its fields, or its time to be taken back is over.
        after: As the change made them.
    """

    path: str
    cuid: str
    name: str
    before: dict[str, Any] = attrs.field(factory=dict)
    after: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class ChangeQuery:
    """Which lines of the journal, newest first.

    Attributes:
        path: Of a workspace, a project or a run; ``None`` for all that the caller may read.
        runs: Only what reached one of these runs, by cuid.
        by: Only what that user did.
        kind: Only changes of that kind.
        since_ms: Only what was done from then on.
    """

    path: str | None = None
    runs: tuple[str, ...] | None = None
    by: str | None = None
    kind: ChangeKind | None = None
    since_ms: int | None = None
    page: PageRequest = PageRequest()


@attrs.frozen
class UpdateRecord:
    """What an update did.

    Attributes:
        updated: How many runs it was asked to change, and did.
        change_id: The line of the journal, which takes it back; ``""`` if nothing differs from what was, or the server
            keeps no journal.
    """

    updated: int
    change_id: str = ""


@attrs.frozen
class PlannedUpdate:
    """One run of a planned update.

    Attributes:
        path: Where it is.
        mark: What it is told by that the fields which would change are as they were; ``""`` if none would.
    """

    path: str
    cuid: str
    mark: str = ""


@attrs.frozen
class UpdatePlanRecord:
    """What an update would do, frozen: applying it does exactly this, or fails with a ``ConflictError``.

    Attributes:
        patch: What would be changed.
        items: The runs.
        sample: The first of those that would differ, with just the fields that would; their paths and names are those
            that they have.
        missing: Asked for by id, but not there; a plan with missing ids changes nothing.
        notes: What should be looked at before it is applied, such as a key of the filter that no run has.
        refusal: Why applying it is refused, as far as that is known when it is made; ``""`` if nothing is known.
    """

    patch: RunPatch
    items: tuple[PlannedUpdate, ...] = ()
    sample: tuple[ChangedRunRecord, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def total(self) -> int:
        """How many runs."""
        return len(self.items)

    @property
    def differ(self) -> int:
        """How many of them would be other than they are."""
        return sum(1 for item in self.items if item.mark)

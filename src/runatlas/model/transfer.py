"""Runs that go to another project, and projects and metrics that get another name: planned, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import attrs

from runatlas.errors import ConflictError
from runatlas.model.run import RunSelection
from runatlas.terminal import printable

__all__ = [
    "DONE",
    "TRANSFER_KINDS",
    "TransferDraft",
    "TransferItem",
    "TransferKind",
    "TransferPlanRecord",
    "TransferRecord",
    "refused",
]

TransferKind = Literal["move", "copy", "merge", "rename", "rename_metric"]
TRANSFER_KINDS: tuple[TransferKind, ...] = get_args(TransferKind)

DONE: dict[TransferKind, str] = {
    "move": "moved",
    "copy": "copied",
    "merge": "merged",
    "rename": "renamed",
    "rename_metric": "renamed",
}
"""What was done, in one word."""

_SHOWN = 5


def refused(kind: TransferKind, reasons: Sequence[str]) -> ConflictError:
    """Make the error that says why nothing was done; of many reasons the first ones.

    Args:
        kind: What was to be done.
        reasons: Sentences without an end.
    """
    more = [f"and {len(reasons) - _SHOWN} more"] if len(reasons) > _SHOWN else []
    return ConflictError(f"nothing was {DONE[kind]}: {printable('; '.join([*reasons[:_SHOWN], *more]))}")


@attrs.frozen
class TransferDraft:
    """What is to be planned.

    Attributes:
        target: The path of the project that runs go to, or that a project is to have; or a metric's new key.
        runs: The runs that go, or have the metric.
        project: The path of the project that is renamed, or goes with all its runs into another one.
        create: Whether a project that is not there is made for the runs.
        suffix: What is put behind ids of copies that are taken there; with ``""`` they stand in the way.
        metric: The key of the metric, or of the media, that gets another one.
        title: The title of a project that is made or renamed; ``""`` for none, or for the one it has.
    """

    kind: TransferKind
    target: str
    runs: RunSelection | None = None
    project: str | None = None
    create: bool = False
    suffix: str = ""
    metric: str | None = None
    title: str = ""


@attrs.frozen
class TransferItem:
    """One run of a plan.

    Attributes:
        path: Where it is.
        target: Where it would be; its path if only a metric of it gets another key.
        folder: The path of its folder, which it has there too; ``""`` if it lies in none.
        in_way: Why it cannot go there; ``""`` if it can.
        points: How many it has; of the metric if that gets another key, or steps of the media.
    """

    path: str
    target: str
    cuid: str
    name: str
    state: str
    folder: str = ""
    in_way: str = ""
    points: int = 0


@attrs.frozen
class TransferPlanRecord:
    """What would be done, frozen: applying it does exactly this, or fails with a ``ConflictError``.

    Attributes:
        target: The path of the project that runs go to, or that a project gets; or a metric's new key.
        items: The runs.
        missing: Asked for by id, but not there; a plan with missing ids does nothing.
        target_cuid: The project that the runs go to; ``""`` for one that is made.
        project: The path of the project that is renamed or merged, and ``project_cuid`` the store's id of it.
        folders: Folders that the target gets.
        in_way: What stands in the way beside that of single runs.
        notes: What should be looked at before it is applied, such as a key of the filter that no run has.
        metric: The key of the metric that gets another one.
        title: The title of a project that is made or renamed.
    """

    kind: TransferKind
    target: str
    items: tuple[TransferItem, ...] = ()
    missing: tuple[str, ...] = ()
    target_cuid: str = ""
    project: str | None = None
    project_cuid: str = ""
    folders: tuple[str, ...] = ()
    in_way: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    metric: str = ""
    title: str = ""

    @property
    def total(self) -> int:
        """How many runs."""
        return len(self.items)

    @property
    def refusal(self) -> ConflictError | None:
        """Why applying it is refused, as far as that is known when it is made."""
        found = [*self.in_way, *(item.in_way for item in self.items if item.in_way)]
        return refused(self.kind, found) if found else None


@attrs.frozen
class TransferRecord:
    """What was done.

    Attributes:
        target: The path of the project that the runs are in now, or that a project has; or a metric's key.
        runs: The store's ids of the runs, or of their copies, in the order of the plan.
        trash_id: The entry of the trash that the emptied project lies in.
        change_id: The line of the journal, which takes it back; ``""`` if there was nothing to do.
    """

    kind: TransferKind
    target: str
    runs: tuple[str, ...] = ()
    trash_id: str = ""
    change_id: str = ""

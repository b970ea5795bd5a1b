"""Runs that go to another project, and projects and metrics that get another name: a plan, and its execution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, overload

import attrs

from runatlas.display.markup import Html, facts, heading, joined, note
from runatlas.display.shown import Shown
from runatlas.entities.argument import boolean, text
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.change import Change, noted, undo
from runatlas.entities.plan import SHOWN, Plan, more
from runatlas.entities.project_fields import ProjectFields
from runatlas.model.ids import ProjectPath, project_names
from runatlas.model.run import RunSelection
from runatlas.model.transfer import DONE, TransferDraft, TransferItem, TransferPlanRecord, TransferRecord
from runatlas.response import ApiResponse
from runatlas.tables.plan import TransferTable
from runatlas.terminal import counted

__all__ = ["Transfer", "TransferPlan", "copy", "move", "project_target", "rename_metric", "transfer"]


class Transfer(Shown):
    """What was done.

    Attributes:
        kind: ``"move"``, ``"copy"``, ``"merge"``, ``"rename"`` or ``"rename_metric"``.
        total: How many runs went, were copied, or had the metric.
        target: The path of the project that they are in now, or that a project has; or the key that a metric has.
        runs: The store's ids of the runs, or of their copies, and ``paths`` where these are now.
        trash_id: The entry of the trash that a merged project lies in.
        notes: What the plan said should be looked at, such as a key of the filter that no run has.
        change: The line of the journal that tells of it; ``None`` if there was nothing to do.
    """

    def __init__(self, handle: BackendHandle, record: TransferRecord, plan: TransferPlanRecord) -> None:
        self._handle = handle
        self.kind = record.kind
        self.total = len(record.runs)
        self.target = record.target
        self.runs = record.runs
        self.trash_id = record.trash_id
        self.change = Change(handle, record.change_id) if record.change_id else None
        self.paths = tuple(item.target for item in plan.items)
        self.notes = plan.notes

    def undo(self) -> ApiResponse[Change]:
        """Take it back: runs are moved back, copies go to the trash, a merged project comes back, names are as before.

        A ``ConflictError`` says why nothing was taken back: something of it was changed since, or is gone.

        Returns:
            The change that took it back.
        """
        return undo(self.change)

    def json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        fields: dict[str, Any] = {"kind": self.kind, "total": self.total, "target": self.target}
        fields |= {"trash_id": self.trash_id, "change": "" if self.change is None else self.change.id}
        return {**fields, "runs": list(self.runs), "paths": list(self.paths), "notes": list(self.notes)}

    def _show(self) -> Html:
        told = {"in the trash as": self.trash_id, "change": "" if self.change is None else self.change.id}
        listed = "; ".join(self.paths[:SHOWN]) + ("; …" if len(self.paths) > SHOWN else "")
        title = heading(f"{counted(self.total, 'run')} {DONE[self.kind]} to {self.target}")
        return joined(title, facts({**told, "paths": listed}), *map(note, self.notes[:SHOWN]))

    def __repr__(self) -> str:
        return f"Transfer(kind={self.kind!r}, total={self.total}, target={self.target!r})"


class TransferPlan(Plan[TransferPlanRecord, TransferItem]):
    """What would be done, frozen: applying it does exactly this, or fails and does nothing."""

    @property
    def items(self) -> tuple[TransferItem, ...]:
        """The runs, each with the path that it has, ``target``, the one it would have, and its ``folder``."""
        return self.record.items

    @property
    def in_way(self) -> tuple[TransferItem, ...]:
        """The runs that cannot go, each with the reason; any of them refuses the plan."""
        return tuple(item for item in self.record.items if item.in_way)

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that would be made for them."""
        return self.record.folders

    @property
    def refusal(self) -> str:
        """Why applying it is refused, as far as that is known by now; ``""`` if nothing is known."""
        return "" if self.record.refusal is None else str(self.record.refusal)

    @property
    def project(self) -> str | None:
        """The path of the project that would be renamed, or merged into the target."""
        return self.record.project

    @property
    def metric(self) -> str:
        """The key of the metric that would get another one; ``""`` if none would."""
        return self.record.metric

    @property
    def target(self) -> str:
        """The path of the project that the runs would go to, or that a project would have; or a metric's new key."""
        return self.record.target

    def apply(self) -> ApiResponse[Transfer]:
        """Do what is planned: all of it or nothing.

        A ``ConflictError`` says why nothing was done: something is in the way, or a run or a project is no longer
        where it was.

        Returns:
            What was done.
        """
        return noted(self._handle, self._apply)

    def _apply(self) -> tuple[Transfer, str]:
        backend = self._handle.backend
        apply = backend.copy_runs if self.record.kind == "copy" else backend.transfer
        done = apply(self.record)
        return Transfer(self._handle, done, self.record), done.change_id

    def json(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        record = self.record
        return {
            "kind": record.kind,
            "project": record.project,
            "metric": record.metric,
            "target": record.target,
            "total": record.total,
            "items": [attrs.asdict(item) for item in record.items],
            "folders": list(record.folders),
            "missing": list(record.missing),
            "notes": list(record.notes),
            "refusal": self.refusal,
            "complete": self.complete,
        }

    def table(self) -> TransferTable:
        """Return one row a run."""
        return TransferTable(self.items, complete=self.complete)

    def _summary(self) -> str:
        record = self.record
        does = f"would be {DONE[record.kind]}"
        runs = counted(record.total, "run")
        if record.kind == "rename":
            return f"project {record.project} {does} to {record.target}"
        if record.kind == "merge":
            return f"project {record.project} with {runs} {does} into {record.target} and go to the trash"
        if record.kind == "rename_metric":
            return f"{record.metric!r} {does} to {record.target!r} in {runs}"
        return f"{runs} {does} to {record.target}" + ("" if record.target_cuid else ", which would be made")

    def _details(self) -> list[str]:
        return [f"folder {folder} would be made" for folder in self.folders[:SHOWN]]

    def _line(self, item: TransferItem) -> str:
        if self.record.kind == "rename_metric":
            return f"{item.path} ({counted(item.points, 'value')})"
        return f"{item.path} → {item.target}"

    def _lines(self) -> list[str]:
        return [self._line(item) for item in self.items[:SHOWN]] + more(self.total - SHOWN)


class TransferredRuns(Protocol):
    """A run or many, which can be copied, and whose metrics can get other keys."""

    _handle: BackendHandle

    def _place(self) -> tuple[str, str | None]:
        """Return the workspace, and the project if all of them are of one."""

    def _selected(self) -> RunSelection:
        """Return them as a selection."""

    def _forget(self) -> None:
        """Forget what was read of them."""


@overload
def copy(
    self: TransferredRuns,
    project: ProjectFields | str,
    *,
    commit: Literal[False] = False,
    create: bool = False,
    suffix: str = "",
) -> ApiResponse[TransferPlan]: ...
@overload
def copy(
    self: TransferredRuns,
    project: ProjectFields | str,
    *,
    commit: Literal[True],
    create: bool = False,
    suffix: str = "",
) -> ApiResponse[Transfer]: ...
@overload
def copy(
    self: TransferredRuns, project: ProjectFields | str, *, commit: bool, create: bool = False, suffix: str = ""
) -> ApiResponse[TransferPlan] | ApiResponse[Transfer]: ...
def copy(  # noqa: D417 - nobody gives self
    self: TransferredRuns, project: ProjectFields | str, *, commit: bool = False, create: bool = False, suffix: str = ""
) -> ApiResponse[TransferPlan] | ApiResponse[Transfer]:
    """Copy to a project, also of another workspace, or tell what that would do.

    A copy has all that its run recorded and all that people put around it, and the same id if it is free there. It
    is not pinned, no baseline and not protected, and no keys of the run write to it. Files are not stored twice.
    Nobody sees a copy before all of them are there. A ``ConflictError`` copies none if an id is taken or a run is
    still running.

    Args:
        project: The project, its name or its path.
        commit: Whether to copy; else nothing is changed.
        create: Whether a project that is not there is made.
        suffix: What is put behind ids that are taken there, such as ``"-copy"``.

    Returns:
        The plan, with ``apply()``; or what was done, with the new ``paths``.

    Raises:
        TypeError: An argument has another type.
        ValueError: ``project`` cannot be a name or a path.

    Example:
        >>> from runatlas import Api, Run
        >>> with Run(repo="./experiments", experiment="demo") as made:
        ...     made.log({"loss": 0.5})
        >>> run = Api("./experiments").run(made.path)
        >>> done = run.copy("archive", create=True, commit=True).data
        >>> Api("./experiments").run(done.paths[0]).summary().data["loss"]["value"]
        0.5
    """
    (target, title), made = project_target(project, self._place()[0]), boolean(create, "create")
    behind = text(suffix, "suffix") if suffix else ""
    draft = lambda: TransferDraft(  # noqa: E731
        "copy", target, self._selected(), create=made, suffix=behind, title=title
    )
    return transfer(self._handle, draft, commit=commit, done=lambda: None)


@overload
def move(
    self: TransferredRuns, project: ProjectFields | str, *, commit: Literal[False] = False, create: bool = False
) -> ApiResponse[TransferPlan]: ...
@overload
def move(
    self: TransferredRuns, project: ProjectFields | str, *, commit: Literal[True], create: bool = False
) -> ApiResponse[Transfer]: ...
@overload
def move(
    self: TransferredRuns, project: ProjectFields | str, *, commit: bool, create: bool = False
) -> ApiResponse[TransferPlan] | ApiResponse[Transfer]: ...
def move(  # noqa: D417 - nobody gives self
    self: TransferredRuns, project: ProjectFields | str, *, commit: bool = False, create: bool = False
) -> ApiResponse[TransferPlan] | ApiResponse[Transfer]:
    """Move all these runs to another project of their workspace, or tell what that would do.

    They keep their ids, their folders, which are made there, and all that refers to them. A ``ConflictError``
    keeps all of them where they are if the project has a run of one's id.

    Args:
        project: The project, its name or its path.
        commit: Whether to move them; else nothing is changed.
        create: Whether a project that is not there is made.

    Returns:
        The plan, with ``apply()``; or what was done.

    Raises:
        TypeError: An argument has another type.
        ValueError: ``project`` cannot be a name or a path.
    """
    (target, title), made = project_target(project, self._place()[0]), boolean(create, "create")
    draft = lambda: TransferDraft("move", target, self._selected(), create=made, title=title)  # noqa: E731
    return transfer(self._handle, draft, commit=commit, done=self._forget)


@overload
def rename_metric(
    self: TransferredRuns, old: str, new: str, *, commit: Literal[False] = False
) -> ApiResponse[TransferPlan]: ...
@overload
def rename_metric(self: TransferredRuns, old: str, new: str, *, commit: Literal[True]) -> ApiResponse[Transfer]: ...
@overload
def rename_metric(
    self: TransferredRuns, old: str, new: str, *, commit: bool
) -> ApiResponse[TransferPlan] | ApiResponse[Transfer]: ...
def rename_metric(  # noqa: D417 - nobody gives self
    self: TransferredRuns, old: str, new: str, *, commit: bool = False
) -> ApiResponse[TransferPlan] | ApiResponse[Transfer]:
    """Give a metric, or media, another key in all its contexts, or tell what that would do.

    Runs that do not have it are no part of it. A ``ConflictError`` renames it nowhere if a run has the new key
    already in one of these contexts, or is protected. What was cut out of the metric before, and lies in the trash,
    comes back under the new key. A process that goes on recording the old key makes it anew.

    Args:
        old: The key that it has.
        new: The key that it gets.
        commit: Whether to rename it; else nothing is changed.

    Returns:
        The plan, with ``apply()``; or what was done, with ``undo()``.

    Raises:
        TypeError: An argument has another type.
        ValueError: A key is empty.

    Example:
        >>> from runatlas import Api, Run
        >>> with Run(repo="./experiments", experiment="demo") as made:
        ...     made.log({"los": 0.5})
        >>> run = Api("./experiments").run(made.path)
        >>> renamed = run.rename_metric("los", "loss", commit=True).data
        >>> run.summary().data["loss"]["value"]
        0.5
    """
    key, metric = text(new, "new"), text(old, "old")
    draft = lambda: TransferDraft("rename_metric", key, self._selected(), metric=metric)  # noqa: E731
    return transfer(self._handle, draft, commit=commit, done=self._forget)


def project_target(project: ProjectFields | str, workspace: str) -> tuple[str, str]:
    """Return the path of a project, and the title that it gets if it is made.

    Args:
        project: The project, its path, or its name or title in the workspace.
        workspace: The workspace.

    Raises:
        TypeError: It is none of these.
        ValueError: It cannot be a path or a name.
    """
    if isinstance(project, ProjectFields):
        return project.path, ""
    if isinstance(project, str) and "/" in project:
        path = ProjectPath.named(project, argument="project")
        return str(path), project_names(project.rpartition("/")[2])[1]
    name, title = project_names(project, argument="project")
    return str(ProjectPath(workspace, name)), title


def transfer(
    handle: BackendHandle, draft: Callable[[], TransferDraft], *, commit: bool, done: Callable[[], None]
) -> ApiResponse[TransferPlan] | ApiResponse[Transfer]:
    """Do something with runs or a project as a whole, or tell what that would do.

    Args:
        handle: The way to the backend.
        draft: Tells what.
        commit: Whether to do it.
        done: Called when it was done.

    Returns:
        The plan, or what was done.

    Raises:
        TypeError: ``commit`` is no boolean.
    """

    def plan() -> TransferPlan:
        return TransferPlan(handle, handle.backend.plan_transfer(draft()))

    def do() -> tuple[Transfer, str]:
        made = plan().apply().unwrap()
        done()
        return made, "" if made.change is None else made.change.id

    return noted(handle, do) if boolean(commit, "commit") else ApiResponse.of(plan)

"""Clean-up by policies: what may go of a project or workspace, said once and planned like every deletion."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypedDict, Unpack, overload

from runatlas.display.markup import Html, facts, heading, joined
from runatlas.display.shown import Shown
from runatlas.entities.argument import boolean
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.deletion import Deletion, DeletionPlan, apply_plan
from runatlas.entities.held_policy import HeldPolicy, hold_policy, policy_json
from runatlas.model.held_policy import EVERY
from runatlas.model.policy import Policy, make_policy
from runatlas.model.policy_file import TEXT_MAX, NamedPolicy, parse_policy_file
from runatlas.model.trash import DeletionPlanRecord
from runatlas.response import ApiResponse

__all__ = ["Cleanable", "FilePolicy", "PolicyFields", "Scope", "clean", "read_policies"]

Scope = tuple[str, "str | None"]
"""A workspace, and a project of it or ``None`` for all."""


class PolicyFields(TypedDict, total=False):
    """The arguments of ``clean``: what may go, and what of that stays.

    Attributes:
        where: A filter: only these runs are looked at.
        older_than: Only runs that ended longer ago go: ``12h``, ``30d``, ``2w``, ``1y6m``.
        keep_last: So many of each group stay, those that were made last.
        keep_within: Runs that did not end longer ago stay.
        keep_best: The best of each group stay: ``val_loss:3`` for the lowest, ``val_acc:3:max`` for the highest.
        keep_labels: Runs with one of these labels stay.
        group_by: Fields as filters name them, such as ``config.model``.
        max: More runs than these never go at once, whatever else is said.
        allow_all: Whether all of a group may go; that takes a ``where``.
        thin: The runs stay, and their metrics are thinned to so many points, as ``Runs.thin`` does.
    """

    where: str | None
    older_than: str | None
    keep_last: int | None
    keep_within: str | None
    keep_best: str | Sequence[str] | None
    keep_labels: str | Sequence[str] | None
    group_by: str | Sequence[str] | None
    max: int | None
    allow_all: bool
    thin: int | None


class Cleanable(ABC):
    """What has runs that policies can be asked about."""

    __slots__ = ()

    _handle: BackendHandle

    @abstractmethod
    def _scope_to_clean(self) -> Scope:
        """Tell whose runs the policies look at."""

    @overload
    def clean(
        self, commit: Literal[False] = False, *, force: bool = False, **policy: Unpack[PolicyFields]
    ) -> ApiResponse[DeletionPlan]: ...
    @overload
    def clean(
        self, commit: Literal[True], *, force: bool = False, **policy: Unpack[PolicyFields]
    ) -> ApiResponse[Deletion]: ...
    @overload
    def clean(
        self, commit: bool, *, force: bool = False, **policy: Unpack[PolicyFields]
    ) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]: ...
    def clean(
        self, commit: bool = False, *, force: bool = False, **policy: Unpack[PolicyFields]
    ) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]:
        """Delete what a policy says, or tell what that would take and why the rest stays.

        The runs that ``where`` finds are grouped first, then kept in each group; keeps are ORed and win over every
        deletion, and guarded runs stay. A ``ConflictError`` refuses what would take all runs of a group, or more than
        ``max``.

        Args:
            commit: Whether to delete; else nothing is changed.
            force: Whether to take also what is guarded, but for protected runs.
            **policy: What may go: ``where``, ``older_than``; what of that stays: ``keep_last``, ``keep_within``,
                ``keep_best``, ``keep_labels``, in each group of ``group_by``; how much at once: ``max``, ``allow_all``;
                and ``thin``, if points of these runs are to go and the runs to stay.

        Returns:
            The plan, with ``apply()``; or what was deleted, with ``restore()``; ``items`` and ``kept`` tell the reason
            of each run.

        Raises:
            TypeError: There is no such argument, or it has another type.
            ValueError: It cannot be understood, or nothing says which runs may go.
        """
        return clean(self._handle, self._scope_to_clean, make_policy(**policy), commit=commit, force=force)


class FilePolicy(Shown):
    """A policy of a file.

    Args:
        handle: The way to the backend.
        named: The policy as the file has it.
    """

    def __init__(self, handle: BackendHandle, named: NamedPolicy) -> None:
        self._handle = handle
        self._named = named

    @property
    def name(self) -> str:
        """What it is called by."""
        return self._named.name

    @property
    def project(self) -> str:
        """The path of the project whose runs it looks at."""
        return str(self._named.project)

    @property
    def policy(self) -> Policy:
        """What it says."""
        return self._named.policy

    @overload
    def clean(self, commit: Literal[False] = False, *, force: bool = False) -> ApiResponse[DeletionPlan]: ...
    @overload
    def clean(self, commit: Literal[True], *, force: bool = False) -> ApiResponse[Deletion]: ...
    @overload
    def clean(self, commit: bool, *, force: bool = False) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]: ...
    def clean(self, commit: bool = False, *, force: bool = False) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]:
        """Delete what the policy says, or tell what that would take and why the rest stays; see ``Project.clean``.

        Args:
            commit: Whether to delete; else nothing is changed.
            force: Whether to take also what is guarded, but for protected runs.

        Returns:
            The plan, or what was deleted.

        Raises:
            TypeError: An argument is no boolean.
        """
        path = self._named.project
        return clean(self._handle, lambda: (path.workspace, path.project), self.policy, commit=commit, force=force)

    def hold(self, *, every: str = EVERY, acts: bool = False) -> ApiResponse[HeldPolicy]:
        """Let its project hold the policy as it is written now, in place of the one of that name.

        Args:
            every: How often it is evaluated: ``12h``, ``1d``, ``1w``.
            acts: Whether it deletes; else it reports only.

        Returns:
            The policy that is held.

        Raises:
            TypeError: An argument has another type.
            ValueError: The name or ``every`` cannot be understood.
        """
        return hold_policy(self._handle, self._named.project, self.name, self.policy, every=every, acts=acts)

    def _show(self) -> Html:
        return joined(heading(self.name, self.project), facts(policy_json(self.policy)))

    def __repr__(self) -> str:
        return f"FilePolicy({self.name!r}, {self.project!r})"


def read_policies(handle: BackendHandle, path: str | os.PathLike[str]) -> tuple[FilePolicy, ...]:
    """Read a file of policies; ``runatlas.model.policy_file`` says what it looks like.

    Args:
        handle: The way to the backend.
        path: The file.

    Raises:
        OSError: It cannot be read.
        ValueError: Something in it is wrong; the sentence names file, line and column.
    """
    with Path(path).open("rb") as file:
        data = file.read(TEXT_MAX + 1)
    return tuple(FilePolicy(handle, named) for named in parse_policy_file(data, source=str(path)))


def clean(
    handle: BackendHandle, scope: Callable[[], Scope], policy: Policy, *, commit: bool, force: bool
) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]:
    """Delete what a policy says, or tell what that would take.

    Args:
        handle: The way to the backend.
        scope: Tells of which workspace or project.
        policy: The policy.
        commit: Whether to delete.
        force: Whether to take also what is guarded, but for protected runs.

    Returns:
        The plan, or what was deleted.
    """
    forced = boolean(force, "force")

    def plan() -> DeletionPlanRecord:
        workspace, project = scope()
        return handle.backend.plan_cleaning(workspace, policy, project=project, force=forced)

    if boolean(commit, "commit"):
        return ApiResponse.of(lambda: apply_plan(handle, plan()))
    return ApiResponse.of(lambda: DeletionPlan(handle, plan()))

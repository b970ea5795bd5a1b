"""Projects: a collection of runs."""

from __future__ import annotations

from typing import Literal

import attrs

from runatlas.model.account import Role, WorkspaceType
from runatlas.model.ids import ProjectPath
from runatlas.model.metric import MetricDefinition
from runatlas.model.page import PageRequest

__all__ = [
    "ProjectCountRecord",
    "ProjectDraft",
    "ProjectPatch",
    "ProjectQuery",
    "ProjectRecord",
    "ProjectSort",
    "Visibility",
]

Visibility = Literal["PUBLIC", "PRIVATE"]
ProjectSort = Literal["update", "create", "name"]


@attrs.frozen
class ProjectCountRecord:
    """What a project holds."""

    experiments: int = 0
    contributors: int = 0
    collaborators: int = 0
    clones: int = 0
    children: int = 0
    running: int = 0


@attrs.frozen
class ProjectRecord:
    """A project.

    Attributes:
        cuid: The store's id of it; never changes.
        workspace: The ``username`` of its workspace.
        name: URL-safe, unique in the workspace.
        title: Free text; ``""`` shows the name.
        metrics: What is said of its metrics.
        count: ``None`` when the listing did not carry it (``detail=False``).
        run_changed_at_ms: When one of its runs began, recorded, ended or was changed last; ``None`` if it has none, or
            the listing did not carry it.
        change_id: The line of the journal, which takes it back, in the answer of an update that changed something;
            ``""`` elsewhere.
    """

    cuid: str
    workspace: str
    name: str
    title: str = ""
    description: str = ""
    visibility: Visibility = "PRIVATE"
    labels: tuple[str, ...] = ()
    role: Role = "VISITOR"
    workspace_name: str = ""
    workspace_type: WorkspaceType = "PERSON"
    created_at_ms: int = 0
    updated_at_ms: int = 0
    metrics: tuple[MetricDefinition, ...] = ()
    count: ProjectCountRecord | None = None
    run_changed_at_ms: int | None = None
    change_id: str = attrs.field(default="", eq=False)

    @property
    def path(self) -> ProjectPath:
        """``workspace/name``."""
        return ProjectPath(self.workspace, self.name)

    @property
    def last_change_ms(self) -> int:
        """When it or one of its runs changed last.

        Example:
            >>> ProjectRecord("", "ann", "iris", updated_at_ms=1, run_changed_at_ms=2).last_change_ms
            2
        """
        return max(self.updated_at_ms, self.run_changed_at_ms or 0)


@attrs.frozen
class ProjectDraft:
    """A project to be made; ``workspace`` ``None`` is the caller's own."""

    name: str
    workspace: str | None = None
    title: str = ""
    description: str = ""
    visibility: Visibility = "PRIVATE"
    labels: tuple[str, ...] = ()


@attrs.frozen
class ProjectPatch:
    """What to change of a project; ``None`` keeps.

    Attributes:
        metrics: Each takes the place of the definition with its key; one without goal and unit takes it away.
    """

    name: str | None = None
    title: str | None = None
    description: str | None = None
    visibility: Visibility | None = None
    labels: tuple[str, ...] | None = None
    metrics: tuple[MetricDefinition, ...] | None = None


@attrs.frozen
class ProjectQuery:
    """Which projects are asked for.

    Attributes:
        workspace: ``None`` means every workspace the caller can see.
        sort: ``update`` (latest first), ``create`` (newest first) or ``name`` (A to Z).
        search: Case-insensitive part of the name, title or description.
        detail: Whether ``count`` is wanted.
        state: Only projects with a run in that state (administration).
        creator: Only projects made by that user (administration).
    """

    workspace: str | None = None
    sort: ProjectSort = "update"
    search: str | None = None
    detail: bool = True
    state: str | None = None
    creator: str | None = None
    page: PageRequest = PageRequest()

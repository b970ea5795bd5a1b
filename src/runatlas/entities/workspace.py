"""Workspaces: a person's or a team's projects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from runatlas.display.markup import Html, joined
from runatlas.display.shown import shown
from runatlas.entities import change
from runatlas.entities.argument import choice, optional, optional_text, text, texts
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.base import Entity
from runatlas.entities.cleaning import Cleanable, Scope
from runatlas.entities.collection import Collection, Window, make_window
from runatlas.entities.project import VISIBILITIES, Project
from runatlas.entities.projects import Projects, make_project_query
from runatlas.entities.run_query import Filters, Groups, Order, Sorts, make_run_query
from runatlas.entities.runs import Runs
from runatlas.entities.usage import Usage, measure
from runatlas.model.account import ROLES, WorkspacePatch, WorkspaceRecord
from runatlas.model.ids import ProjectPath, project_names, validate_workspace_name
from runatlas.model.instant import iso_text
from runatlas.model.page import Page, PageRequest
from runatlas.model.project import ProjectDraft
from runatlas.model.usage import UsageGroup
from runatlas.response import ApiResponse

if TYPE_CHECKING:
    # A property that returns a Literal at run time makes Jedi, and so a notebook, complete nothing.
    from runatlas.model.account import Role, WorkspaceSort, WorkspaceType
    from runatlas.model.project import Visibility

__all__ = ["AllWorkspaces", "Workspace", "Workspaces"]

_SORTS: tuple[WorkspaceSort, ...] = ("create", "name")
_TYPES: tuple[WorkspaceType, ...] = ("PERSON", "TEAM")


class Workspace(Entity[WorkspaceRecord], Cleanable):
    """A workspace, lazily; without a name, the caller's own.

    Args:
        handle: The way to the backend.
        username: Its name; ``None`` for the caller's own.
        record: What is known of it.

    Example:
        >>> from runatlas import Api
        >>> Api("./experiments").workspace("ann")
        Workspace('ann')
    """

    _SHOWN = ("username", "name", "workspace_type", "role", "comment", "created_at")
    _JSON = ("name", "username", "workspace_type", "role", "profile", "comment", "created_at", "url")

    __slots__ = ("_username",)

    def __init__(
        self, handle: BackendHandle, username: str | None = None, record: WorkspaceRecord | None = None
    ) -> None:
        super().__init__(handle, record)
        self._username = username

    @property
    def identity(self) -> tuple[Any, ...]:
        """What names the workspace."""
        return (self._username,)

    def _scope(self) -> str | None:
        return self._username

    def _fetch(self) -> WorkspaceRecord:
        return self._handle.backend.get_workspace(self._username)

    def _name(self) -> str:
        return self.username

    audit = change.audit

    def _audited(self) -> str:
        return self.username

    @property
    def username(self) -> str:
        """The unique name, as in paths."""
        return self._username if self._username is not None else self._held().username

    @property
    def name(self) -> str:
        """The display name."""
        return self._held().name

    @property
    def workspace_type(self) -> WorkspaceType:
        """``PERSON`` or ``TEAM``."""
        return self._held().workspace_type

    @property
    def role(self) -> Role:
        """What the caller may do here: ``OWNER``, ``MEMBER``, ``VIEWER`` or ``VISITOR``."""
        return self._held().role

    @property
    def profile(self) -> dict[str, Any]:
        """What it says of itself."""
        return dict(self._held().profile)

    @property
    def comment(self) -> str:
        """The description."""
        return self._held().comment

    @property
    def created_at(self) -> str:
        """When it was made: ISO 8601."""
        return iso_text(self._held().created_at_ms)

    @property
    def url(self) -> str:
        """The workspace's web page; of a directory that no server runs for, the directory, with the name as fragment.

        ``runatlas ui DIR`` starts a server, and from then on it is the page; given this url, it opens that at once.
        """
        name, base = self.username, self._handle.backend.web_url
        return f"{base}#@{name}" if base.startswith("file:") else f"{base}/@{name}"

    def _show(self) -> Html:
        self._held()
        return joined(super()._show(), shown(self.projects()))

    def project(self, name: str) -> Project:
        """Return one project, lazily.

        Args:
            name: Its name, or its title.

        Raises:
            TypeError: It is no string.
            ValueError: It can be neither.
        """
        return Project(self._handle, ProjectPath(self.username, project_names(name, argument="name")[0]))

    def projects(  # noqa: PLR0917 - as documented
        self,
        sort: str | None = None,
        search: str | None = None,
        detail: bool = True,
        page: int | None = None,
        size: int | None = None,
        all: bool = False,
        *,
        limit: int | None = None,
    ) -> Projects:
        """List the projects.

        Args:
            sort: ``create`` (newest first), ``name`` or ``update`` (lately changed first); ``None`` means ``update``.
            search: Part of the name, title or description; case does not matter.
            detail: Whether counts are wanted; without, they cost one request a project when asked for.
            page: A numbered page, from 1; everything if neither ``page`` nor ``size`` is given.
            size: Projects a page: 100 unless given, 1000 at the most.
            all: Everything from ``page`` on.
            limit: How many projects at the most.

        Returns:
            The projects, lazily.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is unknown or out of bounds.
        """
        window = make_window(page=page, size=size, all=all, limit=limit)
        query = make_project_query(self._username, sort=sort, search=search, detail=detail)
        return Projects(self._handle, window, query, owner=self._name if self._username is None else None)

    def usage(self, *, by: UsageGroup = "project", limit: int = 1000) -> ApiResponse[Usage]:
        """Tell how much room the workspace takes; see ``Api.usage``.

        Args:
            by: What to tell apart: ``workspace``, ``project``, ``run`` or ``metric``.
            limit: How many of the largest.

        Returns:
            The total and the items, largest first.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds.
        """
        return measure(self._handle, lambda: self.username, by, limit)

    def runs(
        self,
        filters: Filters | None = None,
        groups: Groups | None = None,
        sorts: Sorts | None = None,
        *,
        search: str | None = None,
        order: Order | None = None,
        limit: int | None = None,
        page: int | None = None,
        size: int | None = None,
        all: bool = False,
    ) -> Runs:
        """List the runs of all projects in one listing; the arguments are those of ``Project.runs``.

        Args:
            filters: Text, or a list of rules; ``project == 'demo'`` asks for those of a project.
            groups: Fields, or rules: the runs come group by group.
            sorts: Rules of ``key``, ``type`` and ``order``.
            search: Part of the name or the id.
            order: Fields as text, in place of ``sorts``.
            limit: How many at the most.
            page: A numbered page, from 1.
            size: Runs a page.
            all: Everything from ``page`` on.

        Returns:
            The runs, lazily; pinned and newest first unless ordered otherwise.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument cannot be understood or is out of bounds.
        """
        window = make_window(page=page, size=size, all=all, limit=limit)
        query = make_run_query(self.username, filters, groups=groups, sorts=sorts, search=search, order=order)
        return Runs(self._handle, window, query)

    def create_project(
        self,
        name: str,
        *,
        visibility: Visibility = "PRIVATE",
        description: str | None = None,
        title: str = "",
        labels: Sequence[str] = (),
    ) -> ApiResponse[Project]:
        """Make a project.

        Args:
            name: Its name: 1 to 100 of letters, digits, ``_``, ``.``, ``+`` and ``-``. Of any other text one is
                made, and the text is the title.
            visibility: ``PUBLIC`` or ``PRIVATE``.
            description: The description.
            title: The free title, if it is to be another.
            labels: The labels.

        Returns:
            The project; a ``ConflictError`` if the name is taken.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is malformed.
        """
        unique, shown = project_names(name, argument="name")
        draft = ProjectDraft(
            name=unique,
            workspace=self._username,
            title=optional_text(title, "title") or shown,
            description=optional_text(description, "description") or "",
            visibility=choice(visibility, VISIBILITIES, "visibility"),
            labels=texts(labels, "labels", empty=True),
        )
        return ApiResponse.of(lambda: self._create_project(draft))

    def _create_project(self, draft: ProjectDraft) -> Project:
        record = self._handle.backend.create_project(draft)
        return Project(self._handle, record.path, record)

    def update(
        self, *, name: str | None = None, comment: str | None = None, profile: Mapping[str, Any] | None = None
    ) -> ApiResponse[Self]:
        """Change the workspace; ``None`` keeps.

        Args:
            name: The display name.
            comment: The description.
            profile: What it says of itself.

        Returns:
            The workspace, changed.

        Raises:
            TypeError: One of them has another type.
            ValueError: All are ``None``.
        """
        if profile is not None and not isinstance(profile, Mapping):
            raise TypeError(f"profile: expected a dict, got {type(profile).__name__}")
        patch = WorkspacePatch(
            name=optional_text(name, "name"),
            comment=optional_text(comment, "comment"),
            profile=None if profile is None else dict(profile),
        )
        if patch == WorkspacePatch():
            raise ValueError("update: nothing to change; it takes name, comment and profile")
        return ApiResponse.of(lambda: self._update(patch))

    def _scope_to_clean(self) -> Scope:
        return self.username, None

    def _update(self, patch: WorkspacePatch) -> Self:
        self._record = self._handle.backend.update_workspace(self.username, patch)
        return self

    def set_member(self, username: str, role: Role | None) -> ApiResponse[Self]:
        """Give a user a role here, or take it away.

        Args:
            username: The user.
            role: ``OWNER``, ``MEMBER``, ``VIEWER`` or ``VISITOR``; ``None`` takes it away.

        Returns:
            The workspace.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is unknown or malformed.
        """
        user = validate_workspace_name(username)
        wanted = optional(role, ROLES, "role")
        return ApiResponse.of(lambda: self._set_member(user, wanted))

    def _set_member(self, username: str, role: Role | None) -> Self:
        self._handle.backend.set_member(self.username, username, role)
        self._forget()
        return self

    def __repr__(self) -> str:
        return f"Workspace({self._username!r})" if self._username is not None else "Workspace()"


class Workspaces(Collection[Workspace, WorkspaceRecord]):
    """Workspaces, by name."""

    _listed_in: str | None

    def _read(self, page: PageRequest) -> Page[WorkspaceRecord]:
        return self._handle.backend.list_workspaces(self._listed_in, page)

    def _make(self, record: WorkspaceRecord) -> Workspace:
        return Workspace(self._handle, record.username, record)


class AllWorkspaces(Workspaces):
    """Every workspace of the installation (administrators).

    Args:
        handle: The way to the backend.
        window: Which part is wanted.
        search: Part of the name.
        workspace_type: ``PERSON`` or ``TEAM``.
        sort: ``create`` or ``name``.

    Raises:
        TypeError: One of them has another type.
        ValueError: One of them is unknown.
    """

    def __init__(
        self,
        handle: BackendHandle,
        window: Window,
        *,
        search: str | None = None,
        workspace_type: str | None = None,
        sort: str | None = None,
    ) -> None:
        super().__init__(handle, window)
        self._search = None if search is None else text(search, "search")
        self._type = optional(workspace_type, _TYPES, "type")
        self._sort = optional(sort, _SORTS, "sort")

    def _read(self, page: PageRequest) -> Page[WorkspaceRecord]:
        backend = self._handle.backend
        return backend.list_all_workspaces(page, search=self._search, workspace_type=self._type, sort=self._sort)

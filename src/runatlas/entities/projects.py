"""The projects of a workspace, or all that can be seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from runatlas.display.markup import Html, table, when
from runatlas.entities.argument import boolean, choice, optional, text
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.collection import Collection, Window
from runatlas.entities.project import Project, make_project_patch
from runatlas.entities.update import Update
from runatlas.errors import ApiStatusError
from runatlas.model.ids import validate_workspace_name
from runatlas.model.instant import iso_text
from runatlas.model.page import Page, PageRequest
from runatlas.model.project import ProjectPatch, ProjectQuery, ProjectRecord, ProjectSort, Visibility
from runatlas.model.run import RUN_STATES
from runatlas.model.series import ReadFailure
from runatlas.response import ApiResponse

__all__ = ["Projects", "make_project_query"]

_SORTS: tuple[ProjectSort, ...] = ("update", "create", "name")


def make_project_query(
    workspace: str | None = None,
    *,
    sort: str | None = None,
    search: str | None = None,
    detail: bool = True,
    state: str | None = None,
    creator: str | None = None,
    argument: str = "path",
) -> ProjectQuery:
    """Check what a caller asked for.

    Args:
        workspace: Whose projects; ``None`` for all that can be seen.
        sort: ``create``, ``name`` or ``update``; ``None`` means ``update``.
        search: Part of the name, title or description; case does not matter.
        detail: Whether counts are wanted.
        state: Only projects with a run in that state.
        creator: Only projects made by that user.
        argument: What the caller named the workspace.

    Raises:
        TypeError: One of them has another type.
        ValueError: One of them is unknown or malformed.
    """
    return ProjectQuery(
        workspace=None if workspace is None else validate_workspace_name(workspace, argument=argument),
        sort="update" if sort is None else choice(sort, _SORTS, "sort"),
        search=None if search is None else text(search, "search"),
        detail=boolean(detail, "detail"),
        state=optional(state, RUN_STATES, "state"),
        creator=None if creator is None else validate_workspace_name(creator, argument="creator"),
    )


class Projects(Collection[Project, ProjectRecord]):
    """Projects, lately changed first unless sorted otherwise.

    Args:
        handle: The way to the backend.
        window: Which part is wanted.
        query: Which projects.
        owner: Tells the workspace when it is the caller's own, whose name is not known yet.
        is_administration: Whether to list those of the whole installation.
    """

    def __init__(
        self,
        handle: BackendHandle,
        window: Window,
        query: ProjectQuery,
        *,
        owner: Callable[[], str] | None = None,
        is_administration: bool = False,
    ) -> None:
        super().__init__(handle, window)
        self._query = query
        self._owner = owner
        self._is_administration = is_administration

    def _scope(self) -> str | None:
        return self._query.workspace

    def _read(self, page: PageRequest) -> Page[ProjectRecord]:
        backend = self._handle.backend
        query = attrs.evolve(self._query, page=page)
        if self._owner is not None:
            query = attrs.evolve(query, workspace=self._owner())
        return backend.list_all_projects(query) if self._is_administration else backend.list_projects(query)

    def _make(self, record: ProjectRecord) -> Project:
        return Project(self._handle, record.path, record)

    def _items_shown(self, items: Sequence[Project]) -> Html:
        found = [item.record for item in items]
        rows = (
            (str(item.path), item.title, *_counts(item), item.visibility, when(iso_text(item.updated_at_ms)))
            for item in found
        )
        return table(("path", "title", "runs", "running", "visibility", "changed"), rows)

    def _subject(self) -> str:
        return "" if self._query.workspace is None else repr(self._query.workspace)

    def _whole_items(self) -> Sequence[Project]:
        if self._query.detail:
            return list(self)
        query = attrs.evolve(self._query, detail=True)
        is_administration = self._is_administration
        return list(Projects(self._handle, self._window, query, owner=self._owner, is_administration=is_administration))

    def update(
        self,
        *,
        description: str | None = None,
        visibility: Visibility | None = None,
        labels: Sequence[str] | None = None,
    ) -> ApiResponse[Update]:
        """Change all these projects, one after another: they are settled first; ``None`` keeps.

        Args:
            description: The description.
            visibility: ``PUBLIC`` or ``PRIVATE``.
            labels: All labels.

        Returns:
            Which projects were changed; those that could not be are in ``failures``.

        Raises:
            TypeError: One of them has another type.
            ValueError: One of them is out of bounds, or all are ``None``.
        """
        patch = make_project_patch(description=description, visibility=visibility, labels=labels)
        return ApiResponse.of(lambda: self._update(patch))

    def _update(self, patch: ProjectPatch) -> Update:
        chosen = list(self)
        outcomes = [self._update_one(project, patch) for project in chosen]
        failures = tuple(failure for failure in outcomes if failure is not None)
        self._forget()
        return Update(tuple(project.path for project in chosen), len(chosen) - len(failures), failures)

    def _update_one(self, project: Project, patch: ProjectPatch) -> ReadFailure | None:
        try:
            self._handle.backend.update_project(project.project_path, patch)
        except ApiStatusError as error:
            return ReadFailure(project.path, "", error.message)
        return None


def _counts(record: ProjectRecord) -> tuple[int | None, int | None]:
    return (None, None) if record.count is None else (record.count.experiments, record.count.running)

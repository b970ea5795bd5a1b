"""Projects of a SwanLab server."""

from __future__ import annotations

from runatlas.backends.swanlab.accounts import Accounts
from runatlas.backends.swanlab.client import SwanlabClient, at, cut_page, unsupported
from runatlas.backends.swanlab.document import Document
from runatlas.backends.swanlab.record import project_record
from runatlas.errors import NotFoundError, PermissionDeniedError
from runatlas.model.ids import ProjectPath, validate_project_name
from runatlas.model.page import Page, PageRequest, each_item
from runatlas.model.project import ProjectDraft, ProjectQuery, ProjectRecord, ProjectSort

__all__ = ["Projects"]

_SORTS: dict[ProjectSort, str | None] = {"update": None, "create": "create", "name": "name"}


class Projects:
    """Finds, lists and makes projects."""

    def __init__(self, client: SwanlabClient, accounts: Accounts) -> None:
        self._client = client
        self._accounts = accounts
        self._writable: set[ProjectPath] = set()

    def get_project(self, path: ProjectPath) -> ProjectRecord:
        address = at("project", path.workspace, path.project)
        return project_record(Document.read(self._client.get(address, scope=str(path)), "project"))

    def list_projects(self, query: ProjectQuery) -> Page[ProjectRecord]:
        if query.state is not None or query.creator is not None:
            raise unsupported("way to choose projects by state or creator, but for administrators")
        if query.workspace is not None:
            return self._projects(query.workspace, query, query.page)
        groups = self._accounts.list_workspaces(None, PageRequest(limit=1000)).items
        if len(groups) == 1:
            return self._projects(groups[0].username, query, query.page)
        found = [project for group in groups for project in self.all_of(group.username, query)]
        return cut_page(_sorted(found, query.sort), query.page)

    def _projects(self, workspace: str, query: ProjectQuery, page: PageRequest) -> Page[ProjectRecord]:
        def address(number: int, size: int) -> str:
            return at(
                "project",
                workspace,
                page=number,
                size=size,
                detail=str(query.detail),
                search=query.search,
                sort=_SORTS[query.sort],
            )

        return self._client.page(page, address, project_record, scope=workspace)

    def all_of(self, workspace: str, query: ProjectQuery) -> list[ProjectRecord]:
        """List all projects of a workspace."""
        return list(each_item(lambda page: self._projects(workspace, query, page)))

    def create_project(self, draft: ProjectDraft) -> ProjectRecord:
        validate_project_name(draft.name)
        if draft.title or draft.labels:
            raise unsupported("title and no labels for a new project")
        workspace = draft.workspace or self._accounts.own_name()
        body = {
            "name": draft.name,
            "username": workspace,
            "visibility": draft.visibility,
            "description": draft.description,
        }
        made = self._client.write("POST", at("project"), body, scope=workspace, repeatable=False)
        return project_record(Document.read(made, "project"))

    def list_all_projects(self, query: ProjectQuery) -> Page[ProjectRecord]:
        def address(number: int, size: int) -> str:
            narrowed = {
                "search": query.search,
                "sort": _SORTS[query.sort],
                "state": query.state,
                "creator": query.creator,
                "group": query.workspace,
            }
            return at("self_hosted", "projects", page=number, size=size, **narrowed)

        return self._client.page(query.page, address, project_record)

    # -- for runs -----------------------------------------------------------------------------------------------

    def check_writer(self, project: ProjectPath) -> None:
        """Refuse those who may only read, where the server is not asked until later.

        Raises:
            PermissionDeniedError: The caller may not write to the project.
        """
        if project in self._writable:
            return
        if self.get_project(project).role not in {"OWNER", "MEMBER"}:
            raise PermissionDeniedError(f"you may not change project {project}")
        self._writable.add(project)

    def create_private(self, project: ProjectPath) -> None:
        """Make the project of a run that is to be made."""
        body = {"name": project.project, "visibility": "PRIVATE"}
        try:
            self._client.write("POST", at("projects", project.workspace), body, scope=project.workspace)
        except NotFoundError:
            # Older servers have the other address only.
            body["username"] = project.workspace
            self._client.write("POST", at("project"), body, scope=project.workspace)


def _sorted(projects: list[ProjectRecord], sort: ProjectSort) -> list[ProjectRecord]:
    if sort == "name":
        return sorted(projects, key=lambda project: project.name.lower())
    return sorted(projects, key=lambda p: p.created_at_ms if sort == "create" else p.updated_at_ms, reverse=True)

"""The installation, users, workspaces and projects of a SwanLab server."""

from __future__ import annotations

from typing import TypeVar

from runatlas.backends.base import Backend
from runatlas.backends.http.lifetime import SETTLED_S
from runatlas.backends.swanlab.client import SwanlabClient, at, position_of
from runatlas.backends.swanlab.document import Document
from runatlas.backends.swanlab.record import (
    project_record,
    server_record,
    usage_record,
    user_record,
    workspace_record,
)
from runatlas.backends.swanlab.refusal import unsupported
from runatlas.errors import NotFoundError
from runatlas.model.account import (
    ServerRecord,
    UsageRecord,
    UserRecord,
    WorkspaceRecord,
    WorkspaceType,
)
from runatlas.model.ids import ProjectPath, validate_project_name, validate_workspace_name
from runatlas.model.page import Page, PageRequest, each_item
from runatlas.model.project import ProjectDraft, ProjectQuery, ProjectRecord, ProjectSort
from runatlas.model.text import has_part

__all__ = ["SwanlabAccount"]

T = TypeVar("T")

_SORTS: dict[ProjectSort, str | None] = {"update": None, "create": "create", "name": "name"}


class SwanlabAccount(Backend):
    """This part of the contract, as far as these servers go."""

    _client: SwanlabClient

    # -- the installation and the caller ------------------------------------------------------------------------

    def get_server(self) -> ServerRecord:
        return server_record(Document.read(self._client.get(at("self_hosted", "info"), keep=SETTLED_S), "info"))

    def get_user(self) -> UserRecord:
        profile = Document.read(self._client.get(at("user", "profile"), keep=SETTLED_S), "profile")
        return user_record(self._client.session.user(), profile)

    # -- workspaces ---------------------------------------------------------------------------------------------

    def get_workspace(self, username: str | None = None) -> WorkspaceRecord:
        name = self._own_name() if username is None else username
        return workspace_record(Document.read(self._client.get(at("group", name), scope=name), "group"))

    def list_workspaces(self, username: str | None, page: PageRequest) -> Page[WorkspaceRecord]:
        name = self._own_name() if username is None else username
        given = self._client.get(at("user", name, "groups"))
        found = [workspace_record(group) for group in Document.each(given, "groups")]
        return _cut(sorted(found, key=lambda group: group.username), page)

    def create_workspace(self, username: str, *, name: str = "", comment: str = "") -> WorkspaceRecord:
        validate_workspace_name(username)
        raise unsupported("way to make a workspace from outside", "make it on its pages")

    def _own_name(self) -> str:
        return self._client.session.user().text("username")

    # -- projects -----------------------------------------------------------------------------------------------

    def get_project(self, path: ProjectPath) -> ProjectRecord:
        address = at("project", path.workspace, path.project)
        return project_record(Document.read(self._client.get(address, scope=str(path)), "project"))

    def list_projects(self, query: ProjectQuery) -> Page[ProjectRecord]:
        if query.state is not None or query.creator is not None:
            raise unsupported("way to choose projects by state or creator, but for administrators")
        if query.workspace is not None:
            return self._projects(query.workspace, query, query.page)
        groups = self.list_workspaces(None, PageRequest(limit=1000)).items
        if len(groups) == 1:
            return self._projects(groups[0].username, query, query.page)
        found = [project for group in groups for project in self._all_projects(group.username, query)]
        return _cut(_sorted(found, query.sort), query.page)

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

    def _all_projects(self, workspace: str, query: ProjectQuery) -> list[ProjectRecord]:
        return list(each_item(lambda page: self._projects(workspace, query, page)))

    def create_project(self, draft: ProjectDraft) -> ProjectRecord:
        validate_project_name(draft.name)
        if draft.title or draft.labels:
            raise unsupported("title and no labels for a new project")
        workspace = draft.workspace or self._own_name()
        body = {
            "name": draft.name,
            "username": workspace,
            "visibility": draft.visibility,
            "description": draft.description,
        }
        made = self._client.write("POST", at("project"), body, scope=workspace, repeatable=False)
        return project_record(Document.read(made, "project"))

    # -- keys and administration --------------------------------------------------------------------------------

    def create_user(self, username: str, password: str | None = None) -> UserRecord:
        validate_workspace_name(username)
        if password is None:
            raise unsupported("users without a password", "give one")
        body = {"users": [{"username": username, "password": password}]}
        self._client.write("POST", at("self_hosted", "users"), body, repeatable=False)
        for user in self.list_users(PageRequest(limit=1000), search=username).items:
            if user.username == username:
                return user
        raise NotFoundError(f"the server made the user {username!r}, and does not list it")

    def list_users(self, page: PageRequest, *, search: str | None = None) -> Page[UserRecord]:
        def part(request: PageRequest) -> Page[UserRecord]:
            return self._client.page(
                request, lambda n, size: at("self_hosted", "users", page=n, size=size), user_record
            )

        if search is None:
            return part(page)
        return _cut([user for user in each_item(part) if has_part(f"{user.username}\n{user.name}", search)], page)

    def list_all_workspaces(
        self,
        page: PageRequest,
        *,
        search: str | None = None,
        workspace_type: WorkspaceType | None = None,
        sort: str | None = None,
    ) -> Page[WorkspaceRecord]:
        def address(number: int, size: int) -> str:
            narrowed = {"search": search, "type": workspace_type, "sort": sort}
            return at("self_hosted", "groups", page=number, size=size, **narrowed)

        return self._client.page(page, address, workspace_record)

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

    def get_usage(self) -> UsageRecord:
        return usage_record(Document.read(self._client.get(at("self_hosted", "summary")), "summary"))


def _cut(items: list[T], page: PageRequest) -> Page[T]:
    """Take a page out of a whole listing."""
    begin = position_of(page)
    end = begin + page.limit
    cursor = str(end) if end < len(items) else None
    return Page(tuple(items[begin:end]), cursor, len(items) if page.with_total else None)


def _sorted(projects: list[ProjectRecord], sort: ProjectSort) -> list[ProjectRecord]:
    if sort == "name":
        return sorted(projects, key=lambda project: project.name.lower())
    return sorted(projects, key=lambda p: p.created_at_ms if sort == "create" else p.updated_at_ms, reverse=True)

"""The installation, users and workspaces of a SwanLab server."""

from __future__ import annotations

from runatlas.backends.http.cache import SETTLED_S
from runatlas.backends.swanlab.client import SwanlabClient, at, cut_page, unsupported
from runatlas.backends.swanlab.document import Document
from runatlas.backends.swanlab.record import (
    server_record,
    usage_record,
    user_record,
    workspace_record,
)
from runatlas.errors import NotFoundError
from runatlas.model.account import (
    ServerRecord,
    UsageRecord,
    UserRecord,
    WorkspaceRecord,
    WorkspaceSort,
    WorkspaceType,
)
from runatlas.model.ids import validate_workspace_name
from runatlas.model.page import Page, PageRequest, each_item
from runatlas.model.text import has_part

__all__ = ["Accounts"]


class Accounts:
    """Tells of the installation, its users and their workspaces."""

    def __init__(self, client: SwanlabClient) -> None:
        self._client = client

    # -- the installation and the caller ------------------------------------------------------------------------

    def get_server(self) -> ServerRecord:
        return server_record(Document.read(self._client.get(at("self_hosted", "info"), keep=SETTLED_S), "info"))

    def get_user(self) -> UserRecord:
        profile = Document.read(self._client.get(at("user", "profile"), keep=SETTLED_S), "profile")
        return user_record(self._client.session.user(), profile)

    # -- workspaces ---------------------------------------------------------------------------------------------

    def get_workspace(self, username: str | None = None) -> WorkspaceRecord:
        name = self.own_name() if username is None else username
        return workspace_record(Document.read(self._client.get(at("group", name), scope=name), "group"))

    def list_workspaces(self, username: str | None, page: PageRequest) -> Page[WorkspaceRecord]:
        name = self.own_name() if username is None else username
        given = self._client.get(at("user", name, "groups"))
        found = [workspace_record(group) for group in Document.each(given, "groups")]
        return cut_page(sorted(found, key=lambda group: group.username), page)

    def create_workspace(self, username: str, *, name: str = "", comment: str = "") -> WorkspaceRecord:
        validate_workspace_name(username)
        raise unsupported("way to make a workspace from outside", "make it on its pages")

    def own_name(self) -> str:
        """Return the caller's own workspace."""
        return self._client.session.user().text("username")

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
        return cut_page([user for user in each_item(part) if has_part(f"{user.username}\n{user.name}", search)], page)

    def list_all_workspaces(
        self,
        page: PageRequest,
        *,
        search: str | None = None,
        workspace_type: WorkspaceType | None = None,
        sort: WorkspaceSort | None = None,
    ) -> Page[WorkspaceRecord]:
        def address(number: int, size: int) -> str:
            narrowed = {"search": search, "type": workspace_type, "sort": sort}
            return at("self_hosted", "groups", page=number, size=size, **narrowed)

        return self._client.page(page, address, workspace_record)

    def get_usage(self) -> UsageRecord:
        return usage_record(Document.read(self._client.get(at("self_hosted", "summary")), "summary"))

"""Routes of administrators."""

from __future__ import annotations

from typing import Literal

import attrs

from runatlas.model.account import UsageRecord, UserRecord, WorkspaceRecord, WorkspaceType
from runatlas.model.page import Page, PageRequest
from runatlas.model.project import ProjectQuery, ProjectRecord
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["routes"]

routes = RouteTable("administration")


@attrs.frozen
class UserDraft:
    """A user to be made; without a password only keys let the user in."""

    username: str
    password: str | None = None


@routes.add("GET", "/admin/users", errors=(403,))
def list_users(services: Services, caller: Caller, page: PageRequest, *, search: str | None = None) -> Page[UserRecord]:
    """List users by name."""
    return services.admin.list_users(caller, page, search=search)


# Not a write that can be repeated by its Idempotency-Key: the request's fingerprint would tell of the password.
@routes.add("POST", "/admin/users", statuses=(201,), errors=(403, 409))
def create_user(services: Services, caller: Caller, body: UserDraft) -> UserRecord:
    """Make a user with a personal workspace of the same name."""
    return services.admin.create_user(caller, body.username, body.password)


@routes.add("GET", "/admin/workspaces", errors=(403,))
def list_all_workspaces(
    services: Services,
    caller: Caller,
    page: PageRequest,
    *,
    search: str | None = None,
    workspace_type: WorkspaceType | None = None,
    sort: Literal["create", "name"] | None = None,
) -> Page[WorkspaceRecord]:
    """List every workspace; ``sort`` is ``create`` (newest first) or ``name``."""
    return services.admin.list_all_workspaces(caller, page, search=search, workspace_type=workspace_type, sort=sort)


@routes.add("POST", "/admin/projects/query", errors=(403, 404))
def list_all_projects(services: Services, caller: Caller, body: ProjectQuery) -> Page[ProjectRecord]:
    """List every project."""
    return services.admin.list_all_projects(caller, body)


@routes.add("GET", "/admin/usage", errors=(403,))
def get_usage(services: Services, caller: Caller) -> UsageRecord:
    """Count everything."""
    return services.admin.get_usage(caller)

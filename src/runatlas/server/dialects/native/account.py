"""Routes of users, workspaces and keys."""

from __future__ import annotations

import attrs

from runatlas.model.account import (
    Role,
    WorkspacePatch,
    WorkspaceRecord,
)
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["routes"]

routes = RouteTable("accounts")


@attrs.frozen
class Membership:
    """A user's role in a workspace; ``None`` takes it away."""

    role: Role | None


@routes.add("GET", "/workspaces/{workspace}", errors=(404,))
def get_workspace(services: Services, caller: Caller, workspace: str) -> WorkspaceRecord:
    """Return a workspace; ``~`` is the caller's own."""
    return services.workspaces.get_workspace(caller, None if workspace == "~" else workspace)


@routes.add("PATCH", "/workspaces/{workspace}", errors=(403, 404))
def update_workspace(services: Services, caller: Caller, workspace: str, body: WorkspacePatch) -> WorkspaceRecord:
    """Change a workspace; its owners may."""
    return services.workspaces.update_workspace(caller, _own(caller, workspace), body)


@routes.add("PUT", "/workspaces/{workspace}/members/{username}", errors=(403, 404, 409))
def set_member(services: Services, caller: Caller, workspace: str, username: str, body: Membership) -> None:
    """Give a user a role in a workspace, or take it away; its owners may, and one owner always stays."""
    services.workspaces.set_member(caller, _own(caller, workspace), username, body.role)


def _own(caller: Caller, workspace: str) -> str:
    return caller.username if workspace == "~" else workspace

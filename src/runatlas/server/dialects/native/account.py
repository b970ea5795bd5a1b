"""Routes of users, workspaces and keys."""

from __future__ import annotations

import attrs

from runatlas.model.account import (
    KeyRecord,
    NewKeyRecord,
    Role,
    ServerRecord,
    UserPatch,
    UserRecord,
    WorkspacePatch,
    WorkspaceRecord,
)
from runatlas.model.page import Page, PageRequest
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["routes"]

routes = RouteTable("accounts")


@attrs.frozen
class WorkspaceDraft:
    """A TEAM workspace to be made."""

    username: str
    name: str = ""
    comment: str = ""


@attrs.frozen
class Membership:
    """A user's role in a workspace; ``None`` takes it away."""

    role: Role | None


@attrs.frozen
class KeyDraft:
    """Whose key is to be made; ``None`` is the caller's own."""

    username: str | None = None


@routes.add("GET", "/server")
def get_server(services: Services, caller: Caller) -> ServerRecord:
    """Tell what the server is and whether the caller administers it."""
    return services.accounts.get_server(caller)


@routes.add("GET", "/user")
def get_user(services: Services, caller: Caller) -> UserRecord:
    """Return the caller."""
    return services.accounts.get_user(caller)


@routes.add("PATCH", "/user")
def update_user(services: Services, caller: Caller, body: UserPatch) -> UserRecord:
    """Change the caller's own account."""
    return services.accounts.update_user(caller, body)


@routes.add("GET", "/workspaces", errors=(404,))
def list_workspaces(
    services: Services, caller: Caller, page: PageRequest, username: str | None = None
) -> Page[WorkspaceRecord]:
    """List the workspaces a user belongs to, by name; without a user all that the caller may see."""
    return services.workspaces.list_workspaces(caller, username, page)


@routes.add("POST", "/workspaces", statuses=(201,), errors=(403, 409), write=True)
def create_workspace(services: Services, caller: Caller, body: WorkspaceDraft) -> WorkspaceRecord:
    """Make a TEAM workspace owned by the caller."""
    return services.workspaces.create_workspace(caller, body.username, name=body.name, comment=body.comment)


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


@routes.add("GET", "/keys", errors=(403, 404))
def list_keys(services: Services, caller: Caller, username: str | None = None) -> tuple[KeyRecord, ...]:
    """List the caller's keys, or (administrators) a user's, oldest first, revoked ones included."""
    return services.accounts.list_keys(caller, username)


# Not a write that can be repeated by its Idempotency-Key: that would keep the secret in the store.
@routes.add("POST", "/keys", statuses=(201,), errors=(403, 404))
def create_key(services: Services, caller: Caller, body: KeyDraft) -> NewKeyRecord:
    """Make an API key for the caller, or (administrators) for a user."""
    return services.accounts.create_key(caller, body.username)


@routes.add("DELETE", "/keys/{key_id}", errors=(403, 404))
def revoke_key(services: Services, caller: Caller, key_id: str) -> KeyRecord:
    """Make a key useless at once; a second call changes nothing."""
    return services.accounts.revoke_key(caller, key_id)

"""Statements about workspaces and who belongs to them."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select, and_, bindparam, exists, select

from runatlas.model.account import Role
from runatlas.server.store.schema import memberships, projects, workspaces
from runatlas.server.store.statement import Connection, rows

__all__ = ["WorkspaceRow", "find_workspace"]


class WorkspaceRow(NamedTuple):
    """A workspace as the rules need it, with the caller's membership role."""

    id: int
    username: str
    workspace_type: str
    role: Role | None
    has_public: bool


_MEMBERSHIP = and_(memberships.c.workspace_id == workspaces.c.id, memberships.c.user_id == bindparam("user_id"))
_HAS_PUBLIC = exists().where(
    projects.c.workspace_id == workspaces.c.id, projects.c.trash_id.is_(None), projects.c.visibility == "PUBLIC"
)

_FIND: Select[Any] = (
    select(workspaces.c.id, workspaces.c.username, workspaces.c.workspace_type, memberships.c.role, _HAS_PUBLIC)
    .select_from(workspaces.outerjoin(memberships, _MEMBERSHIP))
    .where(workspaces.c.username == bindparam("workspace"))
)


def find_workspace(connection: Connection, user_id: int, username: str) -> WorkspaceRow | None:
    """Find a workspace by name, with the role of a user."""
    found = rows(connection, _FIND, {"user_id": user_id, "workspace": username})
    return WorkspaceRow(*found[0]) if found else None

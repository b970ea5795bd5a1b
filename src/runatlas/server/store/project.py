"""Statements about projects."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select, and_, bindparam, select

from runatlas.model.account import Role
from runatlas.server.store.schema import memberships, projects, workspaces
from runatlas.server.store.statement import Connection, rows

__all__ = ["ProjectRow", "find_project"]


class ProjectRow(NamedTuple):
    """A project as the rules need it, with the caller's membership role in its workspace."""

    id: int
    cuid: str
    workspace_id: int
    workspace: str
    name: str
    visibility: str
    role: Role | None


PROJECT_ROW = (
    projects.c.id,
    projects.c.cuid,
    projects.c.workspace_id,
    workspaces.c.username,
    projects.c.name,
    projects.c.visibility,
    memberships.c.role,
)

MEMBERSHIP = and_(memberships.c.workspace_id == workspaces.c.id, memberships.c.user_id == bindparam("user_id"))

_FIND: Select[Any] = (
    select(*PROJECT_ROW)
    .select_from(projects.join(workspaces).outerjoin(memberships, MEMBERSHIP))
    .where(
        workspaces.c.username == bindparam("workspace"),
        projects.c.name == bindparam("project"),
        projects.c.trash_id.is_(None),
    )
)


def find_project(connection: Connection, user_id: int, workspace: str, project: str) -> ProjectRow | None:
    """Find a live project by its path, with the role of a user."""
    found = rows(connection, _FIND, {"user_id": user_id, "workspace": workspace, "project": project})
    return ProjectRow(*found[0]) if found else None

"""Statements about workspaces and who belongs to them."""

from __future__ import annotations

from typing import Any, NamedTuple

import attrs
from sqlalchemy import Select, and_, bindparam, delete, exists, func, literal_column, or_, select, tuple_, update

from runatlas.model.account import Role, WorkspaceType
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import memberships, projects, users, workspaces
from runatlas.server.store.statement import Connection, code_points, contains, rows

__all__ = [
    "WorkspaceDetail",
    "WorkspaceListing",
    "WorkspaceRow",
    "add_workspace",
    "change_workspace",
    "count_workspaces",
    "find_workspace",
    "list_workspaces",
    "lock_owners",
    "read_workspace",
    "set_role",
]


class WorkspaceRow(NamedTuple):
    """A workspace as the rules need it, with the caller's membership role."""

    id: int
    username: str
    workspace_type: str
    role: Role | None
    has_public: bool


class WorkspaceDetail(NamedTuple):
    """A workspace with everything that is told of it."""

    id: int
    username: str
    name: str
    workspace_type: WorkspaceType
    role: Role | None
    comment: str
    profile: str
    created_at_ms: int


_MEMBERSHIP = and_(memberships.c.workspace_id == workspaces.c.id, memberships.c.user_id == bindparam("user_id"))
_HAS_PUBLIC = exists().where(
    projects.c.workspace_id == workspaces.c.id,
    projects.c.trash_id.is_(None),
    projects.c.visibility == literal_column("'PUBLIC'"),
)

_FIND = Prepared(
    select(workspaces.c.id, workspaces.c.username, workspaces.c.workspace_type, memberships.c.role, _HAS_PUBLIC)
    .select_from(workspaces.outerjoin(memberships, _MEMBERSHIP))
    .where(workspaces.c.username == bindparam("workspace")),
    "user_id",
    "workspace",
)


def find_workspace(connection: Connection, user_id: int, username: str) -> WorkspaceRow | None:
    """Find a workspace by name, with the role of a user."""
    found = _FIND.first(connection, user_id, username)
    return WorkspaceRow(*found) if found else None


_C = workspaces.c
_ROW: Select[Any] = select(
    _C.id, _C.username, _C.name, _C.workspace_type, memberships.c.role, _C.comment, _C.profile, _C.created_at_ms
).select_from(workspaces.outerjoin(memberships, _MEMBERSHIP))
_BY_NAME = _ROW.where(_C.username == bindparam("workspace"))


def read_workspace(connection: Connection, user_id: int, username: str) -> WorkspaceDetail:
    """Read a workspace that is known to be there."""
    return WorkspaceDetail(*rows(connection, _BY_NAME, {"user_id": user_id, "workspace": username})[0])


@attrs.frozen
class WorkspaceListing:
    """Which workspaces.

    Attributes:
        user_id: Whose roles are told.
        member: Only those that this user belongs to.
        visible_only: Only those that ``user_id`` sees.
        newest_first: By the time they were made, instead of by name.
    """

    user_id: int
    member: str | None = None
    visible_only: bool = True
    search: str | None = None
    workspace_type: str | None = None
    newest_first: bool = False

    def restrict(self, statement: Select[Any]) -> Select[Any]:
        """Add the conditions to a query over workspaces and the user's memberships."""
        if self.visible_only:
            statement = statement.where(or_(memberships.c.role.is_not(None), _HAS_PUBLIC))
        if self.member is not None:
            other = memberships.alias()
            belongs = select(other.c.workspace_id).join(users, users.c.id == other.c.user_id)
            statement = statement.where(_C.id.in_(belongs.where(users.c.username == self.member)))
        if self.search:
            statement = statement.where(or_(contains(_C.username, self.search), contains(_C.name, self.search)))
        if self.workspace_type is not None:
            statement = statement.where(_C.workspace_type == self.workspace_type)
        return statement


def list_workspaces(
    connection: Connection, listing: WorkspaceListing, after: list[Any] | None, limit: int, offset: int
) -> list[WorkspaceDetail]:
    """List workspaces; ``after`` are the sort keys of the last one before."""
    statement = listing.restrict(_ROW)
    if listing.newest_first:
        if after is not None:
            statement = statement.where(tuple_(_C.created_at_ms, _C.id) < tuple_(*after))
        statement = statement.order_by(_C.created_at_ms.desc(), _C.id.desc())
    else:
        if after is not None:
            statement = statement.where(code_points(_C.username) > after[0])
        statement = statement.order_by(code_points(_C.username))
    found = rows(connection, statement.limit(limit).offset(offset), {"user_id": listing.user_id})
    return [WorkspaceDetail(*row) for row in found]


def count_workspaces(connection: Connection, listing: WorkspaceListing) -> int:
    """Count workspaces."""
    joined = select(func.count()).select_from(workspaces.outerjoin(memberships, _MEMBERSHIP))
    return int(connection.scalar(listing.restrict(joined), {"user_id": listing.user_id}) or 0)


def add_workspace(
    connection: Connection, *, owner_id: int, username: str, name: str, comment: str, now_ms: int
) -> None:
    """Insert a TEAM workspace with its owner."""
    values = {"username": username, "name": name, "comment": comment, "created_at_ms": now_ms}
    statement = workspaces.insert().values(workspace_type="TEAM", **values).returning(_C.id)
    workspace_id = connection.execute(statement).scalar_one()
    connection.execute(memberships.insert().values(user_id=owner_id, workspace_id=workspace_id, role="OWNER"))


def change_workspace(connection: Connection, workspace_id: int, values: dict[str, Any]) -> None:
    """Update columns of a workspace."""
    connection.execute(update(workspaces).where(_C.id == workspace_id).values(**values))


def lock_owners(connection: Connection, workspace_id: int) -> list[int]:
    """Return the users who own a workspace, and keep other transactions from changing who they are."""
    connection.execute(select(_C.id).where(_C.id == workspace_id).with_for_update())
    owners = select(memberships.c.user_id).where(memberships.c.workspace_id == workspace_id)
    return [user_id for (user_id,) in rows(connection, owners.where(memberships.c.role == "OWNER"))]


def set_role(connection: Connection, workspace_id: int, user_id: int, role: Role | None) -> None:
    """Give a user a role, or take it away."""
    held = and_(memberships.c.workspace_id == workspace_id, memberships.c.user_id == user_id)
    connection.execute(delete(memberships).where(held))
    if role is not None:
        connection.execute(memberships.insert().values(workspace_id=workspace_id, user_id=user_id, role=role))

"""Statements about projects."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import attrs
from sqlalchemy import Select, and_, bindparam, case, exists, func, or_, select, tuple_, update

from runatlas.errors import NotFoundError
from runatlas.model.account import Role, WorkspaceType
from runatlas.model.project import ProjectSort, Visibility
from runatlas.server.store.liveness import STATE
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import memberships, projects, runs, users, workspaces
from runatlas.server.store.statement import Connection, code_points, contains, listing, member_of, rows

__all__ = [
    "ProjectCounts",
    "ProjectDetail",
    "ProjectListing",
    "ProjectRow",
    "add_project",
    "change_project",
    "count_projects",
    "find_project",
    "find_projects",
    "keep_projects",
    "list_projects",
    "lock_project",
    "lock_projects",
    "project_counts",
    "read_project",
    "touch_live_projects",
    "touch_projects",
]


class ProjectRow(NamedTuple):
    """A project as the rules need it, with the caller's membership role in its workspace."""

    id: int
    cuid: str
    workspace_id: int
    workspace: str
    name: str
    visibility: str
    role: Role | None


class ProjectDetail(NamedTuple):
    """A project with everything that is told of it but its counts."""

    id: int
    cuid: str
    workspace_id: int
    workspace: str
    name: str
    visibility: Visibility
    role: Role | None
    title: str
    description: str
    labels: str
    metrics: str
    workspace_name: str
    workspace_type: WorkspaceType
    created_at_ms: int
    updated_at_ms: int


class ProjectCounts(NamedTuple):
    """How much a project holds."""

    runs: int = 0
    running: int = 0
    contributors: int = 0
    run_changed_at_ms: int | None = None
    collaborators: int = 0


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

_C = projects.c
_JOINED = projects.join(workspaces).outerjoin(memberships, MEMBERSHIP)
_BY_PATH = and_(workspaces.c.username == bindparam("workspace"), _C.name == bindparam("project"), _C.trash_id.is_(None))
_FIND = Prepared(select(*PROJECT_ROW).select_from(_JOINED).where(_BY_PATH), "user_id", "workspace", "project")
_DETAIL: Select[Any] = select(
    *PROJECT_ROW,
    _C.title,
    _C.description,
    _C.labels,
    _C.metrics,
    workspaces.c.name,
    workspaces.c.workspace_type,
    _C.created_at_ms,
    _C.updated_at_ms,
).select_from(_JOINED)
_READ = _DETAIL.where(_C.id == bindparam("project_id"))


def find_project(connection: Connection, user_id: int, workspace: str, project: str) -> ProjectRow | None:
    """Find a live project by its path, with the role of a user."""
    found = _FIND.first(connection, user_id, workspace, project)
    return ProjectRow(*found) if found else None


_NAMES = Prepared(select(_C.id, _C.workspace_id, _C.name).where(member_of(_C.id, "projects")), "projects")


def find_projects(connection: Connection, project_ids: Iterable[int]) -> dict[int, tuple[int, str]]:
    """Return the workspace and the name of projects, also of those in the trash, by row id."""
    found = _NAMES.all(connection, listing(connection.dialect, project_ids))
    return {key: (workspace_id, name) for key, workspace_id, name in found}


def read_project(connection: Connection, user_id: int, project_id: int) -> ProjectDetail:
    """Read a project that is known to be there."""
    return ProjectDetail(*rows(connection, _READ, {"user_id": user_id, "project_id": project_id})[0])


@attrs.frozen
class ProjectListing:
    """Which live projects, in which order.

    Attributes:
        user_id: Whose roles are told.
        visible_only: Only those that ``user_id`` may read.
        state: Only those with a run in that state.
        creator: Only those made by that user.
    """

    user_id: int
    visible_only: bool
    workspace_id: int | None = None
    sort: ProjectSort = "update"
    search: str | None = None
    state: str | None = None
    creator: str | None = None

    @property
    def kinds(self) -> list[str]:
        """What the sort keys are."""
        return ["text", "int"] if self.sort == "name" else ["int", "int"]

    def keys(self, row: ProjectDetail) -> list[str | int]:
        """Return the sort keys of a project."""
        if self.sort == "name":
            return [row.name, row.id]
        return [row.created_at_ms if self.sort == "create" else row.updated_at_ms, row.id]

    def restrict(self, statement: Select[Any]) -> Select[Any]:
        """Add the conditions to a query."""
        statement = statement.where(_C.trash_id.is_(None))
        if self.visible_only:
            readable = memberships.c.role.in_(("OWNER", "MEMBER", "VIEWER"))
            statement = statement.where(or_(readable, _C.visibility == "PUBLIC"))
        if self.workspace_id is not None:
            statement = statement.where(_C.workspace_id == self.workspace_id)
        if self.search:
            texts = (_C.name, _C.title, _C.description)
            statement = statement.where(or_(*(contains(text, self.search) for text in texts)))
        if self.state is not None:
            in_state = runs.c.project_id == _C.id, runs.c.trash_id.is_(None), STATE.in_([self.state])
            statement = statement.where(exists().where(*in_state))
        if self.creator is not None:
            made_by = select(users.c.id).where(users.c.username == self.creator)
            statement = statement.where(_C.user_id.in_(made_by))
        return statement

    def order(self, statement: Select[Any], after: list[Any] | None) -> Select[Any]:
        """Add the order, and the condition to come after these sort keys."""
        if self.sort == "name":
            keys = tuple_(code_points(_C.name), _C.id)
            statement = statement if after is None else statement.where(keys > tuple_(*after))
            return statement.order_by(code_points(_C.name), _C.id)
        column = _C.created_at_ms if self.sort == "create" else _C.updated_at_ms
        if after is not None:
            statement = statement.where(tuple_(column, _C.id) < tuple_(*after))
        return statement.order_by(column.desc(), _C.id.desc())


def list_projects(
    connection: Connection, listed: ProjectListing, after: list[Any] | None, limit: int, offset: int
) -> list[ProjectDetail]:
    """List projects; ``after`` are the sort keys of the last one before."""
    statement = listed.order(listed.restrict(_DETAIL), after).limit(limit).offset(offset)
    return [ProjectDetail(*row) for row in rows(connection, statement, {"user_id": listed.user_id})]


def count_projects(connection: Connection, listed: ProjectListing) -> int:
    """Count projects."""
    statement = listed.restrict(select(func.count()).select_from(_JOINED))
    return int(connection.scalar(statement, {"user_id": listed.user_id}) or 0)


_RUN_COUNTS = (
    select(
        runs.c.project_id,
        func.count(),
        func.sum(case((STATE == "RUNNING", 1), else_=0)),
        func.count(runs.c.user_id.distinct()),
        func.max(runs.c.updated_at_ms),
    )
    .where(member_of(runs.c.project_id, "projects"), runs.c.trash_id.is_(None))
    .group_by(runs.c.project_id)
)
_MEMBER_COUNTS = (
    select(_C.id, func.count())
    .select_from(projects.join(memberships, memberships.c.workspace_id == _C.workspace_id))
    .where(member_of(_C.id, "projects"))
    .group_by(_C.id)
)


def project_counts(connection: Connection, project_ids: Sequence[int]) -> dict[int, ProjectCounts]:
    """Count what projects hold."""
    values = {"projects": list(project_ids)}
    members = dict(rows(connection, _MEMBER_COUNTS, values))
    found = {key: ProjectCounts(*map(int, counts)) for key, *counts in rows(connection, _RUN_COUNTS, values)}
    return {key: found.get(key, ProjectCounts())._replace(collaborators=members.get(key, 0)) for key in project_ids}


def add_project(connection: Connection, values: Mapping[str, Any]) -> int:
    """Insert a project and return its row id."""
    return int(connection.execute(projects.insert().values(**values).returning(_C.id)).scalar_one())


def lock_project(connection: Connection, project_id: int, columns: Sequence[str]) -> dict[str, Any] | None:
    """Read columns of a live project that is about to be changed, and keep other transactions from changing it."""
    locked = select(*(_C[name] for name in columns)).where(_C.id == project_id, _C.trash_id.is_(None))
    found = rows(connection, locked.with_for_update())
    return dict(zip(columns, found[0], strict=True)) if found else None


def change_project(connection: Connection, project_id: int, values: Mapping[str, Any]) -> None:
    """Update columns of a project."""
    connection.execute(update(projects).where(_C.id == project_id).values(**values))


_TOUCH = Prepared(
    update(projects).where(_C.id == bindparam("project")).values(updated_at_ms=bindparam("now")), "now", "project"
)


def touch_projects(connection: Connection, project_ids: Iterable[int], now_ms: int) -> None:
    """Note that projects changed."""
    _TOUCH.run_many(connection, [(now_ms, project_id) for project_id in sorted(project_ids)])


_CHOSEN = select(_C.id).where(member_of(_C.id, "projects")).order_by(_C.id)
_SHARE = Prepared(_CHOSEN.with_for_update(read=True, key_share=True), "projects")


def lock_projects(connection: Connection, project_ids: Collection[int], *, whole: bool = False) -> None:
    """Keep other transactions from changing projects, in the order of all.

    Who will need a stronger lock than that of ``keep_projects`` takes it at once: two who hold the weaker one would
    wait for each other.

    Args:
        connection: The transaction.
        project_ids: The projects.
        whole: Whether also no rows may be added that name them, as where they are deleted or get another name.
    """
    locked = _CHOSEN.with_for_update(key_share=not whole)
    connection.execute(locked, {"projects": list(project_ids)})


def keep_projects(connection: Connection, project_ids: Collection[int]) -> None:
    """Keep other transactions from deleting projects, before their runs are locked: rows that name them need that."""
    if connection.dialect.name == "postgresql":
        _SHARE.all(connection, listing(connection.dialect, project_ids))


_ALIVE = select(_C.id).where(member_of(_C.id, "projects"), _C.trash_id.is_(None))


def touch_live_projects(connection: Connection, project_ids: Collection[int], now_ms: int) -> None:
    """Note that projects changed, and keep other transactions from them.

    Raises:
        NotFoundError: One was deleted by another transaction since it was found.
    """
    touch_projects(connection, project_ids, now_ms)
    if len(rows(connection, _ALIVE, {"projects": list(project_ids)})) < len(set(project_ids)):
        raise NotFoundError("a project was deleted meanwhile; nothing was changed")

"""Statements about the journal: its lines, and the runs and projects that each of them reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import attrs
from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, insert, or_, select, tuple_, update

from runatlas.model.account import Role
from runatlas.model.change import ChangeKind
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import change_projects, change_runs, changes, memberships, projects, runs, workspaces
from runatlas.server.store.statement import Connection, member_of, rows

__all__ = [
    "ChangeRow",
    "ChangeScope",
    "Fields",
    "ReachedProject",
    "ReachedRun",
    "add_change",
    "count_changes",
    "find_change",
    "forget_texts",
    "list_changes",
    "mark_restored",
    "mark_undone",
    "reached_projects",
    "reached_runs",
    "unmark_undone",
]


class Fields(NamedTuple):
    """What a change made of something: objects of columns, as JSON; ``None`` where it only reached it."""

    before: str | None = None
    after: str | None = None


class ChangeRow(NamedTuple):
    """A line of the journal."""

    id: int
    cuid: str
    at_ms: int
    author: str
    door: str
    kind: ChangeKind
    workspace: str
    project: str
    what: str
    runs: int
    trash_cuid: str | None
    expires_at_ms: int | None
    undoes: str | None
    undone_by: str | None
    undone_at_ms: int | None


class ReachedRun(NamedTuple):
    """A run that a change reached, where it lies now."""

    id: int
    cuid: str
    run_id: str
    name: str
    project: str
    workspace: str
    trash_id: int | None
    before: str | None
    after: str | None

    @property
    def path(self) -> str:
        """``workspace/project/run``."""
        return f"{self.workspace}/{self.project}/{self.run_id}"


class ReachedProject(NamedTuple):
    """A project that a change reached, as it is called now, with the caller's membership role in its workspace."""

    id: int
    workspace: str
    name: str
    trash_id: int | None
    role: Role | None
    before: str | None
    after: str | None


_LINE = tuple(column.name for column in changes.c if column.name not in {"id", "undone_by", "undone_at_ms"})
_ADD = Prepared(
    insert(changes).values({name: bindparam(f"the_{name}") for name in _LINE}).returning(changes.c.id),
    *(f"the_{name}" for name in _LINE),
)
_ADD_PROJECT = Prepared(
    insert(change_projects).values(
        {name: bindparam(f"the_{name}") for name in ("change_id", "project_id", "before", "after")}
    ),
    *("the_change_id", "the_project_id", "the_before", "the_after"),
)
_ADD_RUN = Prepared(
    insert(change_runs).values({name: bindparam(f"the_{name}") for name in ("change_id", "run_pk", "before", "after")}),
    *("the_change_id", "the_run_pk", "the_before", "the_after"),
)


def add_change(
    connection: Connection,
    values: Mapping[str, Any],
    reached: Mapping[int, Fields],
    changed: Mapping[int, Fields],
) -> None:
    """Insert a line.

    Args:
        connection: A write transaction.
        values: Its columns.
        reached: The projects that it reached, by row id.
        changed: The runs that it reached, by row id.
    """
    key = int(_ADD.first(connection, *(values[name] for name in _LINE))[0])
    _ADD_PROJECT.run_many(connection, [(key, project, *pair) for project, pair in reached.items()])
    _ADD_RUN.run_many(connection, [(key, run, *pair) for run, pair in sorted(changed.items())])


_MEMBERSHIP = and_(memberships.c.workspace_id == workspaces.c.id, memberships.c.user_id == bindparam("user_id"))
_READERS = ("OWNER", "MEMBER", "VIEWER")
_IS_READER = memberships.c.role.in_(_READERS)
_ROW: Select[Any] = select(
    changes.c.id,
    changes.c.cuid,
    changes.c.at_ms,
    changes.c.author,
    changes.c.door,
    changes.c.kind,
    workspaces.c.username,
    changes.c.project,
    changes.c.what,
    changes.c.runs,
    changes.c.trash_cuid,
    changes.c.expires_at_ms,
    changes.c.undoes,
    changes.c.undone_by,
    changes.c.undone_at_ms,
)


@attrs.frozen
class ChangeScope:
    """Which lines.

    Attributes:
        user_id: Whose rights count.
        is_owner: Whether that is the directory's owner, who sees all.
        run_keys: Only what reached one of these runs.
    """

    user_id: int
    is_owner: bool
    workspace_id: int | None = None
    project_id: int | None = None
    run_keys: tuple[int, ...] | None = None
    cuid: str | None = None
    author: str | None = None
    kind: str | None = None
    since_ms: int | None = None

    def restrict(self, chosen: Select[Any]) -> Select[Any]:
        """Add the tables and the conditions to a query."""
        joined = changes.join(workspaces).outerjoin(memberships, _MEMBERSHIP)
        statement = chosen.select_from(joined)
        if not self.is_owner:
            statement = statement.where(_is_seen(self.user_id))
        if self.workspace_id is not None:
            inside = _reaches(projects.c.workspace_id == self.workspace_id)
            statement = statement.where(or_(changes.c.workspace_id == self.workspace_id, inside))
        if self.project_id is not None:
            statement = statement.where(_reaches(projects.c.id == self.project_id))
        if self.run_keys is not None:
            touched = select(change_runs.c.change_id).where(member_of(change_runs.c.run_pk, "touched", self.run_keys))
            statement = statement.where(changes.c.id.in_(touched))
        given = {"cuid": self.cuid, "author": self.author, "kind": self.kind}
        equal = [changes.c[name] == value for name, value in given.items() if value is not None]
        since = [] if self.since_ms is None else [changes.c.at_ms >= self.since_ms]
        return statement.where(*equal, *since)


def _reaches(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    reached = change_projects.join(projects)
    return exists().select_from(reached).where(change_projects.c.change_id == changes.c.id, condition)


def _is_seen(user_id: int) -> ColumnElement[bool]:
    """Lines all of whose projects a user may read; what reached several, or one that is gone, only members see."""
    is_public = and_(projects.c.visibility == "PUBLIC", projects.c.trash_id.is_(None))
    reached = change_projects.join(projects)
    own = change_projects.c.change_id == changes.c.id
    hidden = exists().select_from(reached).where(own, ~is_public, ~_reads_in(projects.c.workspace_id, user_id))
    is_of_one = and_(changes.c.project != "", exists().where(own))
    return and_(or_(is_of_one, _IS_READER), ~hidden)


def _reads_in(workspace_id: ColumnElement[int], user_id: int) -> ColumnElement[bool]:
    """Tell whether a user may read all of a workspace."""
    members = memberships.alias()
    own = members.c.workspace_id == workspace_id, members.c.user_id == user_id
    return exists().where(*own, members.c.role.in_(_READERS))


def list_changes(
    connection: Connection, scope: ChangeScope, after: int | None = None, limit: int | None = None, offset: int = 0
) -> list[ChangeRow]:
    """List lines, newest first; ``after`` is the row id of the one before."""
    statement = scope.restrict(_ROW).order_by(changes.c.id.desc()).limit(limit).offset(offset)
    if after is not None:
        statement = statement.where(changes.c.id < after)
    return [ChangeRow(*row) for row in rows(connection, statement, {"user_id": scope.user_id})]


def count_changes(connection: Connection, scope: ChangeScope) -> int:
    """Count lines."""
    return int(rows(connection, scope.restrict(select(func.count())), {"user_id": scope.user_id})[0][0])


def find_change(connection: Connection, scope: ChangeScope) -> ChangeRow | None:
    """Return the newest line of a scope."""
    found = list_changes(connection, scope, limit=1)
    return found[0] if found else None


_REACHED_RUN = (
    select(
        runs.c.id,
        runs.c.cuid,
        runs.c.run_id,
        runs.c.name,
        projects.c.name,
        workspaces.c.username,
        runs.c.trash_id,
        change_runs.c.before,
        change_runs.c.after,
    )
    .select_from(change_runs.join(runs).join(projects, projects.c.id == runs.c.project_id).join(workspaces))
    .where(change_runs.c.change_id == bindparam("change"))
    .order_by(runs.c.id)
)


def reached_runs(
    connection: Connection,
    change_id: int,
    after: int = 0,
    limit: int | None = None,
    offset: int = 0,
    *,
    reader: int | None = None,
) -> list[ReachedRun]:
    """List the runs that a change reached and that are not gone for good.

    Args:
        connection: An open transaction.
        change_id: The row id of the change.
        after: The row id of the run before.
        limit: The most of them.
        offset: How many to pass over.
        reader: Only those that this user may read where they lie now; ``None`` for all.
    """
    statement = _REACHED_RUN.where(runs.c.id > after).limit(limit).offset(offset)
    if reader is not None:
        is_public = and_(projects.c.visibility == "PUBLIC", runs.c.trash_id.is_(None))
        statement = statement.where(or_(is_public, _reads_in(workspaces.c.id, reader)))
    return [ReachedRun(*row) for row in rows(connection, statement, {"change": change_id})]


_REACHED_PROJECT = (
    select(
        projects.c.id,
        workspaces.c.username,
        projects.c.name,
        projects.c.trash_id,
        memberships.c.role,
        change_projects.c.before,
        change_projects.c.after,
    )
    .select_from(change_projects.join(projects).join(workspaces).outerjoin(memberships, _MEMBERSHIP))
    .where(change_projects.c.change_id == bindparam("change"))
    .order_by(projects.c.id)
)


def reached_projects(connection: Connection, change_id: int, user_id: int) -> list[ReachedProject]:
    """List the projects that a change reached and that are not gone for good."""
    found = rows(connection, _REACHED_PROJECT, {"change": change_id, "user_id": user_id})
    return [ReachedProject(*row) for row in found]


def mark_undone(connection: Connection, change_id: int, by: str, at_ms: int) -> bool:
    """Note which change took a line back; tell whether none had before."""
    open_line = changes.c.id == change_id, changes.c.undone_by.is_(None)
    marked = update(changes).where(*open_line).values(undone_by=by, undone_at_ms=at_ms)
    return connection.execute(marked).rowcount == 1


def unmark_undone(connection: Connection, cuid: str, by: str, trash_cuid: str | None = None) -> None:
    """Let a line count again that a change had taken back which is itself taken back.

    Args:
        connection: An open transaction.
        cuid: The line.
        by: What had taken it back.
        trash_cuid: The entry of the trash that it has from now on; ``None`` keeps.
    """
    taken_back = changes.c.cuid == cuid, changes.c.undone_by == by
    entry = {} if trash_cuid is None else {"trash_cuid": trash_cuid}
    connection.execute(update(changes).where(*taken_back).values(undone_by=None, undone_at_ms=None, **entry))


def mark_restored(connection: Connection, trash_cuid: str, by: str, at_ms: int) -> None:
    """Note which change brought back all that a deletion took."""
    # Of a merge, and of one that is done again, that is only the emptied project.
    own = changes.c.trash_cuid == trash_cuid, changes.c.cuid != by, changes.c.kind.not_in(["merge", "undo"])
    deletion = *own, changes.c.undone_by.is_(None)
    connection.execute(update(changes).where(*deletion).values(undone_by=by, undone_at_ms=at_ms))


_EXPIRED = (
    select(changes.c.id)
    .where(changes.c.expires_at_ms <= bindparam("now"), changes.c.kept.is_(True))
    .order_by(changes.c.id)
    .limit(1)
)
_HELD = select(*change_runs.primary_key).where(
    change_runs.c.change_id == bindparam("change"), change_runs.c.before.is_not(None)
)


def forget_texts(connection: Connection, now_ms: int, most: int) -> bool:
    """Forget what runs were before a change whose time is over, of so many of them; tell whether there is more."""
    found = rows(connection, _EXPIRED, {"now": now_ms})
    if not found:
        return False
    (change,) = found[0]
    some = tuple_(*change_runs.primary_key).in_(_HELD.limit(most))
    forgotten = update(change_runs).where(some).values(before=None, after=None)
    if connection.execute(forgotten, {"change": change}).rowcount < most:
        connection.execute(update(changes).where(changes.c.id == change).values(kept=False))
    return True

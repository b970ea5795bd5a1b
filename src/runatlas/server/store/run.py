"""Statements about runs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, select

from runatlas.server.store.prepared import Prepared
from runatlas.server.store.project import MEMBERSHIP, PROJECT_ROW, ProjectRow
from runatlas.server.store.run_order import LAST
from runatlas.server.store.schema import memberships, projects, runs, workspaces
from runatlas.server.store.statement import Connection, listing, member_of, rows

__all__ = ["RunRow", "find_run", "find_runs_by_cuid", "live_runs", "newest_names"]


class RunRow(NamedTuple):
    """A run as the rules need it."""

    id: int
    cuid: str
    run_id: str
    name: str
    state: str
    project: ProjectRow


_RUN_ROW = (runs.c.id, runs.c.cuid, runs.c.run_id, runs.c.name, runs.c.state)

_ANY_RUN: Select[Any] = (
    select(*_RUN_ROW, *PROJECT_ROW)
    .select_from(runs.join(projects, projects.c.id == runs.c.project_id).join(workspaces))
    .outerjoin_from(workspaces, memberships, MEMBERSHIP)
    .where(projects.c.trash_id.is_(None), runs.c.trash_id.is_(None))
)
_LIVE_RUN = _ANY_RUN.where(workspaces.c.username == bindparam("workspace"), projects.c.name == bindparam("project"))
_PARAMETERS = ("user_id", "workspace", "project", "run")
_BY_ID = Prepared(_LIVE_RUN.where(runs.c.run_id == bindparam("run")), *_PARAMETERS)
_BY_CUID = Prepared(_LIVE_RUN.where(runs.c.cuid == bindparam("run")), *_PARAMETERS)
_BY_CUIDS = Prepared(_ANY_RUN.where(member_of(runs.c.cuid, "cuids")), "user_id", "cuids")


def find_run(connection: Connection, user_id: int, workspace: str, project: str, run: str) -> RunRow | None:
    """Find a live run by its path, by the id its client chose first, then by cuid."""
    values = (user_id, workspace, project, run)
    found = _BY_ID.first(connection, *values) or _BY_CUID.first(connection, *values)
    if found is None:
        return None
    return _row(found)


def find_runs_by_cuid(connection: Connection, user_id: int, cuids: Collection[str]) -> dict[str, RunRow]:
    """Find live runs of any project, with a user's role there."""
    found = (_row(row) for row in _BY_CUIDS.all(connection, user_id, listing(connection.dialect, cuids)))
    return {row.cuid: row for row in found}


_LIVE = Prepared(
    select(runs.c.run_id, runs.c.id)
    .where(runs.c.project_id == bindparam("project"), member_of(runs.c.run_id, "ids"), runs.c.trash_id.is_(None))
    # As the index of ids has them: without it SQLite thinks that of newest runs as good, and looks at every run.
    .order_by(runs.c.run_id),
    "project",
    "ids",
)


def live_runs(connection: Connection, project_id: int, ids: Collection[str]) -> dict[str, int]:
    """Find a project's live runs by the ids that their clients chose, and return their row ids."""
    return dict(_LIVE.all(connection, project_id, listing(connection.dialect, ids)))


_NEWEST = (
    select(runs.c.run_id, runs.c.name)
    .where(runs.c.project_id == bindparam("project"), runs.c.trash_id.is_(None))
    .order_by(*(column.desc() for column in LAST))
)


def newest_names(connection: Connection, project_id: int, most: int) -> list[tuple[str, str]]:
    """Return the ids and names of so many of a project's live runs, the newest first."""
    found = rows(connection, _NEWEST.limit(most), {"project": project_id})
    return [(run_id, name) for run_id, name in found]


def _row(found: Any) -> RunRow:
    row_id, cuid, run_id, name, state, *home = found
    return RunRow(row_id, cuid, run_id, name, state, ProjectRow(*home))

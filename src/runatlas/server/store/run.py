"""Statements about runs."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, select

from runatlas.server.store.prepared import Prepared
from runatlas.server.store.project import MEMBERSHIP, PROJECT_ROW, ProjectRow
from runatlas.server.store.schema import memberships, projects, runs, workspaces
from runatlas.server.store.statement import Connection

__all__ = ["RunRow", "find_run"]


class RunRow(NamedTuple):
    """A run as the rules need it."""

    id: int
    cuid: str
    run_id: str
    name: str
    state: str
    project: ProjectRow


_RUN_ROW = (runs.c.id, runs.c.cuid, runs.c.run_id, runs.c.name, runs.c.state)

_LIVE_RUN: Select[Any] = (
    select(*_RUN_ROW, *PROJECT_ROW)
    .select_from(runs.join(projects, projects.c.id == runs.c.project_id).join(workspaces))
    .outerjoin_from(workspaces, memberships, MEMBERSHIP)
    .where(
        workspaces.c.username == bindparam("workspace"),
        projects.c.name == bindparam("project"),
        projects.c.trash_id.is_(None),
        runs.c.trash_id.is_(None),
    )
)
_PARAMETERS = ("user_id", "workspace", "project", "run")
_BY_ID = Prepared(_LIVE_RUN.where(runs.c.run_id == bindparam("run")), *_PARAMETERS)
_BY_CUID = Prepared(_LIVE_RUN.where(runs.c.cuid == bindparam("run")), *_PARAMETERS)


def find_run(connection: Connection, user_id: int, workspace: str, project: str, run: str) -> RunRow | None:
    """Find a live run by its path, by the id its client chose first, then by cuid."""
    values = (user_id, workspace, project, run)
    found = _BY_ID.first(connection, *values) or _BY_CUID.first(connection, *values)
    if found is None:
        return None
    row_id, cuid, run_id, name, state, *home = found
    return RunRow(row_id, cuid, run_id, name, state, ProjectRow(*home))

"""Statements that count what there is, and how much room it takes; none reads a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from sqlalchemy import Select, and_, case, func, literal_column, or_, select
from sqlalchemy.sql import ColumnElement

from runatlas.model.account import UsageRecord
from runatlas.model.usage import SpaceItem, StoreSpace, UsageGroup
from runatlas.server.store.engine import Store
from runatlas.server.store.liveness import STATE
from runatlas.server.store.project import MEMBERSHIP
from runatlas.server.store.schema import (
    blob_refs,
    blobs,
    memberships,
    projects,
    runs,
    series,
    trash,
    users,
    workspaces,
)
from runatlas.server.store.statement import Connection, rows
from runatlas.server.store.trash import HIDDEN

__all__ = ["SpaceScope", "count_usage", "measure_space", "store_space"]

_LIVE = runs.c.trash_id.is_(None)
_IS_RUN = runs.c.cut_of.is_(None)
_COUNTS = select(
    select(func.count()).select_from(users).scalar_subquery(),
    select(func.count()).select_from(workspaces).scalar_subquery(),
    select(func.count()).select_from(projects).where(projects.c.trash_id.is_(None)).scalar_subquery(),
    select(func.count()).select_from(runs).where(_LIVE).scalar_subquery(),
    select(func.count()).select_from(runs).where(_LIVE, STATE == "RUNNING").scalar_subquery(),
    select(func.sum(runs.c.point_count)).scalar_subquery(),
    select(func.count()).select_from(blobs).scalar_subquery(),
    select(func.sum(blobs.c.size)).scalar_subquery(),
    select(func.count()).select_from(runs.join(trash)).where(trash.c.kind.not_in(HIDDEN), _IS_RUN).scalar_subquery(),
)


_STORED = select(
    select(func.sum(runs.c.point_bytes)).scalar_subquery(), select(func.sum(blobs.c.size)).scalar_subquery()
)


def store_space(store: Store) -> StoreSpace:
    """Return how large the store is."""
    with store.read() as connection:
        points, files = (int(size or 0) for size in rows(connection, _STORED)[0])
    return StoreSpace(store.database_bytes(), points, files)


def count_usage(connection: Connection, database_bytes: int) -> UsageRecord:
    """Count everything; points of runs in the trash count too: they still lie there."""
    names = ("users", "workspaces", "projects", "runs", "running", "points", "blobs", "blob_bytes", "trashed_runs")
    counted = {name: int(number or 0) for name, number in zip(names, rows(connection, _COUNTS)[0], strict=True)}
    return UsageRecord(**counted, database_bytes=database_bytes)


@attrs.frozen
class SpaceScope:
    """Whose room is measured.

    Attributes:
        user_id: Whose roles count.
        sees_all: Whether every project and all of the trash is seen, whatever the roles say.
        workspace_id, project_id, run_id: Only these; ``None`` for all.
    """

    user_id: int
    sees_all: bool
    workspace_id: int | None = None
    project_id: int | None = None
    run_id: int | None = None

    def restrict(self, statement: Select[Any]) -> Select[Any]:
        """Add the conditions to a query over ``_RUNS``."""
        return self.restrict_projects(self.restrict_runs(statement), _THERE)

    def restrict_runs(self, statement: Select[Any]) -> Select[Any]:
        """Add the conditions on runs alone."""
        if self.project_id is not None:
            statement = statement.where(runs.c.project_id == self.project_id)
        if self.run_id is not None:
            own = select(_SELF.c.cuid).where(_SELF.c.id == self.run_id).scalar_subquery()
            statement = statement.where(or_(runs.c.id == self.run_id, runs.c.cut_of == own))
        return statement.where(or_(runs.c.trash_id.is_(None), runs.c.trash_id.not_in(_GOING)))

    def restrict_projects(self, statement: Select[Any], there: ColumnElement[bool]) -> Select[Any]:
        """Add the conditions on projects, and on runs that are not there any more."""
        if self.workspace_id is not None:
            statement = statement.where(workspaces.c.id == self.workspace_id)
        if self.sees_all:
            return statement
        readable = memberships.c.role.in_(("OWNER", "MEMBER", "VIEWER")) | (projects.c.visibility == "PUBLIC")
        return statement.where(readable, or_(there, memberships.c.role.in_(("OWNER", "MEMBER"))))


_SELF = runs.alias("self")
_GOING = select(trash.c.id).where(trash.c.kind.in_(HIDDEN))
_RUNS = runs.join(projects, projects.c.id == runs.c.project_id).join(workspaces).outerjoin(memberships, MEMBERSHIP)
_THERE = and_(runs.c.trash_id.is_(None), projects.c.trash_id.is_(None))
_NAMES: dict[str, tuple[ColumnElement[Any], ...]] = {
    "workspace": (workspaces.c.username,),
    "project": (workspaces.c.username, projects.c.name),
    "run": (workspaces.c.username, projects.c.name, runs.c.run_id),
}


def _sums(there: ColumnElement[bool], *columns: ColumnElement[Any]) -> Iterator[ColumnElement[Any]]:
    for column in columns:
        yield func.sum(case((there, column), else_=0))


def _metrics(connection: Connection, scope: SpaceScope) -> list[SpaceItem]:
    source = _RUNS.join(series, and_(series.c.run_pk == runs.c.id, series.c.chunk_count > 0))
    # A run has a metric in several contexts.
    runs_there, runs_gone = (
        func.count(case((condition, runs.c.id)).distinct()) for condition in (_THERE, and_(~_THERE, _IS_RUN))
    )
    there, gone = _sums(_THERE, series.c.count, series.c.bytes), _sums(~_THERE, series.c.bytes)
    statement = select(series.c.key, runs_there, *there, runs_gone, *gone).select_from(source).group_by(series.c.key)
    found = rows(connection, scope.restrict(statement), {"user_id": scope.user_id})
    return [_item(name, row, _NO_FILES) for name, *row in found]


def _runs(connection: Connection, scope: SpaceScope, by: UsageGroup) -> list[Any]:
    """Measure runs: summed up within a project before anything else is looked at, as there are many."""
    live, whole = runs.c.trash_id.is_(None).label("live"), case((_IS_RUN, 1), else_=0)
    sizes = {"count": literal_column("1"), "whole": whole, "points": runs.c.point_count, "bytes": runs.c.point_bytes}
    if by == "run":
        summed = select(runs.c.project_id, runs.c.run_id, live, *(size.label(name) for name, size in sizes.items()))
        within = scope.restrict_runs(summed).subquery()
    else:
        summed = select(runs.c.project_id, live, *(func.sum(size).label(name) for name, size in sizes.items()))
        within = scope.restrict_runs(summed).group_by(runs.c.project_id, live).subquery()
    source = within.join(projects, projects.c.id == within.c.project_id)
    there = and_(within.c.live, projects.c.trash_id.is_(None))
    columns = (
        *_sums(there, within.c["count"], within.c.points, within.c.bytes),
        *_sums(~there, within.c.whole, within.c.bytes),
    )
    names = [within.c.run_id if name is runs.c.run_id else name for name in _NAMES[by]]
    joined = source.join(workspaces).outerjoin(memberships, MEMBERSHIP)
    statement = scope.restrict_projects(select(*names, *columns).select_from(joined), there).group_by(*names)
    return rows(connection, statement, {"user_id": scope.user_id})


def measure_space(
    connection: Connection, scope: SpaceScope, by: UsageGroup, name: str
) -> tuple[list[SpaceItem], SpaceItem]:
    """Measure what each workspace, project, run or metric takes, in no order, and all of it together.

    Args:
        connection: An open transaction.
        scope: Whose room is measured.
        by: Of what it is told.
        name: What all of it together is called.
    """
    of_runs: UsageGroup = "project" if by == "metric" else by
    names = _NAMES[of_runs]
    cut = len(names)
    found = _runs(connection, scope, of_runs)
    sums = [sum(int(number or 0) for number in column) for column in zip(*(row[cut:] for row in found), strict=True)]
    total = _item(name, sums or _NOTHING, _files(connection, scope, ()).get((), _NO_FILES))
    if by == "metric":
        return _metrics(connection, scope), total
    files = _files(connection, scope, names)
    return [_item("/".join(row[:cut]), row[cut:], files.get(tuple(row[:cut]), _NO_FILES)) for row in found], total


_NOTHING = (0, 0, 0, 0, 0)
_NO_FILES = (0, 0, 0)


def _files(
    connection: Connection, scope: SpaceScope, names: Sequence[ColumnElement[Any]]
) -> dict[tuple[str, ...], tuple[int, int, int]]:
    """Count the files of groups, their bytes, and the bytes of those that only runs in the trash need."""
    source = _RUNS.join(blob_refs, blob_refs.c.run_pk == runs.c.id)
    needed = func.max(case((_THERE, 1), else_=0)).label("needed")
    named = [column.label(f"name_{place}") for place, column in enumerate(names)]
    each = select(*named, blob_refs.c.sha256, needed).select_from(source)
    held = scope.restrict(each).group_by(*names, blob_refs.c.sha256).subquery()
    group = [held.c[column.name] for column in named]
    size = blobs.c.size
    sums = func.sum(held.c.needed), func.sum(held.c.needed * size), func.sum((1 - held.c.needed) * size)
    joined = held.join(blobs, blobs.c.sha256 == held.c.sha256)
    statement = select(*group, *sums).select_from(joined).group_by(*group)
    found = rows(connection, statement, {"user_id": scope.user_id})
    return {tuple(name): (int(count or 0), int(size or 0), int(gone or 0)) for *name, count, size, gone in found}


def _item(name: str, row: Sequence[Any], files: tuple[int, int, int]) -> SpaceItem:
    runs_there, points, size, runs_gone, gone = (int(number or 0) for number in row)
    count, file_bytes, trashed = files
    return SpaceItem(name, runs_there, points, size, count, file_bytes, runs_gone, gone + trashed)

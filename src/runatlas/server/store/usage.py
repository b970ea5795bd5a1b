"""Statements that count what there is, and how much room it takes; none reads a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from sqlalchemy import Select, and_, case, func, or_, select
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

__all__ = ["SpaceScope", "count_usage", "space_of", "space_total", "store_space"]

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
        for column, wanted in ((workspaces.c.id, self.workspace_id), (projects.c.id, self.project_id)):
            if wanted is not None:
                statement = statement.where(column == wanted)
        if self.run_id is not None:
            own = select(_SELF.c.cuid).where(_SELF.c.id == self.run_id).scalar_subquery()
            statement = statement.where(or_(runs.c.id == self.run_id, runs.c.cut_of == own))
        statement = statement.where(or_(runs.c.trash_id.is_(None), runs.c.trash_id.not_in(_GOING)))
        if self.sees_all:
            return statement
        readable = memberships.c.role.in_(("OWNER", "MEMBER", "VIEWER")) | (projects.c.visibility == "PUBLIC")
        return statement.where(readable, or_(_THERE, memberships.c.role.in_(("OWNER", "MEMBER"))))


_SELF = runs.alias("self")
_GOING = select(trash.c.id).where(trash.c.kind.in_(HIDDEN))
_RUNS = runs.join(projects, projects.c.id == runs.c.project_id).join(workspaces).outerjoin(memberships, MEMBERSHIP)
_THERE = and_(runs.c.trash_id.is_(None), projects.c.trash_id.is_(None))
_NAMES: dict[str, tuple[ColumnElement[Any], ...]] = {
    "workspace": (workspaces.c.username,),
    "project": (workspaces.c.username, projects.c.name),
    "run": (workspaces.c.username, projects.c.name, runs.c.run_id),
}


def _sums(points: ColumnElement[int], size: ColumnElement[int]) -> tuple[ColumnElement[Any], ...]:
    there, gone = case((_THERE, 1), else_=0), case((_THERE, 0), else_=1)
    # A run has a metric in several contexts.
    runs_there, runs_gone = (
        func.count(case((condition, runs.c.id)).distinct()) for condition in (_THERE, and_(~_THERE, _IS_RUN))
    )
    return runs_there, func.sum(there * points), func.sum(there * size), runs_gone, func.sum(gone * size)


_OF_RUNS = _sums(runs.c.point_count, runs.c.point_bytes)
_OF_METRICS = _sums(series.c.count, series.c.bytes)


def space_of(connection: Connection, scope: SpaceScope, by: UsageGroup) -> list[SpaceItem]:
    """Measure what each workspace, project, run or metric takes, in no order."""
    if by == "metric":
        source = _RUNS.join(series, and_(series.c.run_pk == runs.c.id, series.c.chunk_count > 0))
        found = _read(connection, scope, select(series.c.key, *_OF_METRICS).select_from(source).group_by(series.c.key))
        return [_item(name, row, _NO_FILES) for name, *row in found]
    names = _NAMES[by]
    found = _read(connection, scope, select(*names, *_OF_RUNS).select_from(_RUNS).group_by(*names))
    files = _files(connection, scope, names)
    cut = len(names)
    return [_item("/".join(row[:cut]), row[cut:], files.get(tuple(row[:cut]), _NO_FILES)) for row in found]


def space_total(connection: Connection, scope: SpaceScope, name: str) -> SpaceItem:
    """Measure all of it together."""
    (row,) = _read(connection, scope, select(*_OF_RUNS).select_from(_RUNS))
    return _item(name, row, _files(connection, scope, ()).get((), _NO_FILES))


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


def _read(connection: Connection, scope: SpaceScope, statement: Select[Any]) -> list[Any]:
    return rows(connection, scope.restrict(statement), {"user_id": scope.user_id})


def _item(name: str, row: Sequence[Any], files: tuple[int, int, int]) -> SpaceItem:
    runs_there, points, size, runs_gone, gone = (int(number or 0) for number in row)
    count, file_bytes, trashed = files
    return SpaceItem(name, runs_there, points, size, count, file_bytes, runs_gone, gone + trashed)

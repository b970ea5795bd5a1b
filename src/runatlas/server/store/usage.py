"""Statements that count the whole installation."""

from __future__ import annotations

from sqlalchemy import func, select

from runatlas.model.account import UsageRecord
from runatlas.model.series import MEDIA_TYPES
from runatlas.server.store.liveness import STATE
from runatlas.server.store.schema import blobs, projects, runs, series, users, workspaces
from runatlas.server.store.statement import Connection, rows

__all__ = ["count_usage"]

_LIVE = runs.c.trash_id.is_(None)
_COUNTS = select(
    select(func.count()).select_from(users).scalar_subquery(),
    select(func.count()).select_from(workspaces).scalar_subquery(),
    select(func.count()).select_from(projects).where(projects.c.trash_id.is_(None)).scalar_subquery(),
    select(func.count()).select_from(runs).where(_LIVE).scalar_subquery(),
    select(func.count()).select_from(runs).where(_LIVE, STATE == "RUNNING").scalar_subquery(),
    select(func.sum(series.c.count)).where(series.c.column_type.not_in(MEDIA_TYPES)).scalar_subquery(),
    select(func.count()).select_from(blobs).scalar_subquery(),
    select(func.sum(blobs.c.size)).scalar_subquery(),
    select(func.count()).select_from(runs).where(~_LIVE).scalar_subquery(),
)


def count_usage(connection: Connection, database_bytes: int) -> UsageRecord:
    """Count everything; points of runs in the trash count too: they still lie there."""
    names = ("users", "workspaces", "projects", "runs", "running", "points", "blobs", "blob_bytes", "trashed_runs")
    counted = {name: int(number or 0) for name, number in zip(names, rows(connection, _COUNTS)[0], strict=True)}
    return UsageRecord(**counted, database_bytes=database_bytes)

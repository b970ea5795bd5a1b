"""Statements that count the whole installation."""

from __future__ import annotations

from sqlalchemy import func, select

from runatlas.model.account import UsageRecord
from runatlas.server.store.engine import Store
from runatlas.server.store.liveness import STATE
from runatlas.server.store.schema import blobs, projects, runs, trash, users, workspaces
from runatlas.server.store.statement import Connection, rows
from runatlas.server.store.trash import PURGING

__all__ = ["count_usage", "stored_bytes"]

_LIVE = runs.c.trash_id.is_(None)
_COUNTS = select(
    select(func.count()).select_from(users).scalar_subquery(),
    select(func.count()).select_from(workspaces).scalar_subquery(),
    select(func.count()).select_from(projects).where(projects.c.trash_id.is_(None)).scalar_subquery(),
    select(func.count()).select_from(runs).where(_LIVE).scalar_subquery(),
    select(func.count()).select_from(runs).where(_LIVE, STATE == "RUNNING").scalar_subquery(),
    select(func.sum(runs.c.point_count)).scalar_subquery(),
    select(func.count()).select_from(blobs).scalar_subquery(),
    select(func.sum(blobs.c.size)).scalar_subquery(),
    select(func.count()).select_from(runs.join(trash)).where(trash.c.kind != PURGING).scalar_subquery(),
)


def stored_bytes(store: Store) -> int:
    """Return how many bytes the database and the blobs have."""
    with store.read() as connection:
        held = connection.scalar(select(func.sum(blobs.c.size))) or 0
    return store.database_bytes() + int(held)


def count_usage(connection: Connection, database_bytes: int) -> UsageRecord:
    """Count everything; points of runs in the trash count too: they still lie there."""
    names = ("users", "workspaces", "projects", "runs", "running", "points", "blobs", "blob_bytes", "trashed_runs")
    counted = {name: int(number or 0) for name, number in zip(names, rows(connection, _COUNTS)[0], strict=True)}
    return UsageRecord(**counted, database_bytes=database_bytes)

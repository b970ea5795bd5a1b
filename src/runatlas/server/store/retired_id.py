"""Statements about run ids that must not come back by themselves: their runs were deleted while writers go on."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select

from runatlas.server.store.engine import Store
from runatlas.server.store.schema import projects, retired_ids, runs, trash
from runatlas.server.store.statement import Connection
from runatlas.server.store.trash import COPYING

__all__ = ["free_id", "is_retired", "retire_ids"]


def retire_ids(store: Store, connection: Connection, workspace_id: int, run_ids: Collection[str], now_ms: int) -> None:
    """Note that the runs of these ids were deleted now, whether there were any or not."""
    for run_id in run_ids:
        _put(store, connection, workspace_id, run_id, retired_at_ms=now_ms, freed_at_ms=-1)


def free_id(store: Store, connection: Connection, workspace_id: int, run_id: str, now_ms: int) -> None:
    """Note that an id may be written to again from now on."""
    _put(store, connection, workspace_id, run_id, retired_at_ms=-1, freed_at_ms=now_ms)


def is_retired(connection: Connection, workspace_id: int, run_id: str) -> bool:
    """Tell whether an id that no live run has was last deleted, not freed; a run in the trash was deleted."""
    held = connection.execute(
        select(retired_ids.c.retired_at_ms, retired_ids.c.freed_at_ms).where(
            retired_ids.c.workspace_id == workspace_id, retired_ids.c.run_id == run_id
        )
    ).first()
    retired, freed = (-1, -1) if held is None else (held[0], held[1])
    trashed = connection.scalar(
        select(func.max(trash.c.deleted_at_ms))
        .select_from(runs.join(trash, runs.c.trash_id == trash.c.id).join(projects, runs.c.project_id == projects.c.id))
        .where(projects.c.workspace_id == workspace_id, runs.c.run_id == run_id)
        .where(runs.c.cut_of.is_(None), trash.c.kind != COPYING)
    )
    return max(retired, -1 if trashed is None else trashed) > freed


def _put(store: Store, connection: Connection, workspace_id: int, run_id: str, **times: int) -> None:
    statement = store.insert(retired_ids).values(workspace_id=workspace_id, run_id=run_id, **times)
    connection.execute(statement.on_conflict_do_update(index_elements=["workspace_id", "run_id"], set_=times))

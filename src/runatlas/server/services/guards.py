"""Which runs are guarded from deletion, and by what."""

from __future__ import annotations

from collections.abc import Sequence

from runatlas.model.guard import Guard, guards_of
from runatlas.server.store.registry import registered_sources
from runatlas.server.store.statement import Connection
from runatlas.server.store.trash import HeldRun

__all__ = ["guards_by_run"]


def guards_by_run(connection: Connection, held: Sequence[HeldRun]) -> dict[int, tuple[Guard, ...]]:
    """Tell what guards runs.

    Args:
        connection: An open transaction.
        held: The runs.

    Returns:
        The guards by row id; runs that nothing guards are left out.
    """
    sources = registered_sources(connection, [run.id for run in held])
    return {run.id: guards for run in held if (guards := guards_of(run, sources.get(run.id, ())))}

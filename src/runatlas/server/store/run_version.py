"""What a run's description and config were before they were replaced as a whole."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import insert, select

from runatlas.server.store.schema import run_versions
from runatlas.server.store.statement import Connection, rows

__all__ = ["RunVersion", "add_version", "versions_of"]


class RunVersion(NamedTuple):
    """What a run had until a time; ``config`` is JSON text."""

    until_ms: int
    description: str
    config: str


def add_version(connection: Connection, run_pk: int, version: RunVersion) -> None:
    """Remember a version."""
    connection.execute(insert(run_versions).values(run_pk=run_pk, **version._asdict()))


def versions_of(connection: Connection, run_pk: int) -> list[RunVersion]:
    """Return a run's earlier versions, oldest first."""
    columns = (run_versions.c.until_ms, run_versions.c.description, run_versions.c.config)
    statement = select(*columns).where(run_versions.c.run_pk == run_pk).order_by(run_versions.c.id)
    return [RunVersion(*row) for row in rows(connection, statement)]

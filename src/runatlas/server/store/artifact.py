"""The files kept with runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from runatlas.model.artifact import ArtifactDraft
from runatlas.server.store.blob_ref import add_refs, drop_unused_refs
from runatlas.server.store.schema import artifacts
from runatlas.server.store.statement import code_points, member_of, rows

__all__ = ["count_artifacts", "find_artifact", "list_artifacts", "put_artifacts"]

_COLUMNS = (
    artifacts.c.name,
    artifacts.c.sha256,
    artifacts.c.size,
    artifacts.c.mime_type,
    artifacts.c.created_at_ms,
)


def put_artifacts(connection: Connection, run_pk: int, drafts: Collection[ArtifactDraft], now_ms: int) -> None:
    """Store files of a run whose bytes are blobs already; a repeated name replaces."""
    latest = {draft.name: draft for draft in drafts}
    chosen = (artifacts.c.run_pk == run_pk, member_of(artifacts.c.name, "names", latest))
    replaced = {sha256 for (sha256,) in rows(connection, select(artifacts.c.sha256).where(*chosen))}
    connection.execute(artifacts.delete().where(*chosen))
    connection.execute(
        artifacts.insert(),
        [
            {
                "run_pk": run_pk,
                "name": draft.name,
                "sha256": draft.sha256,
                "size": draft.size,
                "mime_type": draft.mime_type,
                "created_at_ms": now_ms,
            }
            for draft in latest.values()
        ],
    )
    needed = {draft.sha256 for draft in latest.values()}
    add_refs(connection, run_pk, sorted(needed))
    drop_unused_refs(connection, run_pk, sorted(replaced - needed))


def list_artifacts(
    connection: Connection, run_pk: int, *, after: str | None, offset: int, limit: int
) -> Sequence[tuple[Any, ...]]:
    """Read a run's files by name: ``name, sha256, size, mime_type, created_at_ms``.

    Args:
        connection: An open transaction.
        run_pk: The run's row.
        after: Only names behind this one.
        offset: Files to skip.
        limit: How many at the most.
    """
    name = code_points(artifacts.c.name)
    statement = select(*_COLUMNS).where(artifacts.c.run_pk == run_pk).order_by(name).offset(offset).limit(limit)
    if after is not None:
        statement = statement.where(name > after)
    return rows(connection, statement)


def count_artifacts(connection: Connection, run_pk: int) -> int:
    """Count a run's files."""
    counted = select(func.count()).select_from(artifacts).where(artifacts.c.run_pk == run_pk)
    return connection.scalar(counted) or 0


def find_artifact(connection: Connection, run_pk: int, name: str) -> tuple[str, str] | None:
    """Return the blob and the media type of a file of a run."""
    chosen = select(artifacts.c.sha256, artifacts.c.mime_type).where(artifacts.c.run_pk == run_pk)
    found = rows(connection, chosen.where(artifacts.c.name == name))
    return tuple(found[0]) if found else None

"""Statements about the model registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, func, insert, select, update

from runatlas.errors import StoreError
from runatlas.model.registry import ModelRecord, ModelVersionRecord, Stage
from runatlas.server.store.engine import Store
from runatlas.server.store.schema import artifacts, model_versions, models, projects, runs, workspaces
from runatlas.server.store.statement import Connection, member_of, one_of, rows

__all__ = [
    "ArtifactRow",
    "add_version",
    "archive_production",
    "find_artifact",
    "find_model",
    "keep_model",
    "list_models",
    "list_versions",
    "lock_source",
    "registered_sources",
    "set_stage",
]


class ArtifactRow(NamedTuple):
    """An artifact's blob."""

    sha256: str
    size: int


def find_artifact(connection: Connection, run_pk: int, name: str) -> ArtifactRow | None:
    """Find an artifact of a run."""
    statement = select(artifacts.c.sha256, artifacts.c.size)
    found = rows(connection, statement.where(artifacts.c.run_pk == run_pk, artifacts.c.name == name))
    return ArtifactRow(*found[0]) if found else None


def find_model(connection: Connection, workspace_id: int, name: str, *, lock: bool = False) -> int | None:
    """Find a model's row; locked until the transaction ends, so that versions are numbered one after the other."""
    statement = select(models.c.id).where(models.c.workspace_id == workspace_id, models.c.name == name)
    found = rows(connection, statement.with_for_update() if lock else statement)
    return int(found[0][0]) if found else None


def keep_model(store: Store, connection: Connection, workspace_id: int, name: str, now_ms: int) -> int:
    """Return a model's row, locked as ``find_model`` does; two who make it at once get the same."""
    held = find_model(connection, workspace_id, name, lock=True)
    if held is None:
        values = {"workspace_id": workspace_id, "name": name, "created_at_ms": now_ms}
        connection.execute(store.insert(models).values(**values).on_conflict_do_nothing())
        held = find_model(connection, workspace_id, name, lock=True)
    if held is None:
        raise StoreError(f"the model {name!r} is gone as soon as it was made")
    return held


def list_models(connection: Connection, workspace_id: int, name: str | None = None) -> list[ModelRecord]:
    """Read a workspace's models by name, or one of them."""
    in_production = model_versions.alias()
    produced = (
        select(in_production.c.version)
        .where(in_production.c.model_id == models.c.id, in_production.c.stage == "production")
        .scalar_subquery()
    )
    statement = (
        select(
            models.c.name,
            workspaces.c.username,
            func.count(model_versions.c.version),
            func.coalesce(func.max(model_versions.c.version), 0),
            produced,
            models.c.created_at_ms,
        )
        .select_from(models.join(workspaces).outerjoin(model_versions))
        .where(models.c.workspace_id == workspace_id)
        .group_by(models.c.id, models.c.name, workspaces.c.username, models.c.created_at_ms)
        .order_by(models.c.name)
    )
    if name is not None:
        statement = statement.where(models.c.name == name)
    return [ModelRecord(*row) for row in rows(connection, statement)]


_VERSION: Select[Any] = (
    select(
        models.c.name,
        workspaces.c.username,
        model_versions.c.version,
        model_versions.c.stage,
        model_versions.c.run_path,
        model_versions.c.artifact,
        model_versions.c.description,
        model_versions.c.sha256,
        model_versions.c.size,
        model_versions.c.created_at_ms,
        model_versions.c.updated_at_ms,
        workspaces.c.username + "/" + projects.c.name + "/" + runs.c.run_id,
    )
    .select_from(model_versions.join(models).join(workspaces, workspaces.c.id == models.c.workspace_id))
    .outerjoin_from(model_versions, runs, runs.c.id == model_versions.c.run_pk)
    .outerjoin(projects, projects.c.id == runs.c.project_id)
)


def _version(name: str, workspace: str, number: int, stage: Stage, path: str, *rest: Any) -> ModelVersionRecord:
    *held, path_now = rest
    return ModelVersionRecord(name, workspace, number, stage, path_now or path, *held)


def list_versions(connection: Connection, model_id: int, version: int | None = None) -> list[ModelVersionRecord]:
    """Read a model's versions, oldest first, or one of them; a run that still is there says where it is now."""
    statement = _VERSION.where(model_versions.c.model_id == model_id).order_by(model_versions.c.version)
    if version is not None:
        statement = statement.where(model_versions.c.version == version)
    found = rows(connection, statement)
    return [_version(*row) for row in found]


_SOURCES = (
    select(model_versions.c.run_pk, models.c.name, model_versions.c.version, model_versions.c.stage)
    .select_from(model_versions.join(models))
    .where(member_of(model_versions.c.run_pk, "runs"), one_of(model_versions.c.stage, ("staging", "production")))
    .order_by(models.c.name, model_versions.c.version)
)


def registered_sources(connection: Connection, run_keys: Sequence[int]) -> dict[int, list[str]]:
    """Name the versions in staging or production that were made of runs; runs without one are left out."""
    found: dict[int, list[str]] = {}
    for run_pk, name, version, stage in rows(connection, _SOURCES, {"runs": list(run_keys)}):
        found.setdefault(run_pk, []).append(f"version {version} of the model {name!r} in {stage}")
    return found


def lock_source(connection: Connection, model_id: int, version: int) -> None:
    """Let the run that a version was made of, if it still is there, be deleted only after this transaction."""
    source = select(runs.c.id).join(model_versions, model_versions.c.run_pk == runs.c.id)
    chosen = source.where(model_versions.c.model_id == model_id, model_versions.c.version == version)
    connection.execute(chosen.with_for_update(of=runs))


def add_version(connection: Connection, model_id: int, run_pk: int, record: ModelVersionRecord) -> None:
    """Insert a version."""
    connection.execute(
        insert(model_versions).values(
            model_id=model_id,
            version=record.version,
            stage=record.stage,
            run_pk=run_pk,
            run_path=record.run,
            artifact=record.artifact,
            sha256=record.sha256,
            size=record.size,
            description=record.description,
            created_at_ms=record.created_at_ms,
            updated_at_ms=record.updated_at_ms,
        )
    )


def archive_production(connection: Connection, model_id: int, now_ms: int) -> None:
    """Move whatever version is in production to the archive."""
    chosen = update(model_versions).where(model_versions.c.model_id == model_id, model_versions.c.stage == "production")
    connection.execute(chosen.values(stage="archived", updated_at_ms=now_ms))


def set_stage(connection: Connection, model_id: int, version: int, stage: Stage, now_ms: int) -> None:
    """Change a version's stage."""
    chosen = update(model_versions).where(model_versions.c.model_id == model_id, model_versions.c.version == version)
    connection.execute(chosen.values(stage=stage, updated_at_ms=now_ms))

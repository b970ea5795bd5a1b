"""The rules of the model registry: versions count up, and at most one is in production."""

from __future__ import annotations

import re

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.ids import RunPath
from runatlas.model.registry import STAGES, ModelRecord, ModelVersionDraft, ModelVersionRecord, Stage
from runatlas.model.text import check_text
from runatlas.server.services.access import require_run, require_workspace
from runatlas.server.services.caller import Caller
from runatlas.server.services.journal import Line, note_change
from runatlas.server.services.validation import checked
from runatlas.server.store.engine import Store
from runatlas.server.store.registry import (
    add_version,
    archive_production,
    find_artifact,
    find_model,
    keep_model,
    list_models,
    list_versions,
    lock_source,
    set_stage,
)
from runatlas.server.store.run_write import lock_runs
from runatlas.server.store.statement import Connection

__all__ = ["Registry"]

_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}")


class Registry:
    """What may be done with models."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_models(self, caller: Caller, workspace: str) -> tuple[ModelRecord, ...]:
        """List a workspace's models by name; its members may."""
        with self._store.read() as connection:
            found = require_workspace(connection, caller, workspace, "read")
            return tuple(list_models(connection, found.id))

    def list_model_versions(self, caller: Caller, workspace: str, name: str) -> tuple[ModelVersionRecord, ...]:
        """List a model's versions, oldest first.

        Raises:
            NotFoundError: The workspace has no such model.
        """
        with self._store.read() as connection:
            found = require_workspace(connection, caller, workspace, "read")
            return tuple(list_versions(connection, _require_model(connection, found.id, workspace, name)))

    def create_model_version(self, caller: Caller, draft: ModelVersionDraft) -> ModelVersionRecord:
        """Register an artifact of a run as the next version of a model, making the model if needed.

        Raises:
            NotFoundError: There is no such run, or it has no such artifact.
            ValidationError: The name or the stage is none.
        """
        if not _NAME.fullmatch(draft.name) or draft.name in {".", ".."}:
            raise ValidationError(f"name: {draft.name!r} is not a model name; use 1 to 200 characters without '/'")
        check_text(draft.name, "name")
        check_text(draft.description, "description")
        _check_stage(draft.stage)
        path = checked(RunPath.parse, draft.run, "run")
        with self._store.write() as connection:
            lock_runs(connection, [require_run(connection, caller, path, "write").id])
            # Who waited for the lock reads again: the run may have another path by now.
            run = require_run(connection, caller, path, "write")
            artifact = find_artifact(connection, run.id, draft.artifact)
            if artifact is None:
                raise NotFoundError(f"run {path} has no artifact {draft.artifact!r}")
            now = self._store.clock()
            model_id = keep_model(self._store, connection, run.project.workspace_id, draft.name, now)
            if draft.stage == "production":
                archive_production(connection, model_id, now)
            record = ModelVersionRecord(
                model=draft.name,
                workspace=path.workspace,
                version=1 + max((item.version for item in list_versions(connection, model_id)), default=0),
                stage=draft.stage,
                run=f"{path.project_path}/{run.run_id}",
                artifact=draft.artifact,
                description=draft.description,
                sha256=artifact.sha256,
                size=artifact.size,
                created_at_ms=now,
                updated_at_ms=now,
            )
            add_version(connection, model_id, run.id, record)
            if draft.stage != "none":
                self._note(connection, caller, run.project.workspace_id, record)
        return record

    def _note(self, connection: Connection, caller: Caller, workspace_id: int, version: ModelVersionRecord) -> None:
        what = f"put version {version.version} of model {version.model} into {version.stage}"
        note_change(self._store, connection, caller, Line("stage", what, workspace_id=workspace_id))

    def promote_model(
        self, caller: Caller, workspace: str, name: str, version: int, stage: Stage
    ) -> ModelVersionRecord:
        """Change a version's stage; promoting to production archives the one there before, in the same transaction.

        Raises:
            NotFoundError: There is no such model or version.
            ValidationError: There is no such stage.
        """
        _check_stage(stage)
        with self._store.write() as connection:
            found = require_workspace(connection, caller, workspace, "write")
            model_id = _require_model(connection, found.id, workspace, name)
            if not list_versions(connection, model_id, version):
                raise NotFoundError(f"model {name!r} has no version {version}")
            lock_source(connection, model_id, version)
            _require_model(connection, found.id, workspace, name, lock=True)
            now = self._store.clock()
            if stage == "production":
                archive_production(connection, model_id, now)
            set_stage(connection, model_id, version, stage, now)
            record = list_versions(connection, model_id, version)[0]
            self._note(connection, caller, found.id, record)
            return record


def _check_stage(stage: str) -> None:
    if stage not in STAGES:
        raise ValidationError(f"stage: {stage!r} is none of {', '.join(STAGES)}")


def _require_model(connection: Connection, workspace_id: int, workspace: str, name: str, *, lock: bool = False) -> int:
    found = find_model(connection, workspace_id, name, lock=lock)
    if found is None:
        raise NotFoundError(f"workspace {workspace!r} has no model {name!r}")
    return found

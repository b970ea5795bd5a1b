"""Folders, notes, ingestion keys and models of a RunAtlas server."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

from runatlas.backends.curation import Curation
from runatlas.backends.http.client import make_path
from runatlas.model.annotation import AnnotationDraft, AnnotationQuery, AnnotationRecord
from runatlas.model.catalog import CatalogEntry
from runatlas.model.folder import FolderPatch, FolderRecord
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.ingestion_key import IngestionKeyRecord, NewIngestionKeyRecord
from runatlas.model.page import Page
from runatlas.model.registry import ModelRecord, ModelVersionDraft, ModelVersionRecord, Stage

__all__ = ["ROOT", "NativeCuration"]

T = TypeVar("T")

ROOT = "/atlas/v1"


class NativeCuration(Curation):
    """This part of the contract, each method one route of ``/atlas/v1``."""

    @abstractmethod
    def _ask(self, method: str, path: str, kind: type[T], body: Any = None) -> T:
        """Ask the server; nothing is kept."""

    @abstractmethod
    def _write(
        self, method: str, path: str, body: Any, kind: type[T], *, scope: str = "", repeatable: bool = True
    ) -> T:
        """Change something; what is kept of ``scope`` is forgotten."""

    @abstractmethod
    def _remove(self, path: str, *, scope: str) -> None:
        """Take something away."""

    def list_folders(self, project: ProjectPath) -> tuple[FolderRecord, ...]:
        return self._ask("GET", _folders(project), tuple[FolderRecord, ...])

    def create_folder(self, project: ProjectPath, name: str, parent_id: str | None = None) -> FolderRecord:
        body = {"name": name, "parent_id": parent_id}
        return self._write("POST", _folders(project), body, FolderRecord, scope=str(project))

    def update_folder(self, project: ProjectPath, folder_id: str, patch: FolderPatch) -> FolderRecord:
        return self._write("PATCH", _folders(project, folder_id), patch, FolderRecord, scope=str(project))

    def delete_folder(self, project: ProjectPath, folder_id: str) -> None:
        self._remove(_folders(project, folder_id), scope=str(project))

    def list_annotations(self, run: RunPath, query: AnnotationQuery) -> Page[AnnotationRecord]:
        return self._ask("POST", _run(run, "annotations", "query"), Page[AnnotationRecord], query)

    def create_annotation(self, run: RunPath, draft: AnnotationDraft) -> AnnotationRecord:
        path = _run(run, "annotations")
        return self._write("POST", path, draft, AnnotationRecord, scope=str(run.project_path))

    def get_catalog(self, run: RunPath) -> tuple[CatalogEntry, ...]:
        return self._ask("GET", _run(run, "catalog"), tuple[CatalogEntry, ...])

    def list_ingestion_keys(self, run: RunPath) -> tuple[IngestionKeyRecord, ...]:
        return self._ask("GET", _run(run, "ingestion-keys"), tuple[IngestionKeyRecord, ...])

    def create_ingestion_key(self, run: RunPath, name: str, *, ttl_ms: int | None = None) -> NewIngestionKeyRecord:
        body = {"name": name, "ttl_ms": ttl_ms}
        # As with API keys: the answer holds a secret, so a second try could make a second key.
        return self._write("POST", _run(run, "ingestion-keys"), body, NewIngestionKeyRecord, repeatable=False)

    def revoke_ingestion_key(self, run: RunPath, key_id: str) -> IngestionKeyRecord:
        return self._write("DELETE", _run(run, "ingestion-keys", key_id), None, IngestionKeyRecord)

    def list_models(self, workspace: str) -> tuple[ModelRecord, ...]:
        return self._ask("GET", make_path(ROOT, "models", workspace), tuple[ModelRecord, ...])

    def list_model_versions(self, workspace: str, name: str) -> tuple[ModelVersionRecord, ...]:
        path = make_path(ROOT, "models", workspace, name, "versions")
        return self._ask("GET", path, tuple[ModelVersionRecord, ...])

    def create_model_version(self, draft: ModelVersionDraft) -> ModelVersionRecord:
        return self._write("POST", make_path(ROOT, "models"), draft, ModelVersionRecord)

    def promote_model(self, workspace: str, name: str, version: int, stage: Stage) -> ModelVersionRecord:
        path = make_path(ROOT, "models", workspace, name, "versions", str(version))
        return self._write("PATCH", path, {"stage": stage}, ModelVersionRecord)


def _folders(project: ProjectPath, *parts: str) -> str:
    return make_path(ROOT, "projects", project.workspace, project.project, "folders", *parts)


def _run(run: RunPath, *parts: str) -> str:
    return make_path(ROOT, "runs", run.workspace, run.project, run.run, *parts)

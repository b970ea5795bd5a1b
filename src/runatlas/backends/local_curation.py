"""Folders, notes, ingestion keys and models of a store in process."""

from __future__ import annotations

from abc import abstractmethod

from runatlas.backends.curation import Curation
from runatlas.model.annotation import AnnotationDraft, AnnotationQuery, AnnotationRecord
from runatlas.model.catalog import CatalogEntry
from runatlas.model.folder import FolderPatch, FolderRecord
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.ingestion_key import IngestionKeyRecord, NewIngestionKeyRecord
from runatlas.model.page import Page
from runatlas.model.registry import ModelRecord, ModelVersionDraft, ModelVersionRecord, Stage
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["LocalCuration"]


class LocalCuration(Curation):
    """This part of the contract, each method one of the services."""

    @property
    @abstractmethod
    def _services(self) -> Services:
        """The services, opened."""

    @property
    @abstractmethod
    def _caller(self) -> Caller:
        """Whose rights count."""

    def list_folders(self, project: ProjectPath) -> tuple[FolderRecord, ...]:
        return self._services.folders.list_folders(self._caller, project)

    def create_folder(self, project: ProjectPath, name: str, parent_id: str | None = None) -> FolderRecord:
        return self._services.folders.create_folder(self._caller, project, name, parent_id)

    def update_folder(self, project: ProjectPath, folder_id: str, patch: FolderPatch) -> FolderRecord:
        return self._services.folders.update_folder(self._caller, project, folder_id, patch)

    def delete_folder(self, project: ProjectPath, folder_id: str) -> None:
        self._services.folders.delete_folder(self._caller, project, folder_id)

    def list_annotations(self, run: RunPath, query: AnnotationQuery) -> Page[AnnotationRecord]:
        return self._services.annotations.list_annotations(self._caller, run, query)

    def create_annotation(self, run: RunPath, draft: AnnotationDraft) -> AnnotationRecord:
        return self._services.annotations.create_annotation(self._caller, run, draft)

    def get_catalog(self, run: RunPath) -> tuple[CatalogEntry, ...]:
        return self._services.catalog.get_catalog(self._caller, run)

    def list_ingestion_keys(self, run: RunPath) -> tuple[IngestionKeyRecord, ...]:
        return self._services.ingestion_keys.list_ingestion_keys(self._caller, run)

    def create_ingestion_key(self, run: RunPath, name: str, *, ttl_ms: int | None = None) -> NewIngestionKeyRecord:
        return self._services.ingestion_keys.create_ingestion_key(self._caller, run, name, ttl_ms=ttl_ms)

    def revoke_ingestion_key(self, run: RunPath, key_id: str) -> IngestionKeyRecord:
        return self._services.ingestion_keys.revoke_ingestion_key(self._caller, run, key_id)

    def list_models(self, workspace: str) -> tuple[ModelRecord, ...]:
        return self._services.registry.list_models(self._caller, workspace)

    def list_model_versions(self, workspace: str, name: str) -> tuple[ModelVersionRecord, ...]:
        return self._services.registry.list_model_versions(self._caller, workspace, name)

    def create_model_version(self, draft: ModelVersionDraft) -> ModelVersionRecord:
        return self._services.registry.create_model_version(self._caller, draft)

    def promote_model(self, workspace: str, name: str, version: int, stage: Stage) -> ModelVersionRecord:
        return self._services.registry.promote_model(self._caller, workspace, name, version, stage)

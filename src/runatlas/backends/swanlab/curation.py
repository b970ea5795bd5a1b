"""Folders, notes, keys for writers and models: a SwanLab server has none of them."""

from __future__ import annotations

from runatlas.backends.curation import Curation
from runatlas.backends.swanlab.refusal import unsupported
from runatlas.model.annotation import AnnotationDraft, AnnotationQuery, AnnotationRecord
from runatlas.model.catalog import CatalogEntry
from runatlas.model.folder import FolderPatch, FolderRecord
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.ingestion_key import IngestionKeyRecord, NewIngestionKeyRecord
from runatlas.model.page import Page
from runatlas.model.registry import ModelRecord, ModelVersionDraft, ModelVersionRecord, Stage

__all__ = ["SwanlabCuration"]


class SwanlabCuration(Curation):
    """This part of the contract: every method says that there is no such thing."""

    def list_folders(self, project: ProjectPath) -> tuple[FolderRecord, ...]:
        raise unsupported("folders")

    def create_folder(self, project: ProjectPath, name: str, parent_id: str | None = None) -> FolderRecord:
        raise unsupported("folders")

    def update_folder(self, project: ProjectPath, folder_id: str, patch: FolderPatch) -> FolderRecord:
        raise unsupported("folders")

    def delete_folder(self, project: ProjectPath, folder_id: str) -> None:
        raise unsupported("folders")

    def list_annotations(self, run: RunPath, query: AnnotationQuery) -> Page[AnnotationRecord]:
        raise unsupported("notes on runs")

    def create_annotation(self, run: RunPath, draft: AnnotationDraft) -> AnnotationRecord:
        raise unsupported("notes on runs")

    def get_catalog(self, run: RunPath) -> tuple[CatalogEntry, ...]:
        raise unsupported("catalog of metrics with their counts", "list the run's columns")

    def list_ingestion_keys(self, run: RunPath) -> tuple[IngestionKeyRecord, ...]:
        raise unsupported("keys for one run")

    def create_ingestion_key(self, run: RunPath, name: str, *, ttl_ms: int | None = None) -> NewIngestionKeyRecord:
        raise unsupported("keys for one run")

    def revoke_ingestion_key(self, run: RunPath, key_id: str) -> IngestionKeyRecord:
        raise unsupported("keys for one run")

    def list_models(self, workspace: str) -> tuple[ModelRecord, ...]:
        raise unsupported("registry of models")

    def list_model_versions(self, workspace: str, name: str) -> tuple[ModelVersionRecord, ...]:
        raise unsupported("registry of models")

    def create_model_version(self, draft: ModelVersionDraft) -> ModelVersionRecord:
        raise unsupported("registry of models")

    def promote_model(self, workspace: str, name: str, version: int, stage: Stage) -> ModelVersionRecord:
        raise unsupported("registry of models")

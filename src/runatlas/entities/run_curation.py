"""What people put around a run: its folder, notes, keys for writers, and the models made of its artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from typing_extensions import Self

from runatlas.entities.annotation import Annotation, Annotations, IngestionKey, IngestionKeys
from runatlas.entities.argument import choice, text
from runatlas.entities.folder import Folder, folder_id
from runatlas.entities.model import ModelVersion
from runatlas.entities.run_fields import RunFields
from runatlas.entities.window import make_window
from runatlas.model.annotation import AnnotationDraft
from runatlas.model.catalog import CatalogEntry
from runatlas.model.registry import STAGES, ModelVersionDraft, Stage
from runatlas.model.run import RunPatch, RunSelection
from runatlas.response import ApiResponse

__all__ = ["RunCuration"]


class RunCuration(RunFields):
    """The verbs of a run that are about what people put around it."""

    __slots__ = ()

    @property
    def folder_id(self) -> str | None:
        """The folder it lies in; ``None`` if it lies in none."""
        return self._held().folder_id

    def move(self, folder: Folder | str | None) -> ApiResponse[Self]:
        """Put it into a folder of its project; ``None`` takes it out.

        Args:
            folder: A folder, or its id.

        Raises:
            TypeError: It is neither.
        """
        target = folder_id(folder, "folder")
        return ApiResponse.of(lambda: self._move(target))

    def _move(self, target: str) -> Self:
        selection = RunSelection(self._path.workspace, self._path.project, ids=(self._path.run,))
        self._gateway.backend.update_runs(selection, RunPatch(folder_id=target))
        self._forget()
        return self

    def annotate(self, note: str, metadata: Mapping[str, Any] | None = None) -> ApiResponse[Annotation]:
        """Note something on it.

        Args:
            note: 1 to 16,000 characters.
            metadata: What is to be kept beside the text: JSON.

        Raises:
            TypeError: The note is no text.
        """
        draft = AnnotationDraft(text(note, "note"), dict(metadata or {}))

        def annotate() -> Annotation:
            return Annotation(self._gateway, self._path, self._gateway.backend.create_annotation(self._path, draft))

        return ApiResponse.of(annotate)

    def annotations(self, *, limit: int | None = None) -> Annotations:
        """Return the notes on it, oldest first."""
        return Annotations(self._gateway, make_window(limit=limit), self._path)

    def ingestion_keys(self) -> IngestionKeys:
        """Return the keys that may only write to it."""
        return IngestionKeys(self._gateway, make_window(), self._path)

    def create_ingestion_key(self, name: str, *, life: timedelta | None = None) -> ApiResponse[IngestionKey]:
        """Make a key that may only write to it.

        Args:
            name: What to call it.
            life: How long it works: a day unless said otherwise, a week at the most.

        Returns:
            The key; its ``secret`` is known only now.

        Raises:
            TypeError: The name is no text, or the life no time span.
        """
        called = text(name, "name")
        if life is not None and not isinstance(life, timedelta):
            raise TypeError(f"life: expected a timedelta, got {type(life).__name__}")
        ttl_ms = None if life is None else int(life / timedelta(milliseconds=1))

        def create() -> IngestionKey:
            made = self._gateway.backend.create_ingestion_key(self._path, called, ttl_ms=ttl_ms)
            return IngestionKey(self._gateway, self._path, made.key, made.secret)

        return ApiResponse.of(create)

    def catalog(self) -> ApiResponse[tuple[CatalogEntry, ...]]:
        """List its scalar metrics by key, with their contexts and numbers of points; no points are read."""
        return ApiResponse.of(lambda: self._gateway.backend.get_catalog(self._path))

    def register_model(
        self, name: str, artifact: str, *, stage: Stage = "none", description: str = ""
    ) -> ApiResponse[ModelVersion]:
        """Register one of its artifacts as the next version of a model.

        Args:
            name: The model's name.
            artifact: The artifact's name.
            stage: ``none``, ``staging``, ``production`` or ``archived``.
            description: What is to be said of it.

        Raises:
            TypeError: A name is no text.
            ValueError: There is no such stage.
        """
        at: Stage = choice(stage, STAGES, "stage")
        draft = ModelVersionDraft(text(name, "name"), str(self._path), text(artifact, "artifact"), at, description)
        return ApiResponse.of(lambda: ModelVersion(self._gateway, self._gateway.backend.create_model_version(draft)))

"""The model registry: named models with numbered versions, one of them in production."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

from runatlas.entities.argument import choice, integer, text
from runatlas.entities.backend_handle import BackendHandle, UsesBackend
from runatlas.entities.base import Entity, ListedEntity
from runatlas.entities.collection import UnpagedCollection, Window, make_window
from runatlas.errors import NotFoundError
from runatlas.model.ids import validate_workspace_name
from runatlas.model.instant import iso_text
from runatlas.model.registry import STAGES, ModelRecord, ModelVersionRecord
from runatlas.response import ApiResponse

if TYPE_CHECKING:
    # A property that returns a Literal at run time makes Jedi, and so a notebook, complete nothing.
    from runatlas.model.registry import Stage

__all__ = ["Model", "ModelVersion", "ModelVersions", "Models", "model", "models"]


class ModelVersion(Entity[ModelVersionRecord]):
    """A version of a model: an artifact of a run.

    Args:
        handle: The way to the backend.
        record: The version.
    """

    _SHOWN = ("version", "stage", "run_path", "artifact", "size", "created_at", "description")
    _JSON = ("model", "version", "stage", "run_path", "artifact", "description", "sha256", "size", "created_at")

    __slots__ = ("_model", "_version", "_workspace")

    def __init__(self, handle: BackendHandle, record: ModelVersionRecord) -> None:
        super().__init__(handle, record)
        self._workspace = record.workspace
        self._model = record.model
        self._version = record.version

    @property
    def identity(self) -> tuple[Any, ...]:
        """What names the version."""
        return (self._workspace, self._model, self._version)

    def _fetch(self) -> ModelVersionRecord:
        for record in self._handle.backend.list_model_versions(self._workspace, self._model):
            if record.version == self._version:
                return record
        raise NotFoundError(f"model {self._model!r} has no version {self._version}")

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model

    @property
    def version(self) -> int:
        """Its number, from 1."""
        return self._version

    @property
    def stage(self) -> Stage:
        """``none``, ``staging``, ``production`` or ``archived``."""
        return self._held().stage

    @property
    def run_path(self) -> str:
        """The run that made it: ``workspace/project/run``, the last one it had if it was deleted."""
        return self._held().run

    @property
    def artifact(self) -> str:
        """The artifact's name on that run."""
        return self._held().artifact

    @property
    def description(self) -> str:
        """What is said of it."""
        return self._held().description

    @property
    def sha256(self) -> str:
        """The hash of its bytes."""
        return self._held().sha256

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self._held().size

    @property
    def created_at(self) -> str:
        """When it was registered: ISO 8601."""
        return iso_text(self._held().created_at_ms)

    def promote(self, stage: Stage = "production") -> ApiResponse[Self]:
        """Change its stage; promoting to production archives the version there before, in the same transaction.

        Raises:
            ValueError: There is no such stage.
        """
        target: Stage = choice(stage, STAGES, "stage")
        return ApiResponse.of(lambda: self._promote(target))

    def _promote(self, stage: Stage) -> Self:
        self._record = self._handle.backend.promote_model(self._workspace, self._model, self._version, stage)
        return self


class ModelVersions(UnpagedCollection[ModelVersion, ModelVersionRecord]):
    """A model's versions, oldest first.

    Args:
        handle: The way to the backend.
        window: Which part is wanted.
        workspace: The workspace.
        model: The model's name.
    """

    def __init__(self, handle: BackendHandle, window: Window, workspace: str, model: str) -> None:
        super().__init__(handle, window)
        self._workspace = workspace
        self._model = model

    def _list(self) -> Sequence[ModelVersionRecord]:
        return self._handle.backend.list_model_versions(self._workspace, self._model)

    def _make(self, record: ModelVersionRecord) -> ModelVersion:
        return ModelVersion(self._handle, record)

    def _subject(self) -> str:
        return repr(f"{self._workspace}/{self._model}")


class Model(ListedEntity[str, ModelRecord]):
    """A named model."""

    _SHOWN = ("name", "latest", "production", "created_at")
    _JSON = ("name", "workspace", "latest", "production", "created_at")

    _MISSING = "workspace {!r} has no model {!r}"
    _KEY = "name"

    __slots__ = ()

    def _listed(self) -> Iterable[ModelRecord]:
        return self._handle.backend.list_models(self._place)

    @property
    def name(self) -> str:
        """Its name."""
        return self._key

    @property
    def workspace(self) -> str:
        """The workspace it belongs to."""
        return self._place

    @property
    def latest(self) -> int:
        """The number of its newest version."""
        return self._held().latest

    @property
    def production(self) -> int | None:
        """The number of the version in production; ``None`` if there is none."""
        return self._held().production

    @property
    def created_at(self) -> str:
        """When its first version was registered: ISO 8601."""
        return iso_text(self._held().created_at_ms)

    def versions(self) -> ModelVersions:
        """Return its versions, oldest first."""
        return ModelVersions(self._handle, make_window(), self._place, self._key)

    def promote(self, version: int, stage: Stage = "production") -> ApiResponse[ModelVersion]:
        """Change a version's stage; promoting to production archives the version there before.

        Raises:
            TypeError: The version is no whole number.
            ValueError: There is no such stage.
        """
        number = integer(version, "version", least=1)
        target: Stage = choice(stage, STAGES, "stage")

        def promote() -> ModelVersion:
            record = self._handle.backend.promote_model(self._place, self._key, number, target)
            self._forget()
            return ModelVersion(self._handle, record)

        return ApiResponse.of(promote)


class Models(UnpagedCollection[Model, ModelRecord]):
    """A workspace's models by name."""

    _listed_in: str | None

    def _list(self) -> Sequence[ModelRecord]:
        backend = self._handle.backend
        return backend.list_models(self._listed_in or backend.get_user().username)

    def _make(self, record: ModelRecord) -> Model:
        return Model(self._handle, record.workspace, record.name, record)


def models(self: UsesBackend, workspace: str | None = None) -> Models:  # noqa: D417 - nobody gives self
    """Return the models registered in a workspace, by name.

    Args:
        workspace: Its name; ``None`` for the caller's own.

    Raises:
        TypeError: It is no string.
        ValueError: It cannot be a name.
    """
    return Models(
        self._handle,
        make_window(),
        None if workspace is None else validate_workspace_name(workspace, argument="workspace"),
    )


def model(self: UsesBackend, path: str) -> Model:  # noqa: D417 - nobody gives self
    """Return a registered model, lazily.

    Args:
        path: ``workspace/name``.

    Raises:
        TypeError: It is no string.
        ValueError: It does not have two parts.
    """
    workspace, slash, name = text(path, "path").removeprefix("/").partition("/")
    if not slash or not name or "/" in name:
        raise ValueError(f"path: {path!r} is not a model path; write 'workspace/name'")
    return Model(self._handle, validate_workspace_name(workspace, argument="path"), name)

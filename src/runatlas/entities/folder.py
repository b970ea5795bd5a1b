"""Folders: a tree of a project's runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from runatlas.entities.argument import text
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.base import ListedEntity
from runatlas.entities.collection import UnpagedCollection
from runatlas.model.folder import FolderPatch, FolderRecord, validate_folder_name
from runatlas.model.ids import ProjectPath
from runatlas.model.instant import iso_text
from runatlas.response import ApiResponse

__all__ = ["Folder", "Folders", "create_folder", "folder_id"]


class Folder(ListedEntity[ProjectPath, FolderRecord]):
    """A folder of a project."""

    _SHOWN = ("path", "run_count", "created_at", "id")
    _JSON = ("id", "name", "path", "parent_id", "run_count", "created_at")

    _MISSING = "project {} has no folder {!r}"

    __slots__ = ()

    def _listed(self) -> Iterable[FolderRecord]:
        return self._handle.backend.list_folders(self._place)

    @property
    def id(self) -> str:
        """The folder's id."""
        return self._key

    @property
    def name(self) -> str:
        """Its name."""
        return self._held().name

    @property
    def path(self) -> str:
        """The names from the top down: ``/sweeps/lr``."""
        return self._held().path

    @property
    def parent_id(self) -> str | None:
        """The folder it lies in; ``None`` at the top."""
        return self._held().parent_id

    @property
    def run_count(self) -> int:
        """How many runs lie directly in it."""
        return self._held().runs

    @property
    def created_at(self) -> str:
        """When it was made: ISO 8601."""
        return iso_text(self._held().created_at_ms)

    def create(self, name: str) -> ApiResponse[Folder]:
        """Make a folder in this one.

        Raises:
            TypeError: The name is no text.
            ValueError: It is no folder name.
        """
        return create_folder(self._handle, self._place, name, self._key)

    def rename(self, name: str) -> ApiResponse[Self]:
        """Give it another name; the paths of what lies in it change along.

        Raises:
            TypeError: The name is no text.
            ValueError: It is no folder name.
        """
        validate_folder_name(name)
        return ApiResponse.of(lambda: self._change(FolderPatch(name=name)))

    def move(self, parent: Folder | str | None) -> ApiResponse[Self]:
        """Put it, with all that lies in it, into another folder; ``None`` is the top.

        Raises:
            TypeError: ``parent`` is neither a folder, an id nor ``None``.
        """
        target = folder_id(parent, "parent")
        return ApiResponse.of(lambda: self._change(FolderPatch(parent_id=target)))

    def _change(self, patch: FolderPatch) -> Self:
        self._record = self._handle.backend.update_folder(self._place, self._key, patch)
        return self

    def delete(self) -> ApiResponse[None]:
        """Delete it; a ``ConflictError`` if runs or folders lie in it."""
        return ApiResponse.of(lambda: self._handle.backend.delete_folder(self._place, self._key))


class Folders(UnpagedCollection[Folder, FolderRecord]):
    """A project's folders by path, each after the one it lies in."""

    _listed_in: ProjectPath

    def _list(self) -> Sequence[FolderRecord]:
        return self._handle.backend.list_folders(self._listed_in)

    def _make(self, record: FolderRecord) -> Folder:
        return Folder(self._handle, self._listed_in, record.id, record)

    def create(self, name: str) -> ApiResponse[Folder]:
        """Make a folder at the top.

        Raises:
            TypeError: The name is no text.
            ValueError: It is no folder name.
        """
        return create_folder(self._handle, self._listed_in, name, None)


def create_folder(handle: BackendHandle, project: ProjectPath, name: str, parent_id: str | None) -> ApiResponse[Folder]:
    """Make a folder.

    Args:
        handle: The way to the backend.
        project: The project.
        name: 1 to 200 characters without ``/``.
        parent_id: The folder it lies in; ``None`` for the top.

    Raises:
        TypeError: The name is no text.
        ValueError: It is no folder name.
    """
    validate_folder_name(name)

    def create() -> Folder:
        record = handle.backend.create_folder(project, name, parent_id)
        return Folder(handle, project, record.id, record)

    return ApiResponse.of(create)


def folder_id(folder: Folder | str | None, argument: str) -> str:
    """Return a folder's id; ``""`` for none.

    Raises:
        TypeError: It is neither a folder, an id nor ``None``.
    """
    if folder is None:
        return ""
    return folder.id if isinstance(folder, Folder) else text(folder, argument)

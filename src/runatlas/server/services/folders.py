"""The rules of folders: a tree without cycles, in one project."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from runatlas.errors import ConflictError, NotFoundError
from runatlas.model.folder import FolderPatch, FolderRecord, validate_folder_name
from runatlas.model.ids import ProjectPath
from runatlas.model.text import check_text
from runatlas.server.services.access import require_project
from runatlas.server.services.caller import Caller
from runatlas.server.services.validation import checked
from runatlas.server.store.engine import Store
from runatlas.server.store.folder import (
    FolderRow,
    add_folder,
    change_folder,
    folder_project,
    folder_run_ids,
    folder_tree,
    remove_folder,
)
from runatlas.server.store.statement import Connection

__all__ = ["FolderNames", "Folders", "folder_names", "make_folders"]

FolderNames = tuple[str, ...]
"""The names of a folder and of those that it lies in, from the top down."""

_DEPTH_MAX = 64


class Folders:
    """What may be done with folders."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_folders(self, caller: Caller, project: ProjectPath) -> tuple[FolderRecord, ...]:
        """List a project's folders, each after its parent."""
        with self._store.read() as connection:
            found = require_project(connection, caller, project, "read")
            tree = folder_tree(connection, found.id)
        return tuple(sorted((_record(tree, row, project) for row in tree.values()), key=lambda folder: folder.path))

    def find_folder(self, caller: Caller, folder_id: str) -> FolderRecord:
        """Find a folder by its id, in whatever project it is.

        Raises:
            NotFoundError: There is none, or the caller may not see its project.
        """
        check_text(folder_id, "folder")
        with self._store.read() as connection:
            path = folder_project(connection, folder_id)
            if path is None:
                raise NotFoundError(f"there is no folder {folder_id!r}")
            try:
                found = require_project(connection, caller, path, "read")
            except NotFoundError:
                # Who asks by id knows no project: its name is not told by what is refused.
                raise NotFoundError(f"there is no folder {folder_id!r}") from None
            tree = folder_tree(connection, found.id)
            return _record(tree, _find(tree, folder_id), path)

    def list_run_ids(self, caller: Caller, folder: FolderRecord) -> tuple[str, ...]:
        """List the ids of the runs that lie directly in a folder, newest first.

        Raises:
            NotFoundError: The caller may not see its project.
        """
        with self._store.read() as connection:
            require_project(connection, caller, ProjectPath(folder.workspace, folder.project), "read")
            return tuple(folder_run_ids(connection, folder.id))

    def create_folder(
        self, caller: Caller, project: ProjectPath, name: str, parent_id: str | None = None
    ) -> FolderRecord:
        """Make a folder.

        Raises:
            NotFoundError: There is no such project or parent.
            ConflictError: The parent has a folder of that name, or lies too deep.
            ValidationError: The name is none.
        """
        checked(validate_folder_name, name, "name")
        check_text(name, "name")
        with self._store.write() as connection:
            found = require_project(connection, caller, project, "write")
            tree = folder_tree(connection, found.id)
            row = FolderRow(str(uuid.uuid4()), parent_id, name, self._store.clock(), 0)
            _check_place(tree, row)
            add_folder(connection, found.id, row)
            return _record({**tree, row.id: row}, row, project)

    def update_folder(self, caller: Caller, project: ProjectPath, folder_id: str, patch: FolderPatch) -> FolderRecord:
        """Rename or move a folder; what lies in it comes along.

        Raises:
            NotFoundError: There is no such folder or parent.
            ConflictError: The name is taken there, or the folder would lie in itself.
        """
        if patch.name is not None:
            checked(validate_folder_name, patch.name, "name")
            check_text(patch.name, "name")
        with self._store.write() as connection:
            found = require_project(connection, caller, project, "write")
            tree = folder_tree(connection, found.id)
            old = _find(tree, folder_id)
            parent = old.parent_id if patch.parent_id is None else patch.parent_id or None
            row = old._replace(name=old.name if patch.name is None else patch.name, parent_id=parent)
            _check_place(tree, row)
            change_folder(connection, row.id, name=row.name, parent_id=row.parent_id)
            return _record({**tree, row.id: row}, row, project)

    def delete_folder(self, caller: Caller, project: ProjectPath, folder_id: str) -> None:
        """Delete an empty folder.

        Raises:
            NotFoundError: There is no such folder.
            ConflictError: It holds runs or folders.
        """
        with self._store.write() as connection:
            found = require_project(connection, caller, project, "write")
            tree = folder_tree(connection, found.id)
            row = _find(tree, folder_id)
            if row.runs or any(other.parent_id == row.id for other in tree.values()):
                raise ConflictError(f"folder {_path(tree, row)} is not empty; move what lies in it first")
            remove_folder(connection, row.id)


def folder_names(connection: Connection, project_id: int) -> dict[str, FolderNames]:
    """Return the names of a project's folders by their ids."""
    tree = folder_tree(connection, project_id)
    return {row.id: _names(tree, row) for row in tree.values()}


def make_folders(
    connection: Connection, project_id: int, wanted: Collection[FolderNames], now_ms: int
) -> dict[FolderNames, str]:
    """Return the ids of folders by their names, and make those that a project does not have."""
    found = {names: key for key, names in folder_names(connection, project_id).items()}
    for whole in wanted:
        for depth in range(1, len(whole) + 1):
            names = whole[:depth]
            if names not in found:
                row = FolderRow(str(uuid.uuid4()), found.get(names[:-1]), names[-1], now_ms, 0)
                add_folder(connection, project_id, row)
                found[names] = row.id
    return found


def _find(tree: dict[str, FolderRow], folder_id: str) -> FolderRow:
    if folder_id not in tree:
        raise NotFoundError(f"there is no folder {folder_id!r}")
    return tree[folder_id]


def _ancestors(tree: dict[str, FolderRow], row: FolderRow) -> list[FolderRow]:
    """From the top down, without the folder itself."""
    found: list[FolderRow] = []
    parent_id = row.parent_id
    while parent_id is not None:
        parent = _find(tree, parent_id)
        found.append(parent)
        if parent.id == row.id:
            raise ConflictError(f"folder {row.name!r} cannot lie in itself")
        parent_id = parent.parent_id
    return found[::-1]


def _check_place(tree: dict[str, FolderRow], row: FolderRow) -> None:
    if len(_ancestors(tree, row)) >= _DEPTH_MAX:
        raise ConflictError(f"folder {row.name!r} would lie deeper than {_DEPTH_MAX} folders")
    for other in tree.values():
        if other.id != row.id and other.parent_id == row.parent_id and other.name == row.name:
            raise ConflictError(f"there is a folder {_path(tree, other)} already")


def _names(tree: dict[str, FolderRow], row: FolderRow) -> FolderNames:
    return tuple(folder.name for folder in [*_ancestors(tree, row), row])


def _path(tree: dict[str, FolderRow], row: FolderRow) -> str:
    return "/" + "/".join(_names(tree, row))


def _record(tree: dict[str, FolderRow], row: FolderRow, project: ProjectPath) -> FolderRecord:
    return FolderRecord(
        id=row.id,
        workspace=project.workspace,
        project=project.project,
        name=row.name,
        parent_id=row.parent_id,
        ancestor_ids=tuple(folder.id for folder in _ancestors(tree, row)),
        path=_path(tree, row),
        runs=row.runs,
        created_at_ms=row.created_at_ms,
    )

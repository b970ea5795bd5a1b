"""Routes of folders."""

from __future__ import annotations

import attrs

from runatlas.model.folder import FolderPatch, FolderRecord
from runatlas.model.ids import ProjectPath
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["routes"]

routes = RouteTable("folders")

_FOLDERS = "/projects/{workspace}/{project}/folders"


@attrs.frozen
class FolderDraft:
    """A folder to be made; without a parent at the top."""

    name: str
    parent_id: str | None = None


@routes.add("GET", _FOLDERS, errors=(404,))
def list_folders(services: Services, caller: Caller, path: ProjectPath) -> tuple[FolderRecord, ...]:
    """List a project's folders, each after its parent."""
    return services.folders.list_folders(caller, path)


@routes.add("POST", _FOLDERS, statuses=(201,), errors=(403, 404, 409), write=True)
def create_folder(services: Services, caller: Caller, path: ProjectPath, body: FolderDraft) -> FolderRecord:
    """Make a folder."""
    return services.folders.create_folder(caller, path, body.name, body.parent_id)


@routes.add("PATCH", _FOLDERS + "/{folder_id}", errors=(403, 404, 409))
def update_folder(
    services: Services, caller: Caller, path: ProjectPath, folder_id: str, body: FolderPatch
) -> FolderRecord:
    """Rename or move a folder; what lies in it comes along."""
    return services.folders.update_folder(caller, path, folder_id, body)


@routes.add("DELETE", _FOLDERS + "/{folder_id}", errors=(403, 404, 409))
def delete_folder(services: Services, caller: Caller, path: ProjectPath, folder_id: str) -> None:
    """Delete an empty folder."""
    services.folders.delete_folder(caller, path, folder_id)

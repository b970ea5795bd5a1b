"""Folders: those of the project ``metrics`` are listed, any that the caller sees is found by its id."""

from __future__ import annotations

from typing import Any

from runatlas.errors import ValidationError
from runatlas.model.folder import FolderPatch
from runatlas.model.ids import ProjectPath
from runatlas.server.dialects.syvain.envelope import answer
from runatlas.server.dialects.syvain.experiment import PROJECT, iterate_experiments
from runatlas.server.dialects.syvain.field import read_object
from runatlas.server.dialects.syvain.record import experiment_objects, folder_object
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import optional, text

__all__ = ["change_folder", "create_folder", "folder_tree", "get_folder", "list_folders"]

_NAME_MAX = 200
_ID_MAX = 200


def list_folders(call: EndpointCall) -> Answer:
    """List folders, or those of one path."""
    found = _folders(call)
    path = call.value("path")
    if path is not None:
        found = [folder for folder in found if folder["path_name"].strip("/") == path.strip("/")]
    return answer({"folders": found})


def _folders(call: EndpointCall) -> list[dict[str, Any]]:
    project = call.services.repository.find_project(call.user, PROJECT)
    if project is None:
        return []
    return [folder_object(folder) for folder in call.services.folders.list_folders(call.user, project.path)]


def folder_tree(call: EndpointCall) -> list[dict[str, Any]]:
    """Return the tree of folders, each with those in it."""
    made: dict[str, dict[str, Any]] = {}
    top: list[dict[str, Any]] = []
    for folder in _folders(call):
        node: dict[str, Any] = {"folderId": folder["folder_id"], "name": folder["name"], "folders": []}
        made[folder["folder_id"]] = node
        parents = folder["parent_id_path"]
        (made[parents[-1]]["folders"] if parents else top).append(node)
    return top


def create_folder(call: EndpointCall) -> Answer:
    """Make a folder, in the project of its parent."""
    body = read_object(call, ("name", "parent_id"))
    name = text(body, "name", least=1, most=_NAME_MAX)
    parent_id = _parent_of(body)
    if parent_id is None:
        project = call.services.repository.project_for(call.user, PROJECT).path
    else:
        parent = call.services.folders.find_folder(call.user, parent_id)
        project = ProjectPath(parent.workspace, parent.project)
    made = call.services.folders.create_folder(call.user, project, name, parent_id)
    return answer({"folder": folder_object(made)})


def _parent_of(body: dict[str, Any]) -> str | None:
    return optional(text, body, "parent_id", least=1, most=_ID_MAX)


def get_folder(call: EndpointCall) -> Answer:
    """Return a folder and what lies directly in it."""
    folder = call.services.folders.find_folder(call.user, call.params["folder"])
    project = ProjectPath(folder.workspace, folder.project)
    inner = call.services.folders.list_folders(call.user, project)
    ids = call.services.folders.list_run_ids(call.user, folder)
    held = iterate_experiments(call, project=project, ids=ids)
    return answer(
        {
            "folder": folder_object(folder),
            "folders": [folder_object(item) for item in inner if item.parent_id == folder.id],
            "experiments": experiment_objects(call, held),
        }
    )


def change_folder(call: EndpointCall) -> Answer:
    """Rename or move a folder."""
    body = read_object(call, ("name", "parent_id"))
    if not body:
        raise ValidationError("the body needs a name or a parent_id")
    name = text(body, "name", least=1, most=_NAME_MAX) if "name" in body else None
    parent = (_parent_of(body) or "") if "parent_id" in body else None
    folder = call.services.folders.find_folder(call.user, call.params["folder"])
    project = ProjectPath(folder.workspace, folder.project)
    made = call.services.folders.update_folder(call.user, project, folder.id, FolderPatch(name, parent))
    return answer({"folder": folder_object(made)})

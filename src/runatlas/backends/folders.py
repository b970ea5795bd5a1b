"""The part of the contract about folders; see ``runatlas.backends.contract``."""
# mypy: disable-error-code="empty-body"
# ruff: noqa: B024, B027 - what is an operation is abstract

from __future__ import annotations

from abc import ABC

from runatlas.backends.operation import CHANGE, PROJECT, READ, Envelope, Route, operation
from runatlas.model.folder import FolderPatch, FolderRecord
from runatlas.model.ids import ProjectPath

__all__ = ["Folders"]


class Folders(ABC):
    """Folders, in which the runs of a project lie."""

    @operation("folders", Route("GET", PROJECT + "/folders", "folders", errors=READ))
    def list_folders(self, project: ProjectPath) -> tuple[FolderRecord, ...]:
        """List a project's folders by path, each after its parent."""

    @operation(
        "folders",
        Route(
            "POST",
            PROJECT + "/folders",
            "folders",
            errors=CHANGE,
            status=201,
            body=Envelope("FolderDraft", "A folder to be made; without a parent at the top."),
            changes=True,
        ),
    )
    def create_folder(self, project: ProjectPath, name: str, parent_id: str | None = None) -> FolderRecord:
        """Make a folder; without a parent at the top.

        Raises:
            ConflictError: The parent has a folder of that name.
            NotFoundError: There is no such project or parent.
        """

    @operation("folders", Route("PATCH", PROJECT + "/folders/{folder_id}", "folders", errors=CHANGE))
    def update_folder(self, project: ProjectPath, folder_id: str, patch: FolderPatch) -> FolderRecord:
        """Rename or move a folder; what lies in it comes along.

        Raises:
            ConflictError: The name is taken there, or the folder would lie in itself.
            NotFoundError: There is no such folder or parent.
        """

    @operation("folders", Route("DELETE", PROJECT + "/folders/{folder_id}", "folders", errors=CHANGE))
    def delete_folder(self, project: ProjectPath, folder_id: str) -> None:
        """Delete an empty folder.

        Raises:
            ConflictError: It holds runs or folders.
            NotFoundError: There is no such folder.
        """

"""The labels of a workspace: those that runs have, and those that are kept with what is said of them."""

from __future__ import annotations

import attrs

from runatlas.errors import ConflictError
from runatlas.model.text import check_text
from runatlas.server.services.access import require_workspace
from runatlas.server.services.caller import Caller
from runatlas.server.services.validation import check_labels
from runatlas.server.store.engine import Store
from runatlas.server.store.label import LabelRow, add_label, delete_label, list_labels

__all__ = ["LabelRecord", "Labels"]


@attrs.frozen
class LabelRecord:
    """A label; ``runs`` counts those that have it."""

    name: str
    runs: int = 0
    color: str = ""
    description: str = ""


class Labels:
    """What may be done with labels beside giving them to runs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_labels(self, caller: Caller, workspace: str) -> list[LabelRecord]:
        """List a workspace's labels by name.

        Raises:
            NotFoundError: There is no such workspace.
            PermissionDeniedError: The caller may not read everything in it.
        """
        with self._store.read() as connection:
            found = list_labels(connection, require_workspace(connection, caller, workspace, "read").id)
        return [LabelRecord(*row) for row in found]

    def create_label(self, caller: Caller, workspace: str, label: LabelRecord) -> None:
        """Keep a label, also while no run has it.

        Raises:
            ConflictError: The workspace keeps one of that name, or a run has it.
            NotFoundError: There is no such workspace.
            PermissionDeniedError: The caller may not write to it.
            ValidationError: The name is none.
        """
        _check(label)
        with self._store.write() as connection:
            place = require_workspace(connection, caller, workspace, "write").id
            if any(row.name == label.name for row in list_labels(connection, place)):
                raise ConflictError(f"workspace {workspace!r} has a label {label.name!r}")
            add_label(self._store, connection, place, _row(label))

    def replace_label(self, caller: Caller, workspace: str, name: str, label: LabelRecord) -> None:
        """Say something else of a label, or keep another one in its place; runs keep those that they have.

        Raises:
            ConflictError: The workspace has a label of the new name already.
            NotFoundError: There is no such workspace.
            PermissionDeniedError: The caller may not write to it.
            ValidationError: The name is none.
        """
        with self._store.together():
            self.drop_label(caller, workspace, name)
            if label.name != name:
                self.create_label(caller, workspace, label)
            else:
                self._keep(caller, workspace, label)

    def drop_label(self, caller: Caller, workspace: str, name: str) -> None:
        """Keep a label no longer; runs keep theirs.

        Raises:
            NotFoundError: There is no such workspace.
            PermissionDeniedError: The caller may not write to it.
        """
        with self._store.write() as connection:
            delete_label(connection, require_workspace(connection, caller, workspace, "write").id, name)

    def keep_label(self, caller: Caller, workspace: str, name: str) -> None:
        """Keep a label from now on, also when no run has it any more; one that is kept already stays as it is.

        Raises:
            NotFoundError: There is no such workspace.
            PermissionDeniedError: The caller may not write to it.
            ValidationError: The name is none.
        """
        self._keep(caller, workspace, LabelRecord(name))

    def _keep(self, caller: Caller, workspace: str, label: LabelRecord) -> None:
        _check(label)
        with self._store.write() as connection:
            place = require_workspace(connection, caller, workspace, "write").id
            add_label(self._store, connection, place, _row(label))


def _check(label: LabelRecord) -> None:
    check_labels([label.name], "name")
    check_text(label.color, "color")
    check_text(label.description, "description")


def _row(label: LabelRecord) -> LabelRow:
    return LabelRow(label.name, 0, label.color, label.description)

"""Folders: a tree of a project's runs."""

from __future__ import annotations

import attrs

__all__ = ["FolderPatch", "FolderRecord", "validate_folder_name"]

_NAME_MAX = 200


@attrs.frozen
class FolderRecord:
    """A folder.

    Attributes:
        id: A lower-case UUID; never changes.
        parent_id: ``None`` at the top.
        ancestor_ids: From the top down, without the folder itself.
        path: The names from the top joined by ``/``, with a leading one.
        runs: How many runs lie directly in it.
    """

    id: str
    workspace: str
    project: str
    name: str
    parent_id: str | None
    ancestor_ids: tuple[str, ...]
    path: str
    runs: int = 0
    created_at_ms: int = 0


@attrs.frozen
class FolderPatch:
    """What to change of a folder; ``None`` keeps.

    Attributes:
        parent_id: ``""`` moves to the top.
    """

    name: str | None = None
    parent_id: str | None = None


def validate_folder_name(name: str, *, argument: str = "name") -> str:
    """Return ``name`` if it can name a folder: 1 to 200 characters, no ``/``, not blank.

    Raises:
        TypeError: It is not a string.
        ValueError: It has another form.
    """
    if not isinstance(name, str):
        raise TypeError(f"{argument}: expected a string, got {type(name).__name__}")
    if not name.strip() or len(name) > _NAME_MAX or "/" in name:
        raise ValueError(f"{argument}: {name!r} is not a folder name; use 1 to {_NAME_MAX} characters without '/'")
    return name

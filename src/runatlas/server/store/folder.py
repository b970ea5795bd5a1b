"""Statements about folders. A project's tree is small: it is read whole, and its shape is settled in Python."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import delete, func, insert, select, update

from runatlas.model.ids import ProjectPath
from runatlas.server.store.schema import folders, projects, runs, workspaces
from runatlas.server.store.statement import Connection, rows

__all__ = [
    "FolderRow",
    "add_folder",
    "change_folder",
    "folder_project",
    "folder_run_ids",
    "folder_tree",
    "remove_folder",
]


class FolderRow(NamedTuple):
    """A folder and how many live runs lie directly in it."""

    id: str
    parent_id: str | None
    name: str
    created_at_ms: int
    runs: int


def folder_tree(connection: Connection, project_id: int) -> dict[str, FolderRow]:
    """Read a project's folders by id, in the order of their names."""
    held = (
        select(func.count())
        .select_from(runs)
        .where(runs.c.folder_id == folders.c.id, runs.c.trash_id.is_(None))
        .scalar_subquery()
    )
    statement = select(folders.c.id, folders.c.parent_id, folders.c.name, folders.c.created_at_ms, held)
    statement = statement.where(folders.c.project_id == project_id)
    found = (FolderRow(*row) for row in rows(connection, statement))
    return {row.id: row for row in sorted(found, key=lambda row: (row.name, row.created_at_ms, row.id))}


def folder_project(connection: Connection, folder_id: str) -> ProjectPath | None:
    """Return the path of the project that a folder belongs to."""
    statement = (
        select(workspaces.c.username, projects.c.name)
        .select_from(folders.join(projects).join(workspaces))
        .where(folders.c.id == folder_id, projects.c.trash_id.is_(None))
    )
    found = rows(connection, statement)
    return ProjectPath(*found[0]) if found else None


def folder_run_ids(connection: Connection, folder_id: str) -> list[str]:
    """Return the ids of the live runs that lie directly in a folder, newest first."""
    statement = select(runs.c.run_id).where(runs.c.folder_id == folder_id, runs.c.trash_id.is_(None))
    return [name for (name,) in rows(connection, statement.order_by(runs.c.created_at_ms.desc(), runs.c.id.desc()))]


def add_folder(connection: Connection, project_id: int, row: FolderRow) -> None:
    """Insert a folder."""
    values = {"id": row.id, "parent_id": row.parent_id, "name": row.name, "created_at_ms": row.created_at_ms}
    connection.execute(insert(folders).values(project_id=project_id, **values))


def change_folder(connection: Connection, folder_id: str, *, name: str, parent_id: str | None) -> None:
    """Rename or move a folder."""
    connection.execute(update(folders).where(folders.c.id == folder_id).values(name=name, parent_id=parent_id))


def remove_folder(connection: Connection, folder_id: str) -> None:
    """Delete a folder with those below it; runs in them lie in none then."""
    connection.execute(delete(folders).where(folders.c.id == folder_id))

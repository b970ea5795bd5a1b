"""Deletion by the names that matyan's client knows."""

from __future__ import annotations

import attrs

from runatlas.backends.contract import Backend
from runatlas.errors import ConflictError, NotFoundError
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.page import each_item
from runatlas.model.project import ProjectQuery
from runatlas.model.run import RunSelection

__all__ = ["delete_experiment", "delete_runs"]


def delete_runs(backend: Backend, workspace: str, ids: list[str]) -> list[str]:
    """Move runs to the trash by id, all in one step; of several, none goes if one is guarded.

    Returns:
        The ids of which there is no run.

    Raises:
        ConflictError: Several projects have a run of one of the ids, or one is guarded; nothing is deleted.
    """
    plan = backend.plan_run_deletion(RunSelection(workspace, ids=tuple(ids)))
    missing = [item for item in ids if item in plan.missing]
    there = [item for item in ids if item not in plan.missing]
    found = (*plan.items, *plan.kept)
    if len(found) > len(there):
        raise ConflictError("several projects have a run of that id; delete the one that is meant through Api")
    if len(there) == 1:
        backend.delete_run(RunPath.parse(found[0].path))
    elif there:
        backend.delete(attrs.evolve(plan, missing=(), whole=True))
    return missing


def delete_experiment(backend: Backend, workspace: str, name: str) -> None:
    """Move a project with all its runs to the trash.

    Args:
        backend: Where it is.
        workspace: Whose it is.
        name: Its name or the store's id of it.

    Raises:
        NotFoundError: There is none.
    """
    backend.delete_project(_find_project(backend, workspace, name))


def _find_project(backend: Backend, workspace: str, name: str) -> ProjectPath:
    for record in each_item(lambda page: backend.list_projects(ProjectQuery(workspace, detail=False, page=page))):
        if name in {record.name, record.cuid}:
            return record.path
    raise NotFoundError(f"there is no experiment {name!r} in the workspace {workspace!r}")

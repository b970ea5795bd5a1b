"""Who may do what: every look at a workspace, project or run passes here.

OWNER manages, MEMBER writes, VIEWER reads, VISITOR and strangers see PUBLIC projects only. A thing the caller may not
see answers like one that is not there; a thing that is seen but may not be changed is ``PermissionDeniedError``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from runatlas.errors import NotFoundError, PermissionDeniedError
from runatlas.model.account import Role
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.run import RunSelection
from runatlas.model.text import check_text, did_you_mean
from runatlas.server.services.caller import Caller
from runatlas.server.store.project import ProjectListing, ProjectRow, find_project, list_projects
from runatlas.server.store.run import RunRow, find_run, find_runs_by_cuid, newest_names
from runatlas.server.store.selection import Scope, SelectedRuns, resolve_ids, selection_select
from runatlas.server.store.statement import Connection, rows
from runatlas.server.store.workspace import WorkspaceRow, find_workspace

__all__ = [
    "Need",
    "missing_runs",
    "no_project",
    "require_cuids",
    "require_project",
    "require_root",
    "require_run",
    "require_runs",
    "require_scope",
    "require_unlimited",
    "require_workspace",
    "role_of",
    "selected_runs",
]

Need = Literal["read", "write", "manage"]

_RANK: dict[Role, int] = {"VISITOR": 0, "VIEWER": 1, "MEMBER": 2, "OWNER": 3}
_NEEDED: dict[Need, int] = {"read": 1, "write": 2, "manage": 3}
_SHOWN = 5
_NEAR_AMONG = 500
"""Among how many names one is looked for that is like a mistyped one."""

_DOING: dict[Need, str] = {"read": "read", "write": "change", "manage": "manage"}


def role_of(caller: Caller, membership: Role | None) -> Role:
    """Return what the caller may do in a workspace, given the membership found there."""
    if caller.is_owner:
        return "OWNER"
    return membership or "VISITOR"


def _allows(caller: Caller, membership: Role | None, need: Need) -> bool:
    return caller.is_owner or _RANK[membership or "VISITOR"] >= _NEEDED[need]


def _is_known(caller: Caller, workspace: WorkspaceRow) -> bool:
    return bool(workspace.role or workspace.has_public or caller.is_owner)


def _is_seen(caller: Caller, project: ProjectRow) -> bool:
    return project.visibility == "PUBLIC" or _allows(caller, project.role, "read")


def _check(caller: Caller, project: ProjectRow, path: ProjectPath | RunPath, need: Need) -> ProjectRow:
    if need != "read" and not _allows(caller, project.role, need):
        raise PermissionDeniedError(f"{caller.username} may not {_DOING[need]} project {path.workspace}/{path.project}")
    return project


def require_unlimited(caller: Caller) -> None:
    """Let callers pass who may do more than write to one run.

    Raises:
        PermissionDeniedError: The caller has a run's key.
    """
    if caller.run_cuid is not None:
        raise PermissionDeniedError("an ingestion key may write to its own run, and do nothing else")


def require_project(connection: Connection, caller: Caller, path: ProjectPath, need: Need) -> ProjectRow:
    """Find a project that the caller may read, write to or manage.

    Raises:
        NotFoundError: There is none, or the caller may not see it.
        PermissionDeniedError: The caller sees it, but may not do what is needed.
    """
    check_text(str(path), "path")
    require_unlimited(caller)
    found = find_project(connection, caller.user_id, path.workspace, path.project)
    if found is None or not _is_seen(caller, found):
        raise no_project(connection, caller, path)
    return _check(caller, found, path, need)


def no_project(connection: Connection, caller: Caller, path: ProjectPath) -> NotFoundError:
    """Make the error that says that there is no project, and names one that is like it and the caller may see.

    It looks among those of the workspace, if that is seen.

    Args:
        connection: A connection to the database.
        caller: Who asks.
        path: What there is not.
    """
    if caller.run_cuid is not None:
        return NotFoundError(f"there is no project {path}")
    workspace = find_workspace(connection, caller.user_id, path.workspace)
    inside = workspace.id if workspace is not None and _is_known(caller, workspace) else None
    seen = ProjectListing(caller.user_id, visible_only=not caller.is_owner, workspace_id=inside)
    found = list_projects(connection, seen, None, _NEAR_AMONG, 0)
    near = did_you_mean(str(path), [f"{project.workspace}/{project.name}" for project in found])
    return NotFoundError(f"there is no project {path}{near}")


def _near_run(connection: Connection, project_id: int, name: str) -> str:
    """Ask whether another run of a project is meant, by its id or by what it is called."""
    found = newest_names(connection, project_id, _NEAR_AMONG)
    if near := did_you_mean(name, [run_id for run_id, _ in found]):
        return near
    called = next((run_id for run_id, called in found if called == name), None)
    return "" if called is None else f", did you mean {called!r}, which is called that?"


def require_run(connection: Connection, caller: Caller, path: RunPath, need: Need) -> RunRow:
    """Find a run by the id its client chose, else by cuid, in a project that the caller may read or write to.

    Raises:
        NotFoundError: There is none, or the caller may not see it.
        PermissionDeniedError: The caller sees it, but may not do what is needed.
    """
    check_text(str(path), "path")
    found = find_run(connection, caller.user_id, path.workspace, path.project, path.run)
    if found is not None and not _is_seen(caller, found.project):
        raise no_project(connection, caller, path.project_path)
    if found is None:
        project = require_project(connection, caller, path.project_path, "read")
        near = _near_run(connection, project.id, path.run)
        raise NotFoundError(f"project {path.project_path} has no run {path.run!r}{near}")
    _check(caller, found.project, path, need)
    if caller.run_cuid not in {None, found.cuid}:
        require_unlimited(caller)
    return found


def require_cuids(connection: Connection, caller: Caller, cuids: Collection[str], need: Need) -> dict[str, RunRow]:
    """Find runs by cuid, in whatever projects they are.

    Raises:
        NotFoundError: One is none, or the caller may not see it.
        PermissionDeniedError: The caller sees one, but may not do what is needed.
    """
    check_text("".join(cuids), "run")
    found = find_runs_by_cuid(connection, caller.user_id, cuids)
    for cuid in cuids:
        # Who asks by cuid knows no project: its name is not told by what is refused.
        if cuid not in found or not _is_seen(caller, found[cuid].project):
            raise NotFoundError(f"there is no run {cuid!r}")
        project = found[cuid].project
        _check(caller, project, ProjectPath(project.workspace, project.name), need)
        if cuid != caller.run_cuid:
            require_unlimited(caller)
    return found


def require_workspace(connection: Connection, caller: Caller, username: str, need: Need | None) -> WorkspaceRow:
    """Find a workspace that the caller sees: as a member, or for its PUBLIC projects.

    Args:
        connection: An open transaction.
        caller: Who asks.
        username: The workspace's name.
        need: What the caller must be allowed to do there; ``None`` when seeing it is enough.

    Raises:
        NotFoundError: There is none, or the caller may not see it.
        PermissionDeniedError: The caller sees it, but may not do what is needed.
    """
    check_text(username, "workspace")
    require_unlimited(caller)
    found = find_workspace(connection, caller.user_id, username)
    if found is None or not _is_known(caller, found):
        raise NotFoundError(f"there is no workspace {username!r}")
    if need is not None and not _allows(caller, found.role, need):
        raise PermissionDeniedError(f"{caller.username} may not {_DOING[need]} workspace {username!r}")
    return found


def require_root(caller: Caller) -> None:
    """Let administrators pass.

    Raises:
        PermissionDeniedError: The caller is none.
    """
    if not caller.administers:
        raise PermissionDeniedError(f"{caller.username} is not an administrator")


def require_scope(connection: Connection, caller: Caller, selection: RunSelection, need: Need) -> Scope:
    """Find the projects that a selection reaches.

    Raises:
        NotFoundError: There is no such project or workspace.
        PermissionDeniedError: The caller sees it, but may not do what is needed.
    """
    if selection.project is not None:
        path = ProjectPath(selection.workspace, selection.project)
        project = require_project(connection, caller, path, need)
        return Scope(project.workspace_id, project.id)
    workspace = require_workspace(connection, caller, selection.workspace, None if need == "read" else need)
    return Scope(workspace.id, None, public_only=not _allows(caller, workspace.role, "read"))


def selected_runs(connection: Connection, caller: Caller, selection: RunSelection, need: Need) -> SelectedRuns:
    """Find which runs a selection means.

    Returns:
        The query of ``id, cuid, run_id, name`` in the selection's order, and the ids that are no runs.

    Raises:
        NotFoundError: There is no such project or workspace.
        PermissionDeniedError: The caller sees it, but may not do what is needed.
    """
    scope, keys, missing = _resolved(connection, caller, selection, need)
    search = check_text(selection.search or "", "search")
    return SelectedRuns(selection_select(connection, scope, keys, selection.filter, search), missing)


def _resolved(
    connection: Connection, caller: Caller, selection: RunSelection, need: Need
) -> tuple[Scope, list[int] | None, tuple[str, ...]]:
    """Find where a selection reaches, the rows of its ids, ``None`` without any, and those ids that are no runs."""
    scope = require_scope(connection, caller, selection, need)
    if selection.ids is None:
        return scope, None, ()
    check_text("".join(selection.ids), "ids")
    return scope, *resolve_ids(connection, scope, selection.ids)


def require_runs(connection: Connection, caller: Caller, selection: RunSelection, need: Need) -> list[int]:
    """Find the row ids of the runs that a selection means, every one of its ids among them.

    Raises:
        NotFoundError: There is no such project or workspace, or an id is no run.
        PermissionDeniedError: The caller sees it, but may not do what is needed.
    """
    scope, keys, missing = _resolved(connection, caller, selection, need)
    if missing:
        home = scope.project_id
        near = "" if home is None or missing[1:] else _near_run(connection, home, missing[0])
        raise missing_runs(selection, missing, near)
    search = check_text(selection.search or "", "search")
    if keys is not None and selection.filter is None and not search:
        return keys
    return [row[0] for row in rows(connection, selection_select(connection, scope, keys, selection.filter, search))]


def missing_runs(selection: RunSelection | None, missing: Sequence[str], near: str = "") -> NotFoundError:
    """Make the error that says which runs are not there, where if that is known, and which is near if it is one."""
    shown = ", ".join(repr(name) for name in missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
    if selection is None:
        return NotFoundError(f"there is no run {shown}")
    where = (
        f"workspace {selection.workspace}"
        if selection.project is None
        else f"project {selection.workspace}/{selection.project}"
    )
    return NotFoundError(f"{where} has no run {shown}{near}")

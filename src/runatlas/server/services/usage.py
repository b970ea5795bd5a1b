"""The rules of what may be known of how much room runs take."""

from __future__ import annotations

from runatlas.errors import ValidationError
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.page import PAGE_LIMIT
from runatlas.model.usage import USAGE_GROUPS, SpaceRecord, UsageGroup
from runatlas.server.services.access import require_project, require_run, require_unlimited, require_workspace
from runatlas.server.services.caller import Caller
from runatlas.server.services.validation import check_choice, checked
from runatlas.server.store.engine import Store
from runatlas.server.store.statement import Connection
from runatlas.server.store.usage import SpaceScope, measure_space, store_space

__all__ = ["Usage"]


class Usage:
    """How much room what the caller may see takes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_space(
        self, caller: Caller, path: str | None = None, by: UsageGroup = "project", limit: int = 1000
    ) -> SpaceRecord:
        """Measure what a workspace, a project, a run or all that the caller may see takes.

        Raises:
            NotFoundError: There is no such workspace, project or run.
            ValidationError: An argument is out of bounds.
        """
        check_choice(by, USAGE_GROUPS, "by")
        if not 1 <= limit <= PAGE_LIMIT:
            raise ValidationError(f"limit: expected 1 to {PAGE_LIMIT}, got {limit}")
        size = store_space(self._store) if path is None and caller.administers else None
        with self._store.read() as connection:
            scope = _scope(connection, caller, path)
            found, total = measure_space(connection, scope, by, path or "")
        items = sorted(found, key=lambda item: (-item.bytes, item.name))
        return SpaceRecord(by, total, tuple(items[:limit]), len(items), size)


def _scope(connection: Connection, caller: Caller, path: str | None) -> SpaceScope:
    parts = [] if path is None else path.split("/", 2)
    if len(parts) == 1:
        workspace = require_workspace(connection, caller, parts[0], None)
        return SpaceScope(caller.user_id, caller.is_owner, workspace_id=workspace.id)
    if len(parts) == 2:
        project = require_project(connection, caller, checked(ProjectPath.parse, path or "", "path"), "read")
        return SpaceScope(caller.user_id, caller.is_owner, project_id=project.id)
    if parts:
        run = require_run(connection, caller, checked(RunPath.parse, path or "", "path"), "read")
        return SpaceScope(caller.user_id, caller.is_owner, run_id=run.id)
    require_unlimited(caller)
    return SpaceScope(caller.user_id, caller.is_owner)

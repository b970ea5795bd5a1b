"""The rules of updates that are looked at before they are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import attrs

from runatlas.errors import ConflictError, ValidationError
from runatlas.model.change import ChangedRunRecord, PlannedUpdate, UpdatePlanRecord, UpdateRecord
from runatlas.model.codec import dumps, loads
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.run import RunPatch, RunSelection
from runatlas.model.text import check_text
from runatlas.server.services.access import missing_runs, require_project, require_scope, selected_runs
from runatlas.server.services.caller import Caller
from runatlas.server.services.journal import SOFT, changed_run, differences, listed
from runatlas.server.services.run_change import (
    RunChange,
    apply_change,
    change_of_patch,
    changed_columns,
    check_noted,
    check_patch,
    foresee,
    lost_labels,
    require_folders,
)
from runatlas.server.services.validation import checked
from runatlas.server.store.engine import Store
from runatlas.server.store.journal import Fields, ReachedRun
from runatlas.server.store.project import find_projects
from runatlas.server.store.run import RunRow, find_runs_by_cuid
from runatlas.server.store.run_key import unknown_keys
from runatlas.server.store.run_write import read_fields
from runatlas.server.store.statement import Connection, rows

__all__ = ["Updates"]

_SAMPLE = 10
_GONE = "these runs are no longer there"
_CHANGED = "what it would change of these runs is not as it was when it was planned"


class Updates:
    """What may be done with plans of updates."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def plan_update(self, caller: Caller, selection: RunSelection, patch: RunPatch) -> UpdatePlanRecord:
        """Tell what changing all selected runs would do, without doing it; ``missing`` ids are told.

        Raises:
            NotFoundError: There is no such project, workspace or folder.
            PermissionDeniedError: The caller may not write to the project.
            ValidationError: Something in the patch is out of bounds.
        """
        check_patch(patch)
        check_noted(patch)
        with self._store.read() as connection:
            chosen = selected_runs(connection, caller, selection, "write")
            change = self._change(connection, caller, selection.workspace, patch)
            found = rows(connection, chosen.query)
            held = read_fields(connection, [row[0] for row in found], changed_columns(change))
            made = {key: foresee(fields, change) for key, fields in held.items()}
            require_folders(connection, made.values())
            notes: tuple[str, ...] = ()
            if selection.filter is not None:
                scope = require_scope(connection, caller, selection, "write")
                notes = unknown_keys(connection, scope, selection.filter)
            places = {fields["project_id"] for both in (held, made) for fields in both.values()}
            names = {key: name for key, (_, name) in find_projects(connection, places).items()}
        fields = differences(held, made)
        reached = [
            ReachedRun(
                *(key, cuid, run_id, name, names[held[key]["project_id"]], selection.workspace, None),
                *_texts(fields.get(key, Fields())),
            )
            for key, cuid, run_id, name in found
            if key in held
        ]
        return UpdatePlanRecord(
            patch,
            tuple(PlannedUpdate(run.path, run.cuid, _mark(run.before)) for run in reached),
            tuple(_sample(reached, names)),
            chosen.missing,
            notes,
            lost_labels(held, change),
        )

    def apply_update(self, caller: Caller, plan: UpdatePlanRecord) -> UpdateRecord:
        """Do exactly what was planned, in one transaction.

        Raises:
            ConflictError: A run is no longer where it was, or what would change of it was changed meanwhile; or as in
                ``update_runs``. Nothing is changed then.
            NotFoundError: The plan has ``missing`` ids, or there is no such project or folder.
            PermissionDeniedError: The caller may not write to a project of it.
            ValidationError: Something in the plan is out of bounds, or is of another workspace.
        """
        check_patch(plan.patch)
        check_noted(plan.patch)
        paths = {item.cuid: checked(RunPath.parse, item.path, "plan.items") for item in plan.items}
        homes = sorted({path.project_path for path in paths.values()})
        if len({home.workspace for home in homes}) > 1:
            raise ValidationError("plan: an update changes runs of one workspace")
        if plan.missing:
            where = RunSelection(homes[0].workspace, homes[0].project if len(homes) == 1 else None) if homes else None
            raise missing_runs(where, plan.missing)
        if not homes:
            return UpdateRecord(0)
        with self._store.write() as connection:
            for home in homes:
                require_project(connection, caller, home, "write")
            change = self._change(connection, caller, homes[0].workspace, plan.patch)
            check_text("".join(paths), "plan.items")
            found = find_runs_by_cuid(connection, caller.user_id, paths)
            _refuse(_GONE, [item.path for item in plan.items if _path(found.get(item.cuid)) != item.path])
            keys = [found[cuid].id for cuid in paths]

            def require_same(held: Mapping[int, Mapping[str, Any]], fields: Mapping[int, Fields]) -> None:
                moved = {cuid for cuid, run in found.items() if held[run.id]["project_id"] != run.project.id}
                _refuse(_GONE, [item.path for item in plan.items if item.cuid in moved])
                marks = {cuid: _mark(_texts(fields.get(run.id, Fields()))[0]) for cuid, run in found.items()}
                _refuse(_CHANGED, [item.path for item in plan.items if item.mark != marks[item.cuid]])

            return UpdateRecord(
                len(keys), apply_change(self._store, connection, keys, change, caller, planned=require_same)
            )

    def _change(self, connection: Connection, caller: Caller, workspace: str, patch: RunPatch) -> RunChange:
        target = None
        if patch.project is not None:
            target = require_project(connection, caller, ProjectPath(workspace, patch.project), "write")
        return change_of_patch(attrs.evolve(patch, by_run=False), self._store.clock(), target)


def _refuse(why: str, paths: Sequence[str]) -> None:
    if paths:
        raise ConflictError(f"nothing was changed: {why}: {listed(paths)}")


def _texts(fields: Fields) -> tuple[str | None, str | None]:
    """Return what would differ of a run, as it was and as it would be, without its heartbeat, which moves by itself."""
    before, after = ({name: value for name, value in loads(text or "{}").items() if name != SOFT} for text in fields)
    return (dumps(before), dumps(after)) if before else (None, None)


def _mark(before: str | None) -> str:
    return "" if before is None else blake2b(before.encode(), digest_size=8).hexdigest()


def _sample(reached: Sequence[ReachedRun], names: Mapping[int, str]) -> Iterator[ChangedRunRecord]:
    differing = (run for run in reached if run.before is not None)
    yield from (changed_run(run, names) for run, _ in zip(differing, range(_SAMPLE), strict=False))


def _path(run: RunRow | None) -> str | None:
    return None if run is None else f"{run.project.workspace}/{run.project.name}/{run.run_id}"

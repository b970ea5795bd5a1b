"""The rules of moving runs to another project, and of merging and renaming projects: planned, all or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.project import ProjectDraft, ProjectPatch
from runatlas.model.run import RunSelection
from runatlas.model.transfer import (
    TRANSFER_KINDS,
    TransferDraft,
    TransferItem,
    TransferPlanRecord,
    TransferRecord,
    refused,
)
from runatlas.server.services.access import Need, missing_runs, require_project, require_scope, selected_runs
from runatlas.server.services.caller import Caller
from runatlas.server.services.deletion_plan import what_became
from runatlas.server.services.folders import FolderNames, folder_names, make_folders
from runatlas.server.services.projects import Projects, make_project
from runatlas.server.services.trash import Trash
from runatlas.server.services.validation import check_choice, checked
from runatlas.server.store.engine import Store
from runatlas.server.store.project import ProjectRow, touch_live_projects
from runatlas.server.store.run_key import unknown_keys
from runatlas.server.store.statement import Connection, rows
from runatlas.server.store.transfer import Place, entries_of, move_runs, places_of, taken_ids, trashed_in
from runatlas.server.store.trash import (
    HeldRun,
    held_by_cuid,
    held_by_key,
    held_by_project,
    lock_trash,
    trashed_by_cuid,
)

__all__ = ["Transfers"]

_SHOWN = 5


class Transfers:
    """What may be done with runs and projects as a whole."""

    def __init__(self, store: Store, projects: Projects, trash: Trash) -> None:
        self._store = store
        self._projects = projects
        self._trash = trash

    def plan_transfer(self, caller: Caller, draft: TransferDraft) -> TransferPlanRecord:
        """Tell what moving runs, or merging or renaming a project, would do and what is in the way, without doing it.

        Raises:
            NotFoundError: There is no such project or workspace.
            PermissionDeniedError: The caller may not do it.
            ValidationError: Something in the draft is no path, is missing, or is in another workspace.
        """
        check_choice(draft.kind, TRANSFER_KINDS, "kind")
        target = checked(ProjectPath.parse, draft.target, "target")
        with self._store.read() as connection:
            if draft.kind == "rename":
                return _plan_name(connection, caller, _project_of(draft.project), target)
            if draft.kind == "merge":
                return _plan_merge(connection, caller, _project_of(draft.project), target)
            if draft.runs is None:
                raise ValidationError("runs: say which runs are to be moved")
            return _plan_move(connection, caller, draft.runs, target, create=draft.create)

    def transfer(self, caller: Caller, plan: TransferPlanRecord) -> TransferRecord:
        """Do exactly what was planned, in one transaction.

        Raises:
            ConflictError: Something is in the way, or is no longer as it was planned; nothing is done.
            NotFoundError: A project is not there, or the plan has ``missing`` ids.
            PermissionDeniedError: The caller may not do it.
            ValidationError: Something in the plan is no path, or is in another workspace.
        """
        check_choice(plan.kind, TRANSFER_KINDS, "plan.kind")
        target = checked(ProjectPath.parse, plan.target, "plan.target")
        if plan.missing:
            raise missing_runs(None, plan.missing)
        if plan.refusal is not None:
            raise plan.refusal
        with self._store.together(), self._store.write() as connection:
            if plan.kind == "rename":
                return self._rename(connection, caller, plan, target)
            if plan.kind == "merge":
                return self._merge(connection, caller, plan, target)
            return self._move(connection, caller, plan, target)

    def _rename(
        self, connection: Connection, caller: Caller, plan: TransferPlanRecord, target: ProjectPath
    ) -> TransferRecord:
        path = _project_of(plan.project)
        _require_home(path.workspace, target)
        found = self._locked(connection, caller, {path: "write"})[path]
        _require_planned(plan, path, found, plan.project_cuid)
        record = self._projects.update_project(caller, path, ProjectPatch(name=target.project))
        return TransferRecord("rename", str(record.path))

    def _move(
        self, connection: Connection, caller: Caller, plan: TransferPlanRecord, target: ProjectPath
    ) -> TransferRecord:
        sources = sorted({checked(RunPath.parse, item.path, "plan.items").project_path for item in plan.items})
        if not sources:
            return TransferRecord("move", plan.target)
        for path in sources:
            _require_home(path.workspace, target)
            require_project(connection, caller, path, "write")
        if not plan.target_cuid and _find_target(connection, caller, target) is None:
            make_project(connection, caller, ProjectDraft(target.project, target.workspace), self._store.clock())
        home = self._locked(connection, caller, dict.fromkeys([target, *sources], "write"))[target]
        if plan.target_cuid:
            _require_planned(plan, target, home, plan.target_cuid)
        held = held_by_cuid(connection, [item.cuid for item in plan.items])
        _require_same(connection, plan, held, home.workspace_id)
        _require_free(connection, plan, home, [run.run_id for run in held])
        self._place(connection, [run.id for run in held], home)
        return TransferRecord("move", plan.target, tuple(item.cuid for item in plan.items))

    def _merge(
        self, connection: Connection, caller: Caller, plan: TransferPlanRecord, target: ProjectPath
    ) -> TransferRecord:
        path = _project_of(plan.project)
        _require_home(path.workspace, target)
        entries = lock_trash(connection, entries_of(connection, require_project(connection, caller, path, "manage").id))
        locked = self._locked(connection, caller, {path: "manage", target: "write"})
        source, home = locked[path], locked[target]
        _require_planned(plan, path, source, plan.project_cuid)
        _require_planned(plan, target, home, plan.target_cuid)
        held = held_by_project(connection, source.id, lock=True)
        _require_same(connection, plan, held, home.workspace_id)
        _require_free(connection, plan, home, [run.run_id for run in held])
        trashed = trashed_in(connection, source.id, entries)
        if set(entries_of(connection, source.id)) - set(entries):
            raise refused(plan.kind, [f"runs of {path} were deleted meanwhile; try again"])
        self._place(connection, [*(run.id for run in held), *trashed], home)
        entry = self._trash.delete_project(caller, path).trash_id
        return TransferRecord("merge", plan.target, tuple(item.cuid for item in plan.items), entry)

    def _locked(
        self, connection: Connection, caller: Caller, needs: Mapping[ProjectPath, Need]
    ) -> dict[ProjectPath, ProjectRow]:
        """Find projects with which the caller may do what is needed, note that they change, keep others from them."""
        found = {path: require_project(connection, caller, path, need) for path, need in needs.items()}
        touch_live_projects(connection, [row.id for row in found.values()], self._store.clock())
        again = {path: require_project(connection, caller, path, need) for path, need in needs.items()}
        if any(again[path].id != row.id for path, row in found.items()):
            raise ConflictError("a project was renamed meanwhile; nothing was changed")
        return again

    def _place(self, connection: Connection, run_keys: Sequence[int], home: ProjectRow) -> None:
        """Put runs into a project, each into the folder of the names that it was in."""
        now = self._store.clock()
        folders = _folders_of(connection, run_keys)
        made = make_folders(connection, home.id, sorted(set(folders.values())), now)
        move_runs(connection, {key: Place(home.id, made.get(folders.get(key, ()))) for key in run_keys}, now)


def _project_of(path: str | None) -> ProjectPath:
    if path is None:
        raise ValidationError("project: say which project is meant")
    return checked(ProjectPath.parse, path, "project")


def _plan_name(connection: Connection, caller: Caller, path: ProjectPath, target: ProjectPath) -> TransferPlanRecord:
    found = require_project(connection, caller, path, "write")
    _require_home(path.workspace, target)
    in_way: tuple[str, ...] = ()
    if _find_target(connection, caller, target) is not None:
        in_way = (f"workspace {target.workspace!r} has a project {target.project!r} already",)
    return TransferPlanRecord("rename", str(target), project=str(path), project_cuid=found.cuid, in_way=in_way)


def _plan_move(
    connection: Connection, caller: Caller, selection: RunSelection, target: ProjectPath, *, create: bool
) -> TransferPlanRecord:
    _require_home(selection.workspace, target)
    chosen = selected_runs(connection, caller, selection, "write")
    home = _find_target(connection, caller, target)
    if home is None and not create:
        raise NotFoundError(f"there is no project {target} to move to; say that it is to be made if that is meant")
    held = held_by_key(connection, [row[0] for row in rows(connection, chosen.query)])
    gone = [run for run in held if (run.workspace, run.project) != (target.workspace, target.project)]
    notes: tuple[str, ...] = ()
    if len(gone) < len(held):
        notes = (f"{len(held) - len(gone)} of the runs are in {target} already",)
    if selection.filter is not None:
        notes += unknown_keys(connection, require_scope(connection, caller, selection, "write"), selection.filter)
    plan = TransferPlanRecord("move", str(target), missing=chosen.missing, notes=notes)
    return _planned(connection, plan, gone, home)


def _plan_merge(connection: Connection, caller: Caller, path: ProjectPath, target: ProjectPath) -> TransferPlanRecord:
    source = require_project(connection, caller, path, "manage")
    _require_home(path.workspace, target)
    home = require_project(connection, caller, target, "write")
    if home.id == source.id:
        raise ValidationError(f"target: {target} cannot be merged into itself")
    has_trash = bool(entries_of(connection, source.id))
    notes = (f"what lies in the trash of {path} goes along: when restored it is in {target}",) if has_trash else ()
    plan = TransferPlanRecord("merge", str(target), project=str(path), project_cuid=source.cuid, notes=notes)
    return _planned(connection, plan, held_by_project(connection, source.id), home)


def _planned(
    connection: Connection, plan: TransferPlanRecord, gone: Sequence[HeldRun], home: ProjectRow | None
) -> TransferPlanRecord:
    """Add the runs to a plan, what is in their way, and the folders that they need."""
    folders = _folders_of(connection, [run.id for run in gone])
    there = set() if home is None else set(folder_names(connection, home.id).values())
    wanted = {names[:depth] for names in folders.values() for depth in range(1, len(names) + 1)}
    return attrs.evolve(
        plan,
        items=_items(connection, gone, plan.target, home, folders),
        target_cuid="" if home is None else home.cuid,
        folders=tuple(_folder_path(names) for names in sorted(wanted - there)),
    )


def _items(
    connection: Connection,
    gone: Sequence[HeldRun],
    target: str,
    home: ProjectRow | None,
    folders: Mapping[int, FolderNames],
) -> tuple[TransferItem, ...]:
    names = [run.run_id for run in gone]
    taken = set() if home is None else taken_ids(connection, home.id, names)
    several = {name for name, count in Counter(names).items() if count > 1}
    items = []
    for run in gone:
        in_way = f"{target} has a run {run.run_id!r} already" if run.run_id in taken else ""
        if not in_way and run.run_id in several:
            in_way = f"several of the runs have the id {run.run_id!r}"
        folder = _folder_path(folders.get(run.id, ()))
        where = f"{target}/{run.run_id}"
        items.append(TransferItem(run.path, where, run.cuid, run.name, run.state, folder, in_way, run.points))
    return tuple(items)


def _find_target(connection: Connection, caller: Caller, path: ProjectPath) -> ProjectRow | None:
    try:
        return require_project(connection, caller, path, "write")
    except NotFoundError:
        return None


def _require_home(workspace: str, target: ProjectPath) -> None:
    if workspace != target.workspace:
        raise ValidationError(
            f"target: {target} is not of the workspace {workspace}; a workspace says who may see its runs, and holds "
            "their models and their trash: they are not moved out of it"
        )


def _require_planned(plan: TransferPlanRecord, path: ProjectPath, found: ProjectRow, cuid: str) -> None:
    if found.cuid != cuid:
        raise refused(plan.kind, [f"{path} is another project than the one that was planned"])


def _require_same(connection: Connection, plan: TransferPlanRecord, held: Sequence[HeldRun], workspace_id: int) -> None:
    """Refuse a plan whose runs are not where they were, and say what became of them."""
    found = {run.cuid: run for run in held}
    changed = [item for item in plan.items if item.cuid not in found or found[item.cuid].path != item.path]
    planned = {item.cuid for item in plan.items}
    added = [run.path for run in held if run.cuid not in planned]
    if not changed and len(held) == len(plan.items):
        return
    trashed = trashed_by_cuid(connection, [item.cuid for item in changed[:_SHOWN]], workspace_id)
    told = [
        f"{item.path} ({what_became(item, found.get(item.cuid), trashed.get(item.cuid))})" for item in changed[:_SHOWN]
    ]
    told += [f"{path} (new)" for path in added[: _SHOWN - len(told)]]
    more = len(changed) + len(added) - len(told)
    told += [f"and {more} more"] if more else []
    raise refused(plan.kind, [f"the plan is out of date; changed since: {', '.join(told or ['it names a run twice'])}"])


def _require_free(connection: Connection, plan: TransferPlanRecord, home: ProjectRow, names: Sequence[str]) -> None:
    taken = taken_ids(connection, home.id, names) | {name for name, count in Counter(names).items() if count > 1}
    if taken:
        raise refused(plan.kind, [f"{plan.target} has a run {name!r} already" for name in sorted(taken)])


def _folders_of(connection: Connection, run_keys: Sequence[int]) -> dict[int, FolderNames]:
    """Return the names of the folders that runs lie in, by the runs' row ids; runs in none are left out."""
    places = places_of(connection, run_keys)
    lying = {key: place for key, place in places.items() if place.folder_id is not None}
    named = {key: folder_names(connection, key) for key in {place.project_id for place in lying.values()}}
    return {key: named[place.project_id][str(place.folder_id)] for key, place in lying.items()}


def _folder_path(names: FolderNames) -> str:
    return "".join(f"/{name}" for name in names)

"""The rules of moving and copying runs, merging and renaming projects, renaming metrics: planned, all or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

import attrs

from runatlas.errors import ConflictError, NotFoundError, RunAtlasError, ValidationError
from runatlas.model.ids import ProjectPath, RunPath, is_cuid, new_cuid, validate_run_id
from runatlas.model.project import ProjectDraft, ProjectPatch
from runatlas.model.run import RunSelection
from runatlas.model.transfer import (
    TRANSFER_KINDS,
    TransferDraft,
    TransferItem,
    TransferKind,
    TransferPlanRecord,
    TransferRecord,
    refused,
)
from runatlas.server.services.access import (
    Need,
    missing_runs,
    no_project,
    require_project,
    require_scope,
    require_workspace,
    selected_runs,
)
from runatlas.server.services.caller import Caller
from runatlas.server.services.deletion_plan import changed_since
from runatlas.server.services.folders import FolderNames, folder_names, make_folders
from runatlas.server.services.journal import Line, counted, differences, name_metric, note_change
from runatlas.server.services.projects import Projects, insert_project, make_project
from runatlas.server.services.renaming import check_keys, find_renamed, metric_in_way, plan_metric
from runatlas.server.services.trash import Trash
from runatlas.server.services.validation import check_choice, checked
from runatlas.server.store.column import rename_series
from runatlas.server.store.data_cut import touch_runs
from runatlas.server.store.engine import Store
from runatlas.server.store.held_policy import count_held_policies
from runatlas.server.store.journal import Fields
from runatlas.server.store.project import ProjectRow, lock_projects, touch_live_projects
from runatlas.server.store.purge import mark_purged, remove_purged
from runatlas.server.store.run import live_runs
from runatlas.server.store.run_copy import RunCopy, copy_runs, lock_copies
from runatlas.server.store.run_key import unknown_keys
from runatlas.server.store.statement import Connection, rows
from runatlas.server.store.transfer import Place, entries_of, move_runs, places_of, trashed_in
from runatlas.server.store.trash import (
    COPYING,
    HeldRun,
    add_trash,
    held_by_cuid,
    held_by_key,
    held_by_project,
    lock_trash,
    restore_trash,
    taken_names,
    trash_project,
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
        """Tell what a transfer of runs, of a project or of a metric's name would do, without doing it.

        Raises:
            NotFoundError: There is no such project or workspace.
            PermissionDeniedError: The caller may not do it.
            ValidationError: Something in the draft is no path or key, is missing, or is in another workspace.
        """
        check_choice(draft.kind, TRANSFER_KINDS, "kind")
        if draft.kind == "rename_metric":
            with self._store.read() as connection:
                return plan_metric(connection, caller, draft.metric or "", draft.target, _runs_of(draft))
        target = checked(ProjectPath.parse, draft.target, "target")
        with self._store.read() as connection:
            if draft.kind == "rename":
                plan = _plan_name(connection, caller, _project_of(draft.project), target)
            elif draft.kind == "merge":
                plan = _plan_merge(connection, caller, _project_of(draft.project), target)
            elif draft.kind == "copy":
                plan = _plan_copy(connection, caller, draft, _runs_of(draft), target)
            else:
                plan = _plan_move(connection, caller, _runs_of(draft), target, create=draft.create)
        return attrs.evolve(plan, title=draft.title)

    def transfer(self, caller: Caller, plan: TransferPlanRecord) -> TransferRecord:
        """Do exactly what was planned, in one transaction.

        Raises:
            ConflictError: Something is in the way, or is no longer as it was planned; nothing is done.
            NotFoundError: A project is not there, or the plan has ``missing`` ids.
            PermissionDeniedError: The caller may not do it.
            ValidationError: Something in the plan is no path, or is in another workspace.
        """
        if plan.kind == "rename_metric":
            _require_applicable(plan, ("rename_metric",))
            with self._store.write() as connection:
                return self._rename_metric(connection, caller, plan)
        target = _target_of(plan, ("move", "merge", "rename"))
        with self._store.together(), self._store.write() as connection:
            if plan.kind == "rename":
                return self._rename(connection, caller, plan, target)
            if plan.kind == "merge":
                return self._merge(connection, caller, plan, target)
            return self._move(connection, caller, plan, target)

    def copy_runs(self, caller: Caller, plan: TransferPlanRecord) -> TransferRecord:
        """Copy exactly the runs that were planned; nobody sees a copy before all of them are there.

        Others write in between. Each run is copied as it is at one moment.

        Raises:
            ConflictError: Something is in the way, or is no longer as it was planned; nothing is copied.
            NotFoundError: A project is not there, or the plan has ``missing`` ids.
            PermissionDeniedError: The caller may not read the runs, or may not write to the project.
            ValidationError: Something in the plan is no path.
        """
        target = _target_of(plan, ("copy",))
        if not plan.items:
            return TransferRecord("copy", plan.target)
        with self._store.write() as connection:
            begun = self._begin(connection, caller, plan, target)
        is_done = False
        try:
            copied = copy_runs(self._store, begun.entry, begun.project_id, begun.copies)
            with self._store.write() as connection:
                change = self._publish(connection, caller, plan, begun, copied)
            is_done = True
        finally:
            if not is_done:
                self._drop(begun.entry)
        return TransferRecord("copy", plan.target, tuple(copy.cuid for copy in begun.copies), change_id=change)

    def _begin(
        self, connection: Connection, caller: Caller, plan: TransferPlanRecord, target: ProjectPath
    ) -> _BegunCopy:
        """Make the entry that copies lie in until all of them are there, with the project if that is made for them."""
        for path in _sources_of(plan):
            require_project(connection, caller, path, "read")
        home = _find_target(connection, caller, target)
        if home is not None and plan.target_cuid:
            _require_planned(plan, target, home, plan.target_cuid)
        workspace = require_workspace(connection, caller, target.workspace, "write")
        held = _held_originals(connection, plan, workspace.id)
        now = self._store.clock()
        values = {"cuid": new_cuid(), "kind": COPYING, "workspace_id": workspace.id, "project": target.project}
        values |= {"runs": len(held), "deleted_by": caller.username, "deleted_at_ms": now, "expires_at_ms": None}
        entry = add_trash(connection, values)
        if home is None:
            if plan.target_cuid:
                raise NotFoundError(f"there is no project {target}")
            draft = ProjectDraft(target.project, target.workspace, title=plan.title)
            project_id = insert_project(self._store, connection, caller, draft)
            trash_project(connection, project_id, entry)
        else:
            project_id = home.id
        found = {run.cuid: run for run in held}
        copies = tuple(_copy_of(found[item.cuid], item, target) for item in plan.items)
        folders = _folders_of(connection, [run.id for run in held])
        return _BegunCopy(entry, project_id, is_new=home is None, copies=copies, folders=folders)

    def _publish(
        self,
        connection: Connection,
        caller: Caller,
        plan: TransferPlanRecord,
        begun: _BegunCopy,
        copied: Mapping[int, int],
    ) -> str:
        """Let copies be seen, in the folders of their originals, and return the change's id in the journal.

        Much may have happened since the copy began, so that rights and states are looked at again.
        """
        target = ProjectPath.parse(plan.target)
        there = lock_copies(connection, begun.entry)
        sources = [require_project(connection, caller, path, "read").id for path in _sources_of(plan)]
        workspace = require_workspace(connection, caller, target.workspace, "write")
        lock_projects(connection, sources if begun.is_new else [*sources, begun.project_id])
        if not begun.is_new and self._locked(connection, caller, {target: "write"})[target].id != begun.project_id:
            raise refused(plan.kind, [f"{target} is another project than the one that was planned"])
        _held_originals(connection, plan, workspace.id)
        taken = taken_names(connection, begun.entry)
        if taken:
            raise refused(plan.kind, [f"{target} has by now a {name}" for name in taken])
        if there != len(begun.copies):
            raise refused(plan.kind, [f"what was copied to {target} was removed meanwhile"])
        restore_trash(connection, begun.entry)
        names = {copied[key]: folder for key, folder in begun.folders.items()}
        self._put(connection, names, list(copied.values()), begun.project_id)
        # Who reads the target may not see where they came from.
        what = f"copied {counted(plan.total, [item.target for item in plan.items])}"
        line = Line("copy", what + (", which was made" if begun.is_new else ""), plan.total)
        return note_change(
            self._store, connection, caller, line, runs=list(copied.values()), projects=[begun.project_id]
        )

    def _drop(self, entry: int) -> None:
        """Remove what is left of a copy that failed; if that fails too, it is garbage a day later."""
        with suppress(RunAtlasError):
            with self._store.write() as connection:
                mark_purged(connection, [entry])
            remove_purged(self._store)

    def _rename(
        self, connection: Connection, caller: Caller, plan: TransferPlanRecord, target: ProjectPath
    ) -> TransferRecord:
        path = _project_of(plan.project)
        _require_home(path.workspace, target)
        found = self._locked(connection, caller, {path: "write"})[path]
        _require_planned(plan, path, found, plan.project_cuid)
        if target == path:
            raise refused(plan.kind, [f"workspace {path.workspace!r} has a project {path.project!r} already"])
        record = self._projects.update_project(
            caller, path, ProjectPatch(name=target.project, title=plan.title or None)
        )
        return TransferRecord("rename", str(record.path), change_id=record.change_id)

    def _move(
        self, connection: Connection, caller: Caller, plan: TransferPlanRecord, target: ProjectPath
    ) -> TransferRecord:
        sources = _sources_of(plan)
        if not sources:
            return TransferRecord("move", plan.target)
        for path in sources:
            _require_home(path.workspace, target)
            require_project(connection, caller, path, "write")
        if not plan.target_cuid and _find_target(connection, caller, target) is None:
            draft = ProjectDraft(target.project, target.workspace, title=plan.title)
            make_project(self._store, connection, caller, draft)
        locked = self._locked(connection, caller, dict.fromkeys([target, *sources], "write"))
        home = locked[target]
        if plan.target_cuid:
            _require_planned(plan, target, home, plan.target_cuid)
        held = held_by_cuid(connection, [item.cuid for item in plan.items])
        _require_same(connection, plan, held, home.workspace_id)
        _require_free(connection, plan, home, [run.run_id for run in held])
        fields = self._place(connection, [run.id for run in held], home)
        line = Line("move", f"moved {counted(len(held), [run.path for run in held])} to {target}", len(held))
        reached = [home.id, *(locked[path].id for path in sources)]
        change = note_change(self._store, connection, caller, line, runs=fields, projects=reached)
        return TransferRecord("move", plan.target, tuple(item.cuid for item in plan.items), change_id=change)

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
        fields = self._place(connection, [*(run.id for run in held), *trashed], home)
        entry = self._trash.trash_emptied(connection, caller, source).trash_id
        what = f"merged project {path} with {counted(len(held), [run.path for run in held])} into {target}"
        line = Line("merge", what, len(held), trash_id=entry)
        change = note_change(self._store, connection, caller, line, runs=fields, projects=[source.id, home.id])
        return TransferRecord("merge", plan.target, tuple(item.cuid for item in plan.items), entry, change)

    def _rename_metric(self, connection: Connection, caller: Caller, plan: TransferPlanRecord) -> TransferRecord:
        check_keys(plan.metric, plan.target)
        sources = _sources_of(plan)
        if not sources:
            return TransferRecord(plan.kind, plan.target)
        locked = self._locked(connection, caller, dict.fromkeys(sources, "write"))
        workspace_id = locked[sources[0]].workspace_id
        if any(project.workspace_id != workspace_id for project in locked.values()):
            raise ValidationError("plan.items: the runs are of several workspaces")
        held = held_by_cuid(connection, [item.cuid for item in plan.items])
        _require_same(connection, plan, held, workspace_id)
        keys = [run.id for run in held]
        found = find_renamed(connection, keys, plan.metric, plan.target)
        told = [(run, metric_in_way(run, found.get(run.id), plan.metric)) for run in held]
        if any(why for _, why in told):
            raise refused(plan.kind, [f"{run.path}: {why}" for run, why in told if why])
        rename_series(connection, [key for one in found.values() for key in one.series], plan.target)
        touch_runs(connection, keys, self._store.clock())
        what = counted(len(held), [run.path for run in held])
        line = Line("rename_metric", f"renamed {plan.metric!r} to {plan.target!r} in {what}", len(held))
        fields = {key: name_metric(plan.metric, plan.target, one.contexts) for key, one in found.items()}
        reached = [project.id for project in locked.values()]
        change = note_change(self._store, connection, caller, line, runs=fields, projects=reached)
        return TransferRecord(plan.kind, plan.target, tuple(item.cuid for item in plan.items), change_id=change)

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

    def _place(self, connection: Connection, run_keys: Sequence[int], home: ProjectRow) -> dict[int, Fields]:
        """Put runs into a project, each into the folder of the names that it was in, and return what that changed."""
        before = places_of(connection, run_keys)
        self._put(connection, _folders_of(connection, run_keys), run_keys, home.id)
        after = places_of(connection, run_keys)
        held, made = ({key: place._asdict() for key, place in places.items()} for places in (before, after))
        return differences(held, made)

    def _put(
        self, connection: Connection, folders: Mapping[int, FolderNames], run_keys: Sequence[int], project_id: int
    ) -> None:
        now = self._store.clock()
        made = make_folders(connection, project_id, sorted(set(folders.values())), now)
        move_runs(connection, {key: Place(project_id, made.get(folders.get(key, ()))) for key in run_keys}, now)


@attrs.frozen
class _BegunCopy:
    """A copy at work.

    Attributes:
        entry: The row id of the entry of the trash that it lies in.
        is_new: Whether the project is made for it.
        folders: The folders of the originals, by their row ids.
    """

    entry: int
    project_id: int
    is_new: bool
    copies: tuple[RunCopy, ...]
    folders: Mapping[int, FolderNames]


def _target_of(plan: TransferPlanRecord, kinds: Sequence[TransferKind]) -> ProjectPath:
    """Return where a plan leads that can be applied, as far as it says itself."""
    _require_applicable(plan, kinds)
    return checked(ProjectPath.parse, plan.target, "plan.target")


def _require_applicable(plan: TransferPlanRecord, kinds: Sequence[TransferKind]) -> None:
    check_choice(plan.kind, kinds, "plan.kind")
    if plan.missing:
        raise missing_runs(None, plan.missing)
    if plan.refusal is not None:
        raise plan.refusal


def _sources_of(plan: TransferPlanRecord) -> list[ProjectPath]:
    """Return the projects that the runs of a plan are in."""
    return sorted({checked(RunPath.parse, item.path, "plan.items").project_path for item in plan.items})


def _held_originals(connection: Connection, plan: TransferPlanRecord, workspace_id: int) -> list[HeldRun]:
    """Read the runs that are copied, and keep other transactions from them; they are as planned, and have ended."""
    held = held_by_cuid(connection, [item.cuid for item in plan.items])
    _require_same(connection, plan, held, workspace_id)
    running = [_still_running(run) for run in held if run.state == "RUNNING"]
    if running:
        raise refused(plan.kind, running)
    return held


def _runs_of(draft: TransferDraft) -> RunSelection:
    if draft.runs is None:
        raise ValidationError("runs: say which runs are meant")
    return draft.runs


def _copy_of(run: HeldRun, item: TransferItem, target: ProjectPath) -> RunCopy:
    path = checked(RunPath.parse, item.target, "plan.items")
    if path.project_path != target:
        raise ValidationError(f"plan.items: {item.target} is not in {target}")
    # A run that was given no id of its own is called by the store's.
    cuid = path.run if run.run_id == run.cuid and is_cuid(path.run) else new_cuid()
    return RunCopy(run.id, cuid, path.run)


def _still_running(run: HeldRun) -> str:
    return f"{run.path} is still running"


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
        raise NotFoundError(f"{no_project(connection, caller, target)}; move with create if it is to be made")
    held = held_by_key(connection, [row[0] for row in rows(connection, chosen.query)])
    gone = [run for run in held if (run.workspace, run.project) != (target.workspace, target.project)]
    notes: tuple[str, ...] = ()
    if len(gone) < len(held):
        notes = (f"{len(held) - len(gone)} of the runs are in {target} already",)
    if selection.filter is not None:
        notes += unknown_keys(connection, require_scope(connection, caller, selection, "write"), selection.filter)
    plan = TransferPlanRecord("move", str(target), missing=chosen.missing, notes=notes)
    return _planned(connection, plan, gone, home)


def _plan_copy(
    connection: Connection, caller: Caller, draft: TransferDraft, selection: RunSelection, target: ProjectPath
) -> TransferPlanRecord:
    if draft.suffix:
        # Before it is put behind the ids of all runs.
        checked(validate_run_id, f"run{draft.suffix}", "suffix")
    chosen = selected_runs(connection, caller, selection, "read")
    home = _find_target(connection, caller, target)
    if home is None:
        require_workspace(connection, caller, target.workspace, "write")
        if not draft.create:
            raise NotFoundError(f"{no_project(connection, caller, target)}; copy with create if it is to be made")
    held = held_by_key(connection, [row[0] for row in rows(connection, chosen.query)])
    notes: tuple[str, ...] = ()
    if selection.filter is not None:
        notes = unknown_keys(connection, require_scope(connection, caller, selection, "read"), selection.filter)
    plan = TransferPlanRecord("copy", str(target), missing=chosen.missing, notes=notes)
    planned = _planned(connection, plan, held, home)
    names = [run.run_id for run in held]
    wanted = [*names, *(f"{name}{draft.suffix}" for name in names)]
    taken = set() if home is None else set(live_runs(connection, home.id, wanted))
    items = tuple(
        _copied_item(run, item, target, taken, draft.suffix) for run, item in zip(held, planned.items, strict=True)
    )
    in_way: tuple[str, ...] = ()
    if any(item.in_way and run.state != "RUNNING" for run, item in zip(held, items, strict=True)):
        other = f"another suffix than {draft.suffix!r}" if draft.suffix else "suffix='-copy' or another"
        in_way = (f"copy with {other} to tell the copies apart",)
    return attrs.evolve(planned, items=items, in_way=in_way)


def _copied_item(run: HeldRun, item: TransferItem, target: ProjectPath, taken: set[str], suffix: str) -> TransferItem:
    """Say by which id a copy goes, and what is in its way; the id is taken then."""
    name = new_cuid() if run.run_id == run.cuid else run.run_id
    if name in taken and suffix:
        name = checked(validate_run_id, f"{name}{suffix}", "suffix")
    in_way = ""
    if name in taken:
        in_way = f"{target} has a run {name!r} already"
    if run.state == "RUNNING":
        in_way = _still_running(run)
    taken.add(name)
    return attrs.evolve(item, target=f"{target}/{name}", in_way=in_way)


def _plan_merge(connection: Connection, caller: Caller, path: ProjectPath, target: ProjectPath) -> TransferPlanRecord:
    source = require_project(connection, caller, path, "manage")
    _require_home(path.workspace, target)
    home = require_project(connection, caller, target, "write")
    if home.id == source.id:
        raise ValidationError(f"target: {target} cannot be merged into itself")
    notes = []
    if entries_of(connection, source.id):
        notes.append(f"what lies in the trash of {path} goes along: when restored it is in {target}")
    if held := count_held_policies(connection, source.id):
        it = "policy that" if held == 1 else f"{held} policies that"
        notes.append(f"the {it} {path} holds {'goes' if held == 1 else 'go'} to the trash with it")
    plan = TransferPlanRecord("merge", str(target), project=str(path), project_cuid=source.cuid, notes=tuple(notes))
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
    taken = set() if home is None else set(live_runs(connection, home.id, names))
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
    changed = changed_since(connection, plan.items, held, workspace_id, lambda item, run: item.path == run.path)
    if changed:
        raise refused(plan.kind, [f"the plan is out of date; changed since: {changed}"])


def _require_free(connection: Connection, plan: TransferPlanRecord, home: ProjectRow, names: Sequence[str]) -> None:
    taken = live_runs(connection, home.id, names).keys() | {name for name, count in Counter(names).items() if count > 1}
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

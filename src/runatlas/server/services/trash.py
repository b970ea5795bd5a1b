"""The rules of deletion: planned, all or nothing, undone while it lies in the trash, and then gone for good."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import attrs

from runatlas.errors import ConflictError, NotFoundError, PermissionDeniedError, ValidationError
from runatlas.model.account import Role
from runatlas.model.change import ChangeKind
from runatlas.model.data_cut import DataCut
from runatlas.model.guard import FORCED, NAMED, TakenKind
from runatlas.model.ids import ProjectPath, RunPath, new_cuid
from runatlas.model.page import Page, PageRequest
from runatlas.model.run import RunSelection
from runatlas.model.text import is_storable
from runatlas.model.trash import (
    RETENTION_MS,
    DeletionPlanRecord,
    DeletionRecord,
    PlannedItem,
    TrashRecord,
    guarded_error,
    planned_item,
)
from runatlas.server.services.access import (
    missing_runs,
    require_project,
    require_run,
    require_scope,
    require_unlimited,
    require_workspace,
    role_of,
    selected_runs,
)
from runatlas.server.services.caller import Caller
from runatlas.server.services.deletion_plan import (
    check_data_cut,
    plan_held,
    require_portions,
    require_same,
    require_unguarded,
)
from runatlas.server.services.journal import Line, counted, note_change
from runatlas.server.services.paging import check_page, make_page, read_cursor, write_cursor
from runatlas.server.services.validation import checked
from runatlas.server.store.data_cut import cut_out
from runatlas.server.store.data_portion import find_unknown
from runatlas.server.store.data_return import give_back, lock_holders, obstacles
from runatlas.server.store.engine import Store
from runatlas.server.store.journal import mark_restored
from runatlas.server.store.project import ProjectRow, touch_projects
from runatlas.server.store.run import RunRow
from runatlas.server.store.run_key import unknown_keys
from runatlas.server.store.statement import Connection
from runatlas.server.store.trash import (
    HeldRun,
    TrashRow,
    TrashScope,
    add_trash,
    count_trash,
    find_trash,
    find_trashed,
    find_trashed_place,
    held_by_cuid,
    held_by_key,
    held_by_project,
    list_trash,
    list_trashed,
    lock_homes,
    lock_trash,
    restore_runs,
    restore_trash,
    settle_trash,
    taken_names,
    trash_project,
    trash_runs,
)

__all__ = ["Trash", "no_entry", "require_entry"]

_SHOWN = 5


class Trash:
    """What may be done with the trash."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def plan_run_deletion(
        self, caller: Caller, selection: RunSelection | RunPath, *, force: bool = False
    ) -> DeletionPlanRecord:
        """Tell what deleting these runs, or one that is named itself, would take, without taking it.

        Raises:
            NotFoundError: There is no such project or workspace.
            PermissionDeniedError: The caller may not delete there.
        """
        with self._store.read() as connection:
            return self._plan_runs(connection, caller, selection, force=force, weighed=True)

    def plan_project_deletion(self, caller: Caller, path: ProjectPath, *, force: bool = False) -> DeletionPlanRecord:
        """Tell what deleting a project with all its runs would take, without taking it; its workspace's owners may.

        Raises:
            NotFoundError: There is no such project.
            PermissionDeniedError: The caller may not delete it.
        """
        with self._store.read() as connection:
            return self._plan_project(connection, caller, path, force=force, weighed=True)

    def plan_data_deletion(
        self, caller: Caller, cut: DataCut, selection: RunSelection | RunPath, *, force: bool = False
    ) -> DeletionPlanRecord:
        """Tell what cutting data out of these runs, or out of one that is named itself, would take, without taking it.

        Runs that nothing is cut from are no part of it; a key or name that none of the runs has is a note.

        Raises:
            NotFoundError: There is no such project or workspace.
            PermissionDeniedError: The caller may not delete there.
            ValidationError: The cut says nothing, or is out of bounds.
        """
        check_data_cut(cut)
        with self._store.read() as connection:
            return self._plan_runs(connection, caller, selection, force=force, weighed=True, cut=cut)

    def delete(self, caller: Caller, plan: DeletionPlanRecord) -> DeletionRecord:
        """Move exactly what was planned to the trash, in one transaction; names and ids are free at once.

        A plan without runs and project deletes nothing and makes no entry: its ``trash_id`` is ``""``.

        Raises:
            ConflictError: Something planned is no longer there, is in another state or came under a guard that the plan
                does not take; a planned project got more runs; of data that is to be cut out a run has more or less by
                now; guarded runs stand in the way of a ``whole`` plan; or it has ``notes`` and was not made with
                ``force``, also if it has no runs.
            NotFoundError: The plan has ``missing`` ids.
            PermissionDeniedError: The caller may not delete one of them.
            ValidationError: The plan takes what no deletion takes.
        """
        if not set(plan.takes) <= set(FORCED):
            raise ValidationError(f"plan.takes: a deletion takes none but {', '.join(FORCED)}")
        if plan.missing:
            where = checked(RunPath.parse, plan.items[0].path, "plan.items") if plan.items else None
            raise missing_runs(None if where is None else RunSelection(where.workspace, where.project), plan.missing)
        if plan.refusal is not None:
            raise plan.refusal
        if (plan.kind == "data") != (plan.cut is not None):
            raise ValidationError("plan.cut: a plan of kind 'data' says what is cut, and no other does")
        if (plan.kind == "project") != (plan.project is not None):
            raise ValidationError("plan.project: a plan of kind 'project' names the project, and no other does")
        if plan.kind != "project" and not plan.items:
            return DeletionRecord("", plan.kind, 0, None, kept=plan.kept)
        if plan.cut is not None:
            check_data_cut(plan.cut)
        with self._store.write() as connection:
            if plan.kind == "project":
                return self._delete_project(connection, caller, plan)
            return self._delete_runs(connection, caller, plan)

    def delete_runs(self, caller: Caller, selection: RunSelection, *, force: bool = False) -> DeletionRecord:
        """Move all selected runs to the trash, in one transaction and without a plan; guarded ones are kept.

        Raises:
            NotFoundError: There is no such project or workspace, or a selected id is no run; nothing is deleted then.
            PermissionDeniedError: The caller may not delete there.
        """
        with self._store.together(), self._store.read() as connection:
            return self.delete(caller, self._plan_runs(connection, caller, selection, force=force))

    def delete_run(self, caller: Caller, run: RunPath, *, force: bool = False) -> DeletionRecord:
        """Move one run to the trash, also one that is pinned, a baseline or running.

        Raises:
            ConflictError: It is guarded by something else.
            NotFoundError: There is no such run.
            PermissionDeniedError: The caller may not delete it.
        """
        with self._store.together(), self._store.read() as connection:
            plan = self._plan_runs(connection, caller, run, force=force)
            if plan.missing:
                # Which says also what is like it.
                require_run(connection, caller, run, "write")
            return self.delete(caller, plan)

    def delete_named(self, caller: Caller, selection: RunSelection) -> DeletionRecord:
        """Move the runs that another protocol names to the trash: one as ``delete_run`` does, several all or none.

        The answers of such a protocol cannot tell what was kept.

        Raises:
            ConflictError: One of them is guarded.
            NotFoundError: There is no such project, or an id is no run.
            PermissionDeniedError: The caller may not delete there.
        """
        takes = NAMED if len(selection.ids or ()) == 1 else ()
        with self._store.together(), self._store.read() as connection:
            plan = self._plan_runs(connection, caller, selection, takes=takes)
            return self.delete(caller, attrs.evolve(plan, whole=True))

    def delete_project(self, caller: Caller, path: ProjectPath, *, force: bool = False) -> DeletionRecord:
        """Move a project with all its runs to the trash, in one transaction and without a plan.

        Raises:
            ConflictError: A run of it is protected, or guarded in another way and not ``force``; all of it stays.
            NotFoundError: There is no such project.
            PermissionDeniedError: The caller may not delete it.
        """
        with self._store.together(), self._store.read() as connection:
            return self.delete(caller, self._plan_project(connection, caller, path, force=force))

    @staticmethod
    def _plan_runs(
        connection: Connection,
        caller: Caller,
        what: RunSelection | RunPath,
        *,
        force: bool = False,
        takes: tuple[TakenKind, ...] = (),
        weighed: bool = False,
        cut: DataCut | None = None,
    ) -> DeletionPlanRecord:
        """Plan a deletion; what is named by its path is taken whole, with all guards but those of ``force``."""
        is_named = isinstance(what, RunPath)
        selection = RunSelection(what.workspace, what.project, ids=(what.run,)) if isinstance(what, RunPath) else what
        takes = FORCED if force else NAMED if is_named else takes
        chosen = selected_runs(connection, caller, selection, "write")
        held = held_by_key(connection, [row[0] for row in connection.execute(chosen.query)])
        plan = plan_held(connection, "runs" if cut is None else "data", held, takes, weighed=weighed, cut=cut)
        notes = () if cut is None or not held else find_unknown(connection, [run.id for run in held], cut)
        if selection.filter is not None:
            scope = require_scope(connection, caller, selection, "write")
            notes += unknown_keys(connection, scope, selection.filter, trashed=not plan.items)
        return attrs.evolve(plan, missing=chosen.missing, notes=notes, whole=is_named)

    @staticmethod
    def _plan_project(
        connection: Connection, caller: Caller, path: ProjectPath, *, force: bool, weighed: bool = False
    ) -> DeletionPlanRecord:
        found = require_project(connection, caller, path, "manage")
        held = held_by_project(connection, found.id)
        plan = plan_held(connection, "project", held, FORCED if force else (), weighed=weighed)
        return attrs.evolve(plan, project=str(path), whole=True)

    def _delete_runs(self, connection: Connection, caller: Caller, plan: DeletionPlanRecord) -> DeletionRecord:
        paths = {checked(RunPath.parse, item.path, "plan.items").project_path for item in plan.items}
        projects = [require_project(connection, caller, path, "write") for path in sorted(paths)]
        if len({project.workspace_id for project in projects}) > 1:
            raise ValidationError("plan: a deletion takes runs of one workspace")
        touch_projects(connection, [project.id for project in projects], self._store.clock())
        return self._take(
            connection, caller, plan, held_by_cuid(connection, [item.cuid for item in plan.items]), projects
        )

    def _delete_project(self, connection: Connection, caller: Caller, plan: DeletionPlanRecord) -> DeletionRecord:
        path = checked(ProjectPath.parse, plan.project or "", "plan.project")
        project = require_project(connection, caller, path, "manage")
        return self._take(connection, caller, plan, held_by_project(connection, project.id, lock=True), [project])

    def _take(
        self,
        connection: Connection,
        caller: Caller,
        plan: DeletionPlanRecord,
        held: Sequence[HeldRun],
        projects: Sequence[ProjectRow],
    ) -> DeletionRecord:
        """Move to the trash what is planned of runs that are locked, and note it in the journal."""
        require_same(connection, plan, held, projects[0].workspace_id)
        require_unguarded(connection, plan, held)
        record, entry = self._add_entry(connection, caller, plan, projects)
        keys = [run.id for run in held]
        if plan.cut is None:
            trash_runs(connection, keys, entry)
        else:
            require_portions(plan, held, cut_out(connection, keys, plan.cut, entry, self._store.clock()))
        if plan.kind == "project" and not trash_project(connection, projects[0].id, entry):
            raise ConflictError(f"project {plan.project} is no longer there")
        line = _deletion_line(plan, record, held)
        note_change(self._store, connection, caller, line, runs=keys, projects=[project.id for project in projects])
        return record

    def trash_emptied(self, connection: Connection, caller: Caller, project: ProjectRow) -> DeletionRecord:
        """Move a project without runs to the trash, within a transaction that holds its lock and notes the change."""
        plan = DeletionPlanRecord("project", (), project=f"{project.workspace}/{project.name}")
        record, entry = self._add_entry(connection, caller, plan, [project])
        trash_project(connection, project.id, entry)
        return record

    def _add_entry(
        self, connection: Connection, caller: Caller, plan: DeletionPlanRecord, projects: Sequence[ProjectRow]
    ) -> tuple[DeletionRecord, int]:
        now = self._store.clock()
        expires = now + RETENTION_MS
        cuid = new_cuid()
        entry = add_trash(
            connection,
            {
                "cuid": cuid,
                "kind": plan.kind,
                "workspace_id": projects[0].workspace_id,
                "project": projects[0].name if len(projects) == 1 else "",
                "runs": plan.total,
                "deleted_by": caller.username,
                "deleted_at_ms": now,
                "expires_at_ms": expires,
            },
        )
        return DeletionRecord(cuid, plan.kind, plan.total, expires, plan.project, plan.kept), entry

    def rewind(self, connection: Connection, caller: Caller, run: RunRow, last_step: int) -> None:
        """Cut out of a run what it recorded after a step, within a transaction that holds its lock.

        Raises:
            ConflictError: It is protected, or the source of a model in staging or production.
            PermissionDeniedError: The caller may do nothing but write to this run.
        """
        require_unlimited(caller)
        cut = DataCut(None, None, first_step=last_step + 1)
        held = held_by_key(connection, [run.id])
        plan = plan_held(connection, "data", held, NAMED, weighed=False, cut=cut)
        if plan.kept:
            raise guarded_error(plan.kept)
        if plan.items:
            self._take(connection, caller, plan, held, [run.project])

    def list_trash(self, caller: Caller, workspace: str | None, page: PageRequest) -> Page[TrashRecord]:
        """List the trash, newest first; ``None`` means every workspace the caller may write to.

        Raises:
            NotFoundError: There is no such workspace.
            PermissionDeniedError: The caller may not write to it.
        """
        check_page(page)
        listing = f"trash {workspace}"
        after = None if page.cursor is None else read_cursor(page.cursor, listing, ["int"])[0]
        with self._store.read() as connection:
            roles: tuple[Role, ...] | None = None if caller.is_owner else ("OWNER", "MEMBER")
            workspace_id = None
            if workspace is not None:
                workspace_id = require_workspace(connection, caller, workspace, "write").id
            scope = TrashScope(caller.user_id, roles, workspace_id)
            found = list_trash(connection, scope, after, page.limit + 1, page.offset)
            total = count_trash(connection, scope) if page.with_total else None
        return make_page(
            found, page.limit, item=_record, cursor=lambda row: write_cursor(listing, [row.id]), total=total
        )

    def get_entry(self, caller: Caller, trash_id: str) -> TrashRecord:
        """Return one deletion.

        Raises:
            NotFoundError: There is no such entry.
            PermissionDeniedError: The caller may not delete what the entry holds.
        """
        with self._store.read() as connection:
            return _record(require_entry(connection, caller, trash_id))

    def find_entry(self, caller: Caller, place: RunPath | ProjectPath | str) -> TrashRecord | None:
        """Return the latest deletion that took a run, named by its path or cuid, or a project.

        Returns:
            The entry; ``None`` if there is none that the caller may restore.
        """
        if caller.run_cuid is not None or not is_storable(str(place)):
            return None
        with self._store.read() as connection, suppress(NotFoundError, PermissionDeniedError):
            found = find_trashed_place(connection, place)
            return None if found is None else _record(require_entry(connection, caller, found))
        return None

    def list_trashed_runs(self, caller: Caller, trash_id: str, page: PageRequest) -> Page[PlannedItem]:
        """List the runs of one deletion, each by the path that it had.

        Raises:
            NotFoundError: There is no such entry.
            PermissionDeniedError: The caller may not delete what the entry holds.
        """
        check_page(page)
        listing = f"trashed runs {trash_id}"
        after = 0 if page.cursor is None else read_cursor(page.cursor, listing, ["int"])[0]
        with self._store.read() as connection:
            row = require_entry(connection, caller, trash_id)
            found = list_trashed(connection, row.id, after, page.limit + 1, page.offset)
        return make_page(
            found,
            page.limit,
            item=lambda run: planned_item(run, run.path, ()),
            cursor=lambda run: write_cursor(listing, [run.id]),
            total=row.runs if page.with_total else None,
        )

    def restore(self, caller: Caller, trash_id: str) -> TrashRecord:
        """Bring back everything of one deletion.

        Raises:
            ConflictError: A name or id is taken by now, or the runs' project is in the trash; nothing is restored.
            NotFoundError: There is no such entry.
            PermissionDeniedError: The caller may not delete, and so not restore, what the entry holds.
        """
        return self._restore(caller, trash_id, None)

    def restore_runs(self, caller: Caller, trash_id: str, runs: Sequence[str]) -> TrashRecord:
        """Bring back some runs of one deletion.

        Args:
            caller: Who asks.
            trash_id: The entry.
            runs: Ids or cuids.

        Returns:
            The entry, with the number of runs that came back.

        Raises:
            ConflictError: An id is taken by now, or that of several, or the runs' project is in the trash; nothing is
                restored.
            NotFoundError: There is no such entry, or it has no such run.
            PermissionDeniedError: The caller may not delete, and so not restore, what the entry holds.
        """
        return self._restore(caller, trash_id, runs)

    def _restore(self, caller: Caller, trash_id: str, runs: Sequence[str] | None) -> TrashRecord:
        with self._store.write() as connection:
            row = require_entry(connection, caller, trash_id)
            if not lock_trash(connection, [row.id]):
                raise no_entry(trash_id)
            keys = None if runs is None else _find_runs(connection, row, runs)
            lock_homes(connection, row.id, keys)
            _require_free(trash_id, taken_names(connection, row.id, keys))
            cuids = [run.cuid for run in list_trashed(connection, row.id) if keys is None or run.id in keys]
            if row.kind == "data":
                touched = self._restore_data(connection, caller, row, keys)
            else:
                touched = restore_trash(connection, row.id) if keys is None else restore_runs(connection, row.id, keys)
            touch_projects(connection, touched, self._store.clock())
            self._note_restoration(connection, caller, row, held_by_cuid(connection, cuids), touched)
            return _record(row._replace(runs=len(cuids)))

    def _restore_data(
        self, connection: Connection, caller: Caller, row: TrashRow, keys: Sequence[int] | None
    ) -> list[int]:
        """Give back what was cut out of runs; return the projects that changed."""
        holders = lock_holders(connection, row.id, keys)
        _require_free(row.cuid, obstacles(connection, holders, most=_SHOWN + 1))
        for path in sorted({one.project for one in holders}):
            require_project(connection, caller, path, "write")
        give_back(connection, {one.id: one.source for one in holders if one.source is not None}, self._store.clock())
        settle_trash(connection, row.id)
        return sorted({one.project_id for one in holders})

    def _note_restoration(
        self,
        connection: Connection,
        caller: Caller,
        row: TrashRow,
        held: Sequence[HeldRun],
        project_ids: Sequence[int],
    ) -> None:
        what = counted(len(held), [run.path for run in held])
        what = f"gave back what was cut out of {what}" if row.kind == "data" else f"restored {what}"
        line = Line("restore", what, len(held), row.workspace_id, row.project, trash_id=row.cuid)
        keys = [run.id for run in held]
        cuid = note_change(self._store, connection, caller, line, runs=keys, projects=project_ids)
        if find_trash(connection, caller.user_id, row.cuid) is None:
            mark_restored(connection, row.cuid, cuid, self._store.clock())


def _deletion_line(plan: DeletionPlanRecord, record: DeletionRecord, held: Sequence[HeldRun]) -> Line:
    what = counted(len(held), [run.path for run in held])
    if plan.cut is not None:
        what = f"cut {plan.cut} out of {what}"
    else:
        what = f"deleted project {plan.project} with {what}" if plan.project else f"deleted {what}"
    kind: ChangeKind = "delete" if plan.cut is None else "cut"
    return Line(kind, what, len(held), trash_id=record.trash_id, expires_at_ms=record.expires_at_ms)


def _require_free(trash_id: str, taken: Sequence[str]) -> None:
    if taken:
        shown = ", ".join(taken[:_SHOWN]) + (", …" if len(taken) > _SHOWN else "")
        raise ConflictError(f"deletion {trash_id} cannot be undone: in the way are {shown}")


def no_entry(trash_id: str) -> NotFoundError:
    """Make the error that says that there is no such entry."""
    return NotFoundError(f"there is no deletion {trash_id!r} in the trash")


def _find_runs(connection: Connection, entry: TrashRow, names: Sequence[str]) -> list[int]:
    """Find the runs of an entry that are asked for.

    Raises:
        ConflictError: An id is that of several.
        NotFoundError: The entry has no such run.
    """
    found = find_trashed(connection, entry.id, names)
    known: dict[str, set[int]] = {}
    for run in found:
        for name in (run.cuid, run.run_id):
            known.setdefault(name, set()).add(run.id)
    missing = [name for name in names if name not in known]
    if missing:
        shown = ", ".join(repr(name) for name in missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
        raise NotFoundError(f"deletion {entry.cuid} has no run {shown}; nothing was restored")
    several = [name for name in names if len(known[name]) > 1]
    if several:
        raise ConflictError(f"deletion {entry.cuid} has several runs {several[0]!r}; name them by their cuids")
    return sorted({run.id for run in found})


def require_entry(connection: Connection, caller: Caller, trash_id: str, *, purging: bool = False) -> TrashRow:
    """Return an entry that the caller may restore, or purge.

    Raises:
        NotFoundError: There is none.
        PermissionDeniedError: The caller's role is not enough.
    """
    row = find_trash(connection, caller.user_id, trash_id)
    role = None if row is None else role_of(caller, row.role)
    if purging and caller.administers:
        role = row and "OWNER"
    if row is None or role not in ("OWNER", "MEMBER"):
        raise no_entry(trash_id)
    if role != "OWNER" and (purging or row.kind == "project"):
        doing = "purge" if purging else "restore"
        raise PermissionDeniedError(f"{caller.username} does not own {row.workspace}, and may not {doing} {trash_id!r}")
    return row


def _record(row: TrashRow) -> TrashRecord:
    return TrashRecord(
        id=row.cuid,
        kind=row.kind,
        workspace=row.workspace,
        project=row.project,
        runs=row.runs,
        deleted_at_ms=row.deleted_at_ms,
        expires_at_ms=row.expires_at_ms,
        deleted_by=row.deleted_by,
    )

"""The rules of the journal for who reads it: what is seen of it, and how what it tells of is taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, get_args

import attrs

from runatlas.errors import ConflictError, NotFoundError, PermissionDeniedError
from runatlas.model.change import LASTING, ChangedRunRecord, ChangeKind, ChangeQuery, ChangeRecord
from runatlas.model.codec import dumps, loads
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.instant import iso_text
from runatlas.model.page import Page, PageRequest
from runatlas.model.run import RunSelection
from runatlas.model.run_config import revert_config
from runatlas.model.text import check_text
from runatlas.model.trash import guarded_error
from runatlas.server.services.access import (
    require_cuids,
    require_project,
    require_run,
    require_unlimited,
    require_workspace,
    role_of,
)
from runatlas.server.services.caller import Caller
from runatlas.server.services.journal import (
    CONTEXTS,
    JSON_COLUMNS,
    METRIC,
    SOFT,
    Line,
    change_record,
    changed_run,
    counted,
    differences,
    field_name,
    listed,
    name_metric,
    note_change,
)
from runatlas.server.services.paging import check_page, make_page, read_cursor, write_cursor
from runatlas.server.services.renaming import find_renamed
from runatlas.server.services.run_change import json_text, write_texts
from runatlas.server.services.trash import Trash
from runatlas.server.services.validation import check_choice, check_time, checked
from runatlas.server.store.column import rename_series
from runatlas.server.store.data_cut import touch_runs
from runatlas.server.store.engine import Store
from runatlas.server.store.journal import (
    ChangeRow,
    ChangeScope,
    Fields,
    ReachedProject,
    ReachedRun,
    count_changes,
    find_change,
    list_changes,
    mark_undone,
    reached_projects,
    reached_runs,
    unmark_undone,
)
from runatlas.server.store.project import (
    change_project,
    find_projects,
    keep_projects,
    lock_project,
    lock_projects,
    touch_projects,
)
from runatlas.server.store.run import live_runs
from runatlas.server.store.run_write import has_folder, lock_runs, lock_runs_at_home, write_fields
from runatlas.server.store.statement import Connection, unique
from runatlas.server.store.transfer import Place, entries_of, move_runs, places_of
from runatlas.server.store.trash import entries_until, find_trash, held_by_project, lock_trash

__all__ = ["Changes"]

_KINDS = get_args(ChangeKind)
_SHOWN = 5


class _RehearsedError(Exception):
    """Raised to take back what was only tried."""


class Changes:
    """What may be done with the journal."""

    def __init__(self, store: Store, trash: Trash) -> None:
        self._store = store
        self._trash = trash

    # -- reading ------------------------------------------------------------------------------------------------

    def list_changes(self, caller: Caller, query: ChangeQuery) -> Page[ChangeRecord]:
        """List lines of the journal, newest first: those all of whose projects the caller may read.

        Raises:
            NotFoundError: There is no such workspace, project or run.
            ValidationError: Something in the query is out of bounds.
        """
        page = query.page
        check_page(page)
        listing = f"changes {attrs.evolve(query, page=PageRequest())!r}"
        after = None if page.cursor is None else read_cursor(page.cursor, listing, ["int"])[0]
        with self._store.read() as connection:
            scope = _scope(connection, caller, query)
            found = list_changes(connection, scope, after, page.limit + 1, page.offset)
            total = count_changes(connection, scope) if page.with_total else None
        return make_page(
            found, page.limit, item=change_record, cursor=lambda row: write_cursor(listing, [row.id]), total=total
        )

    def get_change(self, caller: Caller, change_id: str) -> ChangeRecord:
        """Return a line of the journal.

        Raises:
            NotFoundError: There is none that the caller may see.
        """
        with self._store.read() as connection:
            return change_record(_require(connection, caller, change_id))

    def list_changed_runs(self, caller: Caller, change_id: str, page: PageRequest) -> Page[ChangedRunRecord]:
        """List the runs that a change reached, and what it made of them.

        Those that are gone for good are left out, and those that lie now where the caller may not read them.

        Raises:
            NotFoundError: There is no such change that the caller may see.
        """
        check_page(page)
        listing = f"changed runs {change_id}"
        after = 0 if page.cursor is None else read_cursor(page.cursor, listing, ["int"])[0]
        with self._store.read() as connection:
            row = _require(connection, caller, change_id)
            reader = None if caller.is_owner else caller.user_id
            found = reached_runs(connection, row.id, after, page.limit + 1, page.offset, reader=reader)
            places = reached_projects(connection, row.id, caller.user_id)
        names = {place.id: place.name for place in places}
        return make_page(
            found,
            page.limit,
            item=lambda run: changed_run(run, names),
            cursor=lambda run: write_cursor(listing, [run.id]),
            total=row.runs if page.with_total else None,
        )

    # -- taking back --------------------------------------------------------------------------------------------

    def undo_change(self, caller: Caller, change_id: str, *, dry_run: bool = False) -> ChangeRecord:
        """Take a change back: all of it or nothing, in one transaction that the journal notes as another change.

        Args:
            caller: Who asks.
            change_id: The change.
            dry_run: Only see whether it can be taken back.

        Returns:
            The change that took it back, with an id of its own, also if that is only tried.

        Raises:
            ConflictError: It was taken back already, or is of a kind that is not; its time is over; something that it
                changed was changed since, or a run or a project is gone. Nothing is taken back then.
            NotFoundError: There is no such change that the caller may see.
            PermissionDeniedError: The caller may not write to one of its projects.
        """
        made: list[ChangeRecord] = []
        with suppress(_RehearsedError), self._store.together(), self._store.write() as connection:
            row = _require(connection, caller, change_id)
            _require_open(row, self._store.clock())
            if row.kind == "copy":
                self._uncopy(connection, caller, row)
            elif row.trash_cuid is None or row.kind in {"merge", "undo"}:
                self._revert(connection, caller, row)
            else:
                self._restore(connection, caller, row, row.trash_cuid)
            done = _require(connection, caller, row.cuid).undone_by or ""
            made = [change_record(_require(connection, caller, done))]
            if dry_run:
                raise _RehearsedError
        return made[0]

    def _restore(self, connection: Connection, caller: Caller, row: ChangeRow, trash_id: str) -> None:
        found = find_trash(connection, caller.user_id, trash_id)
        gone = found is None or not lock_trash(connection, [found.id])
        # Who waited for a lock reads again.
        _require_open(_require(connection, caller, row.cuid), self._store.clock())
        if gone:
            raise ConflictError(f"change {row.cuid} cannot be taken back: {LASTING['purge']}")
        self._trash.restore(caller, trash_id)

    def _uncopy(self, connection: Connection, caller: Caller, row: ChangeRow) -> None:
        """Move copies to the trash."""
        reached = reached_runs(connection, row.id)
        _require_whole(row, reached)
        _require_live(row, reached)
        copies = RunSelection(row.workspace, ids=tuple(run.cuid for run in reached))
        plan = self._trash.plan_run_deletion(caller, copies)
        if plan.kept:
            raise guarded_error(plan.kept)
        self._trash.delete(caller, plan)
        done = find_change(connection, ChangeScope(caller.user_id, is_owner=True, run_keys=(reached[0].id,)))
        if done is None or not mark_undone(connection, row.id, done.cuid, self._store.clock()):
            raise _refusal(row, "it is taken back just now")

    def _put_trashed(
        self, connection: Connection, caller: Caller, row: ChangeRow, reached: Sequence[ReachedRun]
    ) -> tuple[list[ReachedRun], dict[int, Fields]]:
        """Put what lay in the trash of a merged project back where it was, after that project if it lies there too.

        Returns:
            The runs that are left, and what became of those in the trash.
        """
        entries = {run.trash_id for run in reached if run.trash_id is not None}
        entry = find_trash(connection, caller.user_id, row.trash_cuid or "")
        older = entries_until(connection, entries, row.at_ms, None if entry is None else entry.id)
        lock_trash(connection, [*older, *([] if entry is None else [entry.id])])
        # Who waited for a lock reads again.
        _require_open(_require(connection, caller, row.cuid), self._store.clock())
        if entry is not None:
            self._trash.restore(caller, entry.cuid)
        lay = {run.id: loads(run.before or "{}") for run in reached if run.trash_id in older}
        there = find_projects(connection, {fields["project_id"] for fields in lay.values()})
        back = {
            key: Place(fields["project_id"], fields.get("folder_id"))
            for key, fields in lay.items()
            if fields["project_id"] in there
        }
        held = places_of(connection, list(back))
        move_runs(connection, back, self._store.clock())
        moved = differences(
            {key: place._asdict() for key, place in held.items()}, {key: back[key]._asdict() for key in held}
        )
        return [run for run in reached if run.id not in lay], moved

    def _empty_again(
        self,
        connection: Connection,
        caller: Caller,
        row: ChangeRow,
        places: Sequence[ReachedProject],
        moved: Sequence[Fields],
    ) -> str | None:
        """Move the project of a merge that is done again back to the trash, if nothing came into it since."""
        left = {loads(fields.before or "{}").get("project_id") for fields in moved}
        place = next((place for place in places if place.id in left), None)
        if place is None:
            return None
        path = ProjectPath(place.workspace, place.name)
        project = require_project(connection, caller, path, "manage")
        came = held_by_project(connection, project.id, lock=True)
        if came:
            raise _refusal(row, f"project {path} has by now {counted(len(came), [run.path for run in came])}")
        if entries_of(connection, project.id):
            raise _refusal(row, f"runs of project {path} were deleted since")
        return self._trash.trash_emptied(connection, caller, project).trash_id

    def _revert(self, connection: Connection, caller: Caller, row: ChangeRow) -> None:
        reached = reached_runs(connection, row.id)
        _require_whole(row, reached)
        lineage = _lineage(connection, caller, row)
        trashed: dict[int, Fields] = {}
        if lineage[-1].kind == "merge":
            reached, trashed = self._put_trashed(connection, caller, row, reached)
        fields = {run.id: (loads(run.before or "{}"), loads(run.after or "{}")) for run in reached}
        homes = {before["project_id"] for before, _ in fields.values() if "project_id" in before}
        is_renamed = any(METRIC in before for before, _ in fields.values())
        is_merged_again = lineage[-1].kind == "merge" and len(lineage) % 2 == 0
        emptied = {after["project_id"] for _, after in fields.values() if "project_id" in after}
        there = find_projects(connection, homes)
        noted = {place.id for place in reached_projects(connection, row.id, caller.user_id)}

        def lock_places(lying: set[int]) -> None:
            keys = {*lying, *noted, *there}
            # The strongest lock that is needed comes first: who holds a weaker one would wait for another who does.
            if is_merged_again or lineage[-1].kind == "project":
                lock_projects(connection, keys | emptied, whole=True)
            if homes or is_renamed:
                touch_projects(connection, keys, self._store.clock())
            else:
                keep_projects(connection, keys)

        lock_runs_at_home(connection, list(fields), lock_places)
        places = reached_projects(connection, row.id, caller.user_id)
        self._require_places(caller, row, places, homes)
        _require_live(row, reached)
        changed_names = {name for before, _ in fields.values() for name in before} - {METRIC, CONTEXTS}
        held = lock_runs(connection, list(fields), sorted(changed_names | {"project_id", "protected"}))
        # Who waited for a lock reads again.
        _require_open(_require(connection, caller, row.cuid), self._store.clock())
        if is_renamed:
            changed = self._revert_names(connection, row, reached, fields, held)
        else:
            changed = self._revert_runs(connection, row, reached, fields, held)
        own = self._revert_projects(connection, caller, row, places)
        trash_id = None
        if is_merged_again:
            trash_id = self._empty_again(connection, caller, row, places, [*changed.values(), *trashed.values()])
        line = Line("undo", f"took back: {row.what}", len(changed), trash_id=trash_id, undoes=row.cuid)
        reached_places = {place.id: own.get(place.id, Fields()) for place in places}
        cuid = note_change(self._store, connection, caller, line, runs={**changed, **trashed}, projects=reached_places)
        if not mark_undone(connection, row.id, cuid, self._store.clock()):
            raise _refusal(row, "it is taken back just now")
        _count_again(connection, lineage, trash_id)

    @staticmethod
    def _require_places(caller: Caller, row: ChangeRow, places: Sequence[ReachedProject], homes: set[int]) -> None:
        """Check that the projects of a change are there, and that the caller may write to them."""
        gone = homes - {place.id for place in places}
        if gone or not places:
            raise _refusal(row, "a project of it is gone for good")
        for place in places:
            path = f"{place.workspace}/{place.name}"
            if place.trash_id is not None:
                raise _refusal(row, f"project {path} lies in the trash")
            if role_of(caller, place.role) not in {"OWNER", "MEMBER"}:
                raise PermissionDeniedError(f"{caller.username} may not change project {path}")

    def _revert_names(
        self,
        connection: Connection,
        row: ChangeRow,
        reached: Sequence[ReachedRun],
        fields: Mapping[int, tuple[dict[str, Any], dict[str, Any]]],
        held: Mapping[int, Mapping[str, Any]],
    ) -> dict[int, Fields]:
        """Give a metric of runs the key back that it had."""
        before, after = next(iter(fields.values()))
        new, old = after[METRIC], before[METRIC]
        contexts = {key: was[CONTEXTS] for key, (was, _) in fields.items()}
        found = find_renamed(connection, list(fields), new, old, contexts)
        told = [
            f"{run.path} ({why})"
            for run in reached
            if (why := "it is protected by now" if held[run.id]["protected"] else found[run.id].in_way)
        ]
        if told:
            raise _refusal(row, f"changed since: {listed(told)}")
        rename_series(connection, [key for one in found.values() for key in one.series], old)
        touch_runs(connection, list(fields), self._store.clock())
        return {key: name_metric(new, old, one.contexts) for key, one in found.items()}

    def _revert_runs(
        self,
        connection: Connection,
        row: ChangeRow,
        reached: Sequence[ReachedRun],
        fields: Mapping[int, tuple[dict[str, Any], dict[str, Any]]],
        held: Mapping[int, Mapping[str, Any]],
    ) -> dict[int, Fields]:
        made, told = {}, []
        for run in reached:
            made[run.id], changed = _reverted(held[run.id], *fields[run.id])
            if changed:
                told.append(f"{run.path} ({', '.join(changed[:_SHOWN])})")
        if told:
            raise _refusal(row, f"changed since: {listed(told)}")
        now = self._store.clock()
        moved = [run for run in reached if made[run.id]["project_id"] != held[run.id]["project_id"]]
        _require_free(connection, row, {run.run_id: made[run.id]["project_id"] for run in moved})
        _require_folders(connection, row, reached, made)
        move_runs(connection, {run.id: Place(made[run.id]["project_id"], None) for run in moved}, now)
        write_texts(connection, held, made)
        plain = {
            key: {name: value for name, value in new.items() if name not in _NOT_PLAIN} | {"updated_at_ms": now}
            for key, new in made.items()
        }
        write_fields(connection, plain)
        return differences(held, made)

    def _revert_projects(
        self, connection: Connection, caller: Caller, row: ChangeRow, places: Sequence[ReachedProject]
    ) -> dict[int, Fields]:
        found: dict[int, Fields] = {}
        for place in places:
            if place.before is None or place.after is None:
                continue
            before, after = loads(place.before), loads(place.after)
            path = f"{place.workspace}/{place.name}"
            if "visibility" in before and role_of(caller, place.role) != "OWNER":
                raise PermissionDeniedError(f"{caller.username} may not manage project {path}")
            held = lock_project(connection, place.id, list(after))
            raw = {name: _raw(name, value) for name, value in before.items()}
            changed = [name for name, value in after.items() if held is None or held[name] != _raw(name, value)]
            if changed or held is None:
                raise _refusal(row, f"changed since: {path} ({', '.join(changed)})")
            with unique(f"change {row.cuid} cannot be taken back: there is a project {raw.get('name')!r} by now"):
                change_project(connection, place.id, {**raw, "updated_at_ms": self._store.clock()})
            found |= differences({place.id: held}, {place.id: raw})
        return found


_NOT_PLAIN = {"config", "labels", "project_id"}
"""What more hangs on than a column of the run."""


def _scope(connection: Connection, caller: Caller, query: ChangeQuery) -> ChangeScope:
    check_text(query.path or "", "path")
    check_text(query.by or "", "by")
    check_choice(query.kind, _KINDS, "kind")
    if query.since_ms is not None:
        check_time(query.since_ms, "since_ms")
    keys = None
    if query.runs is not None:
        keys = tuple(run.id for run in require_cuids(connection, caller, query.runs, "read").values())
    narrowed = ChangeScope(
        caller.user_id, caller.is_owner, run_keys=keys, author=query.by, kind=query.kind, since_ms=query.since_ms
    )
    parts = [] if query.path is None else query.path.split("/", 2)
    if len(parts) == 1:
        return attrs.evolve(narrowed, workspace_id=require_workspace(connection, caller, parts[0], None).id)
    if len(parts) == 2:
        path = checked(ProjectPath.parse, query.path or "", "path")
        return attrs.evolve(narrowed, project_id=require_project(connection, caller, path, "read").id)
    if parts:
        run = require_run(connection, caller, checked(RunPath.parse, query.path or "", "path"), "read")
        return attrs.evolve(narrowed, run_keys=(run.id,) if keys is None or run.id in keys else ())
    require_unlimited(caller)
    return narrowed


def _require(connection: Connection, caller: Caller, change_id: str) -> ChangeRow:
    check_text(change_id, "change")
    require_unlimited(caller)
    found = find_change(connection, ChangeScope(caller.user_id, caller.is_owner, cuid=change_id))
    if found is None:
        raise NotFoundError(f"there is no change {change_id!r}")
    return found


def _lineage(connection: Connection, caller: Caller, row: ChangeRow) -> list[ChangeRow]:
    """Return a change, the one that it took back, the one that that took back, and so on."""
    found = [row]
    while found[-1].undoes is not None:
        found.append(_require(connection, caller, found[-1].undoes))
    return found


def _count_again(connection: Connection, lineage: Sequence[ChangeRow], trash_id: str | None) -> None:
    """Let what a change took back count again now that it is itself taken back, and so on down to the first.

    Args:
        connection: An open transaction.
        lineage: The change that was taken back, and all before it.
        trash_id: The entry that the project of a merge lies in now.
    """
    counts = True
    for later, earlier in pairwise(lineage):
        if counts:
            unmark_undone(connection, earlier.cuid, later.cuid, trash_id)
        else:
            mark_undone(connection, earlier.id, later.cuid, later.at_ms)
        counts = not counts


def _require_open(row: ChangeRow, now_ms: int) -> None:
    """Check that a change may be taken back as far as its line tells."""
    if row.kind in LASTING:
        raise _refusal(row, LASTING[row.kind])
    if row.undone_by is not None:
        raise _refusal(row, f"it was already, by change {row.undone_by} at {iso_text(row.undone_at_ms or 0)}")
    if row.expires_at_ms is not None and row.expires_at_ms <= now_ms:
        raise _refusal(row, f"its time was over at {iso_text(row.expires_at_ms)}")


def _require_whole(row: ChangeRow, reached: Sequence[ReachedRun]) -> None:
    if len(reached) < row.runs:
        raise _refusal(row, f"{row.runs - len(reached)} of its runs are gone for good")


def _require_live(row: ChangeRow, reached: Sequence[ReachedRun]) -> None:
    trashed = [run.path for run in reached if run.trash_id is not None]
    if trashed:
        raise _refusal(row, f"in the trash are {listed(trashed)}")


def _require_free(connection: Connection, row: ChangeRow, wanted: Mapping[str, int]) -> None:
    """Check that the ids of runs that go back to another project are free there."""
    taken = [
        name
        for project_id in set(wanted.values())
        for name in live_runs(connection, project_id, [name for name, home in wanted.items() if home == project_id])
    ]
    if taken:
        raise _refusal(row, f"the ids of these runs are taken where they were: {listed(sorted(taken))}")


def _require_folders(
    connection: Connection, row: ChangeRow, reached: Sequence[ReachedRun], made: Mapping[int, Mapping[str, Any]]
) -> None:
    """Check that the folders that runs go back to are there."""
    places = {(fields["project_id"], folder) for fields in made.values() if (folder := fields.get("folder_id"))}
    gone = {place for place in places if not has_folder(connection, *place)}
    lost = [run.path for run in reached if (made[run.id]["project_id"], made[run.id].get("folder_id")) in gone]
    if lost:
        raise _refusal(row, f"the folders that these runs were in are gone: {listed(lost)}")


def _refusal(row: ChangeRow, why: str) -> ConflictError:
    return ConflictError(f"change {row.cuid} cannot be taken back: {why}")


def _reverted(
    held: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the columns of a run as they were before a change, and what of them was changed since."""
    made = dict(held)
    changed = []
    for name, old in before.items():
        if name == "config":
            config, spots = revert_config(loads(held[name]), old, after[name])
            made[name] = json_text(config, "config")
            changed += [f"config.{spot}" for spot in spots]
        elif held[name] == _raw(name, after[name]):
            made[name] = _raw(name, old)
        elif name != SOFT:
            changed.append(field_name(name))
    return made, changed


def _raw(name: str, value: Any) -> Any:
    """Return what the store keeps of a column."""
    return dumps(value) if name in JSON_COLUMNS else value

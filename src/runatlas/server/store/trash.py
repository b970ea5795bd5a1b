"""Statements about the trash: what a deletion takes, where it lies, and how it goes for good."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import attrs
from sqlalchemy import Select, and_, bindparam, delete, exists, func, or_, select, true, update

from runatlas.model.account import Role
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.text import is_storable
from runatlas.model.trash import TrashKind
from runatlas.server.store.liveness import STATE
from runatlas.server.store.schema import (
    artifacts,
    blob_refs,
    blobs,
    media,
    memberships,
    model_versions,
    projects,
    runs,
    series,
    trash,
    workspaces,
)
from runatlas.server.store.statement import Connection, member_of, rows, unique

__all__ = [
    "COPYING",
    "HIDDEN",
    "PURGING",
    "HeldRun",
    "TrashRow",
    "TrashScope",
    "Weight",
    "add_trash",
    "count_trash",
    "entries_beside",
    "entries_until",
    "files_by_run",
    "find_trash",
    "find_trashed",
    "find_trashed_place",
    "find_unneeded_blobs",
    "forget_blobs",
    "held_by_cuid",
    "held_by_key",
    "held_by_project",
    "list_trash",
    "list_trashed",
    "lock_homes",
    "lock_trash",
    "restore_runs",
    "restore_trash",
    "settle_trash",
    "taken_names",
    "trash_project",
    "trash_runs",
    "trashed_by_cuid",
    "trashed_runs",
    "weigh",
]


PURGING = "purging"
"""The kind of an entry that goes for good: nobody sees it any more."""

COPYING = "copying"
"""The kind of an entry whose runs are still being copied: nobody sees it yet."""

HIDDEN = (PURGING, COPYING)


class HeldRun(NamedTuple):
    """A run that a deletion would take, or took."""

    id: int
    cuid: str
    run_id: str
    name: str
    state: str
    created_at_ms: int
    project: str
    workspace: str
    pin: bool
    baseline: bool
    protected: bool
    protected_reason: str
    points: int
    point_bytes: int

    @property
    def path(self) -> str:
        """``workspace/project/run``."""
        return f"{self.workspace}/{self.project}/{self.run_id}"


class Weight(NamedTuple):
    """What hangs on runs: media steps, artifacts, and the bytes of those files that nothing else needs."""

    media: int = 0
    artifacts: int = 0
    freed_bytes: int = 0


class TrashRow(NamedTuple):
    """An entry of the trash, with the caller's membership role in its workspace."""

    id: int
    cuid: str
    kind: TrashKind
    workspace_id: int
    workspace: str
    project: str
    runs: int
    deleted_by: str
    deleted_at_ms: int
    expires_at_ms: int | None
    role: Role | None


_RUN: Select[Any] = select(
    runs.c.id,
    runs.c.cuid,
    runs.c.run_id,
    runs.c.name,
    STATE,
    runs.c.created_at_ms,
    projects.c.name,
    workspaces.c.username,
    runs.c.pin,
    runs.c.baseline,
    runs.c.protected,
    runs.c.protected_reason,
    runs.c.point_count,
    runs.c.point_bytes,
).select_from(runs.join(projects, projects.c.id == runs.c.project_id).join(workspaces))
_HELD = _RUN.where(runs.c.trash_id.is_(None), projects.c.trash_id.is_(None))


_NEWEST = (runs.c.created_at_ms.desc(), runs.c.id.desc())
_BY_KEY = _HELD.where(member_of(runs.c.id, "runs"))
_BY_CUID = _HELD.where(member_of(runs.c.cuid, "cuids")).order_by(runs.c.id).with_for_update(of=runs)
_OF_PROJECT = _HELD.where(runs.c.project_id == bindparam("project_id"))
_OF_PROJECT_LISTED = _OF_PROJECT.order_by(*_NEWEST)
_OF_PROJECT_LOCKED = _OF_PROJECT.order_by(runs.c.id).with_for_update(of=runs)


def held_by_key(connection: Connection, run_keys: Sequence[int]) -> list[HeldRun]:
    """Read live runs by row id, in their order."""
    found = {row[0]: HeldRun(*row) for row in rows(connection, _BY_KEY, {"runs": list(run_keys)})}
    return [found[key] for key in run_keys if key in found]


def held_by_cuid(connection: Connection, cuids: Sequence[str]) -> list[HeldRun]:
    """Read live runs by cuid, and keep other transactions from changing them."""
    return [HeldRun(*row) for row in rows(connection, _BY_CUID, {"cuids": list(cuids)})]


def held_by_project(connection: Connection, project_id: int, *, lock: bool = False) -> list[HeldRun]:
    """Read a project's live runs, newest first; ``lock`` keeps other transactions from changing or adding some."""
    if lock:
        connection.execute(select(projects.c.id).where(projects.c.id == project_id).with_for_update())
    statement = _OF_PROJECT_LOCKED if lock else _OF_PROJECT_LISTED
    return [HeldRun(*row) for row in rows(connection, statement, {"project_id": project_id})]


_MEDIA = select(func.count()).select_from(media.join(series)).where(member_of(series.c.run_pk, "runs"))
_ARTIFACTS = select(func.count()).select_from(artifacts).where(member_of(artifacts.c.run_pk, "runs"))
_OF_RUNS = member_of(blob_refs.c.run_pk, "runs")
_FILES = (
    select(blob_refs.c.run_pk, func.count(), func.sum(blobs.c.size))
    .select_from(blob_refs.join(blobs))
    .where(_OF_RUNS)
    .group_by(blob_refs.c.run_pk)
)
_REGISTERED = exists().where(model_versions.c.sha256 == blobs.c.sha256)
_FREED = select(func.sum(blobs.c.size)).where(
    blobs.c.sha256.in_(select(blob_refs.c.sha256).where(_OF_RUNS)),
    ~exists().where(blob_refs.c.sha256 == blobs.c.sha256, ~_OF_RUNS),
    ~_REGISTERED,
)


def files_by_run(connection: Connection, run_keys: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Count the files that each of these runs refers to, and their bytes; runs without any are left out."""
    found = rows(connection, _FILES, {"runs": list(run_keys)})
    return {run_pk: (count, int(size)) for run_pk, count, size in found}


def weigh(connection: Connection, run_keys: Sequence[int]) -> Weight:
    """Count what hangs on runs; a file that several of them need counts once."""
    values = {"runs": list(run_keys)}
    counted = (rows(connection, statement, values)[0][0] for statement in (_MEDIA, _ARTIFACTS, _FREED))
    return Weight(*(int(number or 0) for number in counted))


def add_trash(connection: Connection, values: Mapping[str, Any]) -> int:
    """Insert an entry and return its row id."""
    return int(connection.execute(trash.insert().values(**values).returning(trash.c.id)).scalar_one())


_TRASH_RUNS = (
    update(runs).where(member_of(runs.c.id, "runs"), runs.c.trash_id.is_(None)).values(trash_id=bindparam("entry"))
)


def trash_runs(connection: Connection, run_keys: Sequence[int], trash_id: int) -> int:
    """Move live runs to an entry of the trash and return how many moved."""
    return connection.execute(_TRASH_RUNS, {"runs": list(run_keys), "entry": trash_id}).rowcount


def trash_project(connection: Connection, project_id: int, trash_id: int) -> int:
    """Move a live project to an entry of the trash and return how many moved."""
    live = and_(projects.c.id == project_id, projects.c.trash_id.is_(None))
    return connection.execute(update(projects).where(live).values(trash_id=trash_id)).rowcount


@attrs.frozen
class TrashScope:
    """Which entries.

    Attributes:
        user_id: Whose roles are told.
        roles: Only those of workspaces where the user has one of these roles; ``None`` for all.
        expired_at_ms: Only those that expired by then.
    """

    user_id: int
    roles: tuple[Role, ...] | None
    workspace_id: int | None = None
    cuid: str | None = None
    expired_at_ms: int | None = None

    def restrict(self, statement: Select[Any]) -> Select[Any]:
        """Add the conditions to a query."""
        statement = statement.where(trash.c.kind.not_in(HIDDEN))
        if self.roles is not None:
            statement = statement.where(memberships.c.role.in_(self.roles))
        if self.workspace_id is not None:
            statement = statement.where(trash.c.workspace_id == self.workspace_id)
        if self.cuid is not None:
            statement = statement.where(trash.c.cuid == self.cuid)
        if self.expired_at_ms is not None:
            statement = statement.where(trash.c.expires_at_ms <= self.expired_at_ms)
        return statement


_MEMBERSHIP = and_(memberships.c.workspace_id == workspaces.c.id, memberships.c.user_id == bindparam("user_id"))
_JOINED = trash.join(workspaces).outerjoin(memberships, _MEMBERSHIP)
_ROW: Select[Any] = select(
    trash.c.id,
    trash.c.cuid,
    trash.c.kind,
    trash.c.workspace_id,
    workspaces.c.username,
    trash.c.project,
    trash.c.runs,
    trash.c.deleted_by,
    trash.c.deleted_at_ms,
    trash.c.expires_at_ms,
    memberships.c.role,
).select_from(_JOINED)


def list_trash(
    connection: Connection, scope: TrashScope, after: int | None = None, limit: int | None = None, offset: int = 0
) -> list[TrashRow]:
    """List entries, newest first; ``after`` is the row id of the one before."""
    statement = scope.restrict(_ROW).order_by(trash.c.id.desc()).limit(limit).offset(offset)
    if after is not None:
        statement = statement.where(trash.c.id < after)
    return [TrashRow(*row) for row in rows(connection, statement, {"user_id": scope.user_id})]


def count_trash(connection: Connection, scope: TrashScope) -> int:
    """Count entries."""
    statement = scope.restrict(select(func.count()).select_from(_JOINED))
    return int(rows(connection, statement, {"user_id": scope.user_id})[0][0])


def find_trash(connection: Connection, user_id: int, cuid: str) -> TrashRow | None:
    """Find an entry."""
    found = list_trash(connection, TrashScope(user_id, None, cuid=cuid)) if is_storable(cuid) else ()
    return found[0] if found else None


_LATEST = select(trash.c.cuid).where(trash.c.kind.not_in(HIDDEN)).order_by(trash.c.id.desc()).limit(1)
_NAMED = and_(workspaces.c.username == bindparam("workspace"), projects.c.name == bindparam("project"))
_RUN_THERE = _LATEST.select_from(
    runs.join(trash, trash.c.id == runs.c.trash_id).join(projects, projects.c.id == runs.c.project_id).join(workspaces)
).where(runs.c.cut_of.is_(None))
_PROJECT_THERE = _LATEST.select_from(
    projects.join(trash, trash.c.id == projects.c.trash_id).join(workspaces, workspaces.c.id == projects.c.workspace_id)
).where(_NAMED)


def find_trashed_place(connection: Connection, place: RunPath | ProjectPath | str) -> str | None:
    """Find the latest entry that holds a run, by its path or its cuid, or a project: its cuid."""
    if isinstance(place, ProjectPath):
        found = rows(connection, _PROJECT_THERE, {"workspace": place.workspace, "project": place.project})
    elif isinstance(place, RunPath):
        either = or_(runs.c.run_id == bindparam("run"), runs.c.cuid == bindparam("run"))
        values = {"workspace": place.workspace, "project": place.project, "run": place.run}
        found = rows(connection, _RUN_THERE.where(_NAMED, either), values)
    else:
        found = rows(connection, _RUN_THERE.where(runs.c.cuid == bindparam("run")), {"run": place})
    return found[0][0] if found else None


# A row that holds what was cut out of a run stands for that run.
_CUID = func.coalesce(runs.c.cut_of, runs.c.cuid)
_TRASHED = (
    _RUN.with_only_columns(*(_CUID if column is runs.c.cuid else column for column in _RUN.selected_columns))
    .where(runs.c.trash_id == bindparam("entry"))
    .order_by(runs.c.id)
)


def list_trashed(
    connection: Connection, trash_id: int, after: int = 0, limit: int | None = None, offset: int = 0
) -> list[HeldRun]:
    """List the runs of an entry; ``after`` is the row id of the one before."""
    statement = _TRASHED.where(runs.c.id > after).limit(limit).offset(offset)
    return [HeldRun(*row) for row in rows(connection, statement, {"entry": trash_id})]


_ENTRIES = (
    select(runs.c.cuid, trash.c.cuid, trash.c.deleted_at_ms)
    .select_from(runs.join(trash, trash.c.id == runs.c.trash_id))
    .where(
        member_of(runs.c.cuid, "cuids"), trash.c.workspace_id == bindparam("workspace_id"), trash.c.kind.not_in(HIDDEN)
    )
)


def trashed_by_cuid(connection: Connection, cuids: Sequence[str], workspace_id: int) -> dict[str, tuple[str, int]]:
    """Find which of these runs of a workspace lie in the trash: the entry, and when they were deleted."""
    found = rows(connection, _ENTRIES, {"cuids": list(cuids), "workspace_id": workspace_id})
    return {cuid: (entry, deleted_at_ms) for cuid, entry, deleted_at_ms in found}


def find_trashed(connection: Connection, trash_id: int, names: Sequence[str]) -> list[HeldRun]:
    """Find the runs of an entry that have one of these ids or cuids."""
    named = or_(*(member_of(column, "names") for column in (runs.c.cuid, runs.c.cut_of, runs.c.run_id)))
    found = rows(connection, _TRASHED.where(named), {"entry": trash_id, "names": list(names)})
    return [HeldRun(*row) for row in found]


def _chosen(table: Any, run_keys: Sequence[int] | None) -> Any:
    return true() if run_keys is None else member_of(table.c.id, "chosen", list(run_keys))


def lock_trash(connection: Connection, trash_ids: Collection[int]) -> list[int]:
    """Keep other transactions from entries, and return those that still are there."""
    wanted = select(trash.c.id).where(member_of(trash.c.id, "entries"), trash.c.kind.not_in(HIDDEN))
    locked = wanted.order_by(trash.c.id).with_for_update()
    return [key for (key,) in rows(connection, locked, {"entries": list(trash_ids)})]


def entries_until(connection: Connection, trash_ids: Collection[int], at_ms: int, entry: int | None) -> list[int]:
    """Return those of these entries that are older than another one, or made by a time if that one is gone."""
    older = trash.c.deleted_at_ms <= at_ms if entry is None else trash.c.id < entry
    statement = select(trash.c.id).where(member_of(trash.c.id, "entries"), older)
    return [key for (key,) in rows(connection, statement, {"entries": list(trash_ids)})]


def entries_beside(connection: Connection, trash_ids: Collection[int]) -> list[int]:
    """Return the entries that hold runs of the projects of these, which go along when those go for good."""
    doomed = select(projects.c.id).where(member_of(projects.c.trash_id, "entries"))
    statement = select(runs.c.trash_id).distinct().where(runs.c.project_id.in_(doomed), runs.c.trash_id.is_not(None))
    return [key for (key,) in rows(connection, statement, {"entries": list(trash_ids)})]


def lock_homes(connection: Connection, trash_id: int, run_keys: Sequence[int] | None) -> None:
    """Keep the live projects of an entry's runs, all or these, from being deleted meanwhile.

    What holds data that was cut out of a run may have followed it to another project while this waited: then the locks
    are let go and taken anew, so that all are taken in one order.
    """
    homes = select(runs.c.project_id).where(runs.c.trash_id == trash_id, _chosen(runs, run_keys))
    live = select(projects.c.id).where(projects.c.id.in_(homes), projects.c.trash_id.is_(None)).order_by(projects.c.id)
    is_settled = False
    while not is_settled:
        with connection.begin_nested() as locks:
            locked = rows(connection, live.with_for_update())
            is_settled = rows(connection, live) == locked
            if not is_settled:
                locks.rollback()


def taken_names(connection: Connection, trash_id: int, run_keys: Sequence[int] | None = None) -> list[str]:
    """Say what stands in the way of restoring an entry: live projects and runs of the same name, projects gone.

    Args:
        connection: The transaction.
        trash_id: The entry.
        run_keys: Only these runs of it; ``None`` for all that it holds.
    """
    gone = projects.alias()
    own = gone.c.trash_id == trash_id
    live_project = exists().where(
        projects.c.workspace_id == gone.c.workspace_id, projects.c.name == gone.c.name, projects.c.trash_id.is_(None)
    )
    taken = rows(connection, select(gone.c.name).where(own, live_project)) if run_keys is None else []
    found = [f"project {name!r}" for (name,) in taken]
    old, home = runs.alias(), projects.alias()
    live_run = exists().where(
        runs.c.project_id == old.c.project_id, runs.c.run_id == old.c.run_id, runs.c.trash_id.is_(None)
    )
    chosen = old.c.trash_id == trash_id, _chosen(old, run_keys)
    statement = select(old.c.run_id).where(*chosen, old.c.cut_of.is_(None), live_run).order_by(old.c.id)
    found += [f"run {run_id!r}" for (run_id,) in rows(connection, statement)]
    gone_too = home.c.trash_id != trash_id if run_keys is None else home.c.trash_id.is_not(None)
    homeless = select(home.c.name).distinct().join(old, old.c.project_id == home.c.id).where(*chosen, gone_too)
    return found + [f"project {name!r}, itself in the trash" for (name,) in rows(connection, homeless)]


def restore_trash(connection: Connection, trash_id: int) -> list[int]:
    """Bring back what an entry holds, remove the entry, and return the projects that changed.

    Raises:
        ConflictError: A name or an id was taken meanwhile.
    """
    own = select(projects.c.id).where(projects.c.trash_id == trash_id)
    found = {key for (key,) in rows(connection, own)}
    with unique(_TAKEN_MEANWHILE):
        connection.execute(update(projects).where(projects.c.trash_id == trash_id).values(trash_id=None))
    return sorted(found | set(restore_runs(connection, trash_id, None)))


def restore_runs(connection: Connection, trash_id: int, run_keys: Sequence[int] | None) -> list[int]:
    """Bring back runs of an entry, remove it if nothing is left in it, and return the projects that changed.

    Args:
        connection: The transaction.
        trash_id: The entry.
        run_keys: The runs; ``None`` for all.

    Raises:
        ConflictError: An id was taken meanwhile.
    """
    wanted = runs.c.trash_id == trash_id, _chosen(runs, run_keys)
    touched = [key for (key,) in rows(connection, select(runs.c.project_id).distinct().where(*wanted))]
    with unique(_TAKEN_MEANWHILE):
        connection.execute(update(runs).where(*wanted).values(trash_id=None))
    settle_trash(connection, trash_id)
    return touched


def settle_trash(connection: Connection, trash_id: int) -> None:
    """Count anew what an entry holds, and remove it if nothing is left in it."""
    left = select(func.count()).where(runs.c.trash_id == trash_id).scalar_subquery()
    connection.execute(update(trash).where(trash.c.id == trash_id).values(runs=left))
    connection.execute(delete(trash).where(trash.c.id == trash_id, trash.c.runs == 0))


_TAKEN_MEANWHILE = "a name or an id was taken meanwhile"


def trashed_runs(connection: Connection, trash_ids: Collection[int]) -> list[int]:
    """Return the runs that go when entries go for good: their own, and all runs of their projects."""
    doomed = select(projects.c.id).where(member_of(projects.c.trash_id, "entries"))
    statement = select(runs.c.id).where(or_(member_of(runs.c.trash_id, "entries"), runs.c.project_id.in_(doomed)))
    return [key for (key,) in rows(connection, statement, {"entries": list(trash_ids)})]


def find_unneeded_blobs(
    connection: Connection, doomed_runs: Iterable[int], before_ms: int, among: Collection[str] | None = None
) -> list[tuple[str, int]]:
    """Find the blobs, all or among these, that nobody needs once these runs are gone, stored before a time.

    Returns:
        The hash and the size of each.
    """
    needed = exists().where(
        blob_refs.c.sha256 == blobs.c.sha256, ~member_of(blob_refs.c.run_pk, "runs", list(doomed_runs))
    )
    statement = select(blobs.c.sha256, blobs.c.size).where(blobs.c.created_at_ms < before_ms, ~needed, ~_REGISTERED)
    if among is not None:
        statement = statement.where(member_of(blobs.c.sha256, "among", list(among)))
    return [(sha256, size) for sha256, size in rows(connection, statement)]


def forget_blobs(connection: Connection, hashes: Iterable[str]) -> None:
    """Remove the rows of blobs that nobody needs."""
    connection.execute(delete(blobs).where(member_of(blobs.c.sha256, "hashes", hashes)))

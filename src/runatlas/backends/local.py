"""A directory: the services of its store, called in process by the directory's owner."""

from __future__ import annotations

import atexit
import importlib
import os
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import attrs

from runatlas.backends.base import Backend
from runatlas.backends.local_curation import LocalCuration
from runatlas.model.account import (
    KeyRecord,
    NewKeyRecord,
    Role,
    ServerRecord,
    UsageRecord,
    UserPatch,
    UserRecord,
    WorkspacePatch,
    WorkspaceRecord,
    WorkspaceType,
)
from runatlas.model.artifact import ArtifactRecord
from runatlas.model.batch import AppendRecord, Batch
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.log import LogPage, LogQuery
from runatlas.model.media import BlobRecord, LinkRecord, MediaPage, MediaQuery
from runatlas.model.page import Page, PageRequest
from runatlas.model.project import ProjectDraft, ProjectPatch, ProjectQuery, ProjectRecord
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.model.series import ColumnQuery, ColumnRecord, PointBlock, PointQuery, SummaryQuery, SummaryRecord
from runatlas.model.trash import DeletionPlanRecord, DeletionRecord, PurgeRecord, TrashRecord
from runatlas.server.services.accounts import Accounts
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["LocalBackend"]


@attrs.define
class _Shared:
    """The services of a directory, and how many backends use them."""

    services: Services
    users: int = 0


_shared: dict[str, _Shared] = {}
_inherited: list[_Shared] = []
_forgotten: deque[tuple[str, int]] = deque()
_lock = threading.Lock()


def _leave_to_parent() -> None:
    """After a fork, open connections are the parent's: they are neither used nor closed, nor collected, here."""
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()
    _inherited.extend(_shared.values())
    _shared.clear()


def _prepare_child() -> None:
    """Import what a child needs instead: of a thread that imports at the fork, the child would inherit the locks."""
    if _shared:
        importlib.import_module("runatlas.backends.store_process")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_prepare_child, after_in_child=_leave_to_parent)


def _acquire(directory: str, *, create: bool) -> Services:
    with _lock:
        _release_forgotten()
        entry = _shared.get(directory)
        if entry is None:
            entry = _shared[directory] = _Shared(Services.open(directory, create=create))
        entry.users += 1
        return entry.services


def _release(directory: str, process: int) -> None:
    with _lock:
        _release_forgotten()
        _drop(directory, process)


def _release_forgotten() -> None:
    """Release what nobody refers to any more.

    The collector of garbage may come at any moment, also while this thread holds ``_lock`` or a lock of the store: it
    only writes down what it found.
    """
    while _forgotten:
        _drop(*_forgotten.popleft())


def _drop(directory: str, process: int) -> None:
    if process != os.getpid():
        return
    entry = _shared[directory]
    entry.users -= 1
    if entry.users == 0:
        del _shared[directory]
        entry.services.close()


def _release_at_exit() -> None:
    with _lock:
        _release_forgotten()


# Registered before the first backend is made, and so called after what is left of them was written down.
atexit.register(_release_at_exit)


class LocalBackend(LocalCuration, Backend):
    """A store in process; making one touches no file.

    Backends of one directory share what is open of it, which the last one that is closed or forgotten closes. It may
    be used after ``close``: it opens the directory again. In a forked child it is refused: see ``store_process``.
    """

    def __init__(self, place: str | Path | Services, caller: Caller | None = None, *, create: bool = False) -> None:
        """Describe the store.

        Args:
            place: A directory, or services that are open; those stay open when the backend is closed.
            caller: Whose rights count; ``None`` is the directory's owner.
            create: Whether any call makes the store if there is none, as it is right for who came to write; else only
                those do that a new store can begin with, such as making a project.
        """
        self._given = place if isinstance(place, Services) else None
        self._location = place.store.location if isinstance(place, Services) else _absolute(place)
        self._create = create
        self._directory = str(place.store.directory) if isinstance(place, Services) else self._location
        self._principal = caller
        self._owner: Caller | None = None
        self._opening = threading.Lock()
        self._process = os.getpid()
        self._open: Services | None = None
        self._lease: weakref.finalize[..., LocalBackend] | None = None

    @property
    def _services(self) -> Services:
        """The services of a store that is there: a directory that was mistyped is an error, and not made."""
        return self._opened(create=self._create)

    @property
    def _made_services(self) -> Services:
        """The services for what a new store may begin with; the store is made if there is none."""
        return self._opened(create=True)

    def _opened(self, *, create: bool) -> Services:
        if self._given is not None:
            return self._given
        if self._open is not None and self._process == os.getpid():
            return self._open
        return self._reopen(create=create)

    def _reopen(self, *, create: bool) -> Services:
        if self._process != os.getpid():
            self._process, self._opening, self._open = os.getpid(), threading.Lock(), None
        with self._opening:
            if self._open is None:
                self._open = _acquire(self._directory, create=create)
                self._lease = weakref.finalize(self, _forgotten.append, (self._directory, self._process))
            return self._open

    @property
    def _caller(self) -> Caller:
        caller = self._principal or self._owner
        if caller is None:
            caller = self._owner = self._services.owner()
        return caller

    # -- the installation and the caller ------------------------------------------------------------------------

    @property
    def location(self) -> str:
        """The directory, or the database's URL without its password."""
        return self._location

    @property
    def web_url(self) -> str:
        """The directory as a ``file://`` URL."""
        return Path(self._directory).as_uri()

    def get_server(self) -> ServerRecord:
        return self._services.accounts.get_server(self._caller)

    def get_user(self) -> UserRecord:
        if self._given is None and self._open is None and not Services.is_at(self._directory):
            return Accounts.first_user()
        return self._services.accounts.get_user(self._caller)

    def update_user(self, patch: UserPatch) -> UserRecord:
        return self._made_services.accounts.update_user(self._caller, patch)

    def close(self) -> None:
        if self._process == os.getpid():
            with self._opening:
                lease, self._open, self._lease = self._lease, None, None
            if lease is not None and lease.detach() is not None:
                _release(self._directory, self._process)

    # -- workspaces ---------------------------------------------------------------------------------------------

    def get_workspace(self, username: str | None = None) -> WorkspaceRecord:
        return self._services.workspaces.get_workspace(self._caller, username)

    def list_workspaces(self, username: str | None, page: PageRequest) -> Page[WorkspaceRecord]:
        return self._services.workspaces.list_workspaces(self._caller, username, page)

    def create_workspace(self, username: str, *, name: str = "", comment: str = "") -> WorkspaceRecord:
        return self._made_services.workspaces.create_workspace(self._caller, username, name=name, comment=comment)

    def update_workspace(self, username: str, patch: WorkspacePatch) -> WorkspaceRecord:
        return self._made_services.workspaces.update_workspace(self._caller, username, patch)

    def set_member(self, workspace: str, username: str, role: Role | None) -> None:
        self._services.workspaces.set_member(self._caller, workspace, username, role)

    # -- projects -----------------------------------------------------------------------------------------------

    def get_project(self, path: ProjectPath) -> ProjectRecord:
        return self._services.projects.get_project(self._caller, path)

    def list_projects(self, query: ProjectQuery) -> Page[ProjectRecord]:
        return self._services.projects.list_projects(self._caller, query)

    def create_project(self, draft: ProjectDraft) -> ProjectRecord:
        return self._made_services.projects.create_project(self._caller, draft)

    def update_project(self, path: ProjectPath, patch: ProjectPatch) -> ProjectRecord:
        return self._services.projects.update_project(self._caller, path, patch)

    # -- runs ---------------------------------------------------------------------------------------------------

    def get_run(self, path: RunPath) -> RunRecord:
        return self._services.runs.get_run(self._caller, path)

    def list_runs(self, query: RunQuery) -> Page[RunRecord]:
        return self._services.runs.list_runs(self._caller, query)

    def count_runs(self, selection: RunSelection) -> int:
        return self._services.runs.count_runs(self._caller, selection)

    def create_run(self, draft: RunDraft) -> tuple[RunRecord, bool]:
        return self._made_services.runs.create_run(self._caller, draft)

    def update_runs(self, selection: RunSelection, patch: RunPatch) -> int:
        return self._services.runs.update_runs(self._caller, selection, patch)

    # -- what runs recorded -------------------------------------------------------------------------------------

    def append(self, batch: Batch) -> AppendRecord:
        return self._services.recording.append(self._caller, batch)

    def read_points(self, query: PointQuery) -> PointBlock:
        return self._services.points.read_points(self._caller, query)

    def read_summaries(self, query: SummaryQuery) -> Page[SummaryRecord]:
        return self._services.points.read_summaries(self._caller, query)

    def list_columns(self, run: RunPath, query: ColumnQuery) -> Page[ColumnRecord]:
        return self._services.columns.list_columns(self._caller, run, query)

    def list_media(self, run: RunPath, query: MediaQuery) -> MediaPage:
        return self._services.media.list_media(self._caller, run, query)

    def read_logs(self, run: RunPath, query: LogQuery) -> LogPage:
        return self._services.logs.read_logs(self._caller, run, query)

    def export_logs(self, run: RunPath, *, start: int, rows: int) -> LinkRecord:
        return self._services.exports.export_logs(self._caller, run, start=start, rows=rows)

    def export_csv(self, run: RunPath, key: str) -> LinkRecord:
        return self._services.exports.export_csv(self._caller, run, key)

    def list_artifacts(self, run: RunPath, page: PageRequest) -> Page[ArtifactRecord]:
        return self._services.artifacts.list_artifacts(self._caller, run, page)

    def put_blob(self, project: ProjectPath, data: BinaryIO) -> BlobRecord:
        return self._services.recording.put_blob(self._caller, project, data)

    def open_link(self, link: str, *, start: int = 0) -> Iterator[bytes]:
        return self._services.links.open_link(self._caller, link, start=start)

    # -- deletion -----------------------------------------------------------------------------------------------

    def plan_run_deletion(self, selection: RunSelection) -> DeletionPlanRecord:
        return self._services.trash.plan_run_deletion(self._caller, selection)

    def plan_project_deletion(self, path: ProjectPath) -> DeletionPlanRecord:
        return self._services.trash.plan_project_deletion(self._caller, path)

    def delete(self, plan: DeletionPlanRecord) -> DeletionRecord:
        return self._services.trash.delete(self._caller, plan)

    def list_trash(self, workspace: str | None, page: PageRequest) -> Page[TrashRecord]:
        return self._services.trash.list_trash(self._caller, workspace, page)

    def restore(self, trash_id: str) -> TrashRecord:
        return self._services.trash.restore(self._caller, trash_id)

    def purge(self, *, trash_id: str | None = None, expired_only: bool = True, dry_run: bool = False) -> PurgeRecord:
        trash = self._services.trash
        return trash.purge(self._caller, trash_id=trash_id, expired_only=expired_only, dry_run=dry_run)

    # -- keys and administration --------------------------------------------------------------------------------

    def create_key(self, username: str | None = None) -> NewKeyRecord:
        return self._made_services.accounts.create_key(self._caller, username)

    def list_keys(self, username: str | None = None) -> tuple[KeyRecord, ...]:
        return self._services.accounts.list_keys(self._caller, username)

    def revoke_key(self, key_id: str) -> KeyRecord:
        return self._services.accounts.revoke_key(self._caller, key_id)

    def create_user(self, username: str, password: str | None = None) -> UserRecord:
        return self._made_services.admin.create_user(self._caller, username, password)

    def list_users(self, page: PageRequest, *, search: str | None = None) -> Page[UserRecord]:
        return self._services.admin.list_users(self._caller, page, search=search)

    def list_all_workspaces(
        self,
        page: PageRequest,
        *,
        search: str | None = None,
        workspace_type: WorkspaceType | None = None,
        sort: str | None = None,
    ) -> Page[WorkspaceRecord]:
        admin = self._services.admin
        return admin.list_all_workspaces(self._caller, page, search=search, workspace_type=workspace_type, sort=sort)

    def list_all_projects(self, query: ProjectQuery) -> Page[ProjectRecord]:
        return self._services.admin.list_all_projects(self._caller, query)

    def get_usage(self) -> UsageRecord:
        return self._services.admin.get_usage(self._caller)


def _absolute(place: str | Path) -> str:
    return os.path.realpath(Path(place).expanduser())

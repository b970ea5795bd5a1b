"""The contract between the entities and whatever holds the data; its docstrings are the specification.

Every method is synchronous, thread-safe, takes and returns records of ``runatlas.model``, and raises the errors of
``runatlas.errors``. Whose rights count is settled when the backend is made. A write returns only when what it wrote
is durable. One suite (``tests/contract/test_backend.py``) runs over every implementation.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import BinaryIO

from runatlas.backends.curation import Curation
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

__all__ = ["Backend"]


class Backend(Curation):
    """Where the data is. Any method may raise ``AuthenticationError``, ``PermissionDeniedError`` or ``RequestError``.

    A thing the caller may not see answers like one that is not there: ``NotFoundError``.
    """

    # -- the installation and the caller ------------------------------------------------------------------------

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the data is, for people: an ``http(s)://`` origin or an absolute directory. No request."""

    @property
    @abstractmethod
    def web_url(self) -> str:
        """The origin that entity URLs begin with: the server's, or a ``file://`` URL of the directory. No request."""

    @abstractmethod
    def get_server(self) -> ServerRecord:
        """Tell what the server is and whether the caller administers it."""

    @abstractmethod
    def get_user(self) -> UserRecord:
        """Return the caller."""

    @abstractmethod
    def update_user(self, patch: UserPatch) -> UserRecord:
        """Change the caller's own account."""

    @abstractmethod
    def close(self) -> None:
        """Release connections and files; a second call does nothing."""

    def forget(self, path: str | None = None) -> None:
        """Drop what is kept in memory of a workspace, project or run, ``None`` for everything; ``refresh()`` calls it.

        The next read asks again. No request is made.
        """

    # -- workspaces ---------------------------------------------------------------------------------------------

    @abstractmethod
    def get_workspace(self, username: str | None = None) -> WorkspaceRecord:
        """Return a workspace, ``None`` for the caller's own.

        Raises:
            NotFoundError: There is none of that name that the caller may see.
        """

    @abstractmethod
    def list_workspaces(self, username: str | None, page: PageRequest) -> Page[WorkspaceRecord]:
        """List the workspaces a user belongs to, by name; ``None`` means all that the caller may see.

        Raises:
            NotFoundError: There is no such user or workspace.
        """

    @abstractmethod
    def create_workspace(self, username: str, *, name: str = "", comment: str = "") -> WorkspaceRecord:
        """Make a TEAM workspace owned by the caller.

        Raises:
            ConflictError: The name is taken.
        """

    @abstractmethod
    def update_workspace(self, username: str, patch: WorkspacePatch) -> WorkspaceRecord:
        """Change a workspace; its owners may."""

    @abstractmethod
    def set_member(self, workspace: str, username: str, role: Role | None) -> None:
        """Give a user a role in a workspace, ``None`` takes it away; its owners may, and one owner always stays."""

    # -- projects -----------------------------------------------------------------------------------------------

    @abstractmethod
    def get_project(self, path: ProjectPath) -> ProjectRecord:
        """Return a project with its counts.

        Raises:
            NotFoundError: There is no such project.
        """

    @abstractmethod
    def list_projects(self, query: ProjectQuery) -> Page[ProjectRecord]:
        """List projects.

        Raises:
            NotFoundError: There is no such workspace.
        """

    @abstractmethod
    def create_project(self, draft: ProjectDraft) -> ProjectRecord:
        """Make a project.

        Raises:
            ConflictError: The workspace has one of that name.
            NotFoundError: There is no such workspace.
        """

    @abstractmethod
    def update_project(self, path: ProjectPath, patch: ProjectPatch) -> ProjectRecord:
        """Change a project.

        Raises:
            ConflictError: The new name is taken.
            NotFoundError: There is no such project.
        """

    # -- runs ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def get_run(self, path: RunPath) -> RunRecord:
        """Return a run with every part.

        Raises:
            NotFoundError: The project has no run of that id or cuid.
        """

    @abstractmethod
    def list_runs(self, query: RunQuery) -> Page[RunRecord]:
        """List runs by keyset: no run twice, none left out, also while runs are added or deleted.

        Raises:
            NotFoundError: There is no such project or workspace.
        """

    @abstractmethod
    def count_runs(self, selection: RunSelection) -> int:
        """Count runs without loading them."""

    @abstractmethod
    def create_run(self, draft: RunDraft) -> tuple[RunRecord, bool]:
        """Make a run, or find it by id as ``draft.if_exists`` says.

        Returns:
            The run with every part, and whether it is new.

        Raises:
            ConflictError: The id is taken and ``if_exists`` is ``fail``.
            NotFoundError: There is no such project, and ``create_project`` is false.
        """

    @abstractmethod
    def update_runs(self, selection: RunSelection, patch: RunPatch) -> int:
        """Change all selected runs in one transaction.

        Returns:
            How many were changed.

        Raises:
            NotFoundError: A selected id is no run; nothing is changed then.
        """

    # -- what runs recorded -------------------------------------------------------------------------------------

    @abstractmethod
    def append(self, batch: Batch) -> AppendRecord:
        """Apply a batch: all of it or nothing, a repeated (writer, sequence) once.

        Raises:
            NotFoundError: There is no such run.
            ValidationError: Something in the batch is out of bounds; nothing is applied.
        """

    @abstractmethod
    def read_points(self, query: PointQuery) -> PointBlock:
        """Read points of many runs and keys in one call; the rest comes with ``next_cursor``.

        Series sampled or cut say so by ``SeriesSlice.total``. Nothing is interpolated.
        """

    @abstractmethod
    def read_summaries(self, query: SummaryQuery) -> Page[SummaryRecord]:
        """Read the summaries of many runs' scalar series; runs in the selection's order, then key, then context."""

    @abstractmethod
    def list_columns(self, run: RunPath, query: ColumnQuery) -> Page[ColumnRecord]:
        """List a run's columns by key, exact matches of ``query.key`` first."""

    @abstractmethod
    def list_media(self, run: RunPath, query: MediaQuery) -> MediaPage:
        """Read media with links that work without further credentials."""

    @abstractmethod
    def read_logs(self, run: RunPath, query: LogQuery) -> LogPage:
        """Read log lines, ascending."""

    @abstractmethod
    def export_logs(self, run: RunPath, *, start: int, rows: int) -> LinkRecord:
        """Write lines ``start`` to ``start + rows`` (from 0) to a ``.log`` file and return a link to it."""

    @abstractmethod
    def export_csv(self, run: RunPath, key: str) -> LinkRecord:
        """Write one column to a ``.csv`` file (``step,value,timestamp``) and return a link to it.

        Raises:
            NotFoundError: The run has no such scalar column.
        """

    @abstractmethod
    def list_artifacts(self, run: RunPath, page: PageRequest) -> Page[ArtifactRecord]:
        """List a run's files by name, with links that work without further credentials."""

    @abstractmethod
    def put_blob(self, project: ProjectPath, data: BinaryIO) -> BlobRecord:
        """Store bytes under their sha256; the same content is stored once. Unreferenced blobs are collected later."""

    @abstractmethod
    def open_link(self, link: str, *, start: int = 0) -> Iterator[bytes]:
        """Fetch what a link of this backend points at, in pieces, from byte ``start`` on.

        Nothing comes when ``start`` is at the end or beyond it.

        Raises:
            NotFoundError: The link expired or was never given out.
        """

    # -- deletion -----------------------------------------------------------------------------------------------

    @abstractmethod
    def plan_run_deletion(self, selection: RunSelection) -> DeletionPlanRecord:
        """Tell what deleting these runs would take, without taking it."""

    @abstractmethod
    def plan_project_deletion(self, path: ProjectPath) -> DeletionPlanRecord:
        """Tell what deleting a project with all its runs would take, without taking it."""

    @abstractmethod
    def delete(self, plan: DeletionPlanRecord) -> DeletionRecord:
        """Move exactly what was planned to the trash, in one transaction.

        Raises:
            ConflictError: Something planned is no longer there, or a planned project got more runs.
            NotFoundError: The plan has ``missing`` ids.
        """

    @abstractmethod
    def list_trash(self, workspace: str | None, page: PageRequest) -> Page[TrashRecord]:
        """List the trash, newest first; ``None`` means every workspace the caller may write to."""

    @abstractmethod
    def restore(self, trash_id: str) -> TrashRecord:
        """Bring back everything of one deletion.

        Raises:
            ConflictError: A name or id is taken by now; nothing is restored.
            NotFoundError: There is no such entry.
        """

    @abstractmethod
    def purge(self, *, trash_id: str | None = None, expired_only: bool = True, dry_run: bool = False) -> PurgeRecord:
        """Remove trash for good, and blobs that nothing refers to. Workspace owners may purge their own entries."""

    # -- keys and administration --------------------------------------------------------------------------------

    @abstractmethod
    def create_key(self, username: str | None = None) -> NewKeyRecord:
        """Make an API key for the caller, or (administrators) for a user."""

    @abstractmethod
    def list_keys(self, username: str | None = None) -> tuple[KeyRecord, ...]:
        """List the caller's keys, or (administrators) a user's, oldest first, revoked ones included."""

    @abstractmethod
    def revoke_key(self, key_id: str) -> KeyRecord:
        """Make a key useless at once; a second call changes nothing.

        Raises:
            NotFoundError: The caller has no such key.
        """

    @abstractmethod
    def create_user(self, username: str, password: str | None = None) -> UserRecord:
        """Make a user with a personal workspace of the same name (administrators).

        Raises:
            ConflictError: The name is taken.
        """

    @abstractmethod
    def list_users(self, page: PageRequest, *, search: str | None = None) -> Page[UserRecord]:
        """List users by name (administrators)."""

    @abstractmethod
    def list_all_workspaces(
        self,
        page: PageRequest,
        *,
        search: str | None = None,
        workspace_type: WorkspaceType | None = None,
        sort: str | None = None,
    ) -> Page[WorkspaceRecord]:
        """List every workspace (administrators); ``sort`` is ``create`` (newest first) or ``name``."""

    @abstractmethod
    def list_all_projects(self, query: ProjectQuery) -> Page[ProjectRecord]:
        """List every project (administrators)."""

    @abstractmethod
    def get_usage(self) -> UsageRecord:
        """Count everything (administrators)."""

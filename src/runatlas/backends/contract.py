"""The contract between the entities and whatever holds the data; its docstrings are the specification.

Every method is synchronous, thread-safe, takes and returns records of ``runatlas.model``, and raises the errors of
``runatlas.errors``. Whose rights count is settled when the backend is made. A write returns only when what it wrote
is durable. One suite (``tests/contract/test_backend.py``) runs over every implementation.

An operation is declared here and nowhere else: what is in process calls the service of that name, and a route is served
and asked for as it says. Only what is no JSON, or is asked for in two ways, is written by hand on both sides.
"""
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import BinaryIO

from runatlas.backends.annotations import Annotations
from runatlas.backends.changes import Changes
from runatlas.backends.folders import Folders
from runatlas.backends.many_runs import ManyRuns
from runatlas.backends.operation import CHANGE, GUARDED, PROJECT, READ, RUN, Envelope, Route, operation
from runatlas.backends.policies import Policies
from runatlas.backends.registry import Registry
from runatlas.backends.transfer import Transfers
from runatlas.model.account import (
    KeyRecord,
    NewKeyRecord,
    NewPasswordRecord,
    Role,
    ServerRecord,
    UsageRecord,
    UserPatch,
    UserRecord,
    WorkspacePatch,
    WorkspaceRecord,
    WorkspaceSort,
    WorkspaceType,
)
from runatlas.model.artifact import ArtifactRecord
from runatlas.model.batch import AppendRecord, Batch
from runatlas.model.change import UpdateRecord
from runatlas.model.data_cut import DataCut
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.log import LogPage, LogQuery
from runatlas.model.media import BlobRecord, LinkRecord, MediaPage, MediaQuery
from runatlas.model.page import Page, PageRequest
from runatlas.model.policy import Policy
from runatlas.model.project import ProjectDraft, ProjectPatch, ProjectQuery, ProjectRecord
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.model.series import ColumnQuery, ColumnRecord, PointBlock, PointQuery, SummaryQuery, SummaryRecord
from runatlas.model.trash import DeletionPlanRecord, DeletionRecord, PlannedItem, PurgeRecord, TrashRecord
from runatlas.model.usage import SpaceRecord, UsageGroup

__all__ = ["Backend"]


class Backend(ManyRuns, Folders, Policies, Annotations, Registry, Changes, Transfers, ABC):
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
        """What entity URLs begin with: the server's origin, or a ``file://`` URL of a directory that has none.

        No request: that a directory has a server is seen by a lock that this holds (``process/server_note.py``).
        """

    @property
    def reads_ahead(self) -> bool:
        """Whether to ask for a page of a listing while the one before is used. No request."""
        return True

    @operation("accounts", Route("GET", "/server", "accounts", keep="settled"))
    def get_server(self) -> ServerRecord:
        """Tell what the server is and whether the caller administers it."""

    @operation("accounts", Route("GET", "/user", "accounts", keep="settled"))
    def get_user(self) -> UserRecord:
        """Return the caller."""

    @operation("accounts", Route("PATCH", "/user", "accounts"), makes_store=True)
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

    @operation("workspaces")
    def get_workspace(self, username: str | None = None) -> WorkspaceRecord:
        """Return a workspace, ``None`` for the caller's own.

        Raises:
            NotFoundError: There is none of that name that the caller may see.
        """

    @operation("workspaces", Route("GET", "/workspaces", "accounts", errors=READ, keep="moving"))
    def list_workspaces(self, username: str | None, page: PageRequest) -> Page[WorkspaceRecord]:
        """List the workspaces a user belongs to, by name; without a user all that the caller may see.

        Raises:
            NotFoundError: There is no such user or workspace.
        """

    @operation(
        "workspaces",
        Route(
            "POST",
            "/workspaces",
            "accounts",
            errors=(403, 409),
            status=201,
            body=Envelope("WorkspaceDraft", "A TEAM workspace to be made."),
            changes=True,
        ),
        makes_store=True,
    )
    def create_workspace(self, username: str, *, name: str = "", comment: str = "") -> WorkspaceRecord:
        """Make a TEAM workspace owned by the caller.

        Raises:
            ConflictError: The name is taken.
        """

    @operation("workspaces", makes_store=True)
    def update_workspace(self, username: str, patch: WorkspacePatch) -> WorkspaceRecord:
        """Change a workspace; its owners may."""

    @operation("workspaces")
    def set_member(self, workspace: str, username: str, role: Role | None) -> None:
        """Give a user a role in a workspace, ``None`` takes it away; its owners may, and one owner always stays."""

    # -- projects -----------------------------------------------------------------------------------------------

    @operation("projects", Route("GET", PROJECT, "projects", errors=READ, keep="moving"))
    def get_project(self, path: ProjectPath) -> ProjectRecord:
        """Return a project with its counts.

        Raises:
            NotFoundError: There is no such project.
        """

    @operation("projects", Route("POST", "/projects/query", "projects", errors=READ, keep="moving"))
    def list_projects(self, query: ProjectQuery) -> Page[ProjectRecord]:
        """List projects.

        Raises:
            NotFoundError: There is no such workspace.
        """

    @operation(
        "projects", Route("POST", "/projects", "projects", errors=CHANGE, status=201, changes=True), makes_store=True
    )
    def create_project(self, draft: ProjectDraft) -> ProjectRecord:
        """Make a project.

        Raises:
            ConflictError: The workspace has one of that name.
            NotFoundError: There is no such workspace.
        """

    @operation("projects", Route("PATCH", PROJECT, "projects", errors=CHANGE))
    def update_project(self, path: ProjectPath, patch: ProjectPatch) -> ProjectRecord:
        """Change a project; the answer's ``change_id`` is the line of the journal, which takes it back.

        Raises:
            ConflictError: The new name is taken.
            NotFoundError: There is no such project.
        """

    # -- runs ---------------------------------------------------------------------------------------------------

    @operation("runs", Route("GET", RUN, "runs", errors=READ, keep="run"))
    def get_run(self, path: RunPath) -> RunRecord:
        """Return a run with every part.

        Raises:
            NotFoundError: The project has no run of that id or cuid.
        """

    @operation("runs")
    def list_runs(self, query: RunQuery) -> Page[RunRecord]:
        """List runs by keyset: no run twice, none left out, also while runs are added or deleted.

        Raises:
            NotFoundError: There is no such project or workspace.
        """

    @operation(
        "runs",
        Route(
            "POST",
            "/runs/count",
            "runs",
            errors=READ,
            answer=Envelope("RunCount", "How many runs there are.", "count"),
            keep="moving",
        ),
    )
    def count_runs(self, selection: RunSelection) -> int:
        """Count runs without loading them."""

    @operation("runs", makes_store=True)
    def create_run(self, draft: RunDraft) -> tuple[RunRecord, bool]:
        """Make a run, or find it by id as ``draft.if_exists`` says.

        Returns:
            The run with every part, and whether it is new.

        Raises:
            ConflictError: The id is taken and ``if_exists`` is ``fail``.
            NotFoundError: There is no such project, and ``create_project`` is false.
        """

    @operation(
        "runs",
        Route(
            "POST",
            "/runs/update",
            "runs",
            errors=CHANGE,
            body=Envelope("RunUpdate", "What to change, of which runs."),
            changes=True,
        ),
    )
    def update_runs(self, selection: RunSelection, patch: RunPatch) -> UpdateRecord:
        """Change all selected runs in one transaction, and note it in the journal.

        Returns:
            How many were changed, and what takes that back.

        Raises:
            ConflictError: It has ``labels`` for runs that have different ones, and no ``replace_labels``.
            NotFoundError: A selected id is no run; nothing is changed then.
        """

    # -- what runs recorded -------------------------------------------------------------------------------------

    @operation("recording")
    def append(self, batch: Batch) -> AppendRecord:
        """Apply a batch: all of it or nothing, a repeated (writer, sequence) once.

        Raises:
            ConflictError: It has a ``rewind``, and its run is protected or behind a model; nothing is applied.
            NotFoundError: There is no such run.
            ValidationError: Something in the batch is out of bounds; nothing is applied.
        """

    @operation("points")
    def read_points(self, query: PointQuery) -> PointBlock:
        """Read points of many runs and keys in one call; the rest comes with ``next_cursor``.

        Series sampled or cut say so by ``SeriesSlice.total``. Nothing is interpolated.
        """

    @operation("points", Route("POST", "/summaries/query", "series", errors=READ, keep="selection"))
    def read_summaries(self, query: SummaryQuery) -> Page[SummaryRecord]:
        """Read the summaries of many runs' scalar series; runs in the selection's order, then key, then context."""

    @operation("columns", Route("POST", RUN + "/columns/query", "series", errors=READ, keep="run"))
    def list_columns(self, run: RunPath, query: ColumnQuery) -> Page[ColumnRecord]:
        """List a run's columns by key, exact matches of the query's ``key`` first."""

    @operation("media", Route("POST", RUN + "/media/query", "series", errors=READ, keep="moving"))
    def list_media(self, run: RunPath, query: MediaQuery) -> MediaPage:
        """Read media with links that work without further credentials."""

    @operation("logs", Route("POST", RUN + "/logs/query", "series", errors=READ, keep="run"))
    def read_logs(self, run: RunPath, query: LogQuery) -> LogPage:
        """Read log lines, ascending."""

    @operation(
        "exports",
        Route(
            "POST",
            RUN + "/logs/export",
            "files",
            errors=READ,
            body=Envelope("LogExport", "Which lines to write to a file, counted from 0."),
        ),
    )
    def export_logs(self, run: RunPath, *, start: int, rows: int) -> LinkRecord:
        """Write lines ``start`` to ``start + rows`` (from 0) to a ``.log`` file and return a link to it."""

    @operation(
        "exports",
        Route(
            "POST",
            RUN + "/columns/export",
            "files",
            errors=READ,
            body=Envelope("ColumnExport", "Which column to write to a file."),
        ),
    )
    def export_csv(self, run: RunPath, key: str) -> LinkRecord:
        """Write one column to a ``.csv`` file (``step,value,timestamp``) and return a link to it.

        Raises:
            NotFoundError: The run has no such scalar column.
        """

    @operation("artifacts", Route("GET", RUN + "/artifacts", "series", errors=READ, keep="moving"))
    def list_artifacts(self, run: RunPath, page: PageRequest) -> Page[ArtifactRecord]:
        """List a run's files by name, with links that work without further credentials."""

    @operation("recording")
    def put_blob(self, project: ProjectPath, data: BinaryIO) -> BlobRecord:
        """Store bytes under their sha256; the same content is stored once. Unreferenced blobs are collected later."""

    @operation("links")
    def open_link(self, link: str, *, start: int = 0) -> Iterator[bytes]:
        """Fetch what a link of this backend points at, in pieces, from byte ``start`` on, which may be its end.

        Raises:
            NotFoundError: The link expired or was never given out.
        """

    # -- deletion -----------------------------------------------------------------------------------------------

    @operation("trash")
    def plan_run_deletion(self, selection: RunSelection | RunPath, *, force: bool = False) -> DeletionPlanRecord:
        """Tell what ``delete_runs``, or ``delete_run`` of a path, would take and keep, without taking it."""

    @operation("trash")
    def plan_project_deletion(self, path: ProjectPath, *, force: bool = False) -> DeletionPlanRecord:
        """Tell what ``delete_project`` would take, without taking it."""

    @operation("trash")
    def plan_data_deletion(
        self, cut: DataCut, selection: RunSelection | RunPath, *, force: bool = False
    ) -> DeletionPlanRecord:
        """Tell what cutting data out of runs, or out of one that is named itself, would take, without taking it.

        Guards hold as in ``delete_runs`` and ``delete_run``, and ``delete`` applies the plan. What a run records in the
        cut until then refuses it.

        Raises:
            NotFoundError: There is no such project or workspace.
            ValidationError: The cut says nothing, or is out of bounds.
        """

    @operation("trash", Route("POST", "/deletions", "deletions", errors=CHANGE, status=201, changes=True, large=True))
    def delete(self, plan: DeletionPlanRecord) -> DeletionRecord:
        """Move exactly what was planned to the trash, in one transaction.

        Raises:
            ConflictError: Something planned is not there or not as it was, is guarded, or a project got more runs.
            NotFoundError: The plan has ``missing`` ids.
        """

    @operation(
        "cleaning",
        Route(
            "POST",
            "/deletions/cleaning",
            "deletions",
            errors=CHANGE,
            body=Envelope("CleaningDraft", "Which runs a policy of clean-up looks at."),
        ),
    )
    def plan_cleaning(
        self, workspace: str, policy: Policy, *, project: str | None = None, force: bool = False
    ) -> DeletionPlanRecord:
        """Tell what a policy takes of a project or workspace, and what of the runs that it looks at stays, and why.

        Guarded runs stay; ``force`` takes them too, but for protected ones. ``delete`` applies the plan.

        Raises:
            ConflictError: It would take all runs of a group, or more than its ``max``.
            NotFoundError: There is no such project or workspace.
            ValidationError: The policy cannot be understood, or is empty.
        """

    @operation("trash", Route("POST", "/deletions/runs", "deletions", errors=CHANGE, status=201, changes=True))
    def delete_runs(self, selection: RunSelection, *, force: bool = False) -> DeletionRecord:
        """Move all selected runs to the trash, in one transaction and without a plan; guarded ones are kept.

        ``force`` takes them too, but for protected ones; which are guarded says ``runatlas.model.guard``.

        Raises:
            NotFoundError: A selected id is no run; nothing is deleted then.
        """

    @operation("trash", Route("DELETE", RUN, "deletions", errors=CHANGE, status=201))
    def delete_run(self, run: RunPath, *, force: bool = False) -> DeletionRecord:
        """Move one run to the trash, also one that is pinned, a baseline or running; ``force`` as in ``delete_runs``.

        Raises:
            ConflictError: It is guarded by something else.
            NotFoundError: There is no such run.
        """

    @operation("trash", Route("DELETE", PROJECT, "deletions", errors=CHANGE, status=201))
    def delete_project(self, path: ProjectPath, *, force: bool = False) -> DeletionRecord:
        """Move a project with all its runs to the trash, in one transaction and without a plan.

        Raises:
            ConflictError: A run of it is protected, or guarded in another way and not ``force``; all of it stays.
            NotFoundError: There is no such project.
        """

    @operation("trash", Route("GET", "/trash", "deletions", errors=GUARDED))
    def list_trash(self, workspace: str | None, page: PageRequest) -> Page[TrashRecord]:
        """List the trash, newest first; without a workspace all that the caller may write to."""

    @operation("trash", Route("GET", "/trash/{trash_id}/runs", "deletions", errors=GUARDED))
    def list_trashed_runs(self, trash_id: str, page: PageRequest) -> Page[PlannedItem]:
        """List the runs of one deletion, each by the path that it had.

        Raises:
            NotFoundError: There is no such entry.
        """

    @operation("trash", Route("POST", "/trash/{trash_id}/restore", "deletions", errors=CHANGE, changes=True))
    def restore(self, trash_id: str) -> TrashRecord:
        """Bring back everything of one deletion.

        Raises:
            ConflictError: A name or id is taken by now; nothing is restored.
            NotFoundError: There is no such entry.
        """

    @operation(
        "trash",
        Route(
            "POST",
            "/trash/{trash_id}/runs/restore",
            "deletions",
            errors=CHANGE,
            body=Envelope("Restoration", "Which runs of a deletion are to be brought back."),
            changes=True,
        ),
    )
    def restore_runs(self, trash_id: str, runs: tuple[str, ...]) -> TrashRecord:
        """Bring back some runs of one deletion, by id or cuid; the answer counts what came back.

        Raises:
            ConflictError: An id is taken by now, or the runs' project lies in the trash; nothing is restored.
            NotFoundError: There is no such entry, or it has no such run.
        """

    @operation(
        "purging",
        Route(
            "POST",
            "/trash/purge",
            "deletions",
            errors=GUARDED,
            body=Envelope("PurgeDraft", "What is to be removed for good."),
            repeatable=False,
            changes=True,
        ),
    )
    def purge(self, *, trash_id: str | None = None, expired_only: bool = True, dry_run: bool = False) -> PurgeRecord:
        """Remove trash for good, and unneeded blobs, and free their room; workspace owners may purge their entries.

        What a purge that broke off has left goes with the next one.
        """

    @operation("usage", Route("GET", "/usage", "accounts", errors=READ))
    def read_space(self, path: str | None = None, by: UsageGroup = "project", limit: int = 1000) -> SpaceRecord:
        """Measure how much room a workspace, a project, a run or all that the caller may see takes.

        Args:
            path: Its path; ``None`` for all.
            by: What is to be told apart: workspaces, projects, runs or metrics.
            limit: How many of the largest are told.

        Raises:
            NotFoundError: There is none of that path that the caller may see.
        """

    # -- keys and administration --------------------------------------------------------------------------------

    @operation(
        "accounts",
        Route(
            "POST",
            "/keys",
            "accounts",
            errors=GUARDED,
            status=201,
            body=Envelope("KeyDraft", "Whose key is to be made; ``None`` is the caller's own."),
            repeatable=False,
            changes=True,
        ),
        makes_store=True,
    )
    def create_key(self, username: str | None = None) -> NewKeyRecord:
        """Make an API key for the caller, or (administrators) for a user."""

    @operation("accounts", Route("GET", "/keys", "accounts", errors=GUARDED))
    def list_keys(self, username: str | None = None) -> tuple[KeyRecord, ...]:
        """List the caller's keys, or (administrators) a user's, oldest first, revoked ones included."""

    @operation("accounts", Route("DELETE", "/keys/{key_id}", "accounts", errors=GUARDED))
    def revoke_key(self, key_id: str) -> KeyRecord:
        """Make a key useless at once; a second call changes nothing.

        Raises:
            NotFoundError: The caller has no such key.
        """

    @operation(
        "admin",
        Route(
            "POST",
            "/admin/users",
            "administration",
            errors=(403, 409),
            status=201,
            body=Envelope("UserDraft", "A user to be made; without a password only keys let the user in."),
            repeatable=False,
            changes=True,
        ),
        makes_store=True,
    )
    def create_user(self, username: str, password: str | None = None) -> UserRecord:
        """Make a user with a personal workspace of the same name (administrators).

        Raises:
            ConflictError: The name is taken.
        """

    @operation(
        "accounts",
        Route(
            "POST",
            "/admin/users/{username}/password",
            "administration",
            errors=GUARDED,
            repeatable=False,
            changes=True,
        ),
    )
    def reset_password(self, username: str) -> NewPasswordRecord:
        """Put a one-time password in the place of a user's, and end the user's sessions (administrators).

        Raises:
            NotFoundError: There is no such user.
        """

    @operation("admin", Route("GET", "/admin/users", "administration", errors=(403,), keep="moving"))
    def list_users(self, page: PageRequest, *, search: str | None = None) -> Page[UserRecord]:
        """List users by name (administrators)."""

    @operation("admin", Route("GET", "/admin/workspaces", "administration", errors=(403,), keep="moving"))
    def list_all_workspaces(
        self,
        page: PageRequest,
        *,
        search: str | None = None,
        workspace_type: WorkspaceType | None = None,
        sort: WorkspaceSort | None = None,
    ) -> Page[WorkspaceRecord]:
        """List every workspace (administrators); ``sort`` is ``create`` (newest first) or ``name``."""

    @operation("admin", Route("POST", "/admin/projects/query", "administration", errors=GUARDED, keep="moving"))
    def list_all_projects(self, query: ProjectQuery) -> Page[ProjectRecord]:
        """List every project (administrators)."""

    @operation("admin", Route("GET", "/admin/usage", "administration", errors=(403,)))
    def get_usage(self) -> UsageRecord:
        """Count everything (administrators)."""

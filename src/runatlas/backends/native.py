"""A RunAtlas server over HTTP: every method of the contract is one route of ``/atlas/v1``."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, BinaryIO, TypeVar, cast

import attrs

from runatlas.backends.base import Backend
from runatlas.backends.http.answer import Answer
from runatlas.backends.http.cache import AnswerCache
from runatlas.backends.http.client import JSON, RecordClient, json_body, make_path
from runatlas.backends.http.lifetime import MOVING_S, SETTLED_S, RunStates
from runatlas.backends.http.link import open_link
from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.http.session import Request, Session
from runatlas.backends.native_curation import ROOT, NativeCuration
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
from runatlas.model.arrow import MEDIA_TYPE, decode_block, encode_batch
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
from runatlas.settings import ConnectionSettings

__all__ = ["NativeBackend"]

T = TypeVar("T")

_BLOB = "application/octet-stream"
_SPOOLED = 8 * 1024 * 1024

_path = partial(make_path, ROOT)


class NativeBackend(NativeCuration, Backend):
    """A RunAtlas server. Making one makes no request."""

    def __init__(
        self,
        host: str,
        key: str | None = None,
        *,
        policy: RetryPolicy | None = None,
        cache: bool = True,
        compress: bool | None = None,
    ) -> None:
        """Describe the server.

        Args:
            host: ``scheme://name[:port][/prefix]``.
            key: An API key; ``None`` for a server without accounts.
            policy: When to try again; its clock also ages what is kept.
            cache: Whether reads may be answered from memory for a while.
            compress: Whether bodies are compressed; ``None`` does so unless the server is on this machine.
        """
        policy = policy or RetryPolicy()
        self._session = Session(host, key, policy=policy, compress=compress, parts=f"{ROOT}/bodies")
        self._client = RecordClient(self._session, AnswerCache(clock=policy.clock) if cache else None)
        self._states = RunStates(clock=policy.clock, wall_clock=policy.now)

    @classmethod
    def from_settings(cls, settings: ConnectionSettings) -> NativeBackend:
        """Make one of settings that name a host."""
        policy = RetryPolicy(total_s=settings.timeout_s)
        return cls(str(settings.host), settings.key, policy=policy, cache=settings.cache)

    # -- the installation and the caller ------------------------------------------------------------------------

    @property
    def location(self) -> str:
        """The server's URL."""
        return self._session.host

    @property
    def web_url(self) -> str:
        """The server's URL."""
        return self._session.host

    def get_server(self) -> ServerRecord:
        return self._get(_path("server"), ServerRecord, keep=SETTLED_S)

    def get_user(self) -> UserRecord:
        return self._get(_path("user"), UserRecord, keep=SETTLED_S)

    def update_user(self, patch: UserPatch) -> UserRecord:
        return self._write("PATCH", _path("user"), patch, UserRecord)

    def close(self) -> None:
        self._session.close()

    def forget(self, path: str | None = None) -> None:
        self._states.forget()
        self._client.forget("/".join((path or "").removeprefix("/").split("/")[:2]))

    # -- workspaces ---------------------------------------------------------------------------------------------

    def get_workspace(self, username: str | None = None) -> WorkspaceRecord:
        return self._get(_path("workspaces", username or "~"), WorkspaceRecord, scope=username or "")

    def list_workspaces(self, username: str | None, page: PageRequest) -> Page[WorkspaceRecord]:
        return self._get(_path("workspaces", username=username, **_paged(page)), Page[WorkspaceRecord])

    def create_workspace(self, username: str, *, name: str = "", comment: str = "") -> WorkspaceRecord:
        body = {"username": username, "name": name, "comment": comment}
        return self._write("POST", _path("workspaces"), body, WorkspaceRecord, scope=username)

    def update_workspace(self, username: str, patch: WorkspacePatch) -> WorkspaceRecord:
        return self._write("PATCH", _path("workspaces", username), patch, WorkspaceRecord, scope=username)

    def set_member(self, workspace: str, username: str, role: Role | None) -> None:
        path = _path("workspaces", workspace, "members", username)
        self._write("PUT", path, {"role": role}, type(None), scope=workspace)

    # -- projects -----------------------------------------------------------------------------------------------

    def get_project(self, path: ProjectPath) -> ProjectRecord:
        return self._get(_path("projects", *_parts(path)), ProjectRecord, scope=str(path))

    def list_projects(self, query: ProjectQuery) -> Page[ProjectRecord]:
        return self._query(_path("projects", "query"), query, Page[ProjectRecord], scope=query.workspace or "")

    def create_project(self, draft: ProjectDraft) -> ProjectRecord:
        return self._write("POST", _path("projects"), draft, ProjectRecord, scope=draft.workspace or "")

    def update_project(self, path: ProjectPath, patch: ProjectPatch) -> ProjectRecord:
        return self._write("PATCH", _path("projects", *_parts(path)), patch, ProjectRecord, scope=path.workspace)

    # -- runs ---------------------------------------------------------------------------------------------------

    def get_run(self, path: RunPath) -> RunRecord:
        def keep(record: RunRecord) -> float:
            self._note((record,))
            return self._states.keep_run(path)

        request = Request("GET", _path("runs", *_parts(path)))
        return self._client.read(request, _json(RunRecord), scope=str(path.project_path), keep=keep)

    def list_runs(self, query: RunQuery) -> Page[RunRecord]:
        def keep(page: Page[RunRecord]) -> float:
            self._note(page.items)
            return self._states.keep_selection(query.selection)

        request = Request("POST", _path("runs", "query"), json_body(query), JSON)
        return self._client.read(request, _json(Page[RunRecord]), scope=_scope(query.selection), keep=keep)

    def count_runs(self, selection: RunSelection) -> int:
        return self._query(_path("runs", "count"), selection, _Count, scope=_scope(selection)).count

    def create_run(self, draft: RunDraft) -> tuple[RunRecord, bool]:
        scope = draft.project.workspace if draft.create_project else str(draft.project)
        made = self._write("POST", _path("runs"), draft, _MadeRun, scope=scope)
        return made.run, made.created

    def update_runs(self, selection: RunSelection, patch: RunPatch) -> int:
        scope = selection.workspace if patch.project is not None else _scope(selection)
        body = {"selection": selection, "patch": patch}
        return self._write("POST", _path("runs", "update"), body, _Updated, scope=scope).updated

    # -- what runs recorded -------------------------------------------------------------------------------------

    def append(self, batch: Batch) -> AppendRecord:
        return self._client.write(
            "POST",
            _path("runs", *_parts(batch.run), "append"),
            encode_batch(batch),
            _json(AppendRecord),
            scope=str(batch.run.project_path),
            media_type=MEDIA_TYPE,
            # A writer's sequence number tells the server of a repeat already.
            is_keyed=batch.writer is None or batch.sequence is None,
        )

    def read_points(self, query: PointQuery) -> PointBlock:
        request = Request("POST", _path("points", "query"), json_body(query), JSON, accept=MEDIA_TYPE)
        keep_s = self._states.keep_selection(query.selection)
        return self._client.read(request, _block, scope=_scope(query.selection), keep=lambda _: keep_s)

    def read_summaries(self, query: SummaryQuery) -> Page[SummaryRecord]:
        keep_s = self._states.keep_selection(query.selection)
        path = _path("summaries", "query")
        return self._query(path, query, Page[SummaryRecord], scope=_scope(query.selection), keep=keep_s)

    def list_columns(self, run: RunPath, query: ColumnQuery) -> Page[ColumnRecord]:
        return self._of_run(run, "columns", query, Page[ColumnRecord])

    def list_media(self, run: RunPath, query: MediaQuery) -> MediaPage:
        # Links expire, so they are not kept for as long as the run would be.
        return self._of_run(run, "media", query, MediaPage, keep=MOVING_S)

    def read_logs(self, run: RunPath, query: LogQuery) -> LogPage:
        return self._of_run(run, "logs", query, LogPage)

    def export_logs(self, run: RunPath, *, start: int, rows: int) -> LinkRecord:
        return self._export(run, "logs", {"start": start, "rows": rows})

    def export_csv(self, run: RunPath, key: str) -> LinkRecord:
        return self._export(run, "columns", {"key": key})

    def list_artifacts(self, run: RunPath, page: PageRequest) -> Page[ArtifactRecord]:
        path = _path("runs", *_parts(run), "artifacts", **_paged(page))
        return self._get(path, Page[ArtifactRecord], scope=str(run.project_path))

    def put_blob(self, project: ProjectPath, data: BinaryIO) -> BlobRecord:
        path = _path("projects", *_parts(project), "blobs")
        with contextlib.ExitStack() as stack:
            if not data.seekable():
                # A retry sends it from the beginning again.
                spooled = stack.enter_context(tempfile.SpooledTemporaryFile(_SPOOLED))
                shutil.copyfileobj(data, spooled)
                spooled.seek(0)
                data = cast(BinaryIO, spooled)
            request = Request("POST", path, data, _BLOB)
            return self._client.ask(request, _json(BlobRecord))

    def open_link(self, link: str, *, start: int = 0) -> Iterator[bytes]:
        return open_link(self._session, link, start)

    # -- deletion -----------------------------------------------------------------------------------------------

    def plan_run_deletion(self, selection: RunSelection) -> DeletionPlanRecord:
        return self._plan({"runs": selection})

    def plan_project_deletion(self, path: ProjectPath) -> DeletionPlanRecord:
        return self._plan({"project": str(path)})

    def delete(self, plan: DeletionPlanRecord) -> DeletionRecord:
        return self._write("POST", _path("deletions"), plan, DeletionRecord)

    def list_trash(self, workspace: str | None, page: PageRequest) -> Page[TrashRecord]:
        return self._ask("GET", _path("trash", workspace=workspace, **_paged(page)), Page[TrashRecord])

    def restore(self, trash_id: str) -> TrashRecord:
        return self._write("POST", _path("trash", trash_id, "restore"), None, TrashRecord)

    def purge(self, *, trash_id: str | None = None, expired_only: bool = True, dry_run: bool = False) -> PurgeRecord:
        body = {"trash_id": trash_id, "expired_only": expired_only, "dry_run": dry_run}
        return self._write("POST", _path("trash", "purge"), body, PurgeRecord)

    # -- keys and administration --------------------------------------------------------------------------------

    def create_key(self, username: str | None = None) -> NewKeyRecord:
        # The answer holds a secret, so the server keeps none for a repeat: a second try could make a second key.
        return self._write("POST", _path("keys"), {"username": username}, NewKeyRecord, repeatable=False)

    def list_keys(self, username: str | None = None) -> tuple[KeyRecord, ...]:
        return self._ask("GET", _path("keys", username=username), tuple[KeyRecord, ...])

    def revoke_key(self, key_id: str) -> KeyRecord:
        return self._write("DELETE", _path("keys", key_id), None, KeyRecord)

    def create_user(self, username: str, password: str | None = None) -> UserRecord:
        body = {"username": username, "password": password}
        return self._write("POST", _path("admin", "users"), body, UserRecord)

    def list_users(self, page: PageRequest, *, search: str | None = None) -> Page[UserRecord]:
        return self._get(_path("admin", "users", search=search, **_paged(page)), Page[UserRecord])

    def list_all_workspaces(
        self,
        page: PageRequest,
        *,
        search: str | None = None,
        workspace_type: WorkspaceType | None = None,
        sort: str | None = None,
    ) -> Page[WorkspaceRecord]:
        narrowed = {"search": search, "workspace_type": workspace_type, "sort": sort}
        return self._get(_path("admin", "workspaces", **narrowed, **_paged(page)), Page[WorkspaceRecord])

    def list_all_projects(self, query: ProjectQuery) -> Page[ProjectRecord]:
        return self._query(_path("admin", "projects", "query"), query, Page[ProjectRecord])

    def get_usage(self) -> UsageRecord:
        return self._ask("GET", _path("admin", "usage"), UsageRecord)

    # -- how they are asked -------------------------------------------------------------------------------------

    def _get(self, path: str, kind: type[T], *, scope: str = "", keep: float = MOVING_S) -> T:
        return self._client.read(Request("GET", path), _json(kind), scope=scope, keep=lambda _: keep)

    def _query(self, path: str, query: Any, kind: type[T], *, scope: str = "", keep: float = MOVING_S) -> T:
        request = Request("POST", path, json_body(query), JSON)
        return self._client.read(request, _json(kind), scope=scope, keep=lambda _: keep)

    def _of_run(self, run: RunPath, name: str, query: Any, kind: type[T], *, keep: float | None = None) -> T:
        keep_s = self._states.keep_run(run) if keep is None else keep
        path = _path("runs", *_parts(run), name, "query")
        return self._query(path, query, kind, scope=str(run.project_path), keep=keep_s)

    def _export(self, run: RunPath, name: str, body: dict[str, Any]) -> LinkRecord:
        return self._ask("POST", _path("runs", *_parts(run), name, "export"), LinkRecord, body)

    def _plan(self, body: dict[str, Any]) -> DeletionPlanRecord:
        return self._ask("POST", _path("deletions", "plan"), DeletionPlanRecord, body)

    def _note(self, records: Iterable[RunRecord]) -> None:
        for project in self._states.note(records):
            self._client.forget(str(project))

    def _ask(self, method: str, path: str, kind: type[T], body: Any = None) -> T:
        request = Request(method, path, None if body is None else json_body(body), None if body is None else JSON)
        return self._client.ask(request, _json(kind))

    def _write(
        self, method: str, path: str, body: Any, kind: type[T], *, scope: str = "", repeatable: bool = True
    ) -> T:
        self._states.forget()
        data = None if body is None else json_body(body)
        return self._client.write(
            method, path, data, _json(kind), scope=scope, is_keyed=repeatable, repeatable=repeatable
        )

    def _remove(self, path: str, *, scope: str) -> None:
        self._client.write("DELETE", path, None, _nothing, scope=scope)


@attrs.frozen
class _Count:
    count: int


@attrs.frozen
class _Updated:
    updated: int


@attrs.frozen
class _MadeRun:
    run: RunRecord
    created: bool


def _json(kind: type[T]) -> Callable[[Answer], T]:
    if kind is type(None):
        return cast(Callable[[Answer], T], _nothing)
    return lambda answer: answer.record(kind)


def _block(answer: Answer) -> PointBlock:
    return decode_block(answer.content(MEDIA_TYPE))


def _nothing(_: Answer) -> None:
    return None


def _parts(path: ProjectPath | RunPath) -> tuple[str, ...]:
    project = (path.workspace, path.project)
    return (*project, path.run) if isinstance(path, RunPath) else project


def _scope(selection: RunSelection) -> str:
    return f"{selection.workspace}/{selection.project}" if selection.project is not None else selection.workspace


def _paged(page: PageRequest) -> dict[str, Any]:
    return {"limit": str(page.limit), "cursor": page.cursor, "offset": page.offset, "with_total": page.with_total}

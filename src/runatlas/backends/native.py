"""A RunAtlas server over HTTP: every operation of the contract is one route of ``/atlas/v1``.

What a route says is all that most operations need. The others are written here: what is no JSON, what is asked for in
two ways, and what is looked at before it is kept.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, BinaryIO, TypeVar, cast

import attrs

from runatlas.backends.contract import Backend
from runatlas.backends.http.answer import Answer
from runatlas.backends.http.cache import MOVING_S, SETTLED_S, AnswerCache, RunStates
from runatlas.backends.http.record_client import JSON, RecordClient, json_body, make_path
from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.http.session import Request, Session
from runatlas.backends.operation import Operation, Route, complete
from runatlas.model.account import (
    Role,
    WorkspacePatch,
    WorkspaceRecord,
)
from runatlas.model.arrow import MEDIA_TYPE, decode_block, encode_batch
from runatlas.model.batch import AppendRecord, Batch
from runatlas.model.data_cut import DataCut
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.media import BlobRecord
from runatlas.model.page import PAGE_LIMIT, Page
from runatlas.model.project import ProjectDraft, ProjectPatch, ProjectQuery
from runatlas.model.run import RunDraft, RunQuery, RunRecord, RunSelection
from runatlas.model.series import PointBlock, PointQuery
from runatlas.model.trash import DeletionPlanRecord
from runatlas.settings import ConnectionSettings

__all__ = ["NativeBackend"]

T = TypeVar("T")

ROOT = "/atlas/v1"
_BLOB = "application/octet-stream"
_SPOOLED = 8 * 1024 * 1024

_QUICK_S = 1.0
"""How soon who reads all of a listing asks for the page after one."""

_NEXT = re.compile(rb'.*"next_cursor":"([\w-]+)"', re.DOTALL)
_END = 500
"""Within how many bytes a page says where the next one begins: behind its items."""

_path = partial(make_path, ROOT)


class NativeBackend(Backend):
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
        self._clock = policy.clock
        self._told: tuple[str | None, float] = (None, 0.0)

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
        """The server's public address, as it has named it in an answer; until then its URL."""
        return self._session.public_url

    def close(self) -> None:
        self._session.close()

    def forget(self, path: str | None = None) -> None:
        self._states.forget()
        self._client.forget("/".join((path or "").removeprefix("/").split("/")[:2]))

    # -- workspaces ---------------------------------------------------------------------------------------------

    def get_workspace(self, username: str | None = None) -> WorkspaceRecord:
        path = _path("workspaces", username or "~")
        return self._read("GET", path, None, WorkspaceRecord, scope=username or "", keep_s=MOVING_S)

    def update_workspace(self, username: str, patch: WorkspacePatch) -> WorkspaceRecord:
        return self._write("PATCH", _path("workspaces", username), patch, WorkspaceRecord, scope=username)

    def set_member(self, workspace: str, username: str, role: Role | None) -> None:
        path = _path("workspaces", workspace, "members", username)
        self._write("PUT", path, {"role": role}, type(None), scope=workspace)

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

        told, told_s = self._told
        # Whoever asks for the next page at once goes on like that; who is slow would find it too old.
        is_quick = query.page.cursor is not None and query.page.cursor == told and self._clock() < told_s + _QUICK_S
        ahead = partial(_following, query) if is_quick and query.page.limit == PAGE_LIMIT else None
        page = self._client.read(
            _listing(query), _json(Page[RunRecord]), scope=_scope(query.selection), keep=keep, ahead=ahead
        )
        self._told = page.next_cursor, self._clock()
        return page

    def create_run(self, draft: RunDraft) -> tuple[RunRecord, bool]:
        scope = draft.project.workspace if draft.create_project else str(draft.project)
        made = self._write("POST", _path("runs"), draft, _MadeRun, scope=scope)
        return made.run, made.created

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
        return self._session.open_link(link, start=start)

    # -- deletion -----------------------------------------------------------------------------------------------

    def plan_run_deletion(self, selection: RunSelection | RunPath, *, force: bool = False) -> DeletionPlanRecord:
        return self._plan(_chosen(selection), force)

    def plan_data_deletion(
        self, cut: DataCut, selection: RunSelection | RunPath, *, force: bool = False
    ) -> DeletionPlanRecord:
        return self._plan({**_chosen(selection), "cut": cut}, force)

    def plan_project_deletion(self, path: ProjectPath, *, force: bool = False) -> DeletionPlanRecord:
        return self._plan({"project": str(path)}, force)

    # -- how they are asked -------------------------------------------------------------------------------------

    def _perform(self, item: Operation, route: Route, values: dict[str, Any]) -> Any:
        path, body, scope = _address(item, route, values), _body(item, values), _scope_of(values)
        if route.changes:
            answer = self._write(route.method, path, body, item.answer, scope=scope, repeatable=route.repeatable)
        else:
            answer = self._read(route.method, path, body, item.answer, scope=scope, keep_s=self._keep_s(route, values))
        return answer if route.answer is None else getattr(answer, route.answer.field)

    def _keep_s(self, route: Route, values: dict[str, Any]) -> float | None:
        if route.keep == "run":
            return self._states.keep_run(next(value for value in values.values() if isinstance(value, RunPath)))
        if route.keep == "selection":
            return self._states.keep_selection(values["query"].selection)
        return {"moving": MOVING_S, "settled": SETTLED_S}.get(route.keep)

    def _read(
        self, method: str, path: str, body: Any, kind: type[T], *, scope: str = "", keep_s: float | None = None
    ) -> T:
        """Ask for something; ``None`` keeps nothing and asks in any case."""
        request = Request(method, path, None if body is None else json_body(body), None if body is None else JSON)
        if keep_s is None:
            return self._client.ask(request, _json(kind))
        return self._client.read(request, _json(kind), scope=scope, keep=lambda _: keep_s)

    def _plan(self, body: dict[str, Any], force: bool) -> DeletionPlanRecord:
        forced = {"force": True} if force else {}
        return self._read("POST", _path("deletions", "plan"), body | forced, DeletionPlanRecord)

    def _note(self, records: Iterable[RunRecord]) -> None:
        for project in self._states.note(records):
            self._client.forget(str(project))

    def _write(
        self, method: str, path: str, body: Any, kind: type[T], *, scope: str = "", repeatable: bool = True
    ) -> T:
        self._states.forget()
        data = None if body is None else json_body(body)
        return self._client.write(
            method, path, data, _json(kind), scope=scope, is_keyed=repeatable, repeatable=repeatable
        )


@attrs.frozen
class _MadeRun:
    run: RunRecord
    created: bool


def _listing(query: RunQuery) -> Request:
    return Request("POST", _path("runs", "query"), json_body(query), JSON)


def _following(query: RunQuery, body: bytes) -> Request | None:
    """Return the request of the page after one, if it names one."""
    found = _NEXT.match(body[-_END:])
    if found is None:
        return None
    return _listing(attrs.evolve(query, page=attrs.evolve(query.page, cursor=found[1].decode())))


def _chosen(selection: RunSelection | RunPath) -> dict[str, Any]:
    return {"run": str(selection)} if isinstance(selection, RunPath) else {"runs": selection}


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


def _address(item: Operation, route: Route, values: dict[str, Any]) -> str:
    parts, query = dict[str, Any](), dict[str, Any]()
    for argument in item.arguments:
        value = values[argument.name]
        if argument.place == "path":
            parts |= {"workspace": value.workspace, "project": value.project, "run": getattr(value, "run", None)}
        elif argument.place == "segment":
            parts[argument.name] = str(value)
        elif argument.place == "query":
            if value != argument.default:
                query[argument.name] = value
        elif argument.place == "page":
            query |= {"limit": str(value.limit), "cursor": value.cursor}
            query |= {"offset": value.offset, "with_total": value.with_total}
    segments = (parts[part[1:-1]] if part.startswith("{") else part for part in route.path.split("/")[1:])
    return _path(*segments, **query)


def _body(item: Operation, values: dict[str, Any]) -> Any:
    fields = {}
    for argument in item.arguments:
        if argument.place == "body":
            return values[argument.name]
        if argument.place == "field":
            fields[argument.name] = values[argument.name]
    return fields or None


def _scope_of(values: dict[str, Any]) -> str:
    """Tell what a call is about: ``workspace/project``, a workspace, or ``""`` for everything."""
    patch = values.get("patch")
    is_wide = isinstance(patch, ProjectPatch) or getattr(patch, "project", None) is not None
    for value in values.values():
        place = getattr(value, "selection", value)
        if isinstance(place, (ProjectPath, RunPath, RunSelection)):
            return place.workspace if is_wide or place.project is None else f"{place.workspace}/{place.project}"
        if isinstance(place, (ProjectDraft, ProjectQuery)):
            return place.workspace or ""
    return ""


def _ask_server(item: Operation) -> Callable[..., Any] | None:
    """Make the method that asks a server as the operation's route says."""
    route = item.route
    if route is None:
        return None

    def ask(self: NativeBackend, *given: Any, **named: Any) -> Any:
        return self._perform(item, route, item.bind(given, named))

    return ask


complete(NativeBackend, Backend, _ask_server)

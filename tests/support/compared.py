"""A SwanLab server reached by our backend, every answer held against what the store itself says.

What the server's protocol has no words for is listed here (``LOST`` and the functions beside it) and filled in from the
store, so that the contract's tests go on; everything else must be equal. What the backend says it cannot do is done by
the store, and noted in ``ComparedBackend.refused``.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import attrs
from support.recording import rows_of, same_rows
from support.written import check_written

from runatlas.backends.contract import Backend
from runatlas.backends.swanlab import SwanlabBackend
from runatlas.errors import NotSupportedError, RunAtlasError
from runatlas.model.account import ServerRecord, UserRecord, WorkspaceRecord
from runatlas.model.batch import AppendRecord
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.log import LogPage
from runatlas.model.media import BlobRecord, LinkRecord, MediaPage
from runatlas.model.page import Page, PageRequest
from runatlas.model.project import ProjectRecord
from runatlas.model.run import RunDraft, RunRecord, RunSelection
from runatlas.model.series import ColumnRecord, PointBlock, SummaryQuery, SummaryRecord
from runatlas.model.trash import DeletionPlanRecord, DeletionRecord, TrashRecord
from runatlas.server.dialects.swanlab.record import number, wire_key
from runatlas.server.services.services import Services

__all__ = ["LOST", "ComparedBackend", "make_compared"]

LOST: dict[type, set[str]] = {
    ServerRecord: {"product", "version"},
    UserRecord: {"name", "is_root", "created_at_ms", *("bio", "url", "institution", "school", "email", "location")},
    WorkspaceRecord: {"name", "profile"},
    ProjectRecord: {"title", "workspace_name", "metrics", "run_changed_at_ms"},
    RunRecord: {"name", "colors", "archived", "error", "heartbeat_at_ms", "folder_id"},
    ColumnRecord: {"key", "name", "context", "count"},
    SummaryRecord: {"key", "context", "count", "first_step", "column_class", "column_type"},
    DeletionPlanRecord: {"items", "kept", "points", "media", "artifacts", "bytes", "notes"},
}
"""The fields of our records that the protocol does not tell, or not always."""

_UNTOLD: dict[str, Any] = {"name": "", "points": None, "files": None, "bytes": None}
_DELETES = {"delete", "delete_run", "delete_runs", "delete_project"}
_WRITES = {"create_project", "create_user", "create_run", "update_runs", "append", "put_blob", "open_link", *_DELETES}
_SELF = {"close", "forget"}


class ComparedBackend:
    """Asks the backend, and the store, and compares.

    Attributes:
        answered: The methods that the backend has answered itself.
        refused: Those that it has said not to be supported, by what they were asked.
    """

    def __init__(self, asked: SwanlabBackend, store: Backend, services: Services) -> None:
        self._asked = asked
        self._store = store
        self._services = services
        self._cursors: set[str] = set()
        self.answered: set[str] = set()
        self.refused: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._asked, name)
        if not callable(found) or name in _SELF:
            return found
        return lambda *given, **named: self._call(name, given, named)

    def _call(self, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        ask, store = getattr(self._asked, name), getattr(self._store, name)
        if name == "open_link":
            return (store if given[0].startswith("file:") else ask)(*given, **named)
        if name == "put_blob":
            return self._put(*given)
        if self._is_begun(*given, *named.values()):
            return self._by_the_store(store(*given, **named))
        before = {entry.id for entry in self._trashed()} if name in _DELETES else set()
        was_there = name == "create_run" and self._has_run(given[0])
        try:
            got = ask(*given, **named)
        except NotSupportedError:
            self.refused.add(name)
            return self._by_the_store(store(*given, **named))
        except RunAtlasError as error:
            if name in _DELETES:
                store(*given, **named)  # It says why not, too, and perhaps for another reason.
            if name not in _WRITES:
                self._same_refusal(error, lambda: store(*given, **named))
            raise
        self.answered.add(name)
        if name in _WRITES:
            return self._written(got, given, before, was_there=was_there)
        if isinstance(got, Page):
            return self._page(got, lambda: store(*map(_whole, given), **{k: _whole(v) for k, v in named.items()}))
        return self._told(got, lambda: store(*given, **named))

    def _is_begun(self, *given: Any) -> bool:
        return any(_cursor(value) in self._cursors for value in given)

    def _put(self, project: ProjectPath, data: BinaryIO) -> BlobRecord:
        """Put bytes into both: the store does what the backend refuses of a batch that names them."""
        content = data.read()
        got: BlobRecord = self._asked.put_blob(project, io.BytesIO(content))
        assert got == self._store.put_blob(project, io.BytesIO(content))
        self.answered.add("put_blob")
        return got

    def _has_run(self, draft: RunDraft) -> bool:
        try:
            return draft.id is not None and self._store.get_run(draft.project.run(draft.id)).id == draft.id
        except (RunAtlasError, ValueError):
            return False

    def _same_refusal(self, error: RunAtlasError, ask_store: Callable[[], Any]) -> None:
        told: Any = None
        try:
            told = ask_store()
        except type(error):
            raise
        raise AssertionError(f"the store answers {told!r:.300} where the backend raises {error!r}") from error

    def _by_the_store(self, told: Any) -> Any:
        """Remember that the rest of a listing is the store's, too."""
        if isinstance(told, Page) and told.next_cursor is not None:
            self._cursors.add(told.next_cursor)
        return told

    def _trashed(self) -> tuple[TrashRecord, ...]:
        return self._store.list_trash(None, PageRequest(limit=1000)).items

    def _written(self, got: Any, given: tuple[Any, ...], before: set[str], *, was_there: bool) -> Any:
        if isinstance(got, AppendRecord):
            check_written(self._store, given[0], got)
        if isinstance(got, tuple):
            record, created = got
            assert not (created and was_there)
            return self._run(record), created
        if isinstance(got, DeletionRecord) and (got.runs or got.project):
            (entry,) = (entry for entry in self._trashed() if entry.id not in before)
            return DeletionRecord(entry.id, got.kind, got.runs, entry.expires_at_ms, got.project, got.kept)
        if isinstance(got, ProjectRecord):
            return self._told(got, lambda: self._store.get_project(got.path))
        return got

    def _told(self, got: Any, ask_store: Callable[[], Any]) -> Any:
        """Compare an answer with the store's, and fill in what the protocol cannot say."""
        if isinstance(got, RunRecord):
            return self._run(got)
        if isinstance(got, LinkRecord):
            return ask_store()
        if isinstance(got, PointBlock):
            return _block(got, ask_store)
        return _COMPARED.get(type(got), _same)(got, ask_store())

    def _page(self, got: Page[Any], ask_store: Callable[[], Page[Any]]) -> Page[Any]:
        if isinstance(_any(got), SummaryRecord):
            return attrs.evolve(got, items=tuple(_filled(item, self._summary(item)) for item in got.items))
        told = ask_store()
        if isinstance(_any(told) or _any(got), RunRecord):
            assert got.next_cursor is not None or got.total in {None, told.total}
            return attrs.evolve(got, items=tuple(self._run(item) for item in got.items))
        known = {_name(item): item for item in told.items}
        filled = tuple(_filled(item, known.pop(_name(item))) for item in got.items)
        if got.next_cursor is None and known and all(getattr(item, "role", "") == "VISITOR" for item in known.values()):
            # What is public in the workspaces of others is not listed there.
            return told
        return attrs.evolve(got, items=filled)

    def _run(self, got: RunRecord) -> RunRecord:
        try:
            told = self._store.get_run(RunPath(got.workspace, got.project, got.cuid))
        except RunAtlasError:
            return got  # It was deleted while the listing was read.
        if told.cuid != got.cuid:
            told = self._store.get_run(got.path)
        assert got.name == (told.name or told.id)
        assert got.colors == told.colors or not told.colors
        left_out = {part: None for part in ("config", "profile") if getattr(got, part) is None}
        summary = got.summary
        if summary is not None:
            assert told.summary is not None
            got = attrs.evolve(got, summary={key: summary[key] for key in told.summary if key in summary})
        elif got.summary is None:
            left_out["summary"] = None
        told = attrs.evolve(told, statistics=got.statistics)  # a run alone is told without
        return cast(RunRecord, _filled(got, attrs.evolve(told, **cast(Any, left_out))))

    def _summary(self, got: SummaryRecord) -> SummaryRecord:
        (path,) = self._services.runs.locate_runs(self._services.owner(), [got.run]).values()
        selection = RunSelection(path.workspace, path.project, (got.run,))
        told = self._store.read_summaries(SummaryQuery(selection, median=got.median is not None)).items
        (found,) = (item for item in told if wire_key(item.key, item.context) == got.key)
        return found


def _whole(value: Any) -> Any:
    """Ask for a whole listing, whichever of its pages was asked for."""
    if isinstance(value, PageRequest):
        return PageRequest(limit=1000, with_total=value.with_total)
    return attrs.evolve(value, page=_whole(value.page)) if hasattr(value, "page") else value


def _any(page: Page[Any]) -> Any:
    return next(iter(page.items), None)


def _cursor(value: Any) -> str | None:
    """Return the cursor of a question or of a page of it."""
    found = getattr(getattr(value, "page", value), "cursor", None)
    return found if isinstance(found, str) else None


def _name(item: Any) -> Any:
    if isinstance(item, ColumnRecord):
        return wire_key(item.key, item.context)
    return item.path if isinstance(item, ProjectRecord) else item.username


def _filled(got: Any, told: Any) -> Any:
    lost = LOST[type(got)]
    if isinstance(told, ColumnRecord) and told.context:
        lost = {*lost, "last_step"}
    for field in attrs.fields(type(got)):
        if field.name not in lost:
            left, right = getattr(got, field.name), getattr(told, field.name)
            assert _plain(left) == _plain(right), (type(got).__name__, field.name, left, right)
    return told


def _plain(value: Any) -> Any:
    """Write NaN and the infinities as texts, and leave the times of statistics out: they come with a step only."""
    if attrs.has(type(value)):
        return {k: _plain(v) for k, v in attrs.asdict(value, recurse=False).items() if k != "time_ms"}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return number(value) if isinstance(value, float) else value


def _same(got: Any, told: Any) -> Any:
    assert got == told
    return told


def _block(got: PointBlock, ask_store: Callable[[], Any]) -> PointBlock:
    told: PointBlock = ask_store() if got.next_cursor is None else got
    if got.next_cursor is not None or told.next_cursor is not None:
        return got
    assert got.runs == tuple((cuid, run, name or run) for cuid, run, name in told.runs)
    expected: dict[tuple[str, str, Any], Any] = {}
    for (run, key, context), rows in rows_of(told).items():
        expected[run, wire_key(key, context), ()] = [(*row[:3], None) for row in {row[0]: row for row in rows}.values()]
    for name, rows in rows_of(got).items():
        assert same_rows(rows, expected[name]), name
    assert {name for name in expected if not name[1].endswith("}")} <= set(rows_of(got))
    assert got.missing == told.missing
    return told


def _media(got: MediaPage, told: MediaPage) -> MediaPage:
    assert got.steps == told.steps
    assert [(item.step, len(item.items)) for item in got.items] == [(item.step, len(item.items)) for item in told.items]
    items = [
        attrs.evolve(right, items=tuple(_object(*pair) for pair in zip(left.items, right.items, strict=True)))
        for left, right in zip(got.items, told.items, strict=True)
    ]
    return attrs.evolve(told, items=tuple(items))


def _object(got: Any, told: Any) -> Any:
    assert (got.path, got.caption) == (told.path, told.caption)
    return attrs.evolve(told, url=got.url)


def _log(got: LogPage, told: LogPage) -> LogPage:
    assert [(line.line, line.message, line.level, line.time_ms, line.tag) for line in got.logs] == [
        (line.line, line.message, line.level, line.time_ms, line.tag) for line in told.logs
    ]
    assert got.count == told.count
    assert got.next_offset is not None or told.next_offset is None
    return told


def _plan(got: DeletionPlanRecord, told: DeletionPlanRecord) -> DeletionPlanRecord:
    for left, right in ((got.items, told.items), (got.kept, told.kept)):
        assert [item.path for item in left] == [item.path for item in right]
        assert [attrs.evolve(item, **_UNTOLD) for item in left] == [attrs.evolve(item, **_UNTOLD) for item in right]
    return cast(DeletionPlanRecord, _filled(got, told))


_COMPARED: dict[type, Callable[[Any, Any], Any]] = {
    MediaPage: _media,
    LogPage: _log,
    DeletionPlanRecord: _plan,
    **dict.fromkeys((ServerRecord, UserRecord, WorkspaceRecord, ProjectRecord), _filled),
}


def make_compared(asked: SwanlabBackend, store: Backend, services: Services) -> Backend:
    """Make a backend that compares."""
    return cast(Backend, ComparedBackend(asked, store, services))

"""The trash: what was deleted and can be brought back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from runatlas.entities.argument import boolean, texts
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.base import ListedEntity
from runatlas.entities.collection import Collection, make_window
from runatlas.model.instant import iso_text, iso_text_if
from runatlas.model.page import Page, PageRequest, each_item
from runatlas.model.trash import PlannedItem, PurgeRecord, TrashRecord
from runatlas.response import ApiResponse

if TYPE_CHECKING:
    # A property that returns a Literal at run time makes Jedi, and so a notebook, complete nothing.
    from runatlas.model.trash import TrashKind

__all__ = ["Trash", "TrashEntry", "TrashedRun", "TrashedRuns", "restore"]


class TrashEntry(ListedEntity[None, TrashRecord]):
    """One deletion."""

    _SHOWN = _JSON = ("id", "kind", "project_path", "runs", "deleted_at", "deleted_by", "expires_at")

    _MISSING = "the trash has no entry {1!r}"

    __slots__ = ()

    def _listed(self) -> Iterable[TrashRecord]:
        backend = self._handle.backend
        return each_item(lambda page: backend.list_trash(None, page))

    @property
    def id(self) -> str:
        """The entry's id."""
        return self._key

    @property
    def kind(self) -> TrashKind:
        """``runs``, ``project``, or ``data`` that was cut out of runs, which stayed."""
        return self._held().kind

    @property
    def project_path(self) -> str:
        """The project that was deleted, or whose runs were."""
        record = self._held()
        return f"{record.workspace}/{record.project}"

    @property
    def runs(self) -> int:
        """How many runs it holds, or holds data of."""
        return self._held().runs

    @property
    def deleted_at(self) -> str:
        """When it was deleted: ISO 8601."""
        return iso_text(self._held().deleted_at_ms)

    @property
    def deleted_by(self) -> str:
        """Who deleted it."""
        return self._held().deleted_by

    @property
    def expires_at(self) -> str | None:
        """Until when it can be brought back: ISO 8601; ``None`` for ever."""
        return iso_text_if(self._held().expires_at_ms)

    def list_runs(self, *, limit: int | None = None) -> TrashedRuns:
        """List the runs of this deletion; any of them can be restored alone.

        Args:
            limit: How many at the most.

        Raises:
            TypeError: It is no whole number.
            ValueError: It is out of bounds.
        """
        return TrashedRuns(self._handle, make_window(limit=limit), self._key)

    def restore(self, runs: Sequence[str] | None = None) -> ApiResponse[TrashRecord]:
        """Bring back everything of this deletion, or some of its runs.

        Args:
            runs: Ids or cuids; ``None`` for all of it.

        Returns:
            The entry, with the number of runs that came back; a ``ConflictError`` if a name is taken by now.

        Raises:
            TypeError: It is no list of strings.
            ValueError: It is empty.
        """
        return restore(self._handle, self._key, runs)

    def purge(self, commit: bool = False) -> ApiResponse[PurgeRecord]:
        """Remove it for good, or tell what that would remove.

        Args:
            commit: Whether to remove; else nothing is changed.

        Returns:
            What was, or would be, removed.

        Raises:
            TypeError: ``commit`` is no boolean.
        """
        dry_run = not boolean(commit, "commit")
        return ApiResponse.of(
            lambda: self._handle.backend.purge(trash_id=self._key, expired_only=False, dry_run=dry_run)
        )


class TrashedRun(ListedEntity[str, PlannedItem]):
    """A run in the trash."""

    _SHOWN = ("path", "name", "state", "created_at", "cuid")
    _JSON = ("cuid", "path", "name", "state", "created_at")

    _MISSING = "deletion {} has no run {!r}"
    _KEY = "cuid"

    __slots__ = ()

    def _listed(self) -> Iterable[PlannedItem]:
        backend = self._handle.backend
        return each_item(lambda page: backend.list_trashed_runs(self._place, page))

    @property
    def cuid(self) -> str:
        """The store's id of it."""
        return self._key

    @property
    def path(self) -> str:
        """``workspace/project/run``, as it was."""
        return self._held().path

    @property
    def name(self) -> str:
        """What people call it."""
        return self._held().name

    @property
    def state(self) -> str:
        """How it stood when it was deleted."""
        return self._held().state

    @property
    def created_at(self) -> str:
        """When it began: ISO 8601."""
        return iso_text(self._held().created_at_ms)

    def restore(self) -> ApiResponse[TrashRecord]:
        """Bring back this run alone.

        Returns:
            The entry that it lay in; a ``ConflictError`` if its id is taken by now, or its project lies in the trash.
        """
        return restore(self._handle, self._place, [self._key])


class TrashedRuns(Collection[TrashedRun, PlannedItem]):
    """The runs of one deletion."""

    _listed_in: str

    def _read(self, page: PageRequest) -> Page[PlannedItem]:
        return self._handle.backend.list_trashed_runs(self._listed_in, page)

    def _make(self, record: PlannedItem) -> TrashedRun:
        return TrashedRun(self._handle, self._listed_in, record.cuid, record)


def restore(handle: BackendHandle, trash_id: str, runs: Sequence[str] | None) -> ApiResponse[TrashRecord]:
    """Bring back what a deletion took, or some runs of it.

    Args:
        handle: The way to the backend.
        trash_id: The entry.
        runs: Ids or cuids; ``None`` for all of it.

    Raises:
        TypeError: It is no list of strings.
        ValueError: It is empty.
    """
    chosen = None if runs is None else texts(runs, "runs")
    if chosen is None:
        return ApiResponse.of(lambda: handle.backend.restore(trash_id))
    return ApiResponse.of(lambda: handle.backend.restore_runs(trash_id, chosen))


class Trash(Collection[TrashEntry, TrashRecord]):
    """What was deleted, newest first."""

    _listed_in: str | None

    def _read(self, page: PageRequest) -> Page[TrashRecord]:
        return self._handle.backend.list_trash(self._listed_in, page)

    def _make(self, record: TrashRecord) -> TrashEntry:
        return TrashEntry(self._handle, None, record.id, record)

"""The journal: who changed what, when and by which door, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, get_args

import attrs

from runatlas.entities.argument import boolean, choice, optional_text, text
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.base import Entity, ListedEntity
from runatlas.entities.collection import Collection, Window, make_window
from runatlas.errors import ConflictError
from runatlas.model.change import LASTING, ChangedRunRecord, ChangeKind, ChangeQuery, ChangeRecord
from runatlas.model.duration import parse_duration
from runatlas.model.instant import iso_text, iso_text_if, parse_iso
from runatlas.model.page import Page, PageRequest, each_item
from runatlas.response import ApiResponse

if TYPE_CHECKING:
    # A property that returns a Literal at run time makes Jedi, and so a notebook, complete nothing.
    from runatlas.model.change import ChangeKind as Kind

__all__ = ["Audited", "Change", "ChangedRun", "ChangedRuns", "Changes", "audit", "make_changes", "noted", "undo"]

T = TypeVar("T")

_KINDS = get_args(ChangeKind)


class Change(Entity[ChangeRecord]):
    """A change that was made, lazily.

    Args:
        handle: The way to the backend.
        change_id: Its id.
        record: What is known of it.

    Example:
        >>> from runatlas import Api, Run
        >>> with Run(repo="./experiments", experiment="demo") as made:
        ...     pass
        >>> run = Api("./experiments").run(made.path)
        >>> change = run.update(labels_added=["good"]).change
        >>> change.what, change.undo().ok, run.refresh().labels
        ("changed 1 run: added tag 'good'", True, [])
    """

    _SHOWN = ("at", "by", "door", "kind", "what", "runs", "undone_at", "id")
    _JSON = (
        *("id", "at", "by", "door", "kind", "workspace", "project", "runs", "what", "trash_id", "expires_at"),
        *("undoes", "undone_by", "undone_at"),
    )

    __slots__ = ("_id",)

    def __init__(self, handle: BackendHandle, change_id: str, record: ChangeRecord | None = None) -> None:
        super().__init__(handle, record)
        self._id = change_id

    @property
    def identity(self) -> tuple[Any, ...]:
        """What names the change."""
        return (self._id,)

    def _fetch(self) -> ChangeRecord:
        return self._handle.backend.get_change(self._id)

    @property
    def id(self) -> str:
        """The change's id."""
        return self._id

    @property
    def at(self) -> str:
        """When it was made: ISO 8601."""
        return iso_text(self._held().at_ms)

    @property
    def by(self) -> str:
        """Who made it."""
        return self._held().by

    @property
    def door(self) -> str:
        """How it came in: ``python``, ``http``, ``chachaml``, ``matyan``, ``swanlab``, ``syvain`` or ``policy``."""
        return self._held().door

    @property
    def kind(self) -> Kind:
        """What kind of change it is: ``update``, ``move``, ``protect``, ``delete``, ``cut``, ``restore``, …."""
        return self._held().kind

    @property
    def workspace(self) -> str:
        """The workspace that it was made in."""
        return self._held().workspace

    @property
    def project(self) -> str:
        """What the project was called; ``""`` if it reached several, or none."""
        return self._held().project

    @property
    def runs(self) -> int:
        """How many runs it changed; ``list_runs()`` lists them."""
        return self._held().runs

    @property
    def what(self) -> str:
        """What was done, in a sentence."""
        return self._held().what

    @property
    def trash_id(self) -> str:
        """The entry of the trash that it made, brought back or purged; ``""`` for none."""
        return self._held().trash_id

    @property
    def expires_at(self) -> str | None:
        """Until when it can be taken back: ISO 8601; ``None`` for ever, or if it is of a kind that is not."""
        return iso_text_if(self._held().expires_at_ms)

    @property
    def undoes(self) -> str:
        """The id of the change that it took back; ``""`` if it took back none."""
        return self._held().undoes

    @property
    def undone_by(self) -> str:
        """The id of the change that took it back; ``""`` while it counts."""
        return self._held().undone_by

    @property
    def undone_at(self) -> str | None:
        """When it was taken back: ISO 8601; ``None`` while it counts."""
        return iso_text_if(self._held().undone_at_ms)

    @property
    def can_undo(self) -> bool:
        """Whether it is of a kind that is taken back, and was not yet; ``undo()`` looks at the rest."""
        record = self._held()
        return record.kind not in LASTING and not record.undone_by

    def list_runs(self, *, limit: int | None = None) -> ChangedRuns:
        """List the runs that it changed, with what was ``before`` and ``after``.

        Args:
            limit: How many at the most.

        Raises:
            TypeError: It is no whole number.
            ValueError: It is out of bounds.
        """
        return ChangedRuns(self._handle, make_window(limit=limit), self._id)

    def undo(self, *, commit: bool = True) -> ApiResponse[Change]:
        """Take it back, all of it or nothing; that is a change itself, and can be taken back too.

        A ``ConflictError`` takes nothing back if something that it changed was changed since, if a run is gone, or if
        its time is over. What was deleted comes back out of the trash.

        Args:
            commit: Whether to take it back; else it is only told whether that can be done.

        Returns:
            The change that took it back, or would.

        Raises:
            TypeError: ``commit`` is no boolean.
        """
        dry_run = not boolean(commit, "commit")

        def undo() -> Change:
            made = self._handle.backend.undo_change(self._id, dry_run=dry_run)
            if not dry_run:
                self._forget()
            return Change(self._handle, made.id, made)

        return ApiResponse.of(undo)


class ChangedRun(ListedEntity[str, ChangedRunRecord]):
    """What a change made of one run."""

    _SHOWN = ("path", "before", "after")
    _JSON = ("path", "cuid", "name", "before", "after")

    _MISSING = "change {} reached no run {!r}"
    _KEY = "cuid"

    __slots__ = ()

    def _listed(self) -> Iterable[ChangedRunRecord]:
        backend = self._handle.backend
        return each_item(lambda page: backend.list_changed_runs(self._place, page))

    @property
    def cuid(self) -> str:
        """The store's id of the run."""
        return self._key

    @property
    def path(self) -> str:
        """``workspace/project/run``, as it is today."""
        return self._held().path

    @property
    def name(self) -> str:
        """What people call it today."""
        return self._held().name

    @property
    def before(self) -> dict[str, Any]:
        """The fields that were changed, as they were, a config's by dotted key; what was not there is left out."""
        return dict(self._held().before)

    @property
    def after(self) -> dict[str, Any]:
        """The fields that were changed, as the change made them."""
        return dict(self._held().after)


class ChangedRuns(Collection[ChangedRun, ChangedRunRecord]):
    """The runs that a change reached; those that are gone for good are left out."""

    _listed_in: str

    def _read(self, page: PageRequest) -> Page[ChangedRunRecord]:
        return self._handle.backend.list_changed_runs(self._listed_in, page)

    def _make(self, record: ChangedRunRecord) -> ChangedRun:
        return ChangedRun(self._handle, self._listed_in, record.cuid, record)


class Changes(Collection[Change, ChangeRecord]):
    """Changes that were made, newest first.

    Args:
        handle: The way to the backend.
        window: Which part is wanted.
        query: Which, as far as it is known before the first is asked for.
        runs: Tells the runs that they reached, by cuid; ``None`` for any.
        path: Tells where; ``None`` for everywhere.
    """

    def __init__(
        self,
        handle: BackendHandle,
        window: Window,
        query: ChangeQuery,
        *,
        runs: Callable[[], tuple[str, ...]] | None = None,
        path: Callable[[], str] | None = None,
    ) -> None:
        super().__init__(handle, window)
        self._query = query
        self._runs = runs
        self._where = path

    def _read(self, page: PageRequest) -> Page[ChangeRecord]:
        query = attrs.evolve(self._query, page=page)
        if self._where is not None:
            query = attrs.evolve(query, path=self._where())
        if self._runs is not None:
            query = attrs.evolve(query, runs=self._runs())
        return self._handle.backend.list_changes(query)

    def _make(self, record: ChangeRecord) -> Change:
        return Change(self._handle, record.id, record)

    def _subject(self) -> str:
        return "" if self._where is None else repr(self._where())


def make_changes(
    handle: BackendHandle,
    path: Callable[[], str] | None,
    *,
    by: str | None = None,
    kind: str | None = None,
    since: datetime | str | None = None,
    limit: int | None = None,
    runs: Callable[[], tuple[str, ...]] | None = None,
) -> Changes:
    """List changes, as ``audit`` does.

    Args:
        handle: The way to the backend.
        path: Tells where; ``None`` for everywhere.
        by: Only what that user did.
        kind: Only changes of that kind.
        since: Only what was done from then on: a time, ISO 8601 text, or how long ago, such as ``7d``.
        limit: How many at the most.
        runs: Tells the runs that they reached, by cuid; ``None`` for any.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is out of bounds or unknown.
    """
    only: ChangeKind | None = None if kind is None else choice(kind, _KINDS, "kind")
    query = ChangeQuery(by=optional_text(by, "by"), kind=only, since_ms=None if since is None else _since_ms(since))
    return Changes(handle, make_window(limit=limit), query, runs=runs, path=path)


def _since_ms(since: object) -> int:
    if isinstance(since, datetime):
        return int(since.timestamp() * 1000)
    given = text(since, "since")
    if given[0].isdigit() and given[-1].isalpha() and "T" not in given:
        now = datetime.now(UTC).timestamp()
        return max(0, int(now * 1000) - parse_duration(given, argument="since"))
    try:
        return int(parse_iso(given).timestamp() * 1000)
    except ValueError:
        raise ValueError(
            f"since: {given!r} is no time; write '7d' for how long ago, or a date such as '2026-01-31'"
        ) from None


class Audited(Protocol):
    """A workspace, a project or a run: what was changed in it is in the journal."""

    _handle: BackendHandle

    def _audited(self) -> str:
        """Tell its path."""


def audit(  # noqa: D417 - nobody gives self
    self: Audited,
    *,
    by: str | None = None,
    kind: str | None = None,
    since: datetime | str | None = None,
    limit: int | None = None,
) -> Changes:
    """List what was changed here, newest first: who did it, when, by which door, and what takes it back.

    Args:
        by: Only what that user did.
        kind: Only changes of that kind: ``update``, ``move``, ``protect``, ``delete``, ``cut``, ``restore``, ….
        since: Only what was done from then on: a time, ISO 8601 text, or how long ago, such as ``7d``.
        limit: How many at the most.

    Returns:
        The changes, each with ``undo()``.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is out of bounds or unknown.
    """
    return make_changes(self._handle, self._audited, by=by, kind=kind, since=since, limit=limit)


def noted(handle: BackendHandle, call: Callable[[], tuple[T, str]]) -> ApiResponse[T]:
    """Answer a call that is noted in the journal.

    Args:
        handle: The way to the backend.
        call: Called once; returns the data, and the id of the change or ``""``.
    """
    made: list[str] = []

    def do() -> T:
        data, change_id = call()
        made.append(change_id)
        return data

    answer = ApiResponse.of(do)
    return attrs.evolve(answer, change=Change(handle, made[0])) if made and made[0] else answer


def undo(change: Change | None) -> ApiResponse[Change]:
    """Take back what was done by one call; a ``ConflictError`` if there is nothing to take back."""
    if change is None:
        return ApiResponse.failure(ConflictError("nothing was changed that one line of the journal takes back"))
    return change.undo()

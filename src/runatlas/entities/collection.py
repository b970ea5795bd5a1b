"""Many things of a kind: read page by page, complete, and each once."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, Self, TypeVar, overload

import attrs

from runatlas.display.markup import Html, heading, joined, note, table
from runatlas.entities.argument import boolean, integer
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.base import Entity, Readable
from runatlas.errors import RunAtlasError
from runatlas.model.page import PAGE_LIMIT, Page, PageRequest, following
from runatlas.process.fork import ProcessLock
from runatlas.process.garbage_collector import collector_paused
from runatlas.tables.frame import Frame, Tabular
from runatlas.tables.value import make_value_table

__all__ = ["PAGE_SIZE", "Collection", "Prefetch", "UnpagedCollection", "Window", "make_window"]

E = TypeVar("E", bound="Entity[Any]")
R = TypeVar("R")
T = TypeVar("T")

PAGE_SIZE = 100
"""How many items a page has unless told otherwise, as in the SwanLab API."""

_KEPT = 2000
"""How many items a collection remembers; of longer ones it keeps the first pages only."""

_GLIMPSE = 10
"""How many items a notebook shows."""


@attrs.frozen
class Window:
    """Items ``offset`` to ``offset + bound`` of a listing.

    Attributes:
        bound: How many items at the most; ``None`` for all that follow.
        page, size: The page's number from 1 and its size, as reported.
    """

    offset: int = 0
    bound: int | None = None
    page: int = 1
    size: int = PAGE_SIZE

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self.offset == 0 and self.bound is None

    def part(self, start: int, stop: int | None) -> Window:
        """Return the window of its items ``start`` to ``stop``; ``None`` for all that follow."""
        bound = self.bound if stop is None else stop if self.bound is None else min(stop, self.bound)
        return attrs.evolve(self, offset=self.offset + start, bound=None if bound is None else max(bound - start, 0))

    def length(self, total: int) -> int:
        """Return how many items of ``total`` lie in it."""
        rest = max(total - self.offset, 0)
        return rest if self.bound is None else min(rest, self.bound)


def make_window(
    *,
    page: int | None = None,
    size: int | None = None,
    all: bool = False,
    limit: int | None = None,
) -> Window:
    """Make the window that the arguments of a listing mean.

    Without ``page`` and ``size`` it is everything. With one of them it is that page (page 1, size 100 unless given),
    with ``all`` everything from that page on. ``limit`` bounds whatever it is.

    Args:
        page: The page's number, from 1.
        size: Items a page, 1 to 1000.
        all: Whether to go on to the end.
        limit: How many items at the most.

    Raises:
        TypeError: One of them has another type.
        ValueError: One of them is out of bounds.

    Example:
        >>> make_window(page=2, size=50)
        Window(offset=50, bound=50, page=2, size=50)
    """
    number = 1 if page is None else integer(page, "page", least=1)
    length = PAGE_SIZE if size is None else integer(size, "size", least=1, most=PAGE_LIMIT)
    most = None if limit is None else integer(limit, "limit", least=0)
    bound = None
    if not boolean(all, "all") and (page is not None or size is not None):
        bound = length
    if most is not None:
        bound = most if bound is None else min(bound, most)
    return Window(offset=(number - 1) * length, bound=bound, page=number, size=length)


@attrs.frozen(eq=False)
class _Chunk(Generic[E]):
    """Items that came together; ``end`` counts all up to here, ``cursor`` is ``None`` after the last."""

    items: tuple[E, ...]
    end: int
    cursor: str | None


class Prefetch(Generic[T]):
    """Makes a call in a thread of its own while its result is not yet needed; ``take`` returns it or raises its error.

    Nobody has to take it: an iteration may stop early. In a forked process, where the thread is gone, ``take`` makes
    the call itself.

    Args:
        call: What to call, once.
        *args: Its arguments.
    """

    def __init__(self, call: Callable[..., T], *args: Any) -> None:
        self._call = call
        self._args = args
        self._results: list[T] = []
        self._error: RunAtlasError | None = None
        self._thread = threading.Thread(target=self._run, name="runatlas-page", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._call(*self._args))
        except RunAtlasError as error:
            self._error = error

    def take(self) -> T:
        """Wait for the call and return its result.

        Raises:
            RunAtlasError: What the call raised.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._results[0] if self._results else self._call(*self._args)


def _unseen(items: Iterable[E], seen: set[Any]) -> Iterator[E]:
    for item in items:
        if item.identity not in seen:
            seen.add(item.identity)
            yield item


class Collection(Readable, Tabular, Generic[E, R]):
    """A listing of entities.

    Iterating yields everything (or the page, or the ``limit``, that was asked for): 1000 items a request, of a server
    the next ones fetched while these are used; only the first 100 are there already if something else was asked
    before. If a request fails, the error is raised after everything that came before it. What was loaded is kept, up to
    2000 items: iterating a longer collection again asks again. Pages by number are counted anew with every request:
    between two of them a change of the listing repeats an item or passes one over. Iterate where every item counts.

    As a table (``to_pandas()`` and the like, and wherever Arrow is spoken) it has a row an item, and the columns that
    ``json()`` of the items has.
    """

    _listed_in: Any
    """Where they are listed: a path or an id; ``None`` for everywhere."""

    _repeats = True
    """Whether pages may overlap when the listing changes meanwhile, so that repeated items must be dropped."""

    def __init__(self, handle: BackendHandle, window: Window, place: Any = None) -> None:
        self._handle = handle
        self._window = window
        self._lock = ProcessLock()
        self._chunks: list[_Chunk[E]] = []
        self._listed_in = place
        self._total: int | None = None
        self._notes: tuple[str, ...] | None = None
        self._failure: RunAtlasError | None = None

    @abstractmethod
    def _read(self, page: PageRequest) -> Page[R]:
        """Ask the backend for one page."""

    @abstractmethod
    def _make(self, record: R) -> E:
        """Make an entity of a listed record."""

    def _make_all(self, records: Iterable[R]) -> tuple[E, ...]:
        """Make the entities of a page."""
        return tuple(map(self._make, records))

    def _reads_ahead(self) -> bool:
        """Tell whether to ask for a page while the one before is used; of what is closed the next page tells it."""
        try:
            return self._handle.backend.reads_ahead
        except RunAtlasError:
            return False

    def _count(self) -> int:
        """Ask the backend how many items the whole listing has."""
        total = self._read(PageRequest(limit=1, with_total=True)).total
        return 0 if total is None else total

    # -- reading ------------------------------------------------------------------------------------------------

    def _request(self, start: int, cursor: str | None, *, most: int | None = None, total: bool = False) -> PageRequest:
        """Ask for the items from ``start`` of the window on."""
        bound = self._window.bound
        if most is None:
            first = PAGE_SIZE if bound is None or bound > PAGE_LIMIT else bound
            most = first if start == 0 else PAGE_LIMIT
        if bound is not None:
            most = min(most, bound - start)
        offset = 0 if cursor else self._window.offset + start
        return PageRequest(limit=max(most, 1), cursor=cursor, offset=offset, with_total=total)

    def _fetch(self, start: int, cursor: str | None, *, most: int | None = None, total: bool = False) -> _Chunk[E]:
        bound = self._window.bound
        if bound is not None and start >= bound:
            return _Chunk((), start, None)
        chunks = self._chunks
        try:
            with collector_paused():
                page = self._read(self._request(start, cursor, most=most, total=total))
                items = self._make_all(page.items)
            after = following(cursor, page.next_cursor)
        except RunAtlasError as error:
            self._failure = error
            raise
        self._failure = None
        if page.total is not None and chunks is self._chunks:
            self._total, self._notes = page.total, page.notes
        end = start + len(page.items)
        done = bound is not None and end >= bound
        return _Chunk(items, end, None if done else after)

    def _chunk(
        self, index: int, before: _Chunk[E] | None, *, most: int | None = None, total: bool = False
    ) -> _Chunk[E]:
        """Return a chunk, from memory if it is there; remember it if there is room."""
        with self._lock:
            chunks = self._chunks  # a refresh puts another list in its place
            found = self._remembered(index, before)
        if found is not None:
            return found
        start, cursor = (0, None) if before is None else (before.end, before.cursor)
        chunk = self._fetch(start, cursor, most=most, total=total)
        with self._lock:
            if chunks is not self._chunks:
                return chunk
            found = self._remembered(index, before)
            if found is not None:
                return found
            follows = before is None or (index > 0 and self._chunks[-1:] == [before])
            if index == len(self._chunks) and follows and chunk.end <= _KEPT:
                self._chunks.append(chunk)
        return chunk

    def _remembered(self, index: int, before: _Chunk[E] | None) -> _Chunk[E] | None:
        """Return the chunk in memory that follows ``before``; one that follows another begins elsewhere."""
        if index < len(self._chunks) and (before is None or self._chunks[index - 1] is before):
            return self._chunks[index]
        return None

    def _first(self) -> _Chunk[E]:
        return self._chunk(0, None)

    @property
    def _memory(self) -> tuple[tuple[E, ...], bool]:
        """What is remembered, and whether that is all there is."""
        with self._lock:
            chunks = tuple(self._chunks)
        items = tuple(item for chunk in chunks for item in chunk.items)
        return items, bool(chunks) and chunks[-1].cursor is None

    def __iter__(self) -> Iterator[E]:
        seen: set[Any] = set()
        index = 0
        chunk = self._chunk(0, None, most=PAGE_LIMIT)
        while True:
            items = _unseen(chunk.items, seen) if self._repeats else iter(chunk.items)
            yield from islice(items, 1)
            # Only who goes on to the second of them is likely to want what follows.
            follows = chunk.cursor is not None and len(chunk.items) > 1 and self._reads_ahead()
            ahead = Prefetch(self._chunk, index + 1, chunk) if follows else None
            yield from items
            if chunk.cursor is None:
                return
            index += 1
            chunk = self._chunk(index, chunk) if ahead is None else ahead.take()

    # -- size and single items ----------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """How many items the whole listing has, whatever ``page``, ``size`` or ``limit`` narrow it to.

        Raises:
            RunAtlasError: It could not be counted.
        """
        found = self._known_total()
        if found is None:
            found = self._total = self._count()
        return found

    def _known_total(self) -> int | None:
        if self._total is None and self._window.is_all:
            items, is_all = self._memory
            return len(items) if is_all else None
        return self._total

    @property
    def notes(self) -> tuple[str, ...]:
        """What is asked for that nothing has, such as a mistyped key of a filter; only listings of runs tell any.

        Raises:
            RunAtlasError: It could not be asked.
        """
        if self._notes is None:
            self._fetch(0, None, most=1, total=True)
        return self._notes or ()

    def __len__(self) -> int:
        if not self._chunks and self._known_total() is None:
            self._chunk(0, None, most=PAGE_LIMIT, total=True)  # ``list(...)`` asks for the length first
        items, is_all = self._memory
        return len(items) if is_all else self._window.length(self.total)

    def __bool__(self) -> bool:
        return bool(self._first().items)

    def first(self) -> E | None:
        """Return the first item, ``None`` if there is none.

        Raises:
            RunAtlasError: The request failed.
        """
        items, is_all = self._memory
        if items or is_all:
            return items[0] if items else None
        found = self._fetch(0, None, most=1).items
        return found[0] if found else None

    @overload
    def __getitem__(self, index: int) -> E: ...
    @overload
    def __getitem__(self, index: slice) -> list[E]: ...
    def __getitem__(self, index: int | slice) -> E | list[E]:
        if isinstance(index, slice):
            return self._slice(index)
        if isinstance(index, bool) or not isinstance(index, int):
            raise TypeError(f"index: expected a whole number or a slice, got {type(index).__name__}")
        position = index + len(self) if index < 0 else index
        found = self._range(position, 1) if position >= 0 else []
        if not found:
            raise IndexError(f"index {index} is out of range")
        return found[0]

    def _slice(self, index: slice) -> list[E]:
        start, stop, step = index.start or 0, index.stop, index.step or 1
        if start < 0 or stop is None or stop < 0 or step < 0:
            start, stop, step = index.indices(len(self))
        if step < 0:
            start, stop = stop + 1, start + 1
            return self._range(start, max(stop - start, 0))[::-1][::-step]
        return self._range(start, max(stop - start, 0))[::step]

    def _range(self, start: int, length: int) -> list[E]:
        """Return up to ``length`` items from ``start`` on, from memory if they are there."""
        items, is_all = self._memory
        if is_all or start + length <= len(items):
            return list(items[start : start + length])
        if not items and start + length <= PAGE_SIZE:
            return list(self._first().items[start : start + length])
        if start <= len(items) < start + length <= _KEPT:
            return list(islice(self, start, start + length))
        found: list[E] = []
        cursor: str | None = None
        while len(found) < length:
            chunk = self._fetch(start + len(found), cursor, most=min(length - len(found), PAGE_LIMIT))
            found.extend(chunk.items)
            cursor = chunk.cursor
            if cursor is None or not chunk.items:
                break
        return found[:length]

    # -- in a notebook ------------------------------------------------------------------------------------------

    def _show(self) -> Html:
        return joined(heading(repr(self)), self._first_shown())

    def _first_shown(self) -> Html:
        """Return the first ten: those in memory, or one page of ten, which is asked for and not kept."""
        known, is_all = self._memory
        cost = self._cost()
        asks = not known and not is_all and self._window.bound != 0
        if asks:
            chunk = self._fetch(0, None, most=_GLIMPSE, total=True)
            known, is_all = chunk.items, chunk.cursor is None
        told = f"{len(known[:_GLIMPSE])} of {self._told_length(len(known), is_all=is_all)}" if known else "none"
        # One that was changed meanwhile would be asked for alone.
        items = [item for item in known[:_GLIMPSE] if item._record is not None]  # noqa: SLF001 - its entities
        shown = self._items_shown(items) if items else None
        notes = (note(f"note: {text}") for text in self._notes or ())
        return joined(shown, note(f"{told}; {cost}" if asks else told), *notes)

    def _cost(self) -> str:
        """Say what asking for the first page takes."""
        return "one request"

    def _told_length(self, known: int, *, is_all: bool) -> str:
        total = self._total
        length = known if is_all else None if total is None else self._window.length(total)
        if length is None:
            return f"at least {known:,}"
        return f"{length:,}" if total is None or total == length else f"{length:,}, of {total:,} in all"

    def _items_shown(self, items: Sequence[E]) -> Html:
        """Show some of its entities, of which there is one at least; no request."""
        shown = [item._facts() for item in items]  # noqa: SLF001 - its entities
        return table(list(shown[0]), (told.values() for told in shown))

    # -- the answer ---------------------------------------------------------------------------------------------

    @property
    def ok(self) -> bool:
        """Whether it could be listed; loads the first page if that was not tried, or failed before."""
        try:
            self._first()
        except RunAtlasError:
            return False
        return True

    @property
    def error(self) -> RunAtlasError | None:
        """Why it could not be listed; ``None`` if it could. Loads the first page if that was not tried."""
        if not self._chunks and self._failure is None:
            _ = self.ok
        return None if self._chunks else self._failure

    def unwrap(self) -> Self:
        """Return the collection itself, its first page loaded.

        Raises:
            RunAtlasError: It cannot be listed.
        """
        self._first()
        return self

    def _hold(self, items: Sequence[E]) -> None:
        """Take items for all there is, until it is refreshed."""
        self._chunks = [_Chunk(tuple(items), len(items), None)]

    def _forget(self) -> None:
        with self._lock:
            self._chunks = []
            self._total = None
            self._notes = None
            self._failure = None

    def json(self) -> dict[str, Any]:
        """Return ``{"list", "total", "page", "size", "pages"}`` as plain values.

        Raises:
            RunAtlasError: A request failed.
        """
        items = [item.json() for item in self._whole_items()]
        if self._total is None and self._window.is_all:
            self._total = len(items)
        total, size = self.total, self._window.size
        return {"list": items, "total": total, "page": self._window.page, "size": size, "pages": -(-total // size)}

    def _frame(self) -> Frame:
        return make_value_table(item.json() for item in self._whole_items())

    def _whole_items(self) -> Sequence[E]:
        """Return the items with every part that ``json`` shows."""
        return list(self)

    def __getstate__(self) -> dict[str, Any]:
        left_out = {"_lock", "_chunks", "_total", "_notes", "_failure"}
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = ProcessLock()
        self._chunks = []
        self._total = None
        self._notes = None
        self._failure = None

    def _subject(self) -> str:
        """Return what is listed, for people."""
        return "" if self._listed_in is None else repr(str(self._listed_in))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._subject()})"


class UnpagedCollection(Collection[E, R]):
    """A collection that a backend answers whole, because it is short."""

    @abstractmethod
    def _list(self) -> Sequence[R]:
        """Ask the backend for all of it."""

    def _read(self, page: PageRequest) -> Page[R]:
        items = tuple(self._list())
        start = page.offset if page.cursor is None else int(page.cursor)
        end = start + page.limit
        return Page(items[start:end], str(end) if end < len(items) else None, len(items))

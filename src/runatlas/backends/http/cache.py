"""Answers kept in memory, long for runs that are over, and one request for all who ask the same at the same moment.

Bodies are kept, not records: they are bounded by their bytes, and no reader can change what the next one gets.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future
from itertools import islice

import attrs
from cachetools import TLRUCache

from runatlas.errors import RunAtlasError
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.run import RunRecord, RunSelection
from runatlas.process.fork import ProcessLock

__all__ = ["FINISHED_S", "MOVING_S", "SETTLED_S", "AnswerCache", "RunStates"]

SIZE = 12 * 1024 * 1024
"""How many bytes of bodies are kept at the most: iterating a large store fills it, and stays below 50 MB in all."""

FINISHED_S = 300.0
"""Of a run that is over."""

MOVING_S = 2.0
"""Of a run that is going on, and of listings, which grow."""

SETTLING_S = 60.0
"""How long ago a run that is over must have changed last to be kept like one."""

SETTLED_S = 60.0
"""Of the server and the caller."""

_KNOWN_MAX = 10_000
"""Ids, about 300 bytes each; of runs beyond these nothing is known, which costs a request."""

_ENDS = frozenset({"FINISHED", "CRASHED", "ABORTED"})


@attrs.frozen(eq=False)
class _Entry:
    body: bytes
    scope: str
    keep_s: float


class AnswerCache:
    """Keeps bodies by key, each with its own time to live and with the scope it belongs to.

    A scope is ``""`` (everything), a workspace, or ``workspace/project``. Thread-safe; failures are never kept.
    """

    def __init__(self, *, size: int = SIZE, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._entries: TLRUCache[Hashable, _Entry] = TLRUCache(
            self._size, ttu=lambda _, entry, now: now + entry.keep_s, timer=self._clock, getsizeof=lambda e: len(e.body)
        )
        self._loading: dict[Hashable, tuple[str, Future[bytes]]] = {}

    def fetch(self, key: Hashable, scope: str, load: Callable[[], tuple[bytes, float]]) -> bytes:
        """Return the body kept under ``key``, or load it: one thread does, the others that want it wait for its answer.

        Args:
            key: What was asked.
            scope: What the answer is about.
            load: Returns the body and for how many seconds to keep it.

        Returns:
            The body.

        Raises:
            RunAtlasError: What ``load`` raised, to all that waited for it; the next call loads anew.
        """
        future: Future[bytes] = Future()
        while True:
            with self._own_lock():
                entry = self._entries.get(key)
                if entry is not None:
                    return entry.body
                waiting = self._loading.get(key)
                if waiting is None:
                    self._loading[key] = (scope, future)
            if waiting is None:
                return self._load(key, scope, load, future)
            try:
                return waiting[1].result()
            except _LeftAloneError:
                continue

    def forget(self, scope: str = "") -> None:
        """Drop everything that a change of ``scope`` may have touched, also what is being loaded right now."""
        with self._own_lock():
            for key in [key for key, entry in self._entries.items() if _touches(scope, entry.scope)]:
                del self._entries[key]
            for key in [key for key, (other, _) in self._loading.items() if _touches(scope, other)]:
                # Those who wait still get it, for they asked before the change; those who ask from now on do not.
                del self._loading[key]

    def _load(self, key: Hashable, scope: str, load: Callable[[], tuple[bytes, float]], future: Future[bytes]) -> bytes:
        try:
            body, keep_s = load()
        except RunAtlasError as error:
            self._end(key, future)
            future.set_exception(error)
            raise
        except BaseException:
            # An interrupt is meant for this thread only.
            self._end(key, future)
            future.set_exception(_LeftAloneError())
            raise
        with self._own_lock():
            if self._is_current(key, future):
                del self._loading[key]
                if keep_s > 0 and len(body) <= self._size // 2:
                    self._entries[key] = _Entry(body, scope, keep_s)
        future.set_result(body)
        return body

    def _end(self, key: Hashable, future: Future[bytes]) -> None:
        with self._own_lock():
            if self._is_current(key, future):
                del self._loading[key]

    def _is_current(self, key: Hashable, future: Future[bytes]) -> bool:
        waiting = self._loading.get(key)
        return waiting is not None and waiting[1] is future

    def _own_lock(self) -> threading.Lock:
        if self._process != os.getpid():
            # The threads that held the lock or were loading at the fork do not exist in the child.
            self._reset()
        return self._lock


class _LeftAloneError(Exception):
    """Whoever was loading was interrupted; load yourself."""


def _touches(scope: str, other: str) -> bool:
    """Return whether one scope lies within the other."""
    return not scope or not other or f"{scope}/".startswith(f"{other}/") or f"{other}/".startswith(f"{scope}/")


class RunStates:
    """Remembers which runs are over, from the records that came by; thread-safe.

    A run that is over may still get something: what a process of it brings late, or its spool. So one that changed a
    moment ago counts as going on, and one that changed since it was noted makes what is kept of it stale.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._lock = ProcessLock()
        self._clock = clock
        self._wall_clock = wall_clock
        self._over: dict[tuple[str, str, str], tuple[float, int]] = {}

    def note(self, records: Iterable[RunRecord]) -> set[ProjectPath]:
        """Remember the state of these runs, under both their ids.

        Returns:
            The projects of those that changed after they were noted as over.
        """
        now, settled_ms = self._clock(), (self._wall_clock() - SETTLING_S) * 1000
        stale: set[ProjectPath] = set()
        with self._lock:
            for record in records:
                for name in (record.id, record.cuid):
                    key = (record.workspace, record.project, name)
                    before = self._over.pop(key, None)
                    if before is not None and before[1] != record.updated_at_ms:
                        stale.add(record.project_path)
                    if record.state in _ENDS and record.updated_at_ms <= settled_ms:
                        # At the end: the first ones are the oldest.
                        self._over[key] = (now, record.updated_at_ms)
            for key in list(islice(self._over, max(0, len(self._over) - _KNOWN_MAX))):
                del self._over[key]
        return stale

    def _is_over(self, key: tuple[str, str, str], now: float) -> bool:
        noted = self._over.get(key)
        return noted is not None and now < noted[0] + FINISHED_S

    def keep_run(self, path: RunPath) -> float:
        """Return for how long what belongs to this run may be kept."""
        now = self._clock()
        with self._lock:
            over = self._is_over((path.workspace, path.project, path.run), now)
        return FINISHED_S if over else MOVING_S

    def keep_selection(self, selection: RunSelection) -> float:
        """Return for how long what belongs to these runs may be kept: long only for named runs, all of them over."""
        if selection.project is None or not selection.ids or selection.filter is not None or selection.search:
            return MOVING_S
        place, now = (selection.workspace, selection.project), self._clock()
        with self._lock:
            over = all(self._is_over((*place, name), now) for name in selection.ids)
        return FINISHED_S if over else MOVING_S

    def forget(self) -> None:
        """Remember nothing."""
        with self._lock:
            self._over.clear()

"""Answers kept in memory for a while, and one request for all who ask the same at the same moment.

Bodies are kept, not records: they are bounded by their bytes, and no reader can change what the next one gets.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future

import attrs
from cachetools import TLRUCache

from runatlas.errors import RunAtlasError

__all__ = ["AnswerCache"]

SIZE = 12 * 1024 * 1024
"""How many bytes of bodies are kept at the most: iterating a large store fills it, and stays below 50 MB in all."""


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

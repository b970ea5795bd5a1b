"""Reads that many ask for at one moment, done once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from cachetools import TTLCache

__all__ = ["SharedReads"]

_SECONDS, _PATIENCE_S = 1.0, 60.0

T = TypeVar("T")


class SharedReads(Generic[T]):
    """What was read of late, good for a second; who asks while it is read waits for that.

    Whether who asks may see it is to be looked at before, for each.
    """

    def __init__(self, most: int) -> None:
        """Hold nothing yet.

        Args:
            most: How many reads are held at the most.
        """
        self._lock = threading.Lock()
        self._reads: TTLCache[Hashable, Future[T]] = TTLCache(maxsize=most, ttl=_SECONDS)

    def get(self, name: Hashable, read: Callable[[], T]) -> T:
        """Return what was read under a name of late, or read it.

        Args:
            name: What is read.
            read: Reads it.
        """
        made: Future[T] = Future()
        with self._lock:
            held = self._reads.setdefault(name, made)
        if held is not made:
            return held.result(_PATIENCE_S)
        try:
            made.set_result(read())
        except BaseException as error:
            made.set_exception(error)
            with self._lock:
                self._reads.pop(name, None)
            raise
        return made.result()

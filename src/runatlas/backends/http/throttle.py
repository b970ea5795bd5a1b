"""The share of a server that one client takes: few requests at once, and none while the server asks for a pause."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runatlas.errors import TimeoutError_

__all__ = ["CONCURRENCY", "Throttle"]

CONCURRENCY = 8
"""How many requests of one client are under way at the most."""


class Throttle:
    """Shared by all threads of one client."""

    def __init__(self, *, clock: Callable[[], float], concurrency: int = CONCURRENCY) -> None:
        self._clock = clock
        self._slots = threading.BoundedSemaphore(concurrency)
        self._lock = threading.Lock()
        self._resume_at = 0.0

    @contextmanager
    def slot(self, timeout_s: float) -> Iterator[None]:
        """Hold one of the places.

        Raises:
            TimeoutError_: None became free in that time.
        """
        if not self._slots.acquire(timeout=timeout_s):
            raise TimeoutError_("no connection became free in time; other requests of this Api take all of them")
        try:
            yield
        finally:
            self._slots.release()

    def pause(self, seconds: float) -> None:
        """Let no request begin for that long, whoever makes it: the server is busy for all of them."""
        with self._lock:
            self._resume_at = max(self._resume_at, self._clock() + seconds)

    def pause_left(self) -> float:
        """Return how many seconds of the pause are left, 0 when there is none."""
        with self._lock:
            return max(0.0, self._resume_at - self._clock())

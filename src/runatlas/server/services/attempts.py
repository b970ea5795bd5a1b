"""How often passwords may be tried: none must be found by trying."""

from __future__ import annotations

import threading

from cachetools import TTLCache

from runatlas.errors import RateLimitedError

__all__ = ["Attempts"]

_NAME_TRIES, _ALL_TRIES = 10, 200
_WINDOW_S = 300.0
_NAME_MAX = 100
_ALL = "all"


class Attempts:
    """Counts what failed of late, for each name and in all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed: TTLCache[str, int] = TTLCache(maxsize=10_000, ttl=_WINDOW_S)

    def begin(self, name: str) -> None:
        """Count an attempt as one that failed until it succeeds, so that those made at once count too.

        Raises:
            RateLimitedError: It has to wait.
        """
        keys = (_named(name), _ALL)
        with self._lock:
            counts = [self._failed.get(key, 0) for key in keys]
            if counts[0] >= _NAME_TRIES or counts[1] >= _ALL_TRIES:
                raise RateLimitedError("too many attempts failed; wait five minutes, or sign in with a key")
            for key, count in zip(keys, counts, strict=True):
                self._failed[key] = count + 1

    def succeed(self, name: str) -> None:
        """Take an attempt back: it was no failure."""
        with self._lock:
            for key in (_named(name), _ALL):
                if count := self._failed.get(key, 0):
                    self._failed[key] = count - 1


def _named(name: str) -> str:
    return f"name {name[:_NAME_MAX]}"

"""How many bytes of bodies, and how many of answers, may be in memory at the same time."""

from __future__ import annotations

import asyncio
import threading
import time

from runatlas.errors import BusyError, RateLimitedError

__all__ = ["Held", "HeldAnswers"]


class Held:
    """Counts bytes by caller and in all: those of bodies.

    Args:
        total: How many all callers together may hold; one of them half of it.
    """

    _of_caller = "the bodies of your requests under way are larger than {} bytes together; send fewer at a time"
    _of_all = "the bodies of all requests under way are larger than {} bytes"

    def __init__(self, total: int) -> None:
        self._total = total
        self._each: dict[str, int] = {}
        self._sum = 0
        self._lock = threading.Lock()

    def add(self, who: str, size: int) -> None:
        """Count more.

        Raises:
            RateLimitedError: This caller holds too much.
            BusyError: All together do.
        """
        with self._lock:
            self._require(who, size)
            self._count(who, size)

    def remove(self, who: str, size: int) -> None:
        """Count less."""
        with self._lock:
            self._count(who, -size)

    def _require(self, who: str, size: int) -> None:
        if self._each.get(who, 0) + size > self._total // 2:
            raise RateLimitedError(self._of_caller.format(self._total // 2))
        if self._sum + size > self._total:
            raise BusyError(self._of_all.format(self._total))

    def _count(self, who: str, size: int) -> None:
        self._sum += size
        held = self._each.get(who, 0) + size
        if held > 0:
            self._each[who] = held
        else:
            self._each.pop(who, None)


class HeldAnswers(Held):
    """Counts the bytes of answers, from when they are foreseen until their clients have taken them.

    Who has no other answer under way may have one of any size.
    """

    _of_caller = (
        "the answers to your requests under way are larger than {} bytes together; read those first, or ask for less "
        "at a time"
    )
    _of_all = "the answers to all requests under way are larger than {} bytes"

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self._less = asyncio.Event()

    def foresee(self, who: str, size: int, own: int) -> None:
        """Count more, on any thread.

        Args:
            who: The caller.
            size: How much more.
            own: How much the same answer holds already.

        Raises:
            RateLimitedError: This caller holds too much.
            BusyError: All together do.
        """
        with self._lock:
            if self._each.get(who, 0) > own:
                self._require(who, size)
            self._count(who, size)

    async def wait(self, who: str, size: int, deadline: float) -> None:
        """Count more as soon as there is room for it.

        Args:
            who: The caller.
            size: How much more; room is needed for 0 too.
            deadline: Until when to wait, by ``time.monotonic``.

        Raises:
            RateLimitedError: This caller held too much until then.
            BusyError: All together did.
        """
        while True:
            self._less.clear()
            try:
                return self.foresee(who, size, own=0)
            except (RateLimitedError, BusyError):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
            waiting = asyncio.ensure_future(self._less.wait())
            try:
                await asyncio.wait({waiting}, timeout=left)
            finally:
                waiting.cancel()

    def change(self, who: str, before: int, after: int) -> None:
        """Count an answer as what it holds by now, on the event loop's thread."""
        with self._lock:
            self._count(who, after - before)
        if after < before:
            self._less.set()

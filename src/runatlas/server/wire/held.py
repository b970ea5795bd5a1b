"""How many bytes of bodies may be in memory at the same time."""

from __future__ import annotations

from runatlas.errors import BusyError, RateLimitedError

__all__ = ["Held"]


class Held:
    """Counts the bytes of bodies, by caller and in all; for the event loop's thread alone.

    Args:
        total: How many all callers together may hold; one of them half of it.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._each: dict[str, int] = {}
        self._sum = 0

    def add(self, who: str, size: int) -> None:
        """Count more.

        Raises:
            RateLimitedError: This caller holds too much.
            BusyError: All together do.
        """
        of_caller = self._each.get(who, 0) + size
        if of_caller > self._total // 2:
            raise RateLimitedError(
                f"the bodies of your requests under way are larger than {self._total // 2} bytes together; "
                "send fewer at a time"
            )
        if self._sum + size > self._total:
            raise BusyError(f"the bodies of all requests under way are larger than {self._total} bytes")
        self._each[who] = of_caller
        self._sum += size

    def remove(self, who: str, size: int) -> None:
        """Count less."""
        self._sum -= size
        left = self._each.get(who, 0) - size
        if left > 0:
            self._each[who] = left
        else:
            self._each.pop(who, None)

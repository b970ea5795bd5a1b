"""When a failed request is worth another try, and how long to wait before it: a value, with its clock inside."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import attrs

__all__ = ["RetryPolicy"]

_BUSY = frozenset({429, 502, 503, 504})
_FAULT = 500

_random = random.SystemRandom().random
"""Of the operating system: a program's own random numbers stay what its seed makes them, and forks wait differently."""


@attrs.frozen
class RetryPolicy:
    """Exponential back-off with full jitter, within one total time budget.

    The delays follow "full jitter" of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.

    Attributes:
        total_s: How long one call may take, waits included.
        base_s, cap_s: The first and the largest delay, before jitter.
        fault_tries: How many tries a call gets that fails without a server asking for patience: refused
            connections, broken answers, status 500. A busy server (429, 502, 503, 504) is asked until time is up.
        clock: Seconds, ascending.
        now: Unix seconds, for ``Retry-After`` dates.
        jitter: A number from 0 to 1.
        wait: Waits for the event, at the most that many seconds; true when it was set.
    """

    total_s: float = 60.0
    base_s: float = 0.25
    cap_s: float = 10.0
    fault_tries: int = 4
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    jitter: Callable[[], float] = _random
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait

    def is_worth_it(self, status: int | None, tries: int) -> bool:
        """Return whether a call may be tried again.

        Args:
            status: What the server answered; ``None`` when no whole answer came.
            tries: How often it was tried.
        """
        return status in _BUSY or (status in (None, _FAULT) and tries < self.fault_tries)

    def delay(self, tries: int, retry_after: str | None = None) -> float:
        """Return how many seconds to wait before the next try.

        Args:
            tries: How often it was tried, from 1.
            retry_after: The ``Retry-After`` of the answer: seconds or an HTTP date. It is a lower bound.
        """
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(tries - 1, 30))
        asked = self._asked(retry_after)
        # What the server asks for is kept, and spread a little: many clients were told the same moment.
        return self.jitter() * ceiling if asked is None else asked + self.jitter() * self.base_s

    def _asked(self, retry_after: str | None) -> float | None:
        if not retry_after:
            return None
        text = retry_after.strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            moment = parsedate_to_datetime(text).timestamp()
        except (ValueError, TypeError, OverflowError):
            return None
        return max(0.0, moment - self.now())

"""When a failed request is worth another try, how long to wait before it, and the tries of one call."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import attrs

from runatlas.backends.http.answer import Answer
from runatlas.backends.http.transport import BrokenRequest, Throttle
from runatlas.errors import RateLimitedError, RequestError, RunAtlasError, TimeoutError_

__all__ = ["IN_PROGRESS", "FailedTry", "RetryPolicy", "Tries"]

_LOG = logging.getLogger("runatlas.http")
_SHOWN_FROM_S = 1.0
_TOO_MANY, _UNAVAILABLE = 429, 503

IN_PROGRESS = "idempotency_key_in_progress"
"""The error code of a write whose first try the server is still working on."""

_BUSY = frozenset({_TOO_MANY, 502, _UNAVAILABLE, 504})
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


@attrs.frozen
class FailedTry:
    """Why a try did not do.

    Attributes:
        status: ``None`` when no whole answer came.
        may_repeat: Whether another try can neither do harm nor be in vain.
    """

    error: RunAtlasError
    status: int | None
    may_repeat: bool
    retry_after: str | None = None

    @classmethod
    def of_break(cls, broken: BrokenRequest, *, repeatable: bool) -> FailedTry:
        """Make one of an answer that did not come; what was never sent may always be repeated."""
        return cls(broken.error, None, not broken.is_final and (repeatable or not broken.sent))

    @classmethod
    def of_refusal(cls, answer: Answer, *, repeatable: bool) -> FailedTry:
        """Make one of an error status; a write that is still under way is waited for like a busy server."""
        status = _UNAVAILABLE if answer.error_code == IN_PROGRESS else answer.status
        may_repeat = repeatable or status == _TOO_MANY
        return cls(answer.error(), status, may_repeat, answer.headers.get("retry-after"))


class Tries:
    """Counts the tries of one call and keeps its deadline."""

    def __init__(self, what: str, policy: RetryPolicy, throttle: Throttle, closed: threading.Event) -> None:
        self._what = what
        self._policy = policy
        self._throttle = throttle
        self._closed = closed
        self._tries = 0
        self.deadline = policy.clock() + policy.total_s

    def renew(self) -> None:
        """Begin the tries and the time anew: something came."""
        self._tries = 1
        self.deadline = self._policy.clock() + self._policy.total_s

    def left(self) -> float:
        """Return how many seconds are left.

        Raises:
            TimeoutError_: None are.
        """
        left = self.deadline - self._policy.clock()
        if left <= 0:
            raise TimeoutError_(f"{self._what}: the time budget of {self._policy.total_s:g} s ran out")
        return left

    def begin(self) -> None:
        """Count a try, after the pause that a server may have asked of all callers.

        Raises:
            RateLimitedError: The pause is longer than the time left.
            RequestError: The client was closed meanwhile.
        """
        self._tries += 1
        pause = self._throttle.pause_left()
        if pause <= 0:
            return
        if pause > self.left():
            raise RateLimitedError(f"{self._what}: the server asked for a pause of {pause:.0f} s, too long to wait for")
        self._wait(pause)

    def back_off(self, failed: FailedTry) -> None:
        """Wait before another try.

        Raises:
            RunAtlasError: That of the failed one, when another try is not worth it or would come too late.
            RequestError: The client was closed meanwhile.
        """
        if not failed.may_repeat or not self._policy.is_worth_it(failed.status, self._tries):
            raise self._given_up(failed)
        delay = self._policy.delay(self._tries, failed.retry_after)
        left = self.deadline - self._policy.clock()
        if delay >= left:
            raise self._given_up(failed, f"; the next try would be in {delay:.0f} s, beyond the time budget")
        if failed.retry_after is not None and failed.status in (_TOO_MANY, _UNAVAILABLE):
            self._throttle.pause(delay)
        level = logging.WARNING if delay >= _SHOWN_FROM_S else logging.INFO
        _LOG.log(level, "%s; trying again in %.1f s (%.0f s left)", failed.error.message, delay, left)
        self._wait(delay)

    def _given_up(self, failed: FailedTry, why: str = "") -> RunAtlasError:
        tried = f" (tried {self._tries} times)" if self._tries > 1 else ""
        error = failed.error
        if not tried and not why:
            return error
        return error.reworded(f"{error.message}{tried}{why}")

    def _wait(self, seconds: float) -> None:
        if self._policy.wait(self._closed, seconds):
            raise RequestError(f"{self._what}: given up, for the Api was closed")

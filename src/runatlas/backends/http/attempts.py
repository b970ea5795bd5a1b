"""The tries of one call: which setbacks are worth another one, and the wait before it."""

from __future__ import annotations

import logging
import threading

import attrs

from runatlas.backends.http.answer import Answer
from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.http.throttle import Budget
from runatlas.backends.http.transport import BrokenRequest
from runatlas.errors import RateLimitedError, RequestError, RunAtlasError, TimeoutError_

__all__ = ["IN_PROGRESS", "Effort", "Setback"]

_LOG = logging.getLogger("runatlas.http")
_SHOWN_FROM_S = 1.0
_TOO_MANY, _UNAVAILABLE = 429, 503

IN_PROGRESS = "idempotency_key_in_progress"
"""The error code of a write whose first try the server is still working on."""


@attrs.frozen
class Setback:
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
    def of_break(cls, broken: BrokenRequest, *, repeatable: bool) -> Setback:
        """Make one of an answer that did not come; what was never sent may always be repeated."""
        return cls(broken.error, None, not broken.is_final and (repeatable or not broken.sent))

    @classmethod
    def of_refusal(cls, answer: Answer, *, repeatable: bool) -> Setback:
        """Make one of an error status; a write that is still under way is waited for like a busy server."""
        status = _UNAVAILABLE if answer.error_code == IN_PROGRESS else answer.status
        may_repeat = repeatable or status == _TOO_MANY
        return cls(answer.error(), status, may_repeat, answer.headers.get("retry-after"))


class Effort:
    """Counts the tries of one call and keeps its deadline."""

    def __init__(self, what: str, policy: RetryPolicy, budget: Budget, closed: threading.Event) -> None:
        self._what = what
        self._policy = policy
        self._budget = budget
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
        pause = self._budget.pause_left()
        if pause <= 0:
            return
        if pause > self.left():
            raise RateLimitedError(f"{self._what}: the server asked for a pause of {pause:.0f} s, too long to wait for")
        self._wait(pause)

    def back_off(self, setback: Setback) -> None:
        """Wait before another try.

        Raises:
            RunAtlasError: The setback's, when another try is not worth it or would come too late.
            RequestError: The client was closed meanwhile.
        """
        if not setback.may_repeat or not self._policy.is_worth_it(setback.status, self._tries):
            raise self._given_up(setback)
        delay = self._policy.delay(self._tries, setback.retry_after)
        left = self.deadline - self._policy.clock()
        if delay >= left:
            raise self._given_up(setback, f"; the next try would be in {delay:.0f} s, beyond the time budget")
        if setback.retry_after is not None and setback.status in (_TOO_MANY, _UNAVAILABLE):
            self._budget.pause(delay)
        level = logging.WARNING if delay >= _SHOWN_FROM_S else logging.INFO
        _LOG.log(level, "%s; trying again in %.1f s (%.0f s left)", setback.error.message, delay, left)
        self._wait(delay)

    def _given_up(self, setback: Setback, why: str = "") -> RunAtlasError:
        tried = f" (tried {self._tries} times)" if self._tries > 1 else ""
        error = setback.error
        if not tried and not why:
            return error
        return error.reworded(f"{error.message}{tried}{why}")

    def _wait(self, seconds: float) -> None:
        if self._policy.wait(self._closed, seconds):
            raise RequestError(f"{self._what}: given up, for the Api was closed")

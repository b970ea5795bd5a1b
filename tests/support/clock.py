"""A clock that stands still until it is told, or waited on."""

from __future__ import annotations

import threading

from runatlas.backends.http.retry import RetryPolicy


class Clock:
    """Seconds; waiting moves it on at once and is written down."""

    def __init__(self, start: float = 1_000.0) -> None:
        self.time = start
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Stand in for ``threading.Event.wait``."""
        self.waits.append(seconds)
        self.time += seconds
        return event.is_set()

    def policy(self, *, total_s: float = 60.0, jitter: float = 1.0, **changes: float) -> RetryPolicy:
        """Return a policy on this clock whose jitter is always the same."""
        return RetryPolicy(
            total_s=total_s,
            clock=self,
            now=self,
            jitter=lambda: jitter,
            wait=self.wait,
            **changes,  # type: ignore[arg-type]
        )

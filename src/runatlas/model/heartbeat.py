"""How often a run says that it goes on, and after how long without a word it counts as crashed."""

from __future__ import annotations

import os

from runatlas.errors import StoreError

__all__ = ["heartbeat_s", "heartbeat_timeout_ms"]

_VARIABLE = "RUNATLAS_HEARTBEAT_TIMEOUT"
_HEARTBEAT_S, _TIMEOUT_S = 30.0, 600.0


def heartbeat_timeout_ms() -> int:
    """Return after how long without a word a run counts as crashed: ten minutes, or what the environment says.

    Raises:
        StoreError: It says something else than seconds.
    """
    given = os.environ.get(_VARIABLE, "")
    try:
        seconds = float(given) if given else _TIMEOUT_S
        if seconds > 0:
            return int(min(seconds, 1e12) * 1000)
    except ValueError:
        pass
    raise StoreError(f"{_VARIABLE}: expected a number of seconds above 0, such as 600, got {given!r}")


def heartbeat_s() -> float:
    """Return how often the store hears that a run goes on: several times within what it waits for a word."""
    try:
        return min(_HEARTBEAT_S, heartbeat_timeout_ms() / 3000)
    except StoreError:  # a store of this machine says it, and a server has an environment of its own
        return _HEARTBEAT_S

"""After how long without a word a run that goes on counts as crashed: who reads it and who writes it go by that."""

from __future__ import annotations

import os

from runatlas.errors import StoreError

__all__ = ["heartbeat_timeout_ms"]

_VARIABLE = "RUNATLAS_HEARTBEAT_TIMEOUT"
_TIMEOUT_S = 600.0


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

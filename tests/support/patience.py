"""Waiting for what another thread or process is about to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["eventually"]

_PATIENCE_S = 60


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait until something holds that nothing tells of; false if it never does."""
    never = threading.Event()
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        never.wait(0.02)
    return True

"""Handlers of ``logging``, held while a process forks.

A thread that writes a line at that moment holds the lock of the stream below the handler, which nobody gives back in
the child: the child would hang when it ends, for ``logging`` then flushes every handler.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from typing import Any

__all__ = ["hold_while_forking"]

_PATIENCE_S = 0.5
"""How long a fork waits in all: whoever holds a handler for longer may wait for the thread that forks."""

_held: list[Any] = []
_registering = threading.Lock()
_is_registered = False


def hold_while_forking() -> None:
    """From now on, let no thread be in the middle of a line of ``logging`` when this process forks."""
    global _is_registered  # noqa: PLW0603 - one registration a process, which cannot be taken back
    with _registering:
        if not _is_registered and hasattr(os, "register_at_fork"):
            _is_registered = True
            os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release)


def _hold() -> None:
    deadline = time.monotonic() + _PATIENCE_S
    # Its own lock first, as everybody does who takes both; forking takes it in any case.
    module: Any = getattr(logging, "_lock", None)
    for lock in [module, *(handler.lock for handler in _handlers())]:
        if lock is None:
            continue
        if lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            _held.append(lock)
        elif lock is module:
            return


def _release() -> None:
    while _held:
        # In a child, logging has made them anew.
        with suppress(RuntimeError):
            _held.pop().release()


def _handlers() -> set[logging.Handler]:
    loggers = [logging.root, *list(logging.root.manager.loggerDict.values())]
    found = {handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers}
    return found | {logging.lastResort} if logging.lastResort is not None else found

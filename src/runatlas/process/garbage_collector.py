"""The garbage collector is kept from work that makes many objects and no cycles of them."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_paused"]

_pausing = threading.Lock()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the garbage collector from running meanwhile, unless it is off, or kept from it already.

    Only who came first pauses it and lets it go on, so that calls which overlap for ever do not keep it from running
    for ever. What is not part of a cycle is freed as always.

    Example:
        >>> import gc
        >>> with collector_paused():
        ...     gc.isenabled()
        False
        >>> gc.isenabled()
        True
    """
    lock = _pausing
    if not gc.isenabled() or not lock.acquire(blocking=False):
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        lock.release()


def _go_on_in_child() -> None:
    """Let a child collect that was forked by another thread meanwhile."""
    global _pausing  # noqa: PLW0603 - the lock that was copied is held by nobody here
    if _pausing.locked():
        _pausing = threading.Lock()
        gc.enable()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_go_on_in_child)

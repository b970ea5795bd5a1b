"""The ends that a process can come to while runs are open: exit, exception, fork."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol
from weakref import WeakSet

from runatlas.model.run import RunState

__all__ = ["Closable", "Ending", "describe_ending", "watch"]

_ERROR_MAX = 20_000


class Closable(Protocol):
    """Something to be closed when the process ends, and to begin anew in a forked child."""

    def close_at_exit(self, state: RunState, error: str) -> None:
        """Close it."""

    def forked(self) -> None:
        """Begin anew in a child."""


Ending = tuple[RunState, str]


def describe_ending(
    kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> Ending:
    """Return the state that an exception leaves a run in, and the error as text."""
    if kind is None or error is None:
        return "FINISHED", ""
    if issubclass(kind, KeyboardInterrupt):
        return "ABORTED", "interrupted from the keyboard"
    if issubclass(kind, SystemExit):
        code = error.code if isinstance(error, SystemExit) else None
        return ("FINISHED", "") if not code else ("CRASHED", f"the program ended with {code!r}")
    text = "".join(traceback.format_exception(kind, error, trace)).rstrip()
    return "CRASHED", text[-_ERROR_MAX:]


class _Watch:
    """Keeps the open runs of this process."""

    def __init__(self) -> None:
        self._open: WeakSet[Any] = WeakSet()
        self._lock = threading.Lock()
        self._ending: Ending = ("FINISHED", "")
        self._hook: Callable[..., Any] | None = None

    def add(self, run: Closable) -> None:
        """Close a run when the process ends, unless it is closed or gone by then."""
        with self._lock:
            if self._hook is None:
                self._hook = sys.excepthook
                sys.excepthook = self._on_exception
                atexit.register(self._on_exit)
                if hasattr(os, "register_at_fork"):
                    os.register_at_fork(after_in_child=self._on_fork)
            self._open.add(run)

    def remove(self, run: Closable) -> None:
        """Forget a run that is closed."""
        self._open.discard(run)

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self._ending = describe_ending(kind, error, trace)
        if self._hook is not None:
            self._hook(kind, error, trace)

    def _on_exit(self) -> None:
        for run in list(self._open):
            run.close_at_exit(*self._ending)

    def _on_fork(self) -> None:
        self._lock = threading.Lock()
        for run in list(self._open):
            run.forked()


watch = _Watch()
"""The one of this process."""

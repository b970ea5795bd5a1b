"""How a run ends: its program closes it, or it ends with the process."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from runatlas.model.run import RunPatch, RunState
from runatlas.model.text import storable
from runatlas.tracking.patch import apply_patch
from runatlas.tracking.process_end import watch

if TYPE_CHECKING:
    from runatlas.tracking.run import Run

__all__ = ["CLOSE_S", "close", "close_at_exit", "end", "fail", "finish", "note_failure"]

CLOSE_S = 60.0
"""How long ``close`` brings away what is left, unless told otherwise."""


def close(self: Run, timeout: float = CLOSE_S) -> None:  # noqa: D417 - nobody gives self
    """End the run: store what is left, mark it finished, and warn of what could not be kept.

    What the store does not take in time stays in the spool, for ``runatlas sync``. A second call does nothing.

    Args:
        timeout: Seconds that it may take.

    Raises:
        TrackingError: Something was lost or is left, and the run is strict.
    """
    end(self, "FINISHED", "", timeout)


def finish(self: Run, timeout: float = CLOSE_S) -> None:  # noqa: D417 - nobody gives self
    """End the run; the same as ``close``.

    Args:
        timeout: Seconds that it may take.
    """
    self.close(timeout)


def fail(self: Run, error: str = "", timeout: float = CLOSE_S) -> None:  # noqa: D417 - nobody gives self
    """End the run and mark it crashed.

    Args:
        error: Why.
        timeout: Seconds that it may take.
    """
    end(self, "CRASHED", error, timeout)


def close_at_exit(self: Run, state: RunState, error: str, timeout_s: float) -> None:  # noqa: D417 - nobody gives self
    """End the run because the process ends.

    Args:
        state: What the process's end means for it.
        error: What ended the process.
        timeout_s: Seconds that it may take.
    """
    if self._failed is not None and state == "FINISHED":
        state, error = self._failed
    if self._is_writable:
        end(self, state, error, timeout_s)
    elif self._recorder is not None and not self._recorder.is_closed:
        self._recorder.await_end(self._ended, timeout_s)


def note_failure(self: Run, state: RunState, error: str) -> None:  # noqa: D417 - nobody gives self
    """Mark the run as failed while the process goes on; what is recorded next makes it RUNNING again.

    Args:
        state: What the failure means for it.
        error: What failed.
    """
    recorder = self._recorder
    if recorder is None or not self._is_writable or not self._is_primary:
        return
    self._failed = (state, error)
    patch = _last_change(self, state, error)
    self._apply(patch)
    recorder.put(patch)
    recorder.put_before_next(partial(_go_on, self))


def _go_on(self: Run) -> RunPatch:
    """Say that a run that failed goes on."""
    patch = RunPatch(state="RUNNING")
    self._failed = None
    self._apply(patch)
    return patch


def _last_change(self: Run, state: RunState, error: str) -> RunPatch:
    ended_ms = max(int(time.time() * 1000), self._held().created_at_ms)
    return RunPatch(state=state, finished_at_ms=ended_ms, error=storable(error) or None)


def end(self: Run, state: RunState, error: str, timeout_s: float) -> None:
    """End the run, unless it has ended."""
    with self._closing:
        if not self._is_writable:
            return
        self._is_writable = self._is_quick = False
        ended = self._ended = threading.Event()
    try:
        if self._auto_capture is not None:
            self._auto_capture.stop()
        patch = _last_change(self, state, error)
        self._has_old_summary = True
        if self._is_primary:
            self._record = apply_patch(self._held(), patch)
        if self._recorder is not None:
            self._recorder.close(patch if self._is_primary else None, timeout_s)
    finally:
        watch.remove(self)
        ended.set()

"""The threads behind a run. What fails in them is warned of and counted, and never reaches the training loop."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

__all__ = ["Worker", "attempt", "describe"]

T = TypeVar("T")

_AFTER_FAULT_S = 1.0


class Worker:
    """A daemon thread that takes one turn after another, whatever they raise; one that died all the same is replaced.

    Attributes:
        stopping: Whether it was asked to end.

    Args:
        name: The thread's name.
        turn: One turn; returns how many seconds to wait for the next one unless woken, below 0 to end.
        on_fault: Called with what a turn raised.
    """

    def __init__(self, name: str, turn: Callable[[], float], on_fault: Callable[[BaseException], None]) -> None:
        self._name = name
        self._turn = turn
        self._on_fault = on_fault
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()
        self.stopping = False

    def start(self) -> bool:
        """Start the thread unless it runs.

        Returns:
            Whether it runs: an interpreter that is going down starts no more threads.
        """
        if self._thread is not None and self._thread.is_alive():
            return True
        with self._start_lock:
            is_needed = (self._thread is None or not self._thread.is_alive()) and not self.stopping
            # A thread that is started while the interpreter goes down never runs, and whoever starts it hangs.
            if is_needed and not sys.is_finalizing():
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    return False
                self._thread = thread
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """Let the next turn begin now."""
        self._wake.set()

    def stop(self, timeout_s: float) -> bool:
        """Ask the thread to end after its turn, and wait for that.

        Returns:
            Whether it ended.
        """
        self.stopping = True
        self._wake.set()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(max(0.0, timeout_s))
        return not thread.is_alive()

    def _run(self) -> None:
        delay = 0.0
        while delay >= 0:
            if delay:
                self._wake.wait(delay)
                self._wake.clear()
            if self.stopping:
                return
            try:
                delay = self._turn()
            except BaseException as error:
                # Also SystemExit and the like, which somebody else's code may raise here: the thread has work to do.
                attempt(partial(self._on_fault, error))
                delay = _AFTER_FAULT_S


def attempt(call: Callable[[], T]) -> tuple[T | None, str]:
    """Run somebody else's code on a thread of ours.

    Args:
        call: Anything.

    Returns:
        What it returned and ``""``, or ``None`` and what it raised.
    """
    try:
        return call(), ""
    except Exception as error:
        return None, describe(error)


def describe(error: BaseException) -> str:
    """Return an error as one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # somebody else's class
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

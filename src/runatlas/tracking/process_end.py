"""The ends that a process can come to while runs are open: exit, exception, signal, a failed cell, fork."""

from __future__ import annotations

import atexit
import dis
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Protocol
from weakref import WeakSet

from runatlas.model.run import RunState
from runatlas.process.log_handlers import hold_while_forking
from runatlas.tracking.signals import EndingSignals, is_child_of_multiprocessing, is_main_thread

__all__ = ["Closable", "Ending", "describe_ending", "watch"]

_ERROR_MAX = 20_000
_EXIT_S = 60.0
"""How long the runs of a process may take together to bring away what is left, when it ends by itself."""

_LAST = -100
"""The priority of what is done at the end of a child of multiprocessing after everything else."""


class Closable(Protocol):
    """Something to be closed when the process ends, and to begin anew in a forked child."""

    def close_at_exit(self, state: RunState, error: str, timeout_s: float) -> None:
        """Close it."""

    def note_failure(self, state: RunState, error: str) -> None:
        """Let it be seen that what was recording it failed, while it can still go on."""

    def forked(self) -> None:
        """Begin anew in a child."""


Ending = tuple[RunState, str]
_FINISHED: Ending = ("FINISHED", "")


def describe_ending(
    kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> Ending:
    """Return the state that an exception leaves a run in, and the error as text."""
    if kind is None or error is None:
        return _FINISHED
    if issubclass(kind, KeyboardInterrupt):
        return "ABORTED", "interrupted from the keyboard"
    if issubclass(kind, SystemExit):
        code = error.code if isinstance(error, SystemExit) else None
        return _FINISHED if not code else ("CRASHED", f"the program ended with {code!r}")
    text = "".join(traceback.format_exception(kind, error, trace)).rstrip()
    return "CRASHED", text[-_ERROR_MAX:]


class _Watch:
    """Keeps the open runs of this process."""

    def __init__(self) -> None:
        self._open: WeakSet[Any] = WeakSet()
        self._lock = threading.Lock()
        self._ending = _FINISHED
        self._hook: Callable[..., Any] | None = None
        self._exit: Callable[..., Any] | None = None
        self._exit_error: SystemExit | None = None
        self._notebook: Any = None
        self._signals = EndingSignals(self._abort_all)
        self._attended = 0

    @contextmanager
    def opening(self) -> Iterator[None]:
        """While a run is made, let a signal wait until it is there, and can be closed."""
        self._signals.listen()
        try:
            yield
        finally:
            if not self._open:
                self._signals.restore()

    def add(self, run: Closable) -> None:
        """Close a run when the process ends, unless it is closed or gone by then."""
        with self._lock:
            if self._hook is None:
                self._hook, sys.excepthook = sys.excepthook, self._on_exception
                self._exit, sys.exit = sys.exit, self._leave  # type: ignore[assignment]
                atexit.register(self._on_exit)
                hold_while_forking()
                if hasattr(os, "register_at_fork"):
                    signals = self._signals
                    os.register_at_fork(
                        before=signals.hold, after_in_parent=signals.release, after_in_child=self._on_fork
                    )
            self._listen_to_notebook()
            self._open.add(run)
        self._attend_end_of_child()

    def attend(self) -> None:
        """Take signals from the first record of a forked child on, as its parent does."""
        if self._signals.is_inherited:
            self._signals.listen()

    def remove(self, run: Closable) -> None:
        """Forget a run that is closed."""
        self._open.discard(run)
        if not self._open:
            self._signals.restore()

    # -- the end of the program -------------------------------------------------------------------------------------

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self._ending = describe_ending(kind, error, trace)
        if self._hook is not None:
            self._hook(kind, error, trace)

    def _leave(self, status: Any = None, /) -> None:
        """Stand in for ``sys.exit``: what it raises ends the program past every hook, unless somebody catches it."""
        arguments = () if status is None else status if isinstance(status, tuple) else (status,)
        error = SystemExit(*arguments)
        if status and is_main_thread():
            self._exit_error = error
        raise error

    def _on_exit(self) -> None:
        ending = self._ending
        if ending == _FINISHED and self._exit_error is not None and _has_ended_program(self._exit_error):
            ending = describe_ending(SystemExit, self._exit_error, None)
        self._exit_error = None
        self._close_all(ending, _EXIT_S)

    def _abort_all(self, why: str, timeout_s: float) -> None:
        self._close_all(("ABORTED", why), timeout_s)

    def _close_all(self, ending: Ending, timeout_s: float) -> None:
        """Close every run: what one raises, or an interrupt, keeps none of the others from being closed."""
        deadline = time.monotonic() + timeout_s

        def close(run: Closable) -> None:
            nonlocal deadline
            try:
                run.close_at_exit(*ending, max(0.0, deadline - time.monotonic()))
            except KeyboardInterrupt:
                # Who interrupts waits no longer; what is left goes to the spool.
                deadline = time.monotonic()
                raise

        with ExitStack() as stack:
            for run in list(self._open):
                stack.callback(close, run)

    # -- notebooks --------------------------------------------------------------------------------------------------

    def _listen_to_notebook(self) -> None:
        module = sys.modules.get("IPython")
        shell = module.get_ipython() if module is not None else None
        if shell is not None and shell is not self._notebook:
            self._notebook = shell
            shell.events.register("post_run_cell", self._on_cell)

    def _on_cell(self, result: Any) -> None:
        """A cell ended: the runs that are open failed with it, until something is recorded again."""
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            for run in list(self._open):
                run.note_failure(*describe_ending(type(error), error, error.__traceback__))

    # -- forks ------------------------------------------------------------------------------------------------------

    def _on_fork(self) -> None:
        self._lock = threading.Lock()
        self._exit_error = None
        self._attend_end_of_child()
        for run in list(self._open):
            run.forked()
        self._signals.forked()

    def _attend_end_of_child(self) -> None:
        """Close runs at the end of a child of multiprocessing, which ends without ``atexit``."""
        util = sys.modules.get("multiprocessing.util")
        if util is not None and self._attended != os.getpid():
            self._attended = os.getpid()
            # Once a child has what it needs it forgets what is to be done at its end, and then calls this.
            util.register_after_fork(self, _Watch._close_at_end_of_child)
            self._close_at_end_of_child()

    def _close_at_end_of_child(self) -> None:
        util = sys.modules.get("multiprocessing.util")
        if util is not None and is_child_of_multiprocessing():
            util.Finalize(None, self._on_exit, exitpriority=_LAST)


def _has_ended_program(error: BaseException) -> bool:
    """Tell whether nobody caught an exception: the outermost frame that it is known to have reached did not go on."""
    trace = error.__traceback__
    if trace is None:
        # Python 3.11 notes no trace until somebody handles it.
        return True
    last = dis.opname[trace.tb_frame.f_code.co_code[trace.tb_frame.f_lasti]]
    return not last.startswith(("RETURN", "YIELD", "RESUME", "SEND"))


watch = _Watch()
"""The one of this process."""

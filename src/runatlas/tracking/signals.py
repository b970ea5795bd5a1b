"""Signals that end a process: what it recorded is stored first, and then the signal takes effect."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

__all__ = ["EndingSignals", "is_child_of_multiprocessing", "is_main_thread"]

_NUMBERS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))

_CLOSE_S = 8.0
"""How long the runs may take to bring away what is left: schedulers and containers kill some ten seconds later."""

_LEAVE_S = 2.0
"""How much of that the call that was interrupted may take to come to its end, before the runs are closed beside it."""

_LATE_S = 2.0
"""After this much more the process dies, whatever it is at."""

_UNHEARD_S, _UNHEARD_MAX_S = 0.1, 5.0
"""How long the main thread may take to see a signal before it is told again."""

_RING = getattr(signal, "SIGURG", 0)
"""A signal that means nothing to those who do not wait for it."""

_STOP = b"\0"

_HOLDERS = frozenset({"runatlas", "logging"})
"""Packages whose code may hold a lock that closing a run waits for."""

_DRIVERS = ("runatlas.cli", "runatlas.demo", "runatlas.importers")
"""Those of our own that record as anybody's program does."""


class EndingSignals:
    """Takes the signals that nobody else takes; a program's own handler stays, and may come later.

    A signal may interrupt the main thread while it holds a lock, say in the midst of ``run.flush()``. Whoever waited
    for it there would wait in vain, so then the handler returns, the call goes on to its end, and only where it would
    return to the program the main thread waits, and the process dies.

    A forked child dies of them as if nobody had taken them, until it records something itself. While a process forks
    they wait: Python forgets in the child what came before it could look, and who told it to end would wait in vain.

    Args:
        close_all: Closes every run, as ended by this, within this many seconds; called by a thread of its own.
    """

    def __init__(self, close_all: Callable[[str, float], None]) -> None:
        self._close_all = close_all
        self._is_over = False
        self._process = 0
        self._masks = threading.local()
        self._bell = _Bell(self._is_unheard)
        self.is_told_to_end = False

    @property
    def is_inherited(self) -> bool:
        """Whether it was the parent of this process that listened."""
        return self._process != os.getpid()

    def listen(self) -> None:
        """Start to listen."""
        if is_main_thread():
            self._process = os.getpid()
            for number in _NUMBERS:
                if signal.getsignal(number) is signal.SIG_DFL:
                    signal.signal(number, self._on_signal)
            if is_child_of_multiprocessing() and any(map(self._is_unheard, _NUMBERS)):
                self._bell.hang()

    def restore(self) -> None:
        """Leave everything as it was found, unless the process ends already."""
        if not self.is_told_to_end and is_main_thread():
            self._bell.take_down()
            for number in _NUMBERS:
                if signal.getsignal(number) == self._on_signal:
                    signal.signal(number, signal.SIG_DFL)

    def hold(self) -> None:
        """Before a fork, let signals wait."""
        self._masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)

    def release(self) -> None:
        """Let them come after a fork."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.before)

    def forked(self) -> None:
        """Forget, in a forked child, the signals that its parent got."""
        self._is_over = self.is_told_to_end = False
        self._bell.forked()
        self.restore()
        self.release()

    def _is_unheard(self, number: int) -> bool:
        """Whether a signal is for us to see, and was not seen."""
        return not self.is_told_to_end and signal.getsignal(number) == self._on_signal

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._is_over:
            _die(number)
        if self.is_told_to_end:
            return
        self.is_told_to_end = True
        last = _LastMoments(number)
        _thread.start_new_thread(last.close, (self._close_all,))
        outermost = _outermost_holder(frame)
        if outermost is None:
            last.end()
            return

        def on_profile(at: FrameType, event: str, _: Any) -> None:
            if at is outermost and event == "return":
                sys.setprofile(None)
                last.end()

        def insist() -> None:
            """End the process all the same if the call does not come to its end."""
            last.wait()
            self._is_over = True
            os.kill(os.getpid(), number)

        _thread.start_new_thread(insist, ())
        sys.setprofile(on_profile)


class _Bell:
    """Rings in a child of multiprocessing until its main thread sees a signal.

    A worker of a pool is told to end just when it begins to wait for its next task, and then Python notes the signal
    and wakes nobody: it waited for ever. A thread hears of each signal through a pipe, and sends the main thread
    another one, which ends that wait and means nothing by itself.

    Args:
        is_unheard: Tells whether a signal was not seen yet.
    """

    def __init__(self, is_unheard: Callable[[int], bool]) -> None:
        self._is_unheard = is_unheard
        self._pipe: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None
        self._is_down = threading.Event()

    def hang(self) -> None:
        """Begin to hear of signals, in the main thread; who hears of them already, such as asyncio, goes on to."""
        if self._pipe is not None or sys.is_finalizing() or not _RING or signal.getsignal(_RING) != signal.SIG_DFL:
            return
        try:
            ear, mouth = os.pipe()
        except OSError:
            return  # no more files can be opened, which is for those to tell that need them
        os.set_blocking(mouth, False)
        before = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
        is_down = threading.Event()
        thread = threading.Thread(target=self._hear, args=(ear, is_down), name="runatlas-bell", daemon=True)
        if before == -1 and _is_started(thread):
            self._pipe, self._thread, self._is_down = (ear, mouth), thread, is_down
            signal.signal(_RING, _look)
            return
        _wake(before)
        os.close(ear)
        os.close(mouth)

    def take_down(self) -> None:
        """Hear of none any more, in the main thread."""
        if self._pipe is not None and self._thread is not None:
            ear, mouth = self._pipe
            self._forget()
            self._is_down.set()
            with suppress(BlockingIOError):  # then there is enough to hear
                os.write(mouth, _STOP)
            if not sys.is_finalizing():
                self._thread.join()
                os.close(ear)
                os.close(mouth)

    def forked(self) -> None:
        """Leave the pipe, in a forked child, to the parent."""
        if self._pipe is not None:
            ends = self._pipe
            self._forget()
            for end in ends:
                os.close(end)

    def _forget(self) -> None:
        mine = None if self._pipe is None else self._pipe[1]
        self._pipe = None
        before = signal.set_wakeup_fd(-1)
        if before not in {-1, mine}:
            _wake(before)
        if signal.getsignal(_RING) == _look:
            signal.signal(_RING, signal.SIG_DFL)

    def _hear(self, ear: int, is_down: threading.Event) -> None:
        while not is_down.is_set():
            for number in set(os.read(ear, 512)).intersection(_NUMBERS):
                wait_s = _UNHEARD_S
                while not is_down.wait(wait_s) and self._is_unheard(number):
                    signal.pthread_kill(threading.main_thread().ident or 0, _RING)
                    wait_s = min(2 * wait_s, _UNHEARD_MAX_S)


def _wake(descriptor: int) -> None:
    """Let signals be told to a descriptor, unless its owner closed it."""
    with suppress(OSError, ValueError):
        signal.set_wakeup_fd(descriptor)


def _look(*_: object) -> None:
    """Do nothing: before this the main thread saw what else there was."""


def _is_started(thread: threading.Thread) -> bool:
    """Start a thread, and tell whether that could be."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


class _LastMoments:
    """The time between a signal and the end of the process."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._deadline = time.monotonic() + _CLOSE_S
        # Locks of the lowest kind: the main thread may hold those of ``threading``.
        self._left, self._closed = _thread.allocate_lock(), _thread.allocate_lock()
        self._left.acquire()
        self._closed.acquire()

    def close(self, close_all: Callable[[str, float], None]) -> None:
        """Close every run once the main thread has left the code that may hold a lock."""
        try:
            self._left.acquire(timeout=_LEAVE_S)
            close_all(f"ended by {signal.Signals(self._number).name}", self._deadline - time.monotonic())
        finally:
            self._closed.release()

    def wait(self) -> None:
        """Wait until that is done, but not for ever."""
        if self._closed.acquire(timeout=_CLOSE_S + _LATE_S):
            self._closed.release()

    def end(self) -> None:
        """Wait, in the main thread, until the runs are closed, and end the process."""
        self._left.release()
        self.wait()
        _die(self._number)


def is_main_thread() -> bool:
    """Whether this is the thread that signals come to."""
    return threading.current_thread() is threading.main_thread()


def is_child_of_multiprocessing() -> bool:
    """Whether this process is a worker, of a pool or by itself."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def _outermost_holder(frame: FrameType | None) -> FrameType | None:
    """Return the call by which the program came to code that may hold a lock just now; ``None`` if it is at none."""
    found = None
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if module.partition(".")[0] in _HOLDERS and not module.startswith(_DRIVERS):
            found = frame
        frame = frame.f_back
    return found


def _die(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)

"""Copies what the process writes to its terminal."""

from __future__ import annotations

import itertools
import sys
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any

from runatlas.tracking.terminal_text import Line, Screen

__all__ = ["TerminalCapture"]

_WAITING_MAX = 32_000_000
"""Characters that may wait to be folded into lines; more are counted as lost."""


class TerminalCapture:
    """Copies what is written to ``sys.stdout`` and ``sys.stderr`` while it is on.

    The streams stay the same objects, so that handlers of ``logging`` made earlier are captured too. Writing costs the
    program an append; folding happens when ``take`` is called.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._waiting: deque[tuple[int, int, str]] = deque()
        self._size = 0
        self._screens = _make_screens()
        self._is_blank = True
        self._lock = Lock()
        self._taps: list[tuple[_Tap, Callable[[str], None]]] = []

    def start(self) -> None:
        """Begin to copy."""
        for index, stream in enumerate((sys.stdout, sys.stderr)):
            if stream is None or (index and stream is sys.stdout):
                continue
            tap, listener = _Tap.on(stream), partial(self._hear, index)
            tap.add(listener)
            self._taps.append((tap, listener))

    def stop(self) -> None:
        """Leave the streams as they were found."""
        for tap, listener in self._taps:
            tap.remove(listener)
        self._taps.clear()

    def forked(self) -> None:
        """Begin anew in a forked child: what was written before is the parent's."""
        self._lock = Lock()
        self._waiting.clear()
        self._size = 0
        self._screens = _make_screens()
        self._is_blank = True

    def take(self, *, final: bool = False, unfinished: bool = False) -> list[Line]:
        """Return the lines that were finished since the last call, of both streams in one order.

        Args:
            final: The lines in the making are wanted too: nothing more will come.
            unfinished: Those of them that changed since they were returned last are wanted too, as open ones.
        """
        with self._lock:
            taken: list[Line] = []
            if self._is_blank and not self._waiting:
                return taken
            for _ in range(len(self._waiting)):
                index, time_ms, text = self._waiting.popleft()
                self._size -= len(text)
                self._screens[index].write(text, time_ms)
                taken += self._screens[index].take()
            left = [line for screen in self._screens for line in screen.take(final=final)]
            if unfinished:
                left += [line for screen in self._screens for line in screen.show()]
            self._is_blank = all(screen.is_blank for screen in self._screens)
            return taken + sorted(left, key=lambda line: line.time_ms)

    def _hear(self, index: int, text: str) -> None:
        if self._size > _WAITING_MAX:
            self.lost += text.count("\n")
            return
        self._size += len(text)
        self._waiting.append((index, time.time_ns() // 1_000_000, text))


def _make_screens() -> tuple[Screen, Screen]:
    keys = itertools.count(1)
    return Screen(keys=keys), Screen(keys=keys)


class _Tap:
    """A stream's ``write``, replaced on the object by one that also tells every listener."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._own = vars(stream).get("write") if hasattr(stream, "__dict__") else None
        self._write = stream.write
        self._listeners: tuple[Callable[[str], None], ...] = ()
        self._replacement = self._tell
        stream.write = self._replacement

    @classmethod
    def on(cls, stream: Any) -> _Tap:
        """The tap of a stream: the one it has, or a new one."""
        there = getattr(getattr(stream, "write", None), "__self__", None)
        return there if isinstance(there, cls) else cls(stream)

    def add(self, listener: Callable[[str], None]) -> None:
        self._listeners = (*self._listeners, listener)

    def remove(self, listener: Callable[[str], None]) -> None:
        """Tell this listener no more; without listeners, leave the stream as it was found."""
        self._listeners = tuple(item for item in self._listeners if item is not listener)
        # Somebody may have replaced write again: then the tap stays below theirs, and is silent.
        if self._listeners or vars(self._stream).get("write") != self._replacement:
            return
        if self._own is None:
            del self._stream.write
        else:
            self._stream.write = self._own

    def _tell(self, text: Any) -> Any:
        for listener in self._listeners:
            if isinstance(text, str):
                listener(text)
        return self._write(text)

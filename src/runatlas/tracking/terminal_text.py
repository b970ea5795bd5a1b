"""What a terminal would show of a stream of text: carriage returns, backspaces and cursor moves folded into lines."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["Line", "Screen"]


class Line(NamedTuple):
    """A line, and when it was written last, in Unix milliseconds.

    Attributes:
        key: Names a line that was given out before it was finished; 0 for one that was not.
        is_open: Whether more may be written into it.
    """

    text: str
    time_ms: int
    key: int = 0
    is_open: bool = False


_CONTROL = re.compile(
    r"\x1b\[(?P<numbers>[0-9;?]*)[ -/]*(?P<letter>[@-~])"  # control sequences
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles and links
    r"|\x1b[@-Z\\-_=>78]"
    r"|[\r\n\b\t\x00-\x1f\x7f]"
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*|\][^\x07\x1b]*)?\Z")
_LINE_MAX = 20_000
_HELD_MAX = 100
_SETTLE_S = 0.25
_UNSHOWN = (0, "")


class Screen:
    """Lines in the making. Not thread-safe; the owner locks.

    A line is finished when the cursor has left it for good: some progress bars move up again, so a line is held for a
    moment after the cursor moved on.

    Args:
        clock: Seconds, never going back.
        keys: Names for lines that are given out before they are finished.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, keys: Iterator[int] | None = None) -> None:
        self._clock = clock
        self._keys = itertools.count(1) if keys is None else keys
        self._shown: list[tuple[int, str]] = [_UNSHOWN]
        """Of each line the key and the text that were given out last."""
        self._lines: list[list[str]] = [[]]
        self._times: list[int] = [0]
        self._now_ms = 0
        self._row = 0
        self._column = 0
        self._pending = ""
        self._moved_at = clock()
        self._climbs = False

    def write(self, text: str, time_ms: int = 0) -> None:
        """Take in what was written, and when."""
        self._now_ms = time_ms
        text = self._pending + text
        cut = _UNFINISHED.search(text)
        self._pending = text[cut.start() :] if cut and len(text) - cut.start() < 64 else ""
        if self._pending:
            text = text[: -len(self._pending)]
        place = 0
        for found in _CONTROL.finditer(text):
            if found.start() > place:
                self._put(text[place : found.start()])
            place = found.end()
            self._control(found)
        if place < len(text):
            self._put(text[place:])

    @property
    def is_blank(self) -> bool:
        """Whether nothing is in the making, and nothing of what was given out can change."""
        return self._lines == [[]] and self._shown == [_UNSHOWN] and not self._pending

    def take(self, *, final: bool = False) -> list[Line]:
        """Return the lines that are finished, and forget them.

        Args:
            final: Nothing more will come: the line in the making is finished too.
        """
        if final:
            count = len(self._lines) if self._lines[-1] or self._shown[-1][0] else len(self._lines) - 1
            taken = self._first(count)
            self._lines, self._times, self._shown = [[]], [0], [_UNSHOWN]
            self._row, self._column, self._pending = 0, 0, ""
            return taken
        settled = not self._climbs or self._clock() - self._moved_at >= _SETTLE_S
        count = self._row if settled else max(0, self._row - _HELD_MAX)
        if not count:
            return []
        taken = self._first(count)
        del self._lines[:count]
        del self._times[:count]
        del self._shown[:count]
        self._row -= count
        return taken

    def show(self) -> list[Line]:
        """Return the lines in the making that changed since they were returned last."""
        changed: list[Line] = []
        for row, line in enumerate(self._first(len(self._lines))):
            key, text = self._shown[row]
            if line.text != text:
                self._shown[row] = (key or next(self._keys), line.text)
                changed.append(line._replace(key=self._shown[row][0], is_open=True))
        return changed

    def _first(self, count: int) -> list[Line]:
        held = zip(self._lines[:count], self._times, self._shown, strict=False)
        return [Line("".join(line).rstrip(), time_ms, shown[0]) for line, time_ms, shown in held]

    def _put(self, text: str) -> None:
        line = self._lines[self._row]
        self._times[self._row] = self._now_ms
        if self._column > len(line):
            line.extend(" " * (self._column - len(line)))
        line[self._column : self._column + len(text)] = text
        self._column += len(text)
        if len(line) > _LINE_MAX:
            self._lines[self._row] = line[:_LINE_MAX]
            self._column = min(self._column, _LINE_MAX)

    def _control(self, found: re.Match[str]) -> None:
        mark = found.group()
        if mark == "\n":
            if not self._lines[self._row]:
                self._times[self._row] = self._now_ms
            self._move(1)
            self._column = 0
        elif mark == "\r":
            self._column = 0
        elif mark == "\b":
            self._column = max(0, self._column - 1)
        elif mark == "\t":
            self._put(" " * (8 - self._column % 8))
        elif found["letter"]:
            self._sequence(found["letter"], found["numbers"])

    def _sequence(self, letter: str, numbers: str) -> None:
        first = numbers.split(";", maxsplit=1)[0]
        count = int(first) if first.isdigit() else 0
        if letter in "AF":
            self._move(-max(1, count))
            self._climbs = True
        elif letter in "BE":
            self._move(max(1, count))
        elif letter == "C":
            self._column += min(max(1, count), _LINE_MAX)
        elif letter == "D":
            self._column = max(0, self._column - max(1, count))
        elif letter == "G":
            self._column = max(0, min(count, _LINE_MAX) - 1)
        elif letter == "K":
            self._erase(count)
        if letter in "EF":
            self._column = 0

    def _move(self, rows: int) -> None:
        self._row = min(max(0, self._row + rows), self._row + _HELD_MAX)
        while len(self._lines) <= self._row:
            self._lines.append([])
            self._times.append(self._now_ms)
            self._shown.append(_UNSHOWN)
        self._moved_at = self._clock()

    def _erase(self, what: int) -> None:
        line = self._lines[self._row]
        if what == 0:
            del line[self._column :]
        elif what == 1:
            line[: self._column] = " " * min(self._column, len(line))
        elif what == 2:
            line.clear()

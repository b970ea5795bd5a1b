"""What a run printed and logged, from its end."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from runatlas.display import markup
from runatlas.model.codec import dumps
from runatlas.model.ids import RunPath
from runatlas.model.instant import iso_text
from runatlas.model.log import LOG_LEVELS, LogLevel, LogQuery, LogRecord
from runatlas.server.pages.page import count_of, run_path
from runatlas.server.pages.room import Room
from runatlas.server.pages.run_view import run_page, view_run
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.terminal import printable_lines

__all__ = ["show_lines", "show_logs"]

_LINES = 300
_MESSAGE, _SEARCH, _TAG = 1000, 200, 60
_ROOM, _AROUND = 200_000, 300
_WINDOW, _WINDOW_MAX, _LOOKED_MAX = 1000, 20_000, 100_000


@attrs.frozen
class _Wanted:
    level: LogLevel
    search: str

    def fits(self, line: LogRecord) -> bool:
        return self.search.casefold() in line.message.casefold()


@attrs.frozen
class _Found:
    """Lines before a place; ``before`` is where the older ones end, 0 if there are none."""

    lines: tuple[LogRecord, ...]
    before: int
    looked: int


def show_logs(call: EndpointCall) -> Answer:
    """Show the last lines, or those before a line."""
    shown, wanted = view_run(call), _wanted(call)
    path = shown.run.path
    last = call.services.logs.last_line(call.user, path, None)
    before = count_of(call, "before")
    found = _lines_until(call, path, last if before is None else min(before, last), wanted)
    return run_page(
        call,
        shown,
        "run_logs.html",
        tab="logs",
        lines=found.lines,
        before=found.before,
        looked=found.looked,
        is_end=before is None or before >= last,
        last=last,
        level=wanted.level,
        levels=LOG_LEVELS,
        search=wanted.search,
        message_most=_MESSAGE,
    )


def show_lines(call: EndpointCall) -> Answer:
    """Answer with the lines after a line as JSON: what a page that follows a run asks for."""
    path, wanted = run_path(call), _wanted(call)
    after = count_of(call, "after") or 0
    found = call.services.logs.read_logs(call.user, path, LogQuery(after, wanted.level, limit=_LINES))
    following = found.logs[-1].line if found.logs else after
    lines = [each for each in found.logs if wanted.fits(each)]
    room = Room(_ROOM)
    for place, each in enumerate(lines):
        # Lines of one number, of several streams, go together.
        if not room.takes(dumps(_line(each))) and place and lines[place - 1].line < each.line:
            return _told(lines[:place], lines[place - 1].line, is_more=True)
    return _told(lines, following, is_more=found.next_offset is not None)


def _told(lines: Sequence[LogRecord], after: int, *, is_more: bool) -> Answer:
    return Answer(dumps({"lines": [_line(each) for each in lines], "after": after, "more": is_more}).encode())


def _line(line: LogRecord) -> dict[str, object]:
    return {
        "line": line.line,
        "level": line.level,
        "time": iso_text(line.time_ms)[:19].replace("T", " ") if line.time_ms else "",
        "message": printable_lines(line.message[:_MESSAGE]),
    }


def _wanted(call: EndpointCall) -> _Wanted:
    said = call.value("level")
    level = next((each for each in LOG_LEVELS if each == said), LOG_LEVELS[0])
    return _Wanted(level, (call.value("search") or "")[:_SEARCH])


def _lines_until(call: EndpointCall, path: RunPath, last: int, wanted: _Wanted) -> _Found:
    """Look for lines from one back to the first, a stretch at a time, each longer than the one before."""
    found: Sequence[LogRecord] = ()
    high, window, looked = last, _WINDOW, 0
    while high > 0 and len(found) < _LINES and looked < _LOOKED_MAX:
        low = max(high - window, 0)
        read = call.services.logs.read_logs(call.user, path, LogQuery(low, wanted.level, limit=4 * window))
        found = [*(line for line in read.logs if line.line <= high and wanted.fits(line)), *found]
        looked += high - low
        high, window = low, min(2 * window, _WINDOW_MAX)
    shown, cut = _fitting(found)
    return _Found(shown, high if cut is None else cut, looked)


def _fitting(found: Sequence[LogRecord]) -> tuple[tuple[LogRecord, ...], int | None]:
    """Return the last lines, as many as go onto a page, and the number before them if there are more.

    Lines of one number, of several streams, stay together.
    """
    room, start = Room(_ROOM, beside=_AROUND), len(found)
    while start > 0 and len(found) - start < _LINES:
        line = found[start - 1]
        if not room.takes(markup.lines(line.message, _MESSAGE).text, markup.text(line.tag or "", _TAG).text):
            break
        start -= 1
    if start == 0:
        return tuple(found), None
    cut = found[start - 1].line
    whole = tuple(line for line in found[start:] if line.line > cut)
    return (whole, cut) if whole else (tuple(found[start:]), cut - 1)

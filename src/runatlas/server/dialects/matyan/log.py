"""Routes of a run's lines: of the terminal, and of what was said by name."""

from __future__ import annotations

from collections.abc import Sequence

from runatlas.errors import NotFoundError
from runatlas.model.log import LogLevel, LogPage, LogQuery, LogRecord
from runatlas.model.run import RunRecord
from runatlas.server.dialects.matyan.body import read_range, stream
from runatlas.server.dialects.matyan.run import found_run
from runatlas.server.dialects.matyan.stream import encode_pair, encode_tree
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["get_lines", "get_records"]

_TAIL = 200
_PAGE = 10_000
_OFFSET_MAX = 2**62
_RECORDS = "record"
_LEVELS: dict[LogLevel, str] = {"DEBUG": "DEBUG", "INFO": "INFO", "WARN": "WARNING", "ERROR": "ERROR"}


def get_lines(call: EndpointCall) -> Answer:
    """Return lines of the terminal by their steps."""
    try:
        run = found_run(call)
    except NotFoundError:
        return stream(b"")
    _, lines = _read(call, run, "")
    return stream(b"".join(encode_pair([line.line - 1], line.message) for line in lines))


def get_records(call: EndpointCall) -> Answer:
    """Return what was said by name: how much there is, and the records by their numbers."""
    try:
        run = found_run(call)
    except NotFoundError:
        return stream(encode_pair(["log_records_count"], 0))
    count, lines = _read(call, run, _RECORDS)
    out = [encode_pair(["log_records_count"], count)]
    for line in lines:
        fields = dict(line.fields or {})
        info = fields.pop("logger_info", None)
        said = {
            "message": line.message,
            "log_level": _LEVELS[line.level],
            "timestamp": line.time_ms / 1000,
            "args": fields or None,
            "logger_info": info,
            "is_notified": True,
        }
        out.append(encode_tree([line.line - 1], said))
    return stream(b"".join(out))


def _read(call: EndpointCall, run: RunRecord, tag: str) -> tuple[int, Sequence[LogRecord]]:
    """Read the lines of a range of steps, of the last ones if none is asked for."""
    bounds = read_range(call)
    if bounds is None:
        bounds = (call.services.logs.line_before_last(call.user, run.path, tag, _TAIL), None)
    start, stop = bounds
    offset = min(max(start or 0, 0), _OFFSET_MAX)
    found: list[LogRecord] = []
    while True:
        page: LogPage = call.services.logs.read_logs(
            call.user, run.path, LogQuery(offset=offset, level="DEBUG", limit=_PAGE, tag=tag)
        )
        found += [line for line in page.logs if stop is None or line.line - 1 < stop]
        if page.next_offset is None or (stop is not None and page.next_offset >= stop):
            return page.count, found
        offset = page.next_offset

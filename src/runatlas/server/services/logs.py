"""The log lines of a run."""

from __future__ import annotations

from runatlas.errors import ValidationError
from runatlas.model.ids import RunPath
from runatlas.model.log import LOG_LEVELS, LogPage, LogQuery, LogRecord
from runatlas.model.text import check_text
from runatlas.server.services.access import require_run
from runatlas.server.services.caller import Caller
from runatlas.server.services.validation import check_choice
from runatlas.server.store.engine import Store
from runatlas.server.store.log import count_logs, last_line, line_before_last, read_logs

__all__ = ["LogReading"]

_LIMIT_MAX = 100_000
_OFFSET_BOUND = 2**63


class LogReading:
    """What may be read of the lines of runs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_logs(self, caller: Caller, run: RunPath, query: LogQuery) -> LogPage:
        """Read log lines, ascending; lines of one number come together, of several streams by tag.

        Raises:
            NotFoundError: There is no such run.
            ValidationError: The query is out of bounds.
        """
        check_choice(query.level, LOG_LEVELS, "level")
        if not 1 <= query.limit <= _LIMIT_MAX:
            raise ValidationError(f"limit: a page has 1 to {_LIMIT_MAX} lines, got {query.limit}")
        if not -_OFFSET_BOUND <= query.offset < _OFFSET_BOUND:
            raise ValidationError(f"offset: {query.offset} is out of bounds")
        if query.tag is not None:
            check_text(query.tag, "tag")
        severity = LOG_LEVELS.index(query.level)
        with self._store.read() as connection:
            run_pk = require_run(connection, caller, run, "read").id
            count = count_logs(connection, run_pk, severity=severity, tag=query.tag)
            found = read_logs(
                connection, run_pk, offset=query.offset, severity=severity, tag=query.tag, limit=query.limit + 1
            )
            if len(found) > query.limit:
                shown = _whole_numbers(found[: query.limit], found[query.limit])
                if not shown:
                    # More streams than a page has lines: the one number goes out whole.
                    streams = read_logs(
                        connection,
                        run_pk,
                        offset=found[0].line - 1,
                        severity=severity,
                        tag=query.tag,
                        limit=_LIMIT_MAX,
                    )
                    shown = [line for line in streams if line.line == found[0].line]
                return LogPage(tuple(shown), count, shown[-1].line)
        return LogPage(tuple(found), count)

    def last_line(self, caller: Caller, run: RunPath, tag: str | None = "") -> int:
        """Return the number of the last line of a stream, ``None`` for all streams; 0 if there are none.

        Raises:
            NotFoundError: There is no such run.
        """
        if tag is not None:
            check_text(tag, "tag")
        with self._store.read() as connection:
            return last_line(connection, require_run(connection, caller, run, "read").id, tag)

    def line_before_last(self, caller: Caller, run: RunPath, tag: str, count: int) -> int:
        """Return the number before those of the last ``count`` lines of a stream; 0 if it has no more than those.

        Raises:
            NotFoundError: There is no such run.
        """
        with self._store.read() as connection:
            return line_before_last(connection, require_run(connection, caller, run, "read").id, tag, count)


def _whole_numbers(shown: list[LogRecord], following: LogRecord) -> list[LogRecord]:
    """Leave out the lines at the end whose number goes on, since the next page begins behind a number."""
    return [line for line in shown if line.line != following.line]

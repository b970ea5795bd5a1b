"""The lines that runs printed or logged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

import attrs
from sqlalchemy import Connection, bindparam, func, select

from runatlas.model import codec
from runatlas.model.log import LOG_LEVELS, LogDraft, LogRecord
from runatlas.server.store.failure import decoding
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import logs

__all__ = ["append_logs", "count_logs", "last_line", "line_before_last", "read_logs", "set_apart"]

_SEVERITY = {level: place for place, level in enumerate(LOG_LEVELS)}
_REMOVE = Prepared(
    logs.delete().where(
        logs.c.run_pk == bindparam("run_pk"), logs.c.tag == bindparam("tag"), logs.c.line == bindparam("line")
    ),
    "run_pk",
    "tag",
    "line",
)
_REMOVE_OPEN = Prepared(
    logs.delete().where(logs.c.run_pk == bindparam("run_pk"), logs.c.open_key == bindparam("open_key")),
    "run_pk",
    "open_key",
)
_FROM_BEHIND = Prepared(
    select(logs.c.line)
    .where(logs.c.run_pk == bindparam("run_pk"), logs.c.tag == bindparam("tag"))
    .order_by(logs.c.line.desc())
    .limit(bindparam("most"))
    .offset(bindparam("skip")),
    *("run_pk", "tag", "most", "skip"),
)
_READ = Prepared(
    select(logs.c.line, logs.c.tag, logs.c.severity, logs.c.message, logs.c.time_ms, logs.c.fields)
    .where(
        logs.c.run_pk == bindparam("run_pk"),
        logs.c.tag == bindparam("tag"),
        logs.c.line > bindparam("offset"),
        logs.c.severity >= bindparam("severity"),
    )
    .order_by(logs.c.line)
    .limit(bindparam("most"))
    .offset(bindparam("skip")),
    *("run_pk", "tag", "offset", "severity", "most", "skip"),
)
_FIRST_STREAM = Prepared(select(func.min(logs.c.tag)).where(logs.c.run_pk == bindparam("run_pk")), "run_pk")
_NEXT_STREAM = Prepared(
    select(func.min(logs.c.tag)).where(logs.c.run_pk == bindparam("run_pk"), logs.c.tag > bindparam("tag")),
    "run_pk",
    "tag",
)
_ROW = ("run_pk", "tag", "line", "severity", "message", "time_ms", "fields", "open_key")
_ADD = Prepared(logs.insert().values({name: bindparam(name) for name in _ROW}), *_ROW)


def append_logs(connection: Connection, run_pk: int, drafts: Collection[LogDraft], now_ms: int) -> None:
    """Store lines; a repeated number replaces, one without a number comes after the last of its stream.

    One that was open under a key goes when another comes under that key, which has a number of its own: who reads on
    from where the last lines ended finds it.
    """
    stored = {tag: last_line(connection, run_pk, tag) for tag in {draft.tag for draft in drafts}}
    last = dict(stored)
    added: dict[tuple[str, int], tuple[Any, ...]] = {}
    latest = {draft.key: draft for draft in drafts if draft.key}
    for draft in drafts:
        if draft.key and latest[draft.key] is not draft:
            continue
        line = draft.line if draft.line is not None else last[draft.tag] + 1
        last[draft.tag] = max(last[draft.tag], line)
        fields = None if draft.fields is None else codec.dumps(draft.fields)
        row = (run_pk, draft.tag, line, _SEVERITY[draft.level], draft.message, draft.time_ms or now_ms, fields)
        added[draft.tag, line] = (*row, draft.key if draft.is_open else None)
    replaced = [(run_pk, tag, line) for tag, line in added if line <= stored[tag]]
    if replaced:
        _REMOVE.run_many(connection, replaced)
    if latest:
        _REMOVE_OPEN.run_many(connection, [(run_pk, key) for key in latest])
    _ADD.run_many(connection, added.values())


def read_logs(
    connection: Connection, run_pk: int, *, offset: int, severity: int, tag: str | None, limit: int, skip: int = 0
) -> list[LogRecord]:
    """Read lines with ``line > offset`` and at least that severity, by number and, of one number, by stream.

    Args:
        connection: An open transaction.
        run_pk: The run's row.
        offset: The number of the line before the first.
        severity: The place of the level in ``LOG_LEVELS``.
        tag: Only that stream; ``None`` for all.
        limit: How many lines at the most.
        skip: How many of them to leave out first.
    """
    # Stream by stream, so that the primary key gives the order and a page costs the same wherever it begins.
    streams = _streams(connection, run_pk) if tag is None else [tag]
    if len(streams) == 1:
        found = _READ.all(connection, run_pk, streams[0], offset, severity, limit, skip)
    else:
        each = (_READ.all(connection, run_pk, stream, offset, severity, skip + limit, 0) for stream in streams)
        found = sorted(chain.from_iterable(each), key=lambda row: row[:2])[skip : skip + limit]
    with decoding("lines of a run", "the store"):
        return [_record(row) for row in found]


def _record(row: Sequence[Any]) -> LogRecord:
    line, stream, place, message, time_ms, fields = row
    if not (isinstance(time_ms, int) and isinstance(message, str)):
        raise TypeError(f"line {line} has a time or a message of another type")
    return LogRecord(line, LOG_LEVELS[place], message, time_ms, stream, None if fields is None else codec.loads(fields))


def set_apart(connection: Connection, run_pk: int, drafts: Collection[LogDraft]) -> list[LogDraft]:
    """Put lines whose number another line has into the next stream: ``""``, then ``"2"``, then ``"3"``.

    Several programs that write one run at once number their lines alike. A line that is there stays where it is.
    """
    numbers = [draft.line for draft in drafts if draft.line is not None]
    held = _held(connection, run_pk, min(numbers), max(numbers)) if numbers else {}
    found = []
    for draft in drafts:
        stream, tag = 1, draft.tag
        while draft.line is not None and _is_other(held.get((tag, draft.line)), draft):
            stream += 1
            tag = f"{draft.tag}{stream}"
        if draft.line is not None:
            held.setdefault((tag, draft.line), (draft.message, draft.time_ms))
        found.append(attrs.evolve(draft, tag=tag))
    return found


def _held(connection: Connection, run_pk: int, first: int, last: int) -> dict[tuple[str, int], tuple[str, int]]:
    """Return message and time of the lines from ``first`` to ``last``, by stream and number."""
    return {
        (tag, line): (message, time_ms)
        for stream in _streams(connection, run_pk)
        for line, tag, _, message, time_ms, _ in _READ.all(
            connection, run_pk, stream, first - 1, 0, last - first + 1, 0
        )
    }


def _is_other(held: tuple[str, int] | None, draft: LogDraft) -> bool:
    return held is not None and (held[0] != draft.message or (held[1] != draft.time_ms and bool(draft.time_ms)))


def last_line(connection: Connection, run_pk: int, tag: str | None) -> int:
    """Return the highest line number of a stream, ``None`` for all; 0 if there are no lines."""
    streams = _streams(connection, run_pk) if tag is None else [tag]
    # Each by itself: of several in one statement SQLite reads every line.
    return max((line_before_last(connection, run_pk, stream, 0) for stream in streams), default=0)


def line_before_last(connection: Connection, run_pk: int, tag: str, count: int) -> int:
    """Return the number before those of the last lines of a stream; 0 if there are no more lines than that.

    Args:
        connection: An open transaction.
        run_pk: The run's row.
        tag: The stream.
        count: How many lines; 0 for the number of the last.
    """
    found = _FROM_BEHIND.first(connection, run_pk, tag, 1, count)
    return 0 if found is None else int(found[0])


def count_logs(connection: Connection, run_pk: int, *, severity: int, tag: str | None) -> int:
    """Count the lines of at least that severity."""
    counted = select(func.count()).select_from(logs).where(logs.c.run_pk == run_pk)
    if severity:
        counted = counted.where(logs.c.severity >= severity)
    if tag is not None:
        counted = counted.where(logs.c.tag == tag)
    return connection.scalar(counted) or 0


def _streams(connection: Connection, run_pk: int) -> list[str]:
    """Return the tags of a run's lines, by one look into the index each."""
    found: list[str] = []
    first = _FIRST_STREAM.first(connection, run_pk)
    while first is not None and first[0] is not None:
        found.append(first[0])
        first = _NEXT_STREAM.first(connection, run_pk, first[0])
    return found

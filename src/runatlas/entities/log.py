"""Lines that a run printed or logged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, overload

import attrs
from arro3.core import Array, DataType, Table

from runatlas.display.markup import Html, joined, lines, more, note
from runatlas.entities.run_fields import RunFields
from runatlas.model.instant import iso_text, moment, to_milliseconds
from runatlas.model.log import LogLevel, LogPage, LogRecord
from runatlas.tables.frame import ArrowFrame, Frame, Tabular
from runatlas.tables.run import arrow_column
from runatlas.terminal import counted, printable_lines

__all__ = ["LogLine", "Logs", "make_logs"]

_SHOWN, _LONG = 200, 20_000


@attrs.frozen
class LogLine:
    """One line.

    Attributes:
        line: Its number, from 1.
        tag: ``""`` for terminal output, ``"record"`` for messages logged by name.
        timestamp: ISO 8601; ``None`` with ``ignore_timestamp``.
        fields: What a message carries beside its text.
    """

    line: int
    level: LogLevel
    message: str
    tag: str = ""
    timestamp: str | None = None
    time: datetime | None = None
    fields: dict[str, Any] | None = None

    def json(self) -> dict[str, Any]:
        """Return the line as plain values, as the SwanLab API has it (``epoch`` is its number)."""
        plain: dict[str, Any] = {"epoch": self.line, "level": self.level, "message": self.message, "tag": self.tag}
        if self.timestamp is not None:
            plain["timestamp"] = self.timestamp
        if self.fields is not None:
            plain["fields"] = self.fields
        return plain

    def __str__(self) -> str:
        return printable_lines(self.message)


@attrs.frozen(eq=False, repr=False)
class Logs(Tabular):
    """Lines, ascending; indexing and iterating go over them; as a table a row each.

    Attributes:
        lines: The lines.
        count: How many lines the run has at that severity.
        next_offset: Where to go on; ``None`` after the last.
    """

    lines: tuple[LogLine, ...]
    count: int
    next_offset: int | None
    owner: RunFields

    @property
    def complete(self) -> bool:
        """Whether there is nothing after these lines."""
        return self.next_offset is None

    @property
    def total(self) -> int:
        """How many lines the run has at that severity."""
        return self.count

    def text(self) -> str:
        """Return the messages, one a line."""
        return "\n".join(line.message for line in self.lines)

    def json(self) -> dict[str, Any]:
        """Return everything as plain values, as the SwanLab API has it."""
        return {
            "key": "LOG",
            "projectId": self.owner.project_id,
            "experimentId": self.owner.cuid,
            "logs": [line.json() for line in self.lines],
            "count": self.count,
            "complete": self.complete,
            "next_offset": self.next_offset,
        }

    def _frame(self) -> Frame:
        columns: dict[str, Any] = {"line": Array([line.line for line in self], DataType.int64())}
        for name in ("level", "message", "tag"):
            columns[name] = Array([getattr(line, name) for line in self], DataType.string())
        if any(line.time for line in self):
            times = [None if line.time is None else to_milliseconds(line.time) for line in self]
            columns["time"] = Array(times, DataType.int64()).cast(DataType.timestamp("ms", tz="UTC"))
        if any(line.fields for line in self):
            columns["fields"] = arrow_column([line.fields for line in self])
        frame = ArrowFrame(Table.from_pydict(columns))
        frame.complete, frame.total = self.complete, self.count
        return frame

    @overload
    def __getitem__(self, index: int) -> LogLine: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LogLine]: ...
    def __getitem__(self, index: int | slice) -> LogLine | Sequence[LogLine]:
        return self.lines[index]

    def __iter__(self) -> Iterator[LogLine]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __str__(self) -> str:
        return printable_lines(self.text())

    def __repr__(self) -> str:
        return f"Logs({len(self.lines)} of {self.count} lines)"

    def _show(self) -> Html:
        shown = "\n".join(line.message for line in self.lines[:_SHOWN])
        last = "" if self.complete else f"; offset={self.next_offset} goes on"
        told = note(f"{len(self.lines):,} of {counted(self.count, 'line')}{last}")
        return joined(lines(shown, _LONG), more(len(self.lines) - _SHOWN, "line"), told)


def make_logs(pages: Sequence[LogPage], owner: RunFields, *, timed: bool) -> Logs:
    """Put pages of lines together.

    Args:
        pages: At least one, in order.
        owner: The run they belong to.
        timed: Whether times are wanted.
    """
    lines = tuple(_line(record, timed=timed) for page in pages for record in page.logs)
    return Logs(lines, pages[-1].count, pages[-1].next_offset, owner)


def _line(record: LogRecord, *, timed: bool) -> LogLine:
    stamp = iso_text(record.time_ms) if timed else None
    time = moment(record.time_ms) if timed else None
    return LogLine(record.line, record.level, record.message, record.tag, stamp, time, record.fields)

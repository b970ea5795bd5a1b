"""Lines of text that a run printed or logged."""

from __future__ import annotations

from typing import Any, Literal, get_args

import attrs

__all__ = ["LOG_LEVELS", "LogDraft", "LogLevel", "LogPage", "LogQuery", "LogRecord"]

LogLevel = Literal["DEBUG", "INFO", "WARN", "ERROR"]
LOG_LEVELS: tuple[LogLevel, ...] = get_args(LogLevel)
"""From the least to the most severe."""


@attrs.frozen
class LogDraft:
    """A line to be stored.

    Attributes:
        line: Its number from 1 in its stream; a repeated one replaces. ``None`` numbers it after the last.
        tag: ``""`` for terminal output, ``"record"`` for messages logged by name.
        fields: What a message carries beside its text: JSON.
        key: Names a line that is written bit by bit, such as a progress bar, among those of its run: it comes after the
            last line, and in place of the one that was open under that key.
        is_open: Whether more may come under the key.
    """

    message: str
    level: LogLevel = "INFO"
    line: int | None = None
    tag: str = ""
    time_ms: int = 0
    fields: dict[str, Any] | None = None
    key: str = ""
    is_open: bool = False


@attrs.frozen
class LogRecord:
    """A stored line."""

    line: int
    level: LogLevel
    message: str
    time_ms: int
    tag: str = ""
    fields: dict[str, Any] | None = None


@attrs.frozen
class LogQuery:
    """Which lines of one run: those with ``line > offset`` and at least that severe, ascending.

    Attributes:
        tag: ``None`` means every stream.
    """

    offset: int = 0
    level: LogLevel = "INFO"
    limit: int = 1000
    tag: str | None = None


@attrs.frozen
class LogPage:
    """Lines found; ``count`` is how many the run has at that severity, ``next_offset`` ``None`` after the last."""

    logs: tuple[LogRecord, ...]
    count: int
    next_offset: int | None = None

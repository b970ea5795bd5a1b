"""Messages: lines that a program says beside its numbers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from runatlas.model.config_value import read_value
from runatlas.model.log import LogDraft, LogLevel
from runatlas.tracking.checks import clean_text

if TYPE_CHECKING:
    from runatlas.tracking.run import Run

__all__ = ["log_debug", "log_error", "log_info", "log_warning"]


def log_debug(self: Run, msg: str, **kwargs: Any) -> None:  # noqa: D417 - nobody gives self
    """Record a message for those who look for faults.

    Args:
        msg: The message.
        **kwargs: Fields to keep beside it; what has no structure is kept as text.

    Raises:
        RuntimeError: The run is closed or read-only.
        TypeError: The message is no string.
    """
    _say(self, "DEBUG", msg, kwargs)


def log_info(self: Run, msg: str, **kwargs: Any) -> None:  # noqa: D417 - nobody gives self
    """Record a message.

    Args:
        msg: The message.
        **kwargs: Fields to keep beside it; what has no structure is kept as text.

    Raises:
        RuntimeError: The run is closed or read-only.
        TypeError: The message is no string.
    """
    _say(self, "INFO", msg, kwargs)


def log_warning(self: Run, msg: str, **kwargs: Any) -> None:  # noqa: D417 - nobody gives self
    """Record a warning.

    Args:
        msg: The message.
        **kwargs: Fields to keep beside it; what has no structure is kept as text.

    Raises:
        RuntimeError: The run is closed or read-only.
        TypeError: The message is no string.
    """
    _say(self, "WARN", msg, kwargs)


def log_error(self: Run, msg: str, **kwargs: Any) -> None:  # noqa: D417 - nobody gives self
    """Record an error.

    Args:
        msg: The message.
        **kwargs: Fields to keep beside it; what has no structure is kept as text.

    Raises:
        RuntimeError: The run is closed or read-only.
        TypeError: The message is no string.
    """
    _say(self, "ERROR", msg, kwargs)


def _say(self: Run, level: LogLevel, msg: str, fields: dict[str, Any]) -> None:
    self._require_writable()
    plain, notes = read_value(fields, "kwargs")
    draft = LogDraft(clean_text(msg, "msg"), level, tag="record", time_ms=int(time.time() * 1000), fields=plain or None)
    if self._recorder is not None:
        if notes:
            self._recorder.losses.warn("fields", f"fields of messages are not kept as they are: {notes[0]}")
        self._recorder.losses.check()
        self._recorder.put(draft)

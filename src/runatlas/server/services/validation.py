"""Checks of what callers pass, told as ``ValidationError`` wherever the call came from."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol, TypeVar

from runatlas.errors import ValidationError
from runatlas.model.text import check_text

__all__ = ["check_choice", "check_fields", "check_labels", "check_time", "checked"]

LABEL_MAX = 500
_TIME_MAX = 253_402_300_800_000
"""The year 10000: later times have no ISO 8601 form."""


Read_co = TypeVar("Read_co", covariant=True)
Read = TypeVar("Read")


class _Reader(Protocol[Read_co]):
    def __call__(self, text: str, /, *, argument: str) -> Read_co: ...


def checked(read: _Reader[Read], text: str, argument: str) -> Read:
    """Read a text with one of the model's functions for names and paths.

    Raises:
        ValidationError: It failed.
    """
    try:
        return read(text, argument=argument)
    except (ValueError, TypeError) as error:
        raise ValidationError(str(error)) from error


def check_choice(value: str | None, choices: Collection[str], argument: str) -> None:
    """Check that a value is one of a few, or ``None``.

    Raises:
        ValidationError: It is not.
    """
    if value is not None and value not in choices:
        raise ValidationError(f"{argument}: {value!r} is none of {', '.join(choices)}")


def check_fields(record: object, names: Iterable[str]) -> None:
    """Check that a record's texts can be stored; ``None`` can.

    Raises:
        ValidationError: One cannot; the sentence names it.
    """
    for name in names:
        text = getattr(record, name)
        if text is None:
            continue
        if not isinstance(text, str):
            raise ValidationError(f"{name}: expected text, got {type(text).__name__}")
        check_text(text, name)


def check_labels(labels: Iterable[str] | None, argument: str = "labels") -> None:
    """Check labels.

    Raises:
        ValidationError: One is empty, too long, or cannot be stored.
    """
    for label in labels or ():
        if not isinstance(label, str) or not 1 <= len(label) <= LABEL_MAX:
            raise ValidationError(f"{argument}: {label!r} is no label; use 1 to {LABEL_MAX} characters")
        check_text(label, argument)


def check_time(time_ms: int | None, argument: str) -> None:
    """Check that a time has an ISO 8601 form.

    Raises:
        ValidationError: It has none.
    """
    if time_ms is not None and not 0 <= time_ms < _TIME_MAX:
        raise ValidationError(f"{argument}: {time_ms} is no time in Unix milliseconds of the years 1970 to 9999")

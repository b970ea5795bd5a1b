"""The range of a series that a query is after, as the SwanLab API has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

__all__ = ["RangeQuery"]

_MS_DIGITS = 13


def _check_whole(name: str, value: object, *, least: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"range_query: {name} must be a whole number, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"range_query: {name} must be at least {least}, got {value}")


@attrs.frozen
class RangeQuery:
    """A range over one series: first by ``start``/``end`` or ``last``, then cut by ``head`` or ``tail``.

    Attributes:
        type: The axis of ``start`` and ``end``: ``"step"`` or ``"timestamp"``.
        start, end: Inclusive bounds. On ``timestamp`` Unix milliseconds; a positive number of fewer than 13 digits
            is padded with zeros to 13 (seconds of today have 10).
        last: The last N milliseconds, measured back from the series' newest point.
        head, tail: The first or last N points of what is left.

    Raises:
        TypeError: A bound is not a whole number.
        ValueError: ``last`` with ``start``/``end``, ``head`` with ``tail``, ``start`` above ``end``, a bound too small,
            or an unknown axis.

    Example:
        >>> RangeQuery(type="timestamp", start=1715769600).start
        1715769600000
        >>> RangeQuery(head=5, tail=5)
        Traceback (most recent call last):
        ValueError: range_query: head and tail are mutually exclusive
    """

    type: Literal["step", "timestamp"] = "step"
    start: int | None = None
    end: int | None = None
    last: int | None = None
    head: int | None = None
    tail: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.type not in ("step", "timestamp"):
            raise ValueError(f"range_query: type must be 'step' or 'timestamp', got {self.type!r}")
        _check_whole("start", self.start, least=-(2**63) if self.type == "step" else 0)
        _check_whole("end", self.end, least=-(2**63) if self.type == "step" else 0)
        for name in ("last", "head", "tail"):
            _check_whole(name, getattr(self, name), least=1)
        if self.last is not None and (self.start is not None or self.end is not None):
            raise ValueError("range_query: last and start/end are mutually exclusive")
        if self.head is not None and self.tail is not None:
            raise ValueError("range_query: head and tail are mutually exclusive")
        if self.type == "timestamp":
            object.__setattr__(self, "start", _pad(self.start))
            object.__setattr__(self, "end", _pad(self.end))
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError(f"range_query: start must not be above end, got {self.start} and {self.end}")

    @classmethod
    def of(cls, value: RangeQuery | Mapping[str, Any] | None) -> RangeQuery | None:
        """Take a ``RangeQuery``, or make one of a mapping with the same names; the mapping is not changed.

        Raises:
            TypeError: It is neither.
            ValueError: It has an unknown name.
        """
        if value is None or isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise TypeError(f"range_query: expected a RangeQuery or a dict, got {type(value).__name__}")
        known = {field.name for field in attrs.fields(cls)}
        unknown = sorted(set(value) - known)
        if unknown:
            raise ValueError(f"range_query: unknown field {unknown[0]!r}; it takes {', '.join(sorted(known))}")
        return cls(**value)


def _pad(value: int | None) -> int | None:
    if not value or value < 0:
        return value
    return int(str(value).ljust(_MS_DIGITS, "0"))

"""The range of a series that a query is after, as the SwanLab API has it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import attrs

__all__ = ["RangeQuery", "ValueRange", "make_range"]

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
            raise ValueError(
                f"range_query: type must be 'step' or 'timestamp', got {self.type!r}; "
                "a ValueRange, or a dict of the type 'custom', is a range of the metric that x_axis names"
            )
        _check_whole("start", self.start, least=-(2**63) if self.type == "step" else 0)
        _check_whole("end", self.end, least=-(2**63) if self.type == "step" else 0)
        if self.type == "timestamp":
            object.__setattr__(self, "start", _pad(self.start))
            object.__setattr__(self, "end", _pad(self.end))
        _check_rest(self)


@attrs.frozen
class ValueRange:
    """A range over one series by the values of the metric that lies across (``x_axis=``), which need not ascend.

    Attributes:
        start, end: Inclusive bounds: any finite numbers. A point at whose step that metric has nothing is in no range
            that has one of them.
        last: The last N milliseconds, measured back from the series' newest point.
        head, tail: The first or last N points, by step, of what is left.

    Raises:
        TypeError: A bound is no number, or one of the others no whole number.
        ValueError: ``last`` with ``start``/``end``, ``head`` with ``tail``, ``start`` above ``end``, a bound that is
            not finite, or another number below 1.

    Example:
        >>> ValueRange(start=1e-4, end=1e-3).end
        0.001
    """

    start: float | None = None
    end: float | None = None
    last: int | None = None
    head: int | None = None
    tail: int | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("start", "end"):
            bound = getattr(self, name)
            if bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, float))):
                raise TypeError(f"range_query: {name} must be a number, got {type(bound).__name__}")
            if bound is not None and not math.isfinite(bound):
                raise ValueError(f"range_query: {name} must be finite, got {bound}")
        _check_rest(self)

    def holds(self, value: float | None) -> bool:
        """Tell whether a point lies between the bounds.

        Args:
            value: What the metric that lies across has at its step; ``None`` if it has nothing.
        """
        if self.start is None and self.end is None:
            return True
        # NaN lies nowhere.
        low, high = -math.inf if self.start is None else self.start, math.inf if self.end is None else self.end
        return value is not None and low <= value <= high


def make_range(value: RangeQuery | ValueRange | Mapping[str, Any] | None) -> RangeQuery | ValueRange | None:
    """Take a range, or make one of a mapping with the same names; the mapping is not changed.

    Args:
        value: A mapping of the ``type`` ``"custom"`` makes a ``ValueRange``.

    Raises:
        TypeError: It is neither.
        ValueError: It has an unknown name, or makes no range.
    """
    if value is None or isinstance(value, (RangeQuery, ValueRange)):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"range_query: expected a RangeQuery or a dict, got {type(value).__name__}")
    known = {field.name for field in attrs.fields(RangeQuery)}
    unknown = sorted(set(value) - known)
    if unknown:
        raise ValueError(f"range_query: unknown field {unknown[0]!r}; it takes {', '.join(sorted(known))}")
    if value.get("type") == "custom":
        return ValueRange(**{name: bound for name, bound in value.items() if name != "type"})
    return RangeQuery(**value)


def _check_rest(given: RangeQuery | ValueRange) -> None:
    """Check what ranges of every axis have."""
    for name in ("last", "head", "tail"):
        _check_whole(name, getattr(given, name), least=1)
    if given.last is not None and (given.start is not None or given.end is not None):
        raise ValueError("range_query: last and start/end are mutually exclusive")
    if given.head is not None and given.tail is not None:
        raise ValueError("range_query: head and tail are mutually exclusive")
    if given.start is not None and given.end is not None and given.start > given.end:
        raise ValueError(f"range_query: start must not be above end, got {given.start} and {given.end}")


def _pad(value: int | None) -> int | None:
    if not value or value < 0:
        return value
    return int(str(value).ljust(_MS_DIGITS, "0"))

"""What no longer holds of a report, and how it is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from runatlas.display.markup import written
from runatlas.reports.content import is_digest
from runatlas.statistics.estimate import numbers_text
from runatlas.terminal import printable

__all__ = ["Difference", "make_difference", "said"]

_LONG = 100


@attrs.frozen
class Difference:
    """What no longer holds.

    Attributes:
        row: The run or the group; ``""`` for the report as a whole.
        column: The column; ``""`` for the row as a whole.
        was: What the report says; ``None`` where it says nothing.
        now: What is there now; ``None`` where there is nothing.
        what: What became of it, in words.
    """

    row: str
    column: str
    was: Any
    now: Any
    what: str

    def __str__(self) -> str:
        where = ", ".join(filter(None, (self.row, self.column)))
        return printable(f"{where}: {self.what}" if where else self.what)


def make_difference(row: str, column: str, was: Any, now: Any, *, told: str = "was") -> Difference:
    """Say of a value what it was, and what it is now.

    Args:
        row: The run or the group.
        column: The column.
        was: What the report says.
        now: What is there now.
        told: What stands before the value that the report says.
    """
    first, second = said(was, exact=False), said(now, exact=False)
    if first == second:
        first, second = said(was, exact=True), said(now, exact=True)
    return Difference(row, column, was, now, f"{told} {first}, is {second if first != second else 'another one'}")


def said(value: Any, *, exact: bool) -> str:
    """Return a value as a difference says it.

    Args:
        value: A plain value, or what a report keeps of one.
        exact: Whether an interval is told with all its digits.
    """
    if value is None:
        return "nothing"
    if is_digest(value):
        return "a long value"
    if isinstance(value, Mapping) and "formula" in value:
        return f"the formula {written('=' + str(value['formula']))}"
    if not isinstance(value, Mapping):
        return repr(value) if isinstance(value, (float, str)) and len(repr(value)) < _LONG else written(value)
    center, low, high = (value.get(name) for name in ("center", "low", "high"))
    if exact or not all(item is None or isinstance(item, float) for item in (center, low, high)):
        return written({name: value.get(name) for name in ("center", "low", "high", "n")}, 4 * _LONG)
    margin = high - center if value.get("symmetric") and high is not None and center is not None else None
    return f"{numbers_text(center, low, high, margin=margin)} (n = {written(value.get('n'))})".lstrip()

"""What a report says: columns, rows, and what is to be known of them; and how each value is written."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from runatlas.display.markup import written
from runatlas.model.codec import dumps, encode_json
from runatlas.model.instant import iso_text
from runatlas.model.policy import Goal
from runatlas.statistics.estimate import Estimate
from runatlas.terminal import printable

__all__ = ["ROWS_SHOWN", "Cell", "Column", "Content", "Row", "cells", "fingerprint_of", "is_digest", "sealed"]

ROWS_SHOWN = 1000
"""How many rows a page or a document has; what is data has all."""

_TEXT = 120
_KEPT = 200
_LONG = 1e16
_DIGEST = "sha256:"
_NOTHING = "\N{EN DASH}"


@attrs.frozen
class Column:
    """A column.

    Attributes:
        name: What data calls it.
        title: What people read above it.
        digits: How many decimals its numbers are written with; ``None`` leaves that to the numbers.
        goal: Which way is better.
        is_time: Whether its whole numbers are Unix milliseconds.
    """

    name: str
    title: str
    digits: int | None = None
    goal: Goal | None = None
    is_time: bool = False


@attrs.frozen
class Row:
    """A row.

    Attributes:
        key: Tells it from all others, also later: the store's id of a run, or the values of a group.
        name: What people call it.
        values: A plain value or an ``Estimate`` each column.
    """

    key: str
    name: str
    values: tuple[Any, ...]


@attrs.frozen
class Content:
    """What a report says.

    Attributes:
        title: Its title.
        text: What stands below it.
        columns: The columns.
        rows: All rows.
        facts: What was read, when, and where, as people read it.
        notes: What the numbers are, and what is left out.
        charts: Titles and pictures, SVG each.
        origin: What it takes to read it again, as plain values.
        fingerprint: Changes with anything that was read.
        drawn: Of each chart its title, and what changes with the values that it shows.
    """

    title: str
    text: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    facts: Mapping[str, str]
    notes: tuple[str, ...] = ()
    charts: tuple[tuple[str, str], ...] = ()
    origin: Mapping[str, Any] = attrs.field(factory=dict)
    fingerprint: str = ""
    drawn: tuple[tuple[str, str], ...] = ()

    @property
    def paragraphs(self) -> list[str]:
        """The lines of the text, a paragraph each."""
        return list(filter(None, map(str.strip, self.text.splitlines())))

    @property
    def shown(self) -> tuple[Row, ...]:
        """The rows that a page shows."""
        return self.rows[:ROWS_SHOWN]

    @property
    def said(self) -> tuple[str, ...]:
        """The notes, and how many rows a page does not show."""
        left = len(self.rows) - ROWS_SHOWN
        if left <= 0:
            return self.notes
        return (*self.notes, f"the first {ROWS_SHOWN:,} of {len(self.rows):,} rows; CSV, Parquet and Excel have all")


@attrs.frozen
class Cell:
    """A value as people read it.

    Attributes:
        text: The value, in one line.
        is_number: Whether it is one, or an estimate.
        is_best: Whether it is the best of its column, or cannot be told from it.
    """

    text: str
    is_number: bool = False
    is_best: bool = False


def cells(content: Content) -> list[list[Cell]]:
    """Return the rows that a page shows as cells.

    The best value of a column is marked that has a goal; of estimates also each whose centre lies within the interval
    of the best one.
    """
    marks = [_best(column, [row.values[place] for row in content.rows]) for place, column in enumerate(content.columns)]
    return [
        [_cell(value, column, best) for value, column, best in zip(row.values, content.columns, marks, strict=True)]
        for row in content.shown
    ]


def _best(column: Column, values: Sequence[Any]) -> tuple[float, float] | None:
    """Return between what values are the best of a column."""
    if column.goal is None:
        return None
    pick = min if column.goal == "min" else max
    found = [value for value in values if (number := _number(value)) is not None and abs(number) < math.inf]
    if not found:
        return None
    best = pick(found, key=lambda value: _number(value) or 0.0)
    if isinstance(best, Estimate) and best.low is not None and best.high is not None:
        return best.low, best.high
    number = _number(best) or 0.0
    return number, number


def _number(value: Any) -> float | None:
    """Return what a value is compared by."""
    if isinstance(value, Estimate):
        return value.center
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _cell(value: Any, column: Column, best: tuple[float, float] | None) -> Cell:
    number = _number(value)
    is_best = best is not None and number is not None and best[0] <= number <= best[1]
    is_number = isinstance(value, Estimate) or (number is not None and not column.is_time)
    return Cell(_text(value, column), is_number, is_best)


def _text(value: Any, column: Column) -> str:
    if value is None:
        return _NOTHING
    if isinstance(value, Estimate):
        return _estimate_text(value, column.digits)
    if column.is_time:
        return iso_text(value)[:19].replace("T", " ")
    if isinstance(value, float):
        return _number_text(value, column.digits)
    if isinstance(value, str):
        text = printable(value[: _TEXT + 1])
        return f"{text[:_TEXT]}…" if len(text) > _TEXT else text
    return printable(written(value, _TEXT))


def _number_text(value: float, digits: int | None) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.6g}" if digits is None else _decimal_text(value, digits)


def _decimal_text(value: float, digits: int) -> str:
    """Write a number with so many decimals; one that has more digits before the point than a double with a power."""
    return f"{value:.{digits}{'f' if abs(value) < _LONG else 'e'}}"


def _estimate_text(value: Estimate, digits: int | None) -> str:
    if value.center is None:
        return f"{_NOTHING} (n = 0)"
    text = str(value)
    if digits is not None:
        text = _decimal_text(value.center, digits)
        if value.margin is not None:
            text += f" ± {_decimal_text(value.margin, digits)}"
        elif value.low is not None and value.high is not None:
            text += f" [{_decimal_text(value.low, digits)}, {_decimal_text(value.high, digits)}]"
    return f"{text} (n = {value.n})"


# -- what a check compares ----------------------------------------------------------------------------------------


def sealed(value: Any) -> Any:
    """Return what a report keeps of a value for its check, exact and short: of long ones a digest.

    Example:
        >>> sealed(0.1), len(sealed("x" * 1000))
        (0.1, 23)
    """
    if isinstance(value, Estimate):
        return {
            "center": value.center,
            "low": value.low,
            "high": value.high,
            "n": value.n,
            "symmetric": value.is_symmetric,
            "values": _digest(list(value.values)),
        }
    if value is None or isinstance(value, (bool, float)) or (isinstance(value, str) and len(value) < _KEPT // 10):
        return value
    text = dumps(value)
    return value if len(text) <= _KEPT else _digest(value)


def fingerprint_of(asked: Any, columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """Return what changes with anything that was read: with runs, their values, and what was asked.

    Args:
        asked: Which runs, in which order, as plain values.
        columns: The columns.
        rows: All rows.
    """
    read = ([row.key, *map(_read, row.values)] for row in rows)
    return _digest([asked, [column.name for column in columns], list(read)])


def _read(value: Any) -> Any:
    """Return what was read for a value: an interval is computed, and may differ in its last digit."""
    return list(value.values) if isinstance(value, Estimate) else value


def is_digest(sealed: Any) -> bool:
    """Tell whether it is the digest of a value that a report keeps of it."""
    return isinstance(sealed, str) and sealed.startswith(_DIGEST) and len(sealed) == len(_DIGEST) + 16


def _digest(value: Any) -> str:
    return f"{_DIGEST}{hashlib.sha256(encode_json(value)).hexdigest()[:16]}"

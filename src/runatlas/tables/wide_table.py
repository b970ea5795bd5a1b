"""Series side by side: one row a step, a time or a value of another metric."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from arro3.core import Array, DataType, Table

from runatlas.display.markup import Html, joined, note
from runatlas.model.codec import make_context
from runatlas.model.series import Context
from runatlas.tables.frame import ArrowFrame

if TYPE_CHECKING:
    from runatlas.tables.metric import MetricTable
    from runatlas.tables.series import Series

__all__ = ["How", "WideTable", "join_series", "make_wide_table"]

How = Literal["exact", "outer", "asof"]
"""Which rows a join has, and what stands in them."""

_HOWS: tuple[How, ...] = get_args(How)
_INT64, _FLOAT64, _MILLISECONDS = DataType.int64(), DataType.float64(), DataType.timestamp("ms", tz="UTC")


class WideTable(ArrowFrame):
    """A column of steps, times or values of a metric, and one column a series; empty where a series has no point.

    Args:
        table: The columns.
        sources: Where they come from, for their completeness.
        missing: The columns without points, of which ``notes`` tell.
    """

    def __init__(self, table: Table, sources: Sequence[Series | MetricTable[Any]], missing: Sequence[str] = ()) -> None:
        super().__init__(table)
        self.notes = tuple(f"{name} has no points: its column is empty" for name in missing)
        self.complete = all(source.complete for source in sources)
        self.sampled = any(source.sampled for source in sources)
        totals = [source.total for source in sources if source.total is not None]
        self.total = sum(totals) if len(totals) == len(sources) else None
        self.failures = tuple(failure for source in sources for failure in getattr(source, "failures", ()))
        self.missing = tuple(missing)

    def to_arrow(self) -> Table:
        """Return an Arrow table; a missing point is null, which is not NaN."""
        return self._table

    def _told(self) -> Html:
        return joined(*map(note, self.notes), super()._told())


def make_wide_table(series: Mapping[str, Series], source: MetricTable[Any]) -> WideTable:
    """Put series side by side, one row for each step that any of them has.

    Args:
        series: The series by column name.
        source: The table they come from.
    """
    found = {name: item.to_dict() for name, item in series.items()}
    steps = sorted(set().union(*found.values()))
    columns: dict[str, Any] = {"step": Array(steps, _INT64)}
    for name, values in found.items():
        columns[name] = Array([values.get(step) for step in steps], _FLOAT64)
    return WideTable(Table.from_pydict(columns), (source,), [name for name, item in series.items() if not len(item)])


def join_series(
    left: Sequence[Series],
    right: Sequence[Series],
    on: str,
    how: How,
    sources: Sequence[Series | MetricTable[Any]],
) -> WideTable:
    """Put series beside others; see ``MetricTable.join``.

    Args:
        left: The series on the left.
        right: Those on the right.
        on: What must be equal.
        how: Which rows there are.
        sources: Where they come from.

    Raises:
        ValueError: ``on`` or ``how`` is something else, or two columns would have one name.
    """
    if how not in _HOWS:
        raise ValueError(f"how: expected 'exact', 'outer' or 'asof', got {how!r}")
    places = _Places(on, (*left, *right))
    name = places.name
    several = len({item.run for item in (*left, *right)}) > 1
    columns: dict[str, dict[Any, float]] = {}
    lefts: list[str] = []
    filled: dict[str, dict[Any, float]] = {}
    for position, item in enumerate((*left, *right)):
        if item.key == on and places.is_metric:
            continue
        label = f"{item.run}/{item.label}" if several else item.label
        if label in columns or label == name:
            raise ValueError(f"join: two columns would be called {label!r}")
        columns[label] = places.of(item)
        if position < len(left):
            lefts.append(label)
        if len(item):
            filled[label] = columns[label]
    rows = _rows(filled, [label for label in lefts if label in filled], how)
    held: dict[str, Any] = {name: places.column(rows)}
    for label, found in columns.items():
        read = found.get if how != "asof" or label in lefts else _Last(found)
        held[label] = Array([read(row) for row in rows], _FLOAT64)
    return WideTable(Table.from_pydict(held), sources, [label for label, found in columns.items() if not found])


def _rows(columns: Mapping[str, Mapping[Any, float]], lefts: Sequence[str], how: How) -> list[Any]:
    found = [set(columns[label]) for label in (lefts if how == "asof" else columns)]
    if not found:
        return []
    return sorted(set.intersection(*found) if how == "exact" else set.union(*found))


class _Last:
    """The last value at or before a place."""

    def __init__(self, found: Mapping[Any, float]) -> None:
        self._places = sorted(found)
        self._values = [found[place] for place in self._places]

    def __call__(self, place: Any) -> float | None:
        position = bisect_right(self._places, place)
        return self._values[position - 1] if position else None


class _Places:
    """Where points lie for a join."""

    def __init__(self, on: str, series: Sequence[Series]) -> None:
        if not isinstance(on, str):
            raise TypeError(f"on: expected text, got {type(on).__name__}")
        self._on = on
        self.is_metric = on not in {"step", "time"}
        found = [item for item in series if self.is_metric and item.key == on and len(item)]
        if self.is_metric and not found:
            raise ValueError(f"on: expected 'step', 'time' or a metric that is among them with points, got {on!r}")
        if self.is_metric and any(item.sampled for item in series):
            raise ValueError(f"on: to find the same steps as {on!r} has, every point is needed; read with all=True")
        self._across: dict[tuple[str, Context], dict[int, float]] = {}
        for item in found:
            self._across.setdefault((item.run, make_context(item.context)), {}).update(item.to_dict())
        if on == "time" and any(item.timestamps is None for item in series if len(item)):
            raise ValueError("on: 'time' needs times; read without ignore_timestamp, and join before you resample")

    @property
    def name(self) -> str:
        """What the column is called."""
        return "timestamp" if self._on == "time" else self._on

    def of(self, item: Series) -> dict[Any, float]:
        """Return the value at each place; of several the last that arrived."""
        if self._on == "step":
            return item.to_dict()
        if self._on == "time":
            stamps: list[int] = [] if item.timestamps is None else list(item.timestamps.to_pylist())
            return dict(zip(stamps, item.values.to_pylist(), strict=True))
        known = self._across.get((item.run, make_context(item.context))) or self._across.get((item.run, ())) or {}
        pairs = ((known.get(step, math.nan), value) for step, value in item.to_dict().items())
        return {place: value for place, value in pairs if not math.isnan(place)}

    def column(self, rows: Sequence[Any]) -> Array:
        """Return the column of places."""
        if self.is_metric:
            return Array(list(rows), _FLOAT64)
        numbers = Array(list(rows), _INT64)
        return numbers.cast(_MILLISECONDS) if self._on == "time" else numbers

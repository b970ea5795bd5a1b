"""One row a step: series side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arro3.core import Array, DataType, Table

from runatlas.tables.frame import ArrowFrame, Frame

if TYPE_CHECKING:
    from runatlas.tables.series import Series

__all__ = ["WideTable"]


class WideTable(ArrowFrame):
    """A ``step`` column and one column a series; empty where a series has no point of that step.

    Args:
        series: The series by column name.
        source: The table they come from, for its completeness.
    """

    def __init__(self, series: Mapping[str, Series], source: Frame) -> None:
        found = {name: item.to_dict() for name, item in series.items()}
        steps = sorted(set().union(*found.values()))
        columns: dict[str, Any] = {"step": Array(steps, DataType.int64())}
        for name, values in found.items():
            columns[name] = Array([values.get(step) for step in steps], DataType.float64())
        super().__init__(Table.from_pydict(columns))
        self.complete = source.complete
        self.sampled = source.sampled
        self.total = source.total
        self.failures = source.failures
        self.missing = tuple(name for name, item in series.items() if not len(item))

    def to_arrow(self) -> Table:
        """Return an Arrow table; a missing point is null, which is not NaN."""
        return self._table

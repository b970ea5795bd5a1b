"""One series of points, as columns; single points are made only when asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from functools import partial
from itertools import filterfalse
from typing import Any, ClassVar, overload

import attrs
from arro3.core import Array, DataType
from typing_extensions import NotRequired, TypedDict

from runatlas.display.graphic import sparkline
from runatlas.display.markup import Html, facts, heading, joined, number
from runatlas.display.shown import Shown
from runatlas.model.buffer import join_arrays
from runatlas.model.codec import context_text
from runatlas.model.series import Context, PointBlock
from runatlas.tables.statistic import StatisticItem, Statistics, SummaryItem

__all__ = ["Piece", "Point", "Series", "series_label"]

_INT64, _FLOAT64 = DataType.int64(), DataType.float64()


class Point(TypedDict):
    """One point; ``timestamp`` is in Unix milliseconds and missing with ``ignore_timestamp``.

    ``index`` is where it lies on the axis that ``x_axis`` named: NaN where that metric has nothing at the step.
    """

    step: int
    value: float
    index: NotRequired[float]
    timestamp: NotRequired[int]


@attrs.frozen(eq=False)
class Piece:
    """Some rows of a block."""

    block: PointBlock
    start: int
    length: int

    def cut(self, column: Array) -> Array:
        """Return this piece's rows of one of the block's columns."""
        return column if self.length == len(column) else column.slice(self.start, self.length)


def series_label(key: str, context: Context) -> str:
    """Return the name a series goes by: its key, and its context if it has one.

    Example:
        >>> series_label("loss", (("subset", "val"),))
        'loss{"subset":"val"}'
    """
    return key + context_text(context)


class Series(Sequence[Point], Shown):
    """The points of one metric of one run, by step; of one step, in the order they arrived.

    Columns (``steps``, ``values``, ``timestamps``) are Arrow arrays: ``numpy.asarray(series.values)`` takes them
    without a copy. Statistics are those of the whole series, whatever was sampled or cut; the first question for one
    reads them for the whole table.

    Attributes:
        key: The metric's key.
        context: Its context, ``{}`` for the ordinary series.
        label: ``key``, followed by the context if there is one.
        run: The run's id.
        run_name: The run's name.
        total: How many points it has in the asked range, before sampling and ``head``/``tail``; ``None`` when it was
            sampled by a server that does not tell.
        sampled: Whether points were left out by sampling.
    """

    SHOWN: ClassVar[tuple[str, ...]] = ("metric", "points", "first", "last", "smallest", "largest", "course")
    """The columns of ``shown``."""

    __slots__ = ("_cuid", "_pairs", "_pieces", "_statistics", "_timed", "key", "run", "run_name", "sampled", "total")

    def __init__(
        self,
        run: tuple[str, str, str],
        key: str,
        context: Context,
        pieces: tuple[Piece, ...],
        *,
        total: int | None,
        sampled: bool,
        timed: bool,
        statistics: Statistics,
    ) -> None:
        self._cuid, self.run, self.run_name = run
        self.key = key
        self._pairs = context
        self._pieces = pieces
        self.total = total
        self.sampled = sampled
        self._timed = timed
        self._statistics = statistics

    @property
    def context(self) -> dict[str, Any]:
        """The series' context."""
        return dict(self._pairs)

    @property
    def label(self) -> str:
        """The key, followed by the context if there is one."""
        return series_label(self.key, self._pairs)

    @property
    def complete(self) -> bool:
        """Whether no point that was asked for is left out."""
        return not self.sampled

    @property
    def steps(self) -> Array:
        """Steps, int64."""
        return join_arrays([piece.cut(piece.block.steps) for piece in self._pieces], _INT64)

    @property
    def values(self) -> Array:
        """Values, float64; NaN and infinities as they were logged."""
        return join_arrays([piece.cut(piece.block.values) for piece in self._pieces], _FLOAT64)

    @property
    def timestamps(self) -> Array | None:
        """Unix milliseconds, int64; ``None`` with ``ignore_timestamp``."""
        if not self._timed:
            return None
        return join_arrays([piece.cut(piece.block.times_ms) for piece in self._pieces], _INT64)

    @property
    def indices(self) -> Array | None:
        """Where the points lie on the axis that ``x_axis`` named, float64; ``None`` if it named none."""
        arrays = [piece.cut(piece.block.indices) for piece in self._pieces if piece.block.indices is not None]
        return join_arrays(arrays, _FLOAT64) if arrays else None

    @property
    def times(self) -> list[datetime]:
        """The times of the points, aware UTC; empty with ``ignore_timestamp``."""
        stamps = self.timestamps
        plain: list[int] = [] if stamps is None else list(stamps.to_pylist())
        return [datetime.fromtimestamp(stamp / 1000, tz=timezone.utc) for stamp in plain]

    @property
    def epochs(self) -> Array | None:
        """Epochs, int64 with nulls; ``None`` when no point of the answer has one."""
        arrays = [piece.cut(piece.block.epochs) for piece in self._pieces if piece.block.epochs is not None]
        if not arrays or len(arrays) != len(self._pieces):
            return None
        return join_arrays(arrays, _INT64)

    @property
    def summary(self) -> SummaryItem | None:
        """Every statistic of the whole series; ``None`` if the run has no such series."""
        return self._statistics.get(self._cuid, self.key, self._pairs)

    @property
    def min(self) -> StatisticItem | None:
        """The smallest value and its step; ``None`` when only NaN was logged."""
        return found["min"] if (found := self.summary) else None

    @property
    def max(self) -> StatisticItem | None:
        """The largest value and its step; ``None`` when only NaN was logged."""
        return found["max"] if (found := self.summary) else None

    @property
    def latest(self) -> StatisticItem | None:
        """The last value of the highest step."""
        return found["latest"] if (found := self.summary) else None

    @property
    def avg(self) -> float | None:
        """The mean, NaN skipped."""
        return found["avg"] if (found := self.summary) else None

    @property
    def median(self) -> float | None:
        """The median, NaN skipped."""
        return found["median"] if (found := self.summary) else None

    def points(self) -> list[Point]:
        """Return every point as a dict."""
        return list(self)

    def json(self) -> dict[str, Any]:
        """Return the series with its points and statistics as plain values, as the SwanLab API has it."""
        found = self.summary
        statistics = {name: found[name] if found else None for name in ("min", "max", "avg", "median", "latest")}
        plain: dict[str, Any] = {"key": self.key, "metrics": list(self), **statistics}
        if self._pairs:
            plain["context"] = self.context
        return {**plain, "complete": self.complete, "sampled": self.sampled, "total": self.total}

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> list[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | list[Point]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return list(self._rows(start, max(stop - start, 0)))
            return list(self)[index]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"index {index} of a series of {len(self)} points")
        return next(self._rows(position, 1))

    def __iter__(self) -> Iterator[Point]:
        return self._rows(0, len(self))

    def __len__(self) -> int:
        return sum(piece.length for piece in self._pieces)

    def _rows(self, start: int, length: int) -> Iterator[Point]:
        steps, values, stamps = self.steps, self.values, self.timestamps
        pairs = zip(steps.slice(start, length).to_pylist(), values.slice(start, length).to_pylist(), strict=True)
        if (indices := self.indices) is not None:
            return self._rows_across(indices, start, length)
        if stamps is None:
            return ({"step": step, "value": value} for step, value in pairs)
        times = stamps.slice(start, length).to_pylist()
        rows = zip(pairs, times, strict=True)
        return ({"step": step, "value": value, "timestamp": time} for (step, value), time in rows)

    def _rows_across(self, indices: Array, start: int, length: int) -> Iterator[Point]:
        columns: dict[str, Array | None] = {
            "step": self.steps,
            "value": self.values,
            "index": indices,
            "timestamp": self.timestamps,
        }
        held = {name: found.slice(start, length).to_pylist() for name, found in columns.items() if found is not None}
        rows: Any = (dict(zip(held, row, strict=True)) for row in zip(*held.values(), strict=True))
        return rows  # type: ignore[no-any-return]

    def shown(self) -> tuple[object, ...]:
        """Return the cells that a notebook shows of it, in the order of ``SHOWN``; no request."""
        values = list(self.values.to_pylist())
        if not values:
            return (self.label, 0)
        numbers = list(filterfalse(math.isnan, values))
        ends = (values[0], values[-1], *((min(numbers), max(numbers)) if numbers else (None, None)))
        whole = "more" if self.total is None else f"{self.total:,}"
        points = f"{len(values):,} of {whole}" if self.sampled else f"{len(values):,}"
        return (self.label, points, *map(number, ends), sparkline(values))

    def _show(self) -> Html:
        title = heading(self.label, self.run_name or self.run)
        return joined(title, facts(dict(zip(self.SHOWN[1:], self.shown()[1:], strict=False))))

    def to_dict(self) -> dict[int, float]:
        """Return ``{step: value}``, the last that arrived of each step."""
        steps, values = list(self.steps.to_pylist()), list(self.values.to_pylist())
        return dict(zip(steps, values, strict=True))

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to other processes with its own points, not with those of its table."""
        run = (self._cuid, self.run, self.run_name)
        times = join_arrays([piece.cut(piece.block.times_ms) for piece in self._pieces], _INT64)
        block = PointBlock((run,), (), self.steps, self.values, times, self.epochs, indices=self.indices)
        told: dict[str, Any] = {
            "total": self.total,
            "sampled": self.sampled,
            "timed": self._timed,
            "statistics": self._statistics,
        }
        return partial(Series, **told), (run, self.key, self._pairs, (Piece(block, 0, len(self)),))

    def __repr__(self) -> str:
        whole = "more" if self.total is None else self.total
        kept = f"{len(self)} of {whole} points" if self.sampled else f"{len(self)} points"
        return f"Series({self.label!r}, run={self.run!r}, {kept})"

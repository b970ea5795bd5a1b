"""One series of points, as columns; single points are made only when asked for."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import filterfalse, zip_longest
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, NotRequired, TypedDict, overload

import attrs
from arro3.core import Array, DataType, Table

from runatlas.display.graphic import sparkline
from runatlas.display.markup import Html, facts, heading, joined, number
from runatlas.extra import load_extra
from runatlas.model.arrow_array import join_arrays
from runatlas.model.codec import context_text, make_context
from runatlas.model.series import Context, PointBlock, SeriesSlice
from runatlas.tables.frame import ArrowFrame, Frame, Tabular
from runatlas.tables.resampling import check_smoothing, even_steps, read_at, smoothed
from runatlas.tables.statistic import StatisticItem, Statistics, SummaryItem, summarize_points
from runatlas.tables.wide_table import How, WideTable, join_series

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from runatlas.tables.metric import MetricTable

__all__ = ["Piece", "Point", "Series", "make_computed", "resampled", "series_label"]

_INT64, _FLOAT64, _MILLISECONDS = DataType.int64(), DataType.float64(), DataType.timestamp("ms", tz="UTC")
_COLUMNS = ("steps", "values", "times_ms", "epochs", "indices")


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


class Series(Sequence[Point], Tabular):
    """The points of one metric of one run, by step; of one step, in the order they arrived.

    ``series[3]`` is a point, ``series[3:10]`` a series again, ``numpy.asarray(series)`` its values. NumPy's functions
    take it as they take those (``numpy.min(series)``, ``numpy.log(series)``), and ``series * 2`` or ``a - b``, of the
    same steps, is a series again. Columns (``steps``, ``values``, ``timestamps``) are Arrow arrays, which NumPy takes
    without a copy.

    Statistics (``series.min``) are those of the whole series, whatever was sampled or cut; the first question for one
    reads them for the whole table. Of a series that was computed they are those of its points.

    Attributes:
        key: The metric's key.
        context: Its context, ``{}`` for the ordinary series.
        label: ``key``, followed by the context if there is one.
        run: The run's id.
        run_name: The run's name.
        total: How many points it has in the asked range, before sampling and ``head``/``tail``; ``None`` when it was
            sampled and that is not known.
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
        return [datetime.fromtimestamp(stamp / 1000, tz=UTC) for stamp in plain]

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
    def __getitem__(self, index: slice) -> Series: ...
    def __getitem__(self, index: int | slice) -> Point | Series:
        if isinstance(index, slice):
            return self._part(range(len(self))[index])
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"index {index} of a series of {len(self)} points")
        return next(self._rows(position, 1))

    def _part(self, places: range) -> Series:
        """Return the points at these places; what is told of the whole series stays."""
        whole = self._block()
        if places.step == 1:
            piece = Piece(whole, places.start, len(places))
        else:
            rows = Array(list(places), _INT64)
            columns = {name: getattr(whole, name) for name in _COLUMNS}
            taken: dict[str, Any] = {name: held.take(rows) for name, held in columns.items() if held is not None}
            piece = Piece(attrs.evolve(whole, **taken), 0, len(places))
        make, arguments = self._made(piece)
        return make(*arguments)

    def _made(self, piece: Piece) -> tuple[Callable[..., Series], tuple[Any, ...]]:
        """Return what makes the same series of other points."""
        run = (self._cuid, self.run, self.run_name)
        told: dict[str, Any] = {
            "total": self.total,
            "sampled": self.sampled,
            "timed": self._timed,
            "statistics": self._statistics,
        }
        return partial(Series, **told), (run, self.key, self._pairs, (piece,))

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
            return (self.label, 0, *[None] * (len(self.SHOWN) - 2))
        numbers = list(filterfalse(math.isnan, values))
        ends = (values[0], values[-1], *((min(numbers), max(numbers)) if numbers else (None, None)))
        whole = "more" if self.total is None else f"{self.total:,}"
        points = f"{len(values):,} of {whole}" if self.sampled else number(len(values))
        return (self.label, points, *map(number, ends), sparkline(values))

    def _show(self) -> Html:
        title = heading(self.label, self.run_name or self.run)
        return joined(title, facts(dict(zip(self.SHOWN[1:], self.shown()[1:], strict=False))))

    def to_dict(self) -> dict[int, float]:
        """Return ``{step: value}``, the last that arrived of each step."""
        steps, values = list(self.steps.to_pylist()), list(self.values.to_pylist())
        return dict(zip(steps, values, strict=True))

    def _block(self) -> PointBlock:
        """Return its own points, without those of its table."""
        run = (self._cuid, self.run, self.run_name)
        times = join_arrays([piece.cut(piece.block.times_ms) for piece in self._pieces], _INT64)
        return PointBlock((run,), (), self.steps, self.values, times, self.epochs, indices=self.indices)

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to other processes with its own points, not with those of its table."""
        return self._made(Piece(self._block(), 0, len(self)))

    # -- as an array ---------------------------------------------------------------------------------------------

    def _frame(self) -> Frame:
        columns: dict[str, Any] = {"step": self.steps}
        if (indices := self.indices) is not None:
            columns["index"] = indices
        columns["value"] = self.values
        if (stamps := self.timestamps) is not None:
            columns["timestamp"] = stamps.cast(_MILLISECONDS)
        if (epochs := self.epochs) is not None:
            columns["epoch"] = epochs
        frame = ArrowFrame(Table.from_pydict(columns))
        frame.complete, frame.sampled, frame.total = self.complete, self.sampled, self.total
        return frame

    def to_numpy(self) -> npt.NDArray[np.float64]:
        """Return the values as a NumPy array, float64.

        Raises:
            ImportError: NumPy is not installed.
        """
        return load_extra("numpy", "to_numpy()").asarray(self.values)  # type: ignore[no-any-return]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.to_numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return getattr(ufunc, method)(*_arrays(inputs), **options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        # Without it ``numpy.min`` would call ``series.min``, which is a statistic of the whole series.
        return function(*_arrays(args), **options)

    def _computed(self, key: str, values: Iterable[float], pairs: Context = (), *, sampled: bool = False) -> Series:
        """Return a series of the same steps with other values; statistics are those of these."""
        whole = self._block()
        made = attrs.evolve(whole, values=Array(list(values), _FLOAT64))
        return make_computed(key, pairs, made, sampled=self.sampled or sampled, timed=self._timed)

    def _with(self, other: object, name: str, compute: Callable[[float, float], float], *, swap: bool = False) -> Any:
        """Compute with a number, or point by point with a series of the same steps."""
        own: list[float] = list(self.values.to_pylist())
        if isinstance(other, Series):
            _check_steps(self, other)
            others: list[float] = list(other.values.to_pylist())
            key = f"{_term(self)} {name} {_term(other)}"
            return self._computed(key, map(compute, own, others), sampled=other.sampled)
        if isinstance(other, bool) or not isinstance(other, Real):
            return NotImplemented
        number = float(other)
        if swap:
            return self._computed(f"{number:g} {name} {_term(self)}", (compute(number, value) for value in own))
        return self._computed(f"{_term(self)} {name} {number:g}", (compute(value, number) for value in own))

    def __add__(self, other: Series | float) -> Series:
        return self._with(other, "+", operator.add)  # type: ignore[no-any-return]

    def __radd__(self, other: float) -> Series:
        return self._with(other, "+", operator.add, swap=True)  # type: ignore[no-any-return]

    def __sub__(self, other: Series | float) -> Series:
        return self._with(other, "-", operator.sub)  # type: ignore[no-any-return]

    def __rsub__(self, other: float) -> Series:
        return self._with(other, "-", operator.sub, swap=True)  # type: ignore[no-any-return]

    def __mul__(self, other: Series | float) -> Series:
        return self._with(other, "*", operator.mul)  # type: ignore[no-any-return]

    def __rmul__(self, other: float) -> Series:
        return self._with(other, "*", operator.mul, swap=True)  # type: ignore[no-any-return]

    def __truediv__(self, other: Series | float) -> Series:
        return self._with(other, "/", _divide)  # type: ignore[no-any-return]

    def __rtruediv__(self, other: float) -> Series:
        return self._with(other, "/", _divide, swap=True)  # type: ignore[no-any-return]

    def __neg__(self) -> Series:
        return self._computed(f"-{_term(self)}", map(operator.neg, self.values.to_pylist()))

    def __abs__(self) -> Series:
        return self._computed(f"abs({self.label})", map(abs, self.values.to_pylist()))

    # -- at other steps ------------------------------------------------------------------------------------------

    def resample(self, n: int | None = None, *, every: int | None = None) -> Series:
        """Read the curve at steps equally far apart, each on the straight line between the points beside it.

        The values are computed: nobody logged them. Of several points of one step the last that arrived counts. Beside
        NaN and infinities the line is none: what lies between them and the next point is NaN or infinite as well. There
        is nothing before the first and behind the last point, and there are no times.

        Args:
            n: How many steps from the first to the last; fewer where steps are that close.
            every: How far apart they are, from the first step on, in place of ``n``.

        Returns:
            The curve at those steps.

        Raises:
            TypeError: An argument is no whole number.
            ValueError: Both or none are given, one is out of bounds, or it would be more than a million steps.
        """
        curve = self.to_dict()
        return resampled(self, read_at(curve, even_steps([curve], n, every)))

    def smooth(self, amount: float | int) -> Series:
        """Return the curve with other values: a moving mean.

        The values are computed: nobody logged them. NaN and infinities stay gaps, NaN, and count for nothing in what is
        beside them.

        Args:
            amount: The weight of what came before, such as 0.9: an exponential moving average without the pull of its
                start. Or how many points the window around each has, such as 25.

        Returns:
            The smooth curve, of the same steps.

        Raises:
            TypeError: ``amount`` is no number.
            ValueError: It is neither a weight between 0 and 1 nor two points or more.
        """
        check_smoothing(amount, "amount")
        return self._computed(self.key, smoothed(list(self.values.to_pylist()), amount), self._pairs)

    def join(self, other: Series | MetricTable[Any], on: str = "step", how: How = "exact") -> WideTable:
        """Put another series, or the series of a table, beside this one; see ``MetricTable.join``.

        Args:
            other: What comes to its right.
            on: ``"step"``, ``"time"``, or a metric of the same run that is among them.
            how: ``"exact"``, ``"outer"`` or ``"asof"``.

        Raises:
            ValueError: ``on`` or ``how`` is something else, or times are wanted that were not read.
        """
        return join_series((self,), (other,) if isinstance(other, Series) else other.series, on, how, (self, other))

    def __repr__(self) -> str:
        whole = "more" if self.total is None else self.total
        kept = f"{len(self)} of {whole} points" if self.sampled else f"{len(self)} points"
        return f"Series({self.label!r}, run={self.run!r}, {kept})"


def resampled(series: Series, curve: Mapping[int, float]) -> Series:
    """Return a series of other steps with the values that were read there.

    Args:
        series: The series that was read.
        curve: The value of each step.
    """
    steps, values = Array(list(curve), _INT64), Array(list(curve.values()), _FLOAT64)
    whole = series._block()  # noqa: SLF001 - its own class
    block = PointBlock(whole.runs, (), steps, values, Array([0] * len(curve), _INT64))
    return make_computed(series.key, make_context(series.context), block, sampled=series.sampled, timed=False)


def make_computed(key: str, pairs: Context, block: PointBlock, *, sampled: bool, timed: bool) -> Series:
    """Make a series of points that were computed.

    Args:
        key: What it is called.
        pairs: Its context.
        block: The points, of one run, all of them the series'.
        sampled: Whether they were computed of points of which some were left out.
        timed: Whether they have times.
    """
    length = len(block.steps)
    total = None if sampled else length
    told = attrs.evolve(block, series=(SeriesSlice(0, key, 0, length, total, pairs),))
    statistics = Statistics(partial(summarize_points, told))
    (run,) = block.runs
    piece = Piece(told, 0, length)
    return Series(run, key, pairs, (piece,), total=total, sampled=sampled, timed=timed, statistics=statistics)


def _arrays(items: Iterable[Any]) -> list[Any]:
    """Return what NumPy was given, with arrays in place of series."""
    found: list[Any] = []
    for item in items:
        nested = type(item)(_arrays(item)) if type(item) in {list, tuple} else item
        found.append(item.to_numpy() if isinstance(item, Series) else nested)
    return found


def _term(series: Series) -> str:
    return f"({series.label})" if " " in series.label else series.label


def _check_steps(left: Series, right: Series) -> None:
    """Refuse to compute with points of other steps, which would pair what does not belong together."""
    steps, others = left.steps.to_pylist(), right.steps.to_pylist()
    if steps == others:
        return
    pairs = zip_longest(steps, others)
    one, other = next((one, other) for one, other in pairs if one != other)
    raise ValueError(
        f"{left.label} has {_step(one)} where {right.label} has {_step(other)}; join(other) puts side by side what has "
        "the same steps, and resample(n) of a table of both reads both at the same steps"
    )


def _step(step: int | None) -> str:
    return "none" if step is None else f"step {step}"


def _divide(one: float, other: float) -> float:
    """Divide as floating-point numbers are: by zero too."""
    if other:
        return one / other
    if not one or math.isnan(one) or math.isnan(other):
        return math.nan
    return math.copysign(math.inf, one) * math.copysign(1.0, other)

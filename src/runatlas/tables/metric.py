"""Points of many series in one table: of one run, or of many."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import attrs
from arro3.core import Array, ChunkedArray, DataType, RecordBatch, Table

from runatlas.display.markup import Html, heading, joined, more, note, table
from runatlas.extra import load_extra
from runatlas.model import codec
from runatlas.model.arrow_array import join_arrays, make_array
from runatlas.model.codec import make_context
from runatlas.model.missing_key import MissingKeyError
from runatlas.model.series import SAMPLE_MAX, Context, PointBlock, ReadFailure, SeriesSlice
from runatlas.tables.frame import Frame, to_pandas
from runatlas.tables.plot import Plot, plot_metrics
from runatlas.tables.resampling import check_smoothing, even_steps, read_at
from runatlas.tables.series import Piece, Series, resampled
from runatlas.tables.statistic import Statistics, summarize_points
from runatlas.tables.wide_table import How, WideTable, join_series, make_wide_table
from runatlas.tables.x_axis import TIME_AXES
from runatlas.terminal import counted, none_has

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

    from runatlas.charts.chart import Chart

__all__ = ["MetricTable", "Reading", "make_batch", "make_metric_table", "make_run_metric_table"]

K = TypeVar("K", bound="str | tuple[str, str]")

_STRING, _INT64, _FLOAT64 = DataType.string(), DataType.int64(), DataType.float64()
_MILLISECONDS = DataType.timestamp("ms", tz="UTC")
_Run = tuple[str, str, str]

_TEXTS: dict[str, Callable[[PointBlock, SeriesSlice], str]] = {
    "run": lambda block, item: block.runs[item.run][1],
    "name": lambda block, item: block.runs[item.run][2],
    "key": lambda _, item: item.key,
    "context": lambda _, item: codec.context_text(item.context),
}
"""Columns that are one text for all points of a series."""


@attrs.frozen(eq=False)
class Reading:
    """What was asked for, and what came: the raw material of a table.

    Attributes:
        blocks: The blocks, in order.
        keys: The metrics asked for; ``None`` for all.
        sample: Points a series at the most; ``None`` for all.
        requested_sample: What the caller asked for, when that was more than is possible.
        timed: Whether times are wanted.
        statistics: Where statistics come from.
        project_id: Tells the project's cuid.
        x_axis: What points say beside: ``"step"`` for nothing, a kind of time, or a metric of the same step.
        notes: Sentences on what was left out.
        shared: The cuids of runs that have the same id, by that id.
    """

    blocks: tuple[PointBlock, ...]
    keys: tuple[str, ...] | None
    sample: int | None
    requested_sample: int | None
    timed: bool
    statistics: Statistics
    project_id: Callable[[], str]
    x_axis: str = "step"
    notes: tuple[str, ...] = ()
    shared: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)


_ABSENT_MAX = 5
"""How many metrics without points are named where a table is shown."""
_SHOWN_MAX = 20


class MetricTable(Frame, Mapping[K, Series], Generic[K]):
    """Series by name: ``table["loss"]`` for one run, ``table["k3x9q2ab", "loss"]`` for many.

    As a table it has one row a point: run, name, key, context (if any series has one), step, index (with ``x_axis``),
    value, timestamp and epoch (if any point has one). A metric that a run does not have is an empty series, listed in
    ``missing``. Runs that share an id, of two projects, go by their cuids.

    Attributes:
        runs: ``(cuid, id, name)`` of each run, also of those without points.
        keys_asked: The metrics asked for; ``None`` for all.
        sample: Points a series at the most; ``None`` when nothing was thinned.
        sampled: Whether points were left out by sampling.
        complete: Whether every point asked for is there: nothing thinned, nothing failed, no run gone.
        total: How many points the series have in the asked range; ``None`` when the server does not tell.
        missing: Names of series that the runs do not have.
        missing_runs: Runs asked for by id that are not there.
        failures: What could not be had, with the reason.
        notes: Sentences on what was done differently from what was asked, and on metrics that runs do not have.
    """

    def __init__(self, reading: Reading, series: dict[K, Series], *, missing: tuple[K, ...]) -> None:
        self._reading = reading
        self._series = series
        blocks = reading.blocks
        self.runs: tuple[_Run, ...] = tuple(dict.fromkeys(run for block in blocks for run in block.runs))
        self.keys_asked = reading.keys
        self.sample = reading.sample
        self.missing = missing
        self.missing_runs = tuple(dict.fromkeys(run for block in blocks for run in block.missing))
        gone = tuple(ReadFailure(run, "", "there is no such run") for run in self.missing_runs)
        self.failures = tuple(failure for block in blocks for failure in block.failures) + gone
        self.sampled = any(item.sampled for item in series.values())
        totals = [item.total for item in series.values() if item.total is not None]
        self.total = sum(totals) if len(totals) == len(series) else None
        self.complete = not self.sampled and not self.failures

    @property
    def _make(self) -> Callable[[Reading], Any]:
        """What makes such a table of what was read."""
        first: Any = next(iter([*self._series, *self.missing]), "")
        return make_run_metric_table if isinstance(first, str) else make_metric_table

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to other processes as what was read; the series are made of it again."""
        return self._make, (self._reading,)

    def _describe(self) -> str:
        found = {item.key for item in self.series if len(item)}
        absent = [repr(key) for key in self.keys_asked or () if key not in found]
        told = ", ".join(absent[:_ABSENT_MAX]) + (", …" if absent[_ABSENT_MAX:] else "")
        return super()._describe() + (f", no points of {told}" if absent else "")

    def _show(self) -> Html:
        found = self.series[:_SHOWN_MAX]
        head: tuple[str, ...] = Series.SHOWN
        rows: list[tuple[object, ...]] = [item.shown() for item in found]
        if len(self.runs) > 1:
            head = ("name", *head, "run")
            names = [(item.run_name or item.run, item.run) for item in found]
            rows = [(name, *row, None if name == run else run) for (name, run), row in zip(names, rows, strict=True)]
        body = table(head, rows) if any(map(len, found)) else None
        left = more(len(self.series) - len(found), "row")
        title = heading(f"{len(self.series):,} series of {counted(len(self.runs), 'run')}")
        return joined(title, body, left if body else None, *map(note, self.notes), self._told())

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was done differently from what was asked, and on metrics that runs do not have."""
        asked, told = self._reading.requested_sample, (*self._reading.notes, *self.absences.values())
        if asked is None:
            return told
        cut = f"sample={asked} was cut to {SAMPLE_MAX}, the most of one sampled series; all=True reads every point"
        return (cut, *told)

    @property
    def absences(self) -> dict[str, str]:
        """How many runs do not have a metric that was asked for, in a sentence, by the metric."""
        lacking = Counter(name if isinstance(name, str) else name[1] for name in self.missing)
        runs = max(len(self.runs), 1)
        return {
            key: none_has(runs, key)
            if lacking[key] == runs
            else f"{lacking[key]:,} of {runs:,} runs {'has' if lacking[key] == 1 else 'have'} no {key}"
            for key in self.keys_asked or ()
            if key in lacking
        }

    @property
    def series(self) -> tuple[Series, ...]:
        """All series, in order."""
        return tuple(self._series.values())

    @property
    def num_rows(self) -> int:
        """How many points it holds."""
        return sum(len(item) for item in self._series.values())

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns as a table."""
        optional = {
            "context": self._has_contexts,
            "index": self._reading.x_axis != "step",
            "timestamp": self._reading.timed,
            "epoch": self._has_epochs,
        }
        names = ("run", "name", "key", "context", "step", "index", "value", "timestamp", "epoch")
        return tuple(name for name in names if optional.get(name, True))

    @property
    def _has_contexts(self) -> bool:
        return any(item.context for block in self._reading.blocks for item in block.series)

    @property
    def _has_epochs(self) -> bool:
        return any(block.epochs is not None for block in self._reading.blocks)

    def __getitem__(self, key: K) -> Series:
        found = self._series.get(key)
        if found is not None:
            return found
        near = [name for name, item in self._series.items() if _name_of(key, item) == key]
        if len(near) == 1:
            return self._series[near[0]]
        if near:
            more = f" and {len(near) - _ABSENT_MAX:,} more" if len(near) > _ABSENT_MAX else ""
            raise KeyError(f"{key!r} is several series: {', '.join(map(repr, near[:_ABSENT_MAX]))}{more}")
        if not isinstance(key, str) and key[0] in self._reading.shared:
            cuids = ", ".join(self._reading.shared[key[0]])
            raise KeyError(f"{key[0]!r} is the id of several runs, which go by their cuids here: {cuids}")
        asked = key if isinstance(key, str) else key[-1]
        raise MissingKeyError(key, {item.key for item in self._series.values()} - {asked})

    def _ipython_key_completions_(self) -> list[K]:
        return list(self._series)

    def __iter__(self) -> Iterator[K]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)

    def to_arrow(self) -> Table:
        """Return an Arrow table of one row a point; the columns of points are not copied."""
        return self._table(self.columns)

    def to_pandas(self) -> pd.DataFrame:
        """Return a pandas table of one row a point; run, name, key and context are categories.

        Raises:
            ImportError: pandas is not installed.
        """
        pandas = load_extra("pandas", "to_pandas()")
        names = self.columns
        frame = to_pandas(pandas, self._table(tuple(name for name in names if name not in _TEXTS)))
        lengths = [item.length for block in self._reading.blocks for item in block.series]
        for name in (name for name in names if name in _TEXTS):
            texts = [_TEXTS[name](block, item) for block in self._reading.blocks for item in block.series]
            frame[name] = pandas.Categorical(texts).repeat(lengths)
        return frame[list(names)]  # type: ignore[no-any-return]

    def _table(self, names: tuple[str, ...]) -> Table:
        batches = [make_batch(block, names) for block in self._reading.blocks]
        return Table.from_batches(batches) if batches else Table.from_pydict({})

    def wide(self) -> WideTable:
        """Return one row a step, one column a series; of several points of one step, the last that arrived.

        Columns are named by metric, or ``run/metric`` when there are several runs.
        """
        names = [item.label if len(self.runs) < 2 else f"{item.run}/{item.label}" for item in self.series]
        return make_wide_table(dict(zip(names, self.series, strict=True)), self)

    def join(self, other: MetricTable[Any] | Series, on: str = "step", how: How = "exact") -> WideTable:
        """Put the series of another table, or one series, beside these: one row for each place where points lie.

        Nothing is interpolated. Of several points of one place the last that arrived counts; NaN is a value like any
        other, and a gap is an empty cell.

        Args:
            other: What comes to the right.
            on: Where points lie: at their ``"step"``, their ``"time"`` (to the millisecond), or the value that a metric
                among them has at that step, in the same run and context, or without one; points of a step that the
                metric does not have, or where it is NaN, are left out.
            how: ``"exact"``: the places that every series has that has a point at all; ``notes`` name the others.
                ``"outer"``: those that any has, with gaps.
                ``"asof"``: the places of the series on the left; on the right of them stands the last point at or
                before each, whose age is not told, and nothing where there is none before.

        Returns:
            The places and a column a series, named by metric, or ``run/metric`` when there are several runs.

        Raises:
            TypeError: ``on`` is no text.
            ValueError: ``on`` or ``how`` is something else, two columns would have one name, times are wanted that
                were not read, or a metric is given for ``on`` and points were left out by sampling.

        Example:
            >>> from runatlas import Api, Run
            >>> with Run(repo="./experiments", experiment="joined") as made:
            ...     for step in range(4):
            ...         made.log({"loss": 1 / (step + 1)}, step=step)
            ...     made.log({"val_loss": 0.5}, step=2)
            >>> table = Api("./experiments").projects(search="joined").first().runs().first().metrics(None, all=True)
            >>> table["loss"].join(table["val_loss"], how="asof").to_arrow()["val_loss"].to_pylist()
            [None, None, 0.5, 0.5]
        """
        right = (other,) if isinstance(other, Series) else other.series
        return join_series(self.series, right, on, how, (self, other))

    def resample(self, n: int | None = None, *, every: int | None = None) -> MetricTable[K]:
        """Read every curve at the same steps, equally far apart: see ``Series.resample``.

        Args:
            n: How many steps from the first to the last of all curves; fewer where steps are that close.
            every: How far apart they are, from the first step of all on, in place of ``n``.

        Returns:
            The curves at those of the steps that lie between their own first and last; without times.

        Raises:
            TypeError: An argument is no whole number.
            ValueError: Both or none are given, one is out of bounds, or it would be more than a million steps.
        """
        curves = [item.to_dict() for item in self.series]
        steps = even_steps(curves, n, every)
        pairs = zip(self.series, curves, strict=True)
        made = [resampled(item, read_at(curve, steps)) for item, curve in pairs]
        return self._computed(made, attrs.evolve(self._reading, timed=False, x_axis="step"))

    def smooth(self, amount: float | int) -> MetricTable[K]:
        """Return every curve with other values, a moving mean: see ``Series.smooth``.

        Args:
            amount: The weight of what came before, such as 0.9, or how many points the window around each has.

        Raises:
            TypeError: ``amount`` is no number.
            ValueError: It is neither a weight between 0 and 1 nor two points or more.
        """
        check_smoothing(amount, "amount")
        return self._computed([item.smooth(amount) for item in self.series], self._reading)

    def _computed(self, series: Iterable[Series], reading: Reading) -> MetricTable[K]:
        """Return a table of series that were computed from these; statistics are those of their points."""
        items = [item for name, item in zip(self._series, series, strict=True) if name not in self.missing]
        starts = accumulate(map(len, items), initial=0)
        places = {run[1]: place for place, run in enumerate(self.runs)}
        slices = tuple(
            SeriesSlice(places[item.run], item.key, start, len(item), item.total, make_context(item.context))
            for item, start in zip(items, starts, strict=False)
        )
        times = [Array([0] * len(item), _INT64) if item.timestamps is None else item.timestamps for item in items]
        block = PointBlock(
            self.runs,
            slices,
            join_arrays([item.steps for item in items], _INT64),
            join_arrays([item.values for item in items], _FLOAT64),
            join_arrays(times, _INT64),
            indices=None if reading.x_axis == "step" else join_arrays([*map(attrgetter("indices"), items)], _FLOAT64),
            missing=self.missing_runs,
            failures=tuple(failure for each in self._reading.blocks for failure in each.failures),
        )
        statistics = Statistics(partial(summarize_points, block))
        return self._make(attrs.evolve(reading, blocks=(block,), statistics=statistics))  # type: ignore[no-any-return]

    def plot(
        self,
        *,
        x: str = "step",
        color: str | None = None,
        facet: str | None = None,
        smooth: float | int | None = None,
        log: Literal["", "x", "y", "xy"] = "",
        ax: Axes | None = None,
        path: str | Path | None = None,
        **line: Any,
    ) -> Chart:
        """Draw every series as a line; NaN and infinities stay gaps.

        Args:
            x: What lies across: ``"step"``, ``"time"``, ``"relative"`` (since the first point of each run), or a metric
                of the table, of the same step.
            color: What colours stand for: ``"run"`` or ``"metric"``; ``runs.plot`` knows configs too.
            facet: What panels stand for: the same.
            smooth: The weight of what came before, such as 0.9, or how many points a window has, such as 25.
            log: Which axes are logarithmic.
            ax: Axes to draw on; those of a new figure otherwise.
            path: An image file to write as well.
            **line: What matplotlib's ``plot`` takes.

        Returns:
            The chart, which a notebook shows.

        Raises:
            ImportError: matplotlib is not installed.
            TypeError: An argument has another type.
            ValueError: An argument is something else, or times are wanted that were not read.
        """
        return plot_metrics(self, Plot(x, color, facet, smooth, log, ax, path, line))

    def json(self) -> dict[str, Any]:
        """Return everything as plain values, as the SwanLab API has it."""
        runs = [run[0] for run in self.runs]
        one = {"experimentId": runs[0] if runs else ""} if self._is_of_one_run else {"experimentIds": runs}
        across = {} if self._reading.x_axis == "step" else {"xAxis": _axis(self._reading.x_axis)}
        keys = self.keys_asked if self.keys_asked is not None else tuple(dict.fromkeys(s.key for s in self.series))
        return {
            "keys": list(keys),
            "metricType": "SCALAR",
            "projectId": self._reading.project_id(),
            **one,
            "list": [
                {**({} if self._is_of_one_run else {"run": item.run}), **item.json(), **across} for item in self.series
            ],
            "complete": self.complete,
            "sampled": self.sampled,
            "total": self.total,
            "missing": [name if isinstance(name, str) else list(name) for name in self.missing],
            "failures": [attrs.asdict(failure) for failure in self.failures],
        }

    @property
    def _is_of_one_run(self) -> bool:
        return all(isinstance(name, str) for name in self._series) and len(self.runs) < 2


def _axis(x_axis: str) -> dict[str, str]:
    """Name what lies across as the SwanLab API has it."""
    return {"type": "SYSTEM" if x_axis in TIME_AXES else "CUSTOM", "key": x_axis}


def make_batch(block: PointBlock, names: Sequence[str]) -> RecordBatch:
    """Return a block as rows, one a point.

    Args:
        block: The points.
        names: The columns: of ``run``, ``name``, ``key``, ``context``, ``step``, ``value``, ``timestamp``, ``epoch``,
            and ``index`` if the block has any.
    """
    lengths = [item.length for item in block.series]
    rows: dict[str, Array] = {
        "step": _gathered(block, block.steps),
        "value": _gathered(block, block.values),
        "timestamp": _gathered(block, block.times_ms).cast(_MILLISECONDS),
    }
    if block.indices is not None:
        rows["index"] = _gathered(block, block.indices)
    for name, read in _TEXTS.items():
        if name in names:
            rows[name] = _repeated([read(block, item) for item in block.series], lengths)
    if "epoch" in names:
        rows["epoch"] = _epochs(block)
    return RecordBatch.from_pydict({name: rows[name] for name in names})


def _name_of(like: str | tuple[str, str], series: Series) -> str | tuple[str, str]:
    return series.key if isinstance(like, str) else (series.run, series.key)


def make_run_metric_table(reading: Reading) -> MetricTable[str]:
    """Make the table of one run; a missing metric is an empty series.

    Args:
        reading: What was asked for, and what came.
    """
    series = {item.label: item for item in _collect(reading)}
    known = {item.key for item in series.values()}
    missing = tuple(key for key in reading.keys or () if key not in known)
    run = next((run for block in reading.blocks for run in block.runs), ("", "", ""))
    for key in missing:
        series[key] = _empty(reading, run, key)
    return MetricTable(reading, series, missing=missing)


def make_metric_table(reading: Reading) -> MetricTable[tuple[str, str]]:
    """Make the table of many runs; a missing metric of a run is an empty series.

    Args:
        reading: What was asked for, and what came.
    """
    reading = _with_distinct_ids(reading)
    series = {(item.run, item.label): item for item in _collect(reading)}
    known = {(item.run, item.key) for item in series.values()}
    runs = dict.fromkeys(run for block in reading.blocks for run in block.runs)
    missing = [(run, key) for run in runs for key in reading.keys or () if (run[1], key) not in known]
    for run, key in missing:
        series[run[1], key] = _empty(reading, run, key)
    return MetricTable(reading, series, missing=tuple((run[1], key) for run, key in missing))


def _with_distinct_ids(reading: Reading) -> Reading:
    """Put the cuids of runs that share an id in place of it: a series by (id, key) would be one of them only."""
    cuids: dict[str, dict[str, None]] = {}
    for block in reading.blocks:
        for cuid, run_id, _ in block.runs:
            cuids.setdefault(run_id, {})[cuid] = None
    shared = {run_id: tuple(found) for run_id, found in cuids.items() if len(found) > 1}
    if not shared:
        return reading
    blocks = tuple(
        attrs.evolve(block, runs=tuple((run[0], run[0] if run[1] in shared else run[1], run[2]) for run in block.runs))
        for block in reading.blocks
    )
    return attrs.evolve(reading, blocks=blocks, shared=shared)


def _collect(reading: Reading) -> Iterable[Series]:
    """Make the series; one that goes over a block's end is put together again."""
    pieces: dict[tuple[_Run, str, Context], list[Piece]] = {}
    totals: dict[tuple[_Run, str, Context], int | None] = {}
    for block in reading.blocks:
        for item in block.series:
            name = (block.runs[item.run], item.key, item.context)
            pieces.setdefault(name, []).append(Piece(block, item.start, item.length))
            totals[name] = item.total
    for name, parts in pieces.items():
        length, total = sum(part.length for part in parts), totals[name]
        sampled = reading.sample is not None and (total is None or length < total)
        yield _series(reading, name, tuple(parts), total=total, sampled=sampled)


def _series(
    reading: Reading, name: tuple[_Run, str, Context], parts: tuple[Piece, ...], *, total: int | None, sampled: bool
) -> Series:
    return Series(*name, parts, total=total, sampled=sampled, timed=reading.timed, statistics=reading.statistics)


def _empty(reading: Reading, run: _Run, key: str) -> Series:
    return _series(reading, (run, key, ()), (), total=0, sampled=False)


def _repeated(texts: list[str], lengths: list[int]) -> Array:
    """Return each text as often as its series has points."""
    known = {text: index for index, text in enumerate(dict.fromkeys(texts))}
    indices = array("i")
    for text, length in zip(texts, lengths, strict=True):
        indices.extend(array("i", [known[text]]) * length)
    if not indices:
        return Array([], _STRING)
    return Array(list(known), _STRING).take(make_array(indices))


def _gathered(block: PointBlock, column: Array) -> Array:
    """Return the column's rows in the order of the series; as it is when they lie one after another."""
    position = 0
    for item in block.series:
        if item.start != position:
            parts = [column.slice(each.start, each.length) for each in block.series]
            return ChunkedArray(parts).combine_chunks()
        position += item.length
    return column if position == len(column) else column.slice(0, position)


def _epochs(block: PointBlock) -> Array:
    if block.epochs is not None:
        return _gathered(block, block.epochs)
    return Array([None] * sum(item.length for item in block.series), _INT64)

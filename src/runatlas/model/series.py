"""Series of points: their columns, summaries and bulk blocks.

Columns are Arrow arrays (``arro3.core.Array``): steps and times ``int64``, values ``float64``, epochs ``int64`` with
nulls. They need no NumPy, and NumPy reads them without a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import attrs

from runatlas.model.arrow_ipc import Kind, read_stream, write_stream
from runatlas.model.page import PageRequest, following
from runatlas.model.ranges import RangeQuery
from runatlas.model.run import RunSelection

if TYPE_CHECKING:
    from arro3.core import Array


__all__ = [
    "COLUMN_CLASSES",
    "COLUMN_TYPES",
    "MEDIA_TYPES",
    "NUMERIC_TYPES",
    "POINT_COLUMNS",
    "SAMPLE_MAX",
    "SCALAR_TYPES",
    "CatalogEntry",
    "ColumnClass",
    "ColumnDraft",
    "ColumnQuery",
    "ColumnRecord",
    "ColumnType",
    "Context",
    "PointBlock",
    "PointQuery",
    "ReadFailure",
    "SeriesPoints",
    "SeriesSlice",
    "Statistic",
    "SummaryQuery",
    "SummaryRecord",
    "each_block",
]

ColumnClass = Literal["CUSTOM", "SYSTEM"]
COLUMN_CLASSES: tuple[ColumnClass, ...] = get_args(ColumnClass)
ColumnType = Literal[
    "FLOAT", "BOOLEAN", "STRING", "IMAGE", "AUDIO", "VIDEO", "TEXT", "OBJECT3D", "MOLECULE", "ECHARTS",
    "TABLE", "HTML", "DISTRIBUTION", "FIGURE",
]  # fmt: skip
COLUMN_TYPES: tuple[ColumnType, ...] = get_args(ColumnType)
NUMERIC_TYPES: tuple[ColumnType, ...] = ("FLOAT", "BOOLEAN")
SCALAR_TYPES: tuple[ColumnType, ...] = (*NUMERIC_TYPES, "STRING")
MEDIA_TYPES: tuple[ColumnType, ...] = tuple(t for t in COLUMN_TYPES if t not in SCALAR_TYPES)

POINT_COLUMNS: dict[str, Kind] = {"step": "int64", "value": "float64", "time_ms": "int64", "epoch": "int64"}
"""What points are in a stream; the epochs may be missing."""

SAMPLE_MAX = 1500
"""The most points of one sampled scalar series, as in the SwanLab API."""

Context: TypeAlias = tuple[tuple[str, str | int | float | bool | None], ...]
"""A flat JSON object as pairs sorted by name; ``()`` is the ordinary case."""


@attrs.frozen(eq=False)
class SeriesPoints:
    """Points of one series to be appended, all columns of one length.

    Attributes:
        column_type: ``BOOLEAN`` values are stored as 0 and 1.
        epochs: ``None`` when no point has one.
        steps: With event ids a step may be null: the point gets the one after the last of its series.
        event_ids: One a point; an id is applied once a run. ``None`` when points have none.
    """

    key: str
    steps: Array
    values: Array
    times_ms: Array
    context: Context = ()
    epochs: Array | None = None
    event_ids: tuple[str, ...] | None = None
    column_class: ColumnClass = "CUSTOM"
    column_type: ColumnType = "FLOAT"


@attrs.frozen
class PointQuery:
    """Which points of which runs.

    Attributes:
        keys: Metric keys; ``None`` means every scalar one.
        context: ``None`` means every context.
        range: Applied to each series first; ``sample`` thins what is left.
        sample: Points a series at the most, chosen by LTTB with the first, last, smallest and largest kept; ``None``
            for all of them.
        cursor: ``PointBlock.next_cursor`` of the block before.
        point_limit: About how many points one block may carry; the rest comes with the next cursor.
    """

    selection: RunSelection
    keys: tuple[str, ...] | None = None
    context: Context | None = None
    range: RangeQuery | None = None
    sample: int | None = None
    column_class: ColumnClass | None = None
    cursor: str | None = None
    point_limit: int = 4_000_000


@attrs.frozen
class SeriesSlice:
    """Where one series lies in a block.

    Attributes:
        run: Index into ``PointBlock.runs``.
        start, length: Its rows of the block's columns.
        total: How many points it has in the range, before sampling and ``head``/``tail``; ``None`` for more than
            these, by a number that the server does not tell.
    """

    run: int
    key: str
    start: int
    length: int
    total: int | None
    context: Context = ()


@attrs.frozen
class ReadFailure:
    """A part of a bulk read that could not be had."""

    path: str
    key: str
    reason: str


@attrs.frozen(eq=False)
class PointBlock:
    """Points of many series in four columns.

    Attributes:
        runs: ``(cuid, id, name)`` of each run in the block, in the selection's order; also those without points.
        series: In the order of runs, then keys as asked, then contexts.
        steps, values, times_ms: int64, float64, int64; sorted by step within a series, arrival order within a step.
        epochs: int64 with nulls, or ``None`` when no point has one.
        indices: float64: where the points lie on another axis than steps; only in what a reader put together.
        missing: Selected ids that are no runs.
        next_cursor: ``None`` when the block is the last.
    """

    runs: tuple[tuple[str, str, str], ...]
    series: tuple[SeriesSlice, ...]
    steps: Array
    values: Array
    times_ms: Array
    epochs: Array | None = None
    missing: tuple[str, ...] = ()
    failures: tuple[ReadFailure, ...] = ()
    next_cursor: str | None = None
    indices: Array | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to other processes as an Arrow stream; the columns do not pickle themselves."""
        columns = {"step": self.steps, "value": self.values, "time_ms": self.times_ms}
        if self.epochs is not None:
            columns["epoch"] = self.epochs
        if self.indices is not None:
            columns["index"] = self.indices
        rest = {name: getattr(self, name) for name in ("runs", "series", "missing", "failures", "next_cursor")}
        return _revive_block, (write_stream("", columns), rest)


def _revive_block(stream: bytes, rest: dict[str, Any]) -> PointBlock:
    kinds: dict[str, Kind] = {**POINT_COLUMNS, "index": "float64"}
    columns = read_stream(stream, kinds, optional=frozenset({"epoch", "index"})).columns
    return PointBlock(
        steps=columns["step"],
        values=columns["value"],
        times_ms=columns["time_ms"],
        epochs=columns.get("epoch"),
        indices=columns.get("index"),
        **rest,
    )


def each_block(read: Callable[[PointQuery], PointBlock], query: PointQuery) -> Iterator[PointBlock]:
    """Read points to their end, a block when the one before is used up.

    Args:
        read: Reads one block.
        query: Which points.
    """
    while True:
        block = read(query)
        yield block
        if block.next_cursor is None:
            return
        query = attrs.evolve(query, cursor=following(query.cursor, block.next_cursor))


@attrs.frozen
class Statistic:
    """One point of a summary; ``step`` and ``time_ms`` are ``None`` for ``avg`` and ``median``."""

    value: float
    step: int | None = None
    time_ms: int | None = None


@attrs.frozen
class SummaryRecord:
    """What a series amounts to. Statistics skip NaN; ``None`` when only NaN was logged, ``latest`` never.

    Attributes:
        run: The run's cuid.
        latest: The point of the highest step; of several, the one that arrived last.
        count, first_step: ``None`` when the server does not tell.
        std: Population standard deviation.
        median: ``None`` unless asked for.
    """

    run: str
    key: str
    context: Context
    count: int | None
    column_class: ColumnClass
    column_type: ColumnType
    first_step: int | None
    last_step: int
    latest: Statistic
    min: Statistic | None
    max: Statistic | None
    avg: float | None
    std: float | None
    median: float | None = None


@attrs.frozen
class SummaryQuery:
    """Whose summaries; ``keys`` ``None`` means all scalar ones. ``median`` reads the points."""

    selection: RunSelection
    keys: tuple[str, ...] | None = None
    median: bool = True
    column_class: ColumnClass | None = None
    page: PageRequest = PageRequest(limit=1000)


@attrs.frozen
class ColumnRecord:
    """The name of a series of a run: of points or of media; ``count`` is ``None`` when the server does not tell."""

    key: str
    name: str
    column_class: ColumnClass
    column_type: ColumnType
    created_at_ms: int
    context: Context = ()
    count: int | None = 0
    last_step: int | None = None
    error: dict[str, Any] | None = None


@attrs.frozen
class ColumnDraft:
    """A column announced before its data, or beside it."""

    key: str
    column_type: ColumnType = "FLOAT"
    column_class: ColumnClass = "CUSTOM"
    name: str = ""
    context: Context = ()


@attrs.frozen
class ColumnQuery:
    """Which columns of one run.

    Attributes:
        search: Case-insensitive part of the name.
        key: An exact key: matches come first, then (with ``search``) the fuzzy ones.
    """

    search: str | None = None
    key: str | None = None
    column_class: ColumnClass | None = None
    column_type: ColumnType | None = None
    page: PageRequest = PageRequest()


@attrs.frozen
class CatalogEntry:
    """One metric of a run.

    Attributes:
        points: How many points it has over all contexts.
    """

    key: str
    contexts: tuple[Context, ...]
    points: int

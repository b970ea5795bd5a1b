"""Blocks of points, written down as Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from arro3.core import Array, DataType

from runatlas.model.codec import make_context
from runatlas.model.series import PointBlock, ReadFailure, SeriesSlice, Statistic, SummaryRecord
from runatlas.tables.metric import Reading
from runatlas.tables.statistic import Statistics

Rows = Sequence[tuple[int, float]]
RUN = ("c1", "one", "first run")


def make_block(
    series: Mapping[tuple[tuple[str, str, str], str], Rows],
    *,
    context: Mapping[str, Any] | None = None,
    totals: Mapping[str, int] | None = None,
    epochs: Sequence[int | None] | None = None,
    runs: Sequence[tuple[str, str, str]] = (),
    missing: tuple[str, ...] = (),
    failures: tuple[ReadFailure, ...] = (),
) -> PointBlock:
    """Make a block of ``{(run, key): [(step, value), …]}``; the times are the steps in seconds."""
    known = list(dict.fromkeys([*(run for run, _ in series), *runs]))
    slices: list[SeriesSlice] = []
    steps: list[int] = []
    values: list[float] = []
    for (run, key), rows in series.items():
        total = (totals or {}).get(key, len(rows))
        slices.append(SeriesSlice(known.index(run), key, len(steps), len(rows), total, make_context(context)))
        steps += [step for step, _ in rows]
        values += [value for _, value in rows]
    return PointBlock(
        runs=tuple(known),
        series=tuple(slices),
        steps=Array(steps, DataType.int64()),
        values=Array(values, DataType.float64()),
        times_ms=Array([step % 10**9 * 1000 for step in steps], DataType.int64()),
        epochs=None if epochs is None else Array(list(epochs), DataType.int64()),
        missing=missing,
        failures=failures,
    )


def make_reading(
    *blocks: PointBlock,
    keys: tuple[str, ...] | None = None,
    sample: int | None = None,
    requested_sample: int | None = None,
    timed: bool = True,
    load: Callable[[], Iterable[SummaryRecord]] = list,
) -> Reading:
    """Make a reading of blocks."""
    return Reading(
        blocks=blocks,
        keys=keys,
        sample=sample,
        requested_sample=requested_sample,
        timed=timed,
        statistics=Statistics(load),
        project_id=lambda: "p1",
    )


def make_summary(run: str, key: str, rows: Rows) -> SummaryRecord:
    """Make the summary of points in ascending order."""
    ordered = sorted(rows, key=lambda row: row[1])
    smallest, largest, latest = ordered[0], ordered[-1], rows[-1]
    values = [value for _, value in rows]
    return SummaryRecord(
        run=run,
        key=key,
        context=(),
        count=len(rows),
        column_class="CUSTOM",
        column_type="FLOAT",
        first_step=rows[0][0],
        last_step=latest[0],
        latest=Statistic(latest[1], latest[0], latest[0] * 1000),
        min=Statistic(smallest[1], smallest[0], smallest[0] * 1000),
        max=Statistic(largest[1], largest[0], largest[0] * 1000),
        avg=sum(values) / len(values),
        std=0.0,
        median=ordered[len(ordered) // 2][1],
    )

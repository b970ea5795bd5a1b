"""Points along another axis than steps: time, or a metric of the same step."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from arro3.core import Array, DataType

from runatlas.model.arrow_array import join_arrays, make_array
from runatlas.model.ranges import ValueRange
from runatlas.model.series import Context, PointBlock, SeriesSlice
from runatlas.tables.series import Piece
from runatlas.terminal import counted, none_has

__all__ = ["TIME_AXES", "along_metric", "along_time"]

TIME_AXES = ("time", "relative_time")
_INT64, _FLOAT64 = DataType.int64(), DataType.float64()

_Name = tuple[tuple[str, str, str], str, Context]


@attrs.frozen(eq=False)
class _Rows:
    """The points of one series, and where each lies."""

    name: _Name
    total: int | None
    steps: Array
    values: Array
    times_ms: Array
    epochs: Array | None
    indices: array[float]

    def part(self, chosen: Sequence[int]) -> _Rows:
        """Return some of them."""
        if len(chosen) == len(self.indices):
            return self
        rows = make_array(array("q", chosen))
        columns = {name: getattr(self, name) for name in ("steps", "values", "times_ms", "epochs")}
        taken: dict[str, Any] = {
            name: Array.from_arrow(held.take(rows)) for name, held in columns.items() if held is not None
        }
        return attrs.evolve(self, indices=array("d", (self.indices[row] for row in chosen)), **taken)


def along_time(blocks: Sequence[PointBlock], axis: str) -> tuple[PointBlock, ...]:
    """Say of points where they lie in time.

    Args:
        blocks: What was read.
        axis: ``"time"``, Unix milliseconds, or ``"relative_time"``, milliseconds since the first point of each series.

    Returns:
        One block of the same points.
    """
    found = []
    for rows in _series_of(blocks):
        times: list[int] = list(rows.times_ms.to_pylist())
        start = times[0] if times and axis == "relative_time" else 0
        found.append(attrs.evolve(rows, indices=array("d", (time - start for time in times))))
    return (_make_block(blocks, found),)


def along_metric(
    blocks: Sequence[PointBlock],
    axis: str,
    across: Sequence[PointBlock],
    within: ValueRange | None,
    *,
    is_sampled: bool,
) -> tuple[tuple[PointBlock, ...], tuple[str, ...]]:
    """Say of points what a metric has at their steps; of several values of one step the last that arrived counts.

    Args:
        blocks: What was read.
        axis: The metric.
        across: Its points, all of them. A series with a context takes those of the same context, else those without.
        within: Which points are wanted.
        is_sampled: Whether points at whose step the metric has nothing are left out; else they lie at NaN.

    Returns:
        One block of these points, and sentences on what was left out.
    """
    known = _values_of(across, axis)
    found, unmatched = [], 0
    for rows in _series_of(blocks):
        run, _, context = rows.name
        there = known.get((run[0], context)) or known.get((run[0], ())) or {}
        steps: list[int] = list(rows.steps.to_pylist())
        indices = array("d", (there.get(step, math.nan) for step in steps))
        lost = sum(map(math.isnan, indices)) if is_sampled or _is_bounded(within) else 0
        unmatched += lost
        found.append(_cut(attrs.evolve(rows, indices=indices), within, is_sampled=is_sampled, lost=lost))
    runs = len({run for block in blocks for run in block.runs})
    notes = []
    if runs and not any(known.values()):
        notes.append(f"{none_has(runs, f'points of {axis!r}')}, which x_axis names")
    elif unmatched:
        notes.append(f"{counted(unmatched, 'point')} at whose step there is no {axis!r} left out")
    return (_make_block(blocks, found),), tuple(notes)


def _is_bounded(within: ValueRange | None) -> bool:
    return within is not None and (within.start is not None or within.end is not None)


def _cut(rows: _Rows, within: ValueRange | None, *, is_sampled: bool, lost: int) -> _Rows:
    if within is None:
        if not is_sampled or not lost:
            return rows
        total = None if rows.total != len(rows.indices) else rows.total - lost  # of a sample it is not known
        return attrs.evolve(rows, total=total).part([row for row, at in enumerate(rows.indices) if not math.isnan(at)])
    since = -math.inf
    times: list[int] = list(rows.times_ms.to_pylist())
    if within.last is not None:
        since = max(times, default=0) - within.last
    chosen = [row for row, at in enumerate(rows.indices) if times[row] >= since and within.holds(at)]
    total = len(chosen)
    if within.head is not None:
        chosen = chosen[: within.head]
    elif within.tail is not None:
        chosen = chosen[-within.tail :]
    return attrs.evolve(rows, total=total).part(chosen)


def _values_of(blocks: Iterable[PointBlock], axis: str) -> dict[tuple[str, Context], dict[int, float]]:
    """Return what a metric has at each step, by run and context."""
    found: dict[tuple[str, Context], dict[int, float]] = {}
    for block in blocks:
        for item in block.series:
            if item.key == axis:
                piece = Piece(block, item.start, item.length)
                pairs = zip(piece.cut(block.steps).to_pylist(), piece.cut(block.values).to_pylist(), strict=True)
                found.setdefault((block.runs[item.run][0], item.context), {}).update(pairs)
    return found


def _series_of(blocks: Sequence[PointBlock]) -> Iterator[_Rows]:
    """Put series together that go over a block's end."""
    pieces: dict[_Name, list[Piece]] = {}
    totals: dict[_Name, int | None] = {}
    for block in blocks:
        for item in block.series:
            name = (block.runs[item.run], item.key, item.context)
            pieces.setdefault(name, []).append(Piece(block, item.start, item.length))
            totals[name] = item.total
    for name, parts in pieces.items():
        yield _Rows(
            name,
            totals[name],
            join_arrays([part.cut(part.block.steps) for part in parts], _INT64),
            join_arrays([part.cut(part.block.values) for part in parts], _FLOAT64),
            join_arrays([part.cut(part.block.times_ms) for part in parts], _INT64),
            _epochs(parts),
            array("d"),
        )


def _epochs(parts: Sequence[Piece]) -> Array | None:
    if all(part.block.epochs is None for part in parts):
        return None
    return join_arrays(
        [_nulls(part.length) if (held := part.block.epochs) is None else part.cut(held) for part in parts], _INT64
    )


def _nulls(length: int) -> Array:
    return Array([None] * length, _INT64)


def _make_block(blocks: Sequence[PointBlock], found: Sequence[_Rows]) -> PointBlock:
    runs = tuple(dict.fromkeys(run for block in blocks for run in block.runs))
    places: Mapping[tuple[str, str, str], int] = {run: place for place, run in enumerate(runs)}
    slices, start = [], 0
    for rows in found:
        run, key, context = rows.name
        slices.append(SeriesSlice(places[run], key, start, len(rows.indices), rows.total, context))
        start += len(rows.indices)
    has_epochs = any(rows.epochs is not None for rows in found)
    epochs = [_nulls(len(rows.indices)) if rows.epochs is None else rows.epochs for rows in found]
    indices = array("d")
    for rows in found:
        indices.extend(rows.indices)
    return PointBlock(
        runs=runs,
        series=tuple(slices),
        steps=join_arrays([rows.steps for rows in found], _INT64),
        values=join_arrays([rows.values for rows in found], _FLOAT64),
        times_ms=join_arrays([rows.times_ms for rows in found], _INT64),
        epochs=join_arrays(epochs, _INT64) if has_epochs else None,
        missing=tuple(dict.fromkeys(name for block in blocks for name in block.missing)),
        failures=tuple(failure for block in blocks for failure in block.failures),
        indices=make_array(indices),
    )

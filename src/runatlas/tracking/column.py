"""Numbers gathered into columns, a whole run of calls at a time."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import Any

import attrs
from arro3.core import Array, DataType

from runatlas.model.arrow_array import make_array
from runatlas.model.series import Context, SeriesPoints
from runatlas.tracking.entry import SYSTEM_PREFIX, Scalars
from runatlas.tracking.step import SeriesKey, StepCounter, series_key

__all__ = ["ColumnBuilder"]

_INT64 = DataType.int64()


class ColumnBuilder:
    """Collects the numbers of a batch.

    Calls with the same names and context are gathered first and turned into columns together, which is many times
    faster than point by point. The order of the points of one series stays.

    Args:
        steps: Counts automatic steps.
        on_loss: Called with a number of points and the reason when some cannot be kept.
    """

    def __init__(self, steps: StepCounter, on_loss: Callable[[int, str], None]) -> None:
        self.count = 0
        self._steps = steps
        self._on_loss = on_loss
        self._groups: dict[tuple[tuple[str, ...], int], _Group] = {}
        self._holders: dict[SeriesKey, _Group] = {}
        self._series: dict[SeriesKey, list[_Piece]] = {}

    def add(self, event: Scalars) -> None:
        """Take the numbers of one call."""
        time_s, data, step, epoch, context = event
        keys = tuple(data)
        group = self._groups.get((keys, id(context)))
        if group is None:
            group = self._make_group(keys, context)
        group.rows.append(data)
        group.steps.append(step)
        group.times.append(time_s)
        group.epochs.append(epoch)

    def settle(self) -> None:
        """Turn what is gathered into columns."""
        for group in list(self._groups.values()):
            self._close(group)

    def build(self) -> tuple[SeriesPoints, ...]:
        """Return the series; ``count`` is then how many points they hold."""
        self.settle()
        shared: dict[int, Array] = {}
        made = tuple(_build(series, pieces, shared) for series, pieces in self._series.items() if pieces)
        self.count = sum(len(points.steps) for points in made)
        return made

    def _make_group(self, keys: tuple[str, ...], context: Context) -> _Group:
        group = _Group(keys, context, [series_key(key, context) for key in keys])
        for series in group.series:
            holder = self._holders.get(series)
            if holder is not None and holder.open:
                self._close(holder)
            self._holders[series] = group
        self._groups[keys, id(context)] = group
        return group

    def _close(self, group: _Group) -> None:
        group.open = False
        del self._groups[group.keys, id(group.context)]
        times = array("q", [int(time_s * 1000) for time_s in group.times])
        epochs = group.epochs if any(epoch is not None for epoch in group.epochs) else None
        make_steps = self._step_maker(group.steps)
        width = len(group.keys)
        try:
            # One pass over all values and strided copies are several times faster than transposing.
            values = array("d", chain.from_iterable(map(dict.values, group.rows)))
        except OverflowError:
            self._close_wide(group, make_steps, times, epochs)
            return
        first = group.rows[0]
        for place, series in enumerate(group.series):
            is_boolean = type(first[series[0]]) is bool and _is_boolean(group.rows, place)
            piece = _Piece(make_steps(series), values[place::width], times, epochs, is_boolean)
            self._series.setdefault(series, []).append(piece)

    def _close_wide(
        self,
        group: _Group,
        make_steps: Callable[[SeriesKey], array[int]],
        times: array[int],
        epochs: list[int | None] | None,
    ) -> None:
        """Make columns of rows among which is a whole number that no float can hold."""
        for series, column in zip(group.series, zip(*map(dict.values, group.rows), strict=True), strict=True):
            pieces = self._spare(series, column, make_steps(series), times, epochs)
            self._series.setdefault(series, []).extend(pieces)

    def _step_maker(self, steps: list[int | None]) -> Callable[[SeriesKey], array[int]]:
        given = [step for step in steps if step is not None]
        if not given:
            return lambda series: self._steps.count(series, len(steps))
        if len(given) < len(steps):
            return lambda series: self._steps.take_many(series, steps)
        column, highest = array("q", given), max(given)

        def pass_over(series: SeriesKey) -> array[int]:
            self._steps.pass_over(series, highest)
            return column

        return pass_over

    def _spare(
        self,
        series: SeriesKey,
        column: Sequence[Any],
        steps: array[int],
        times: array[int],
        epochs: list[int | None] | None,
    ) -> list[_Piece]:
        """Keep the points beside a whole number that no float can hold."""
        kept = []
        for place, value in enumerate(column):
            try:
                values = array("d", [value])
            except OverflowError:
                self._on_loss(1, f"a number of {series[0]!r} is too large to keep")
                continue
            own = None if epochs is None else [epochs[place]]
            kept.append(_Piece(steps[place : place + 1], values, times[place : place + 1], own, boolean=False))
        return kept


@attrs.define(eq=False)
class _Group:
    """Calls of one form that came without another form of the same series between them."""

    keys: tuple[str, ...]
    context: Context
    series: list[SeriesKey]
    open: bool = True
    rows: list[dict[str, Any]] = attrs.field(factory=list)
    steps: list[int | None] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)
    epochs: list[int | None] = attrs.field(factory=list)


@attrs.define(eq=False)
class _Piece:
    """Some points of one series as columns; steps, times and epochs may be shared with other series."""

    steps: array[int]
    values: array[float]
    times: array[int]
    epochs: list[int | None] | None
    boolean: bool


def _is_boolean(rows: list[dict[str, Any]], place: int) -> bool:
    """Whether all values at one place of the rows are booleans."""
    return all(type(next(islice(row.values(), place, None))) is bool for row in rows)


def _build(series: SeriesKey, pieces: list[_Piece], shared: dict[int, Array]) -> SeriesPoints:
    first = pieces[0]
    if len(pieces) == 1:
        steps, values, times = _share(first.steps, shared), make_array(first.values), _share(first.times, shared)
    else:
        columns = ([getattr(piece, name) for piece in pieces] for name in ("steps", "values", "times"))
        steps, values, times = (make_array(_join(column)) for column in columns)
    epochs = None
    if any(piece.epochs is not None for piece in pieces):
        epochs = Array([epoch for piece in pieces for epoch in piece.epochs or [None] * len(piece.steps)], _INT64)
    return SeriesPoints(
        key=series[0],
        steps=steps,
        values=values,
        times_ms=times,
        context=series[1],
        epochs=epochs,
        column_class="SYSTEM" if series[0].startswith(SYSTEM_PREFIX) else "CUSTOM",
        column_type="BOOLEAN" if all(piece.boolean for piece in pieces) else "FLOAT",
    )


def _share(column: array[int], shared: dict[int, Array]) -> Array:
    found = shared.get(id(column))
    if found is None:
        found = shared[id(column)] = make_array(column)
    return found


def _join(columns: list[Any]) -> Any:
    joined = columns[0][:]
    for column in columns[1:]:
        joined.extend(column)
    return joined

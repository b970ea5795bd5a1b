"""Series as a SwanLab server gives them, one point a step, and as columns of a block."""

from __future__ import annotations

import csv
import io
import itertools
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from arro3.core import Array, DataType

from runatlas.backends.swanlab.document import Document
from runatlas.errors import ResponseFormatError
from runatlas.model.arrow_array import join_arrays, make_array
from runatlas.model.ranges import RangeQuery
from runatlas.model.series import PointBlock, SeriesSlice

__all__ = ["NO_POINTS", "Line", "Part", "cut_line", "make_block", "read_csv", "read_points"]

_INT64, _FLOAT64 = DataType.int64(), DataType.float64()


class Line(NamedTuple):
    """Steps, values and times of a series: int64, float64 and int64, by step."""

    steps: Array
    values: Array
    times_ms: Array


class Part(NamedTuple):
    """A series of a block: ``total`` is ``None`` when the server left points out and does not tell how many."""

    run: str
    key: str
    line: Line
    total: int | None


NO_POINTS = Line(make_array(array("q")), make_array(array("d")), make_array(array("q")))


def read_points(document: Document | None) -> Line:
    """Read a series of a sampled answer.

    Raises:
        ResponseFormatError: It is none.
    """
    if document is None:
        return NO_POINTS
    steps, values, times = array("q"), array("d"), array("q")
    for point in document.objects("metrics"):
        value = point.number("data")
        if value is not None:
            steps.append(point.whole("index"))
            values.append(value)
            times.append(point.whole("timestamp", 0))
    return Line(make_array(steps), make_array(values), make_array(times))


def read_csv(data: bytes, count: int) -> list[Line]:
    """Read series of an exported file: a line a step, and of each series a value and a time, empty where it has none.

    Args:
        data: The file.
        count: How many series it holds, side by side.

    Raises:
        ResponseFormatError: It is not such a file.
    """
    columns = [(array("q"), array("d"), array("q")) for _ in range(count)]
    rows = csv.reader(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline=""))
    try:
        next(rows, None)
        for row in rows:
            step = int(row[0])
            for (steps, values, times), value, time in zip(columns, row[1::2], row[2::2], strict=True):
                if value:
                    steps.append(step)
                    values.append(float(value))
                    times.append(int(time) if time else 0)
    except (ValueError, IndexError, OverflowError, csv.Error) as error:
        raise ResponseFormatError(f"line {rows.line_num} of the exported file does not decode: {error}") from error
    return [Line(*map(make_array, found)) for found in columns]


def cut_line(line: Line, wanted: RangeQuery | None) -> tuple[Line, int]:
    """Take what lies in a range, and tell how many points that is before ``head`` and ``tail``."""
    if wanted is None:
        return line, len(line.steps)
    axis: Sequence[int] = list((line.steps if wanted.type == "step" else line.times_ms).to_pylist())
    start, end = wanted.start, wanted.end
    if wanted.last is not None:
        axis = list(line.times_ms.to_pylist())
        start = max(axis, default=0) - wanted.last
    line = _within(line, axis, start, end)
    total = len(line.steps)
    if wanted.head is not None:
        return _sliced(line, 0, min(wanted.head, total)), total
    if wanted.tail is not None:
        kept = min(wanted.tail, total)
        return _sliced(line, total - kept, kept), total
    return line, total


def _within(line: Line, axis: Sequence[int], start: int | None, end: int | None) -> Line:
    if all(left <= right for left, right in itertools.pairwise(axis)):
        first = 0 if start is None else bisect_left(axis, start)
        behind = len(axis) if end is None else bisect_right(axis, end)
        return _sliced(line, first, max(behind - first, 0))
    rows = array("q")
    for row, place in enumerate(axis):
        if (start is None or place >= start) and (end is None or place <= end):
            rows.append(row)
    taken = make_array(rows)
    return Line(*(Array.from_arrow(column.take(taken)) for column in line))


def _sliced(line: Line, start: int, length: int) -> Line:
    return Line(*(column.slice(start, length) for column in line))


def make_block(
    runs: Iterable[tuple[str, str, str]], parts: Sequence[Part], missing: tuple[str, ...], cursor: str | None
) -> PointBlock:
    """Put series together.

    Args:
        runs: ``(cuid, id, name)`` of each run, also of those without points.
        parts: The series, in order.
        missing: Selected ids that are no runs.
        cursor: Where the next block begins.
    """
    known = tuple(runs)
    places = {cuid: place for place, (cuid, _, _) in enumerate(known)}
    series, start = [], 0
    for part in parts:
        length = len(part.line.steps)
        series.append(SeriesSlice(places[part.run], part.key, start, length, part.total))
        start += length
    return PointBlock(
        known,
        tuple(series),
        steps=join_arrays([part.line.steps for part in parts], _INT64),
        values=join_arrays([part.line.values for part in parts], _FLOAT64),
        times_ms=join_arrays([part.line.times_ms for part in parts], _INT64),
        missing=missing,
        next_cursor=cursor,
    )

"""Logged points, ``[step, {metric: value}]`` in the order logged, to series."""

from __future__ import annotations

import hashlib
import math
import re
import struct
from array import array
from collections import Counter
from functools import lru_cache
from typing import Any, Literal

import attrs
from arro3.core import Array, DataType

from runatlas.importers.layout import MalformedRecordError
from runatlas.model.arrow_array import make_array
from runatlas.model.series import SeriesPoints

__all__ = ["PointTable", "read_points"]

_INT64 = range(-(2**63), 2**63)
_KEY_MAX = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ONE = struct.Struct("=qd")
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_KINDS = {str: "text", list: "a list", dict: "an object", type(None): "null"}


@attrs.frozen(eq=False)
class PointTable:
    """The points of one run by metric, each metric's in the order logged.

    Attributes:
        steps, values: By metric key.
        flags: The metrics all of whose values are true or false.
        left_out: How many values of which metric are no numbers, by (key, what they are).
        rounded: How many whole numbers of which metric need more digits than a float has.
        count: How many values there are.
    """

    steps: dict[str, list[int]]
    values: dict[str, list[float]]
    flags: frozenset[str] = frozenset()
    left_out: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    rounded: Counter[str] = attrs.field(factory=Counter)
    count: int = attrs.field(init=False)

    @count.default
    def _count(self) -> int:
        return sum(map(len, self.values.values()))

    def digest(self) -> str:
        """Return a sha256 over all points: equal for the same points in the same order within each metric."""
        parts: list[bytes | array[Any]] = []
        for key in sorted(self.values):
            steps, values = self.steps[key], self.values[key]
            parts.append(_head(key, len(values), key in self.flags))
            parts += (_ONE.pack(*steps, *values),) if len(values) == 1 else (array("q", steps), array("d", values))
        return hashlib.sha256(b"".join(parts)).hexdigest()

    def type_of(self, key: str) -> Literal["FLOAT", "BOOLEAN"]:
        """Return the type of a metric's column."""
        return "BOOLEAN" if key in self.flags else "FLOAT"

    def pieces(self, size: int, time_ms: int) -> list[tuple[SeriesPoints, ...]]:
        """Cut the points into batches of at the most ``size`` values, always at the same places.

        Args:
            size: Values a batch.
            time_ms: The time given to every point.
        """
        pieces: list[list[SeriesPoints]] = [[]]
        room = size
        for key, values in self.values.items():
            start = 0
            while start < len(values):
                if not room:
                    pieces.append([])
                    room = size
                stop = min(start + room, len(values))
                pieces[-1].append(self._series(key, start, stop, time_ms))
                room -= stop - start
                start = stop
        return [tuple(piece) for piece in pieces if piece]

    def _series(self, key: str, start: int, stop: int, time_ms: int) -> SeriesPoints:
        return SeriesPoints(
            key,
            steps=Array(self.steps[key][start:stop], DataType.int64()),
            values=Array(self.values[key][start:stop], DataType.float64()),
            times_ms=make_array(array("q", [time_ms]) * (stop - start)),
            column_type=self.type_of(key),
        )


def read_points(points: object, *, field: str = "points") -> PointTable:
    """Read points; what is no number is left out and counted, everything else is kept as it is.

    Args:
        points: A list of ``[step, {metric: value}]``; ``None`` is an empty one. ``"NaN"``, ``"Infinity"`` and
            ``"-Infinity"`` are numbers.
        field: What the record calls it, for the message of an error.

    Raises:
        MalformedRecordError: It has another form; the sentence names the place.
    """
    if points is None:
        points = []
    if not isinstance(points, list):
        raise MalformedRecordError(f"{field}: expected a list, found {_describe(points)}")
    steps: dict[str, list[int]] = {}
    values: dict[str, list[float]] = {}
    oddities = _Oddities()
    for index, point in enumerate(points):
        step, metrics = _open_point(point, field, index)
        for key, value in metrics.items():
            number = value if type(value) is float else oddities.number(key, value)
            if number is None:
                continue
            held = values.get(key)
            if held is None:
                if problem := _problem_of(key):
                    raise MalformedRecordError(f"{field}[{index}]: {problem}")
                steps[key], values[key] = [step], [number]
            else:
                steps[key].append(step)
                held.append(number)
    flags = frozenset(key for key, count in oddities.flags.items() if count == len(values[key]))
    return PointTable(steps, values, flags, oddities.left_out, oddities.rounded)


class _Oddities:
    """What is counted of values that are no floats."""

    def __init__(self) -> None:
        self.flags: Counter[str] = Counter()
        self.left_out: Counter[tuple[str, str]] = Counter()
        self.rounded: Counter[str] = Counter()

    def number(self, key: str, value: object) -> float | None:
        """Return the value as a number, or count it and return ``None``."""
        if isinstance(value, bool):
            self.flags[key] += 1
            return float(value)
        if isinstance(value, int):
            return self._whole(key, value)
        if isinstance(value, str) and value in _SPECIAL:
            return _SPECIAL[value]
        self.left_out[key, _KINDS.get(type(value), type(value).__name__)] += 1
        return None

    def _whole(self, key: str, value: int) -> float | None:
        try:
            number = float(value)
        except OverflowError:
            self.left_out[key, "a number too large"] += 1
            return None
        if int(number) != value:
            self.rounded[key] += 1
        return number


def _open_point(point: Any, field: str, index: int) -> tuple[int, dict[str, Any]]:
    if not isinstance(point, list) or len(point) != 2 or not isinstance(point[1], dict):
        raise MalformedRecordError(f"{field}[{index}]: expected [step, {{metric: value}}], found {_describe(point)}")
    step = point[0]
    if isinstance(step, float) and step.is_integer():
        step = int(step)
    if type(step) is not int or step not in _INT64:
        raise MalformedRecordError(f"{field}[{index}]: the step must be a whole number of 64 bits, found {step!r}")
    return step, point[1]


@lru_cache(maxsize=4096)
def _problem_of(key: str) -> str:
    """Return what is wrong with a metric's name; the same few come again and again."""
    if not 0 < len(key) <= _KEY_MAX:
        return f"a metric's name has 1 to {_KEY_MAX} characters, found {len(key)}"
    if _CONTROL.search(key):
        return f"a metric's name has no control characters, found {key!r}"
    return ""


@lru_cache(maxsize=4096)
def _head(key: str, count: int, is_flag: bool) -> bytes:
    """Return what a digest has before the points of a metric."""
    return f"{key}\0{count}\0{is_flag}\0".encode()


def _describe(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

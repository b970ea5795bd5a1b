"""Curves at other steps than their own, and smooth curves: never done unless it is asked for."""

from __future__ import annotations

import math
import sys
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

__all__ = ["check_smoothing", "even_steps", "mean_of", "read_at", "read_between", "smoothed"]

_SCALED = 60
_STEPS_MAX = 1_000_000
_STEPS_LEAST = 2


def read_between(curve: Mapping[int, float], steps: Sequence[int], step: int) -> float | None:
    """Read a curve at a step, on the straight line between the points before and after it.

    Args:
        curve: The value of each step.
        steps: Its steps, in order.
        step: Where.

    Returns:
        The value; ``None`` before its first and behind its last point.

    Example:
        >>> read_between({0: 1.0, 10: 2.0}, [0, 10], 5), read_between({0: 1.0}, [0], 5)
        (1.5, None)
    """
    if step in curve:
        return curve[step]
    place = bisect_left(steps, step)
    if place in {0, len(steps)}:
        return None
    before, after = steps[place - 1], steps[place]
    share = (step - before) / (after - before)
    return curve[before] * (1 - share) + curve[after] * share


def even_steps(curves: Sequence[Mapping[int, float]], count: int | None = None, every: int | None = None) -> list[int]:
    """Return steps equally far apart, from the first to the last of all curves.

    Args:
        curves: The value of each step, of each curve.
        count: How many steps.
        every: How far apart they are, in place of ``count``.

    Raises:
        TypeError: One of them is no whole number.
        ValueError: Both or none are given, one is out of bounds, or there would be more than a million steps.

    Example:
        >>> even_steps([{0: 0.0, 10: 10.0}, {0: 1.0, 4: 5.0}], 3)
        [0, 5, 10]
    """
    if (count is None) == (every is None):
        raise ValueError("resample: give either how many steps are wanted, or how far apart they are with every=")
    for name, given, least in (("n", count, _STEPS_LEAST), ("every", every, 1)):
        if given is None:
            continue
        if isinstance(given, bool) or not isinstance(given, int):
            raise TypeError(f"{name}: expected a whole number, got {type(given).__name__}")
        if not least <= given:
            raise ValueError(f"{name}: expected {least} at least, got {given}")
    filled = [curve for curve in curves if curve]
    if not filled:
        return []
    low, high = min(map(min, filled)), max(map(max, filled))
    length = (high - low) // every + 1 if every is not None else count or 0
    if length > _STEPS_MAX:
        raise ValueError(f"resample: that would be {length:,} steps, of which there are 1,000,000 at the most")
    if every is not None:
        return list(range(low, high + 1, every))
    return sorted({low + _ratio((high - low) * place, length - 1) for place in range(length)})


def _ratio(number: int, parts: int) -> int:
    """Divide and round as ``round`` does, but exactly: floats do not hold steps beyond 2**53."""
    whole, rest = divmod(number, parts)
    return whole + (2 * rest > parts or (2 * rest == parts and whole % 2 == 1))


def read_at(curve: Mapping[int, float], steps: Sequence[int]) -> dict[int, float]:
    """Read a curve at those steps that lie between its first and last point, on straight lines between its points.

    Args:
        curve: The value of each step.
        steps: Where.

    Example:
        >>> read_at({0: 1.0, 4: 5.0}, [0, 2, 10])
        {0: 1.0, 2: 3.0}
    """
    own = sorted(curve)
    read = ((step, read_between(curve, own, step)) for step in steps)
    return {step: value for step, value in read if value is not None}


def check_smoothing(amount: float, name: str = "smooth") -> None:
    """Refuse what ``smoothed`` does not take.

    Args:
        amount: How smooth.
        name: What the argument is called.

    Raises:
        TypeError: It is no number.
        ValueError: It is neither a weight nor a number of points.
    """
    if isinstance(amount, bool) or not isinstance(amount, (int, float)):
        raise TypeError(f"{name}: expected a number, got {type(amount).__name__}")
    if not (0 < amount < 1 or (isinstance(amount, int) and amount >= 2)):
        raise ValueError(
            f"{name}: expected a weight between 0 and 1 of what came before, such as 0.9, "
            f"or how many points a window has, such as 25; got {amount!r}"
        )


def smoothed(values: Sequence[float], amount: float) -> list[float]:
    """Smooth values; gaps stay gaps, and count for nothing.

    Args:
        values: The values.
        amount: The weight of what came before, below 1: an exponential moving average without the pull of its start, as
            Kingma and Ba (2015) correct it. Else how many points the window around each has.

    Example:
        >>> smoothed([1.0, 1.0, 4.0], 0.5)
        [1.0, 1.0, 2.7142857142857144]
        >>> smoothed([1.0, 4.0, 1.0], 3)
        [2.5, 2.0, 2.5]
    """
    if amount >= 1:
        return list(_windowed(values, int(amount)))
    found, held, weight = [], 0.0, 0.0
    for value in values:
        if math.isfinite(value):
            held = amount * held + (1 - amount) * value
            weight = amount * weight + (1 - amount)
        found.append(held / weight if math.isfinite(value) else math.nan)
    return found


def mean_of(values: Sequence[float]) -> float:
    """Return the mean of at least one number, none of them NaN; it is NaN if both infinities are among them.

    Example:
        >>> mean_of([1e308, 1e308]), mean_of([0.1, 0.1, 0.1])
        (1e+308, 0.1)
    """
    low, high = min(values), max(values)
    if math.isinf(low) or math.isinf(high):
        return low + high if low != high else low
    scaled = _SCALED if max(-low, high) > sys.float_info.max / (len(values) + 1) else 0
    middle = math.fsum(math.ldexp(value, -scaled) for value in values) / len(values) * 2.0**scaled
    return max(low, min(high, middle))


def _windowed(values: Sequence[float], length: int) -> Iterator[float]:
    back, on = min(length // 2, len(values)), min(length - length // 2, len(values))
    near = [value if math.isfinite(value) else None for value in values]
    known = [value for value in near if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    # Where a sum might be beyond the range of doubles, which the mean is not.
    scaled = _SCALED if max(-low, high) > sys.float_info.max / (len(known) + 1) else 0
    total, count = _Sum(), 0
    for place in range(1 - on, len(near)):
        for edge, sign in ((place + on - 1, 1), (place - back - 1, -1)):
            if 0 <= edge < len(near) and (value := near[edge]) is not None:
                total.add(sign * math.ldexp(value, -scaled))
                count += sign
        if place >= 0:
            is_there = near[place] is not None
            yield max(low, min(high, total.rounded() / count * 2.0**scaled)) if is_there else math.nan


class _Sum:
    """A sum that stays exact while numbers come and go, as ``math.fsum`` keeps it (Shewchuk 1997)."""

    def __init__(self) -> None:
        self._parts: list[float] = []

    def add(self, number: float) -> None:
        """Add a number."""
        kept = 0
        for part in self._parts:
            large, small = (number, part) if abs(number) > abs(part) else (part, number)
            number = large + small
            lost = small - (number - large)
            if lost:
                self._parts[kept] = lost
                kept += 1
        self._parts[kept:] = [number]

    def rounded(self) -> float:
        """Return the double that is next to it."""
        return math.fsum(self._parts)

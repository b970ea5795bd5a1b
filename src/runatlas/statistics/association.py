"""How much two columns of values go together."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from runatlas.statistics.estimate import mean

__all__ = ["eta_squared", "pearson", "ranks", "spearman"]


def pearson(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Pearson's correlation of two columns: how close they are to a line.

    Args:
        first: Finite values.
        second: Their partners.

    Returns:
        From -1 to 1; ``None`` of fewer than three pairs, or where a column does not vary.
    """
    if len(first) < 3:
        return None
    columns = [_centred(values) for values in (first, second)]
    lengths = [math.sqrt(math.fsum(value * value for value in values)) for values in columns]
    if not all(lengths):
        return None
    product = math.fsum((one / lengths[0]) * (other / lengths[1]) for one, other in zip(*columns, strict=True))
    return max(-1.0, min(1.0, product))


def _centred(values: Sequence[float]) -> list[float]:
    """Return values less their mean, the largest of them 1: so that no square overflows."""
    largest = max(map(abs, values))
    if largest == 0:
        return [0.0 for _ in values]
    scaled = [value / largest for value in values]
    middle = mean(scaled)
    apart = [0.0 if value == middle else value - middle for value in scaled]
    widest = max(map(abs, apart))
    # What is left of equal values by rounding is no variation.
    if widest <= 1e-15 or min(values) == max(values):
        return [0.0 for _ in values]
    return [value / widest for value in apart]


def ranks(values: Sequence[float]) -> list[float]:
    """Return the rank of each value, from 1; equal values share the mean of theirs.

    Example:
        >>> ranks([0.1, 0.3, 0.1, 0.2])
        [1.5, 4.0, 1.5, 3.0]
    """
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values), 1):
        places.setdefault(value, []).append(place)
    shared = {value: sum(taken) / len(taken) for value, taken in places.items()}
    return [shared[value] for value in values]


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's correlation: Pearson's of the ranks, which sees any rise or fall, and not only a line.

    Args:
        first: Values that are not NaN.
        second: Their partners.

    Returns:
        From -1 to 1; ``None`` of fewer than three pairs, or where a column does not vary.
    """
    return pearson(ranks(first), ranks(second))


def eta_squared(groups: Collection[Sequence[float]]) -> float | None:
    """Return which share of the variance of values lies between groups: 0 if groups tell nothing, 1 if all.

    Args:
        groups: The finite values of each group.

    Returns:
        From 0 to 1; ``None`` of fewer than two groups, where each value is a group of its own, or nothing varies.

    Example:
        >>> eta_squared([[1.0, 1.0], [3.0, 3.0]])
        1.0
    """
    filled = [group for group in groups if group]
    values = [value for group in filled for value in group]
    if len(filled) < 2 or len(filled) == len(values):
        return None
    centred = iter(_centred(values))
    parts = [[next(centred) for _ in group] for group in filled]
    total = math.fsum(value * value for part in parts for value in part)
    if total == 0:
        return None
    between = math.fsum(math.fsum(part) ** 2 / len(part) for part in parts)
    return max(0.0, min(1.0, between / total))

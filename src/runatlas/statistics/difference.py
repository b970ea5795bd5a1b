"""Two groups of values against each other: how much they differ, how sure that is, and how often one is the larger."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from runatlas.statistics.estimate import Estimate, estimate, mean, standard_deviation, t_quantile

__all__ = ["mean_difference", "paired_difference", "probability_larger"]


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Return the mean of ``second - first`` over pairs, with its 95 % interval by Student's t.

    Args:
        first: Finite values.
        second: Those of their partners, in the same order.

    Returns:
        The difference; a pair that differs by more than a double holds does not count.

    Raises:
        ImportError: SciPy is not installed.

    Example:
        >>> str(paired_difference([0.50, 0.61, 0.55], [0.46, 0.57, 0.52]))
        '-0.037 ± 0.014'
    """
    differences = (after - before for before, after in zip(first, second, strict=True))
    return estimate(list(filter(math.isfinite, differences)))


def mean_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Return the difference of two means, ``second - first``, with its 95 % interval by Welch's t.

    Args:
        first: Finite values.
        second: Others, of which none belongs to one of the first.

    Returns:
        The difference; its ``values`` are those of ``second`` less the mean of ``first``. There is no interval where
        a group has fewer than two values.

    Raises:
        ImportError: SciPy is not installed.
    """
    if not first or not second:
        return Estimate((), None, None, None)
    base = mean(first)
    middle = mean(second) - base
    values = tuple(value - base for value in second)
    if min(len(first), len(second)) < 2:
        return Estimate(values, middle, None, None)
    errors = [standard_deviation(group) / math.sqrt(len(group)) for group in (first, second)]
    total = math.hypot(*errors)
    freedom = math.inf
    if 0 < total < math.inf:
        parts = zip(errors, (first, second), strict=True)
        freedom = 1 / sum((error / total) ** 4 / (len(group) - 1) for error, group in parts)
    margin = total * t_quantile(freedom) if total > 0 else 0.0
    return Estimate(values, middle, middle - margin, middle + margin, is_symmetric=True)


def probability_larger(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return how often a value of ``second`` is larger than one of ``first``, of all their pairs; ties count half.

    This is Mann and Whitney's U over the number of pairs; rliable calls it the probability of improvement.

    Args:
        first: Values that are not NaN.
        second: Others.

    Returns:
        From 0 to 1; ``None`` where there is no pair.

    Example:
        >>> probability_larger([1.0, 2.0, 3.0], [2.0, 4.0])
        0.75
    """
    if not first or not second:
        return None
    ordered = sorted(first)
    twice = sum(bisect_left(ordered, value) + bisect_right(ordered, value) for value in second)
    return twice / (2 * len(first) * len(second))

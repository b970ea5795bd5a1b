"""A centre of a few values, and an interval that says what it is.

Nothing is resampled or fitted in silence: each interval is one of a small number that ``interval_words`` names. Only a
mean's 95 % interval needs SciPy, and only a bootstrap NumPy.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import attrs

from runatlas.extra import load_extra

__all__ = [
    "CENTERS",
    "SPREADS",
    "Center",
    "Estimate",
    "Spread",
    "bootstrap_interval",
    "check_estimate",
    "estimate",
    "estimate_over_tasks",
    "interquartile_mean",
    "interval_words",
    "mean",
    "median_interval",
    "numbers_text",
    "quantile",
    "standard_deviation",
    "t_quantile",
]

Center: TypeAlias = Literal["mean", "median", "iqm"]
Spread: TypeAlias = Literal["ci95", "sd", "se", "minmax", "quartiles"]
CENTERS: tuple[Center, ...] = get_args(Center)
SPREADS: tuple[Spread, ...] = get_args(Spread)

RESAMPLES = 10_000
"""How often a bootstrap draws; its random numbers are always the same ones."""

_LEVEL = 0.95
_SEED = 0
_DRAWN_AT_ONCE = 4_000_000
_SCALED = 60


@attrs.frozen
class Estimate:
    """What values amount to.

    Attributes:
        values: The values that count, each finite.
        center: Their centre; ``None`` of none.
        low: Where the interval begins; ``None`` where there is none: of one value, or of too few.
        high: Where it ends.
        is_symmetric: Whether the interval reaches as far down as up by the way it is made: it is written with ``±``.
    """

    values: tuple[float, ...] = attrs.field(repr=False)
    center: float | None
    low: float | None
    high: float | None
    is_symmetric: bool = False

    @property
    def n(self) -> int:
        """How many values count."""
        return len(self.values)

    @property
    def margin(self) -> float | None:
        """Half of a symmetric interval; ``None`` of another."""
        if not self.is_symmetric or self.center is None or self.high is None:
            return None
        return self.high - self.center

    def __str__(self) -> str:
        return numbers_text(self.center, self.low, self.high, margin=self.margin)


def check_estimate(center: str, spread: str, *, by_task: bool = False) -> None:
    """Check that a centre and an interval belong together.

    Args:
        center: One of ``CENTERS``.
        spread: One of ``SPREADS``.
        by_task: Whether runs are of several tasks.

    Raises:
        ValueError: There is no such one, or the interval says nothing of that centre.
    """
    if center not in CENTERS:
        raise ValueError(f"center: expected one of {', '.join(CENTERS)}, got {center!r}")
    if spread not in SPREADS:
        raise ValueError(f"spread: expected one of {', '.join(SPREADS)}, got {spread!r}")
    if spread in {"sd", "se"} and center != "mean":
        said = "the standard deviation" if spread == "sd" else "the standard error"
        raise ValueError(
            f"spread: {spread!r} is {said}, which belongs to a mean; "
            f"use center='mean', or spread='ci95', 'minmax' or 'quartiles' with {center!r}"
        )
    if by_task and spread != "ci95":
        raise ValueError(f"spread: over several tasks there is 'ci95' only, a stratified bootstrap; got {spread!r}")


def estimate(values: Sequence[float], center: Center = "mean", spread: Spread = "ci95") -> Estimate:
    """Return the centre of values of one task, and its interval.

    Args:
        values: Finite numbers.
        center: ``mean``, ``median``, or ``iqm``: the mean of the middle half.
        spread: ``ci95``: of a mean Student's t with n - 1 degrees of freedom, of a median between order statistics, of
            an interquartile mean the percentile bootstrap. ``sd`` and ``se``: a standard deviation (n - 1) or error to
            either side of a mean. ``minmax`` and ``quartiles``: where the values lie.

    Returns:
        The estimate; one value has no interval.

    Raises:
        ImportError: SciPy or NumPy is needed and not installed.
        ValueError: A value is not finite, or center and spread do not belong together.

    Example:
        >>> found = estimate([0.52, 0.48, 0.50, 0.49, 0.51], spread="sd")
        >>> found.n, str(found)
        (5, '0.500 ± 0.016')
    """
    check_estimate(center, spread)
    if not all(map(math.isfinite, values)):
        raise ValueError("values: expected finite numbers; count and name those that are none")
    known = tuple(map(float, values))
    if not known:
        return Estimate((), None, None, None)
    middle = {"mean": mean, "median": _median, "iqm": interquartile_mean}[center](known)
    if len(known) == 1:
        return Estimate(known, middle, None, None)
    if center == "mean" and spread in {"ci95", "sd", "se"}:
        margin = _margin(known, spread)
        return Estimate(known, middle, middle - margin, middle + margin, is_symmetric=True)
    ends = _ends(known, center, spread)
    return Estimate(known, middle, *(ends or (None, None)))


def _margin(values: Sequence[float], spread: Spread) -> float:
    deviation = standard_deviation(values)
    if spread == "sd":
        return deviation
    error = deviation / math.sqrt(len(values))
    return error if spread == "se" else error * t_quantile(len(values) - 1)


def _ends(values: Sequence[float], center: Center, spread: Spread) -> tuple[float, float] | None:
    if spread == "minmax":
        return min(values), max(values)
    if spread == "quartiles":
        return quantile(values, 0.25), quantile(values, 0.75)
    if center == "median":
        return median_interval(values)
    return bootstrap_interval([values], center)


# -- centres ------------------------------------------------------------------------------------------------------


def mean(values: Sequence[float]) -> float:
    """Return the mean, exactly rounded; of equal values it is that value."""
    try:
        middle = math.fsum(values) / len(values)
    except OverflowError:  # the sum is beyond the range of doubles, the mean is not
        middle = math.fsum(math.ldexp(value, -_SCALED) for value in values) / len(values) * 2.0**_SCALED
    return max(min(values), min(max(values), middle))


def standard_deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation, with n - 1 below the sum; of at least two values."""
    middle = mean(values)
    largest = max(abs(value - middle) for value in values)
    if largest == 0 or math.isinf(largest):
        return largest
    squares = math.fsum(((value - middle) / largest) ** 2 for value in values)
    return largest * math.sqrt(squares / (len(values) - 1))


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile, linear between sorted values, as NumPy does by default.

    Example:
        >>> quantile([1.0, 2.0, 4.0, 8.0], 0.25)
        1.75
    """
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    rest = place - below
    if rest == 0:
        return ordered[below]
    between = ordered[below] * (1 - rest) + ordered[below + 1] * rest
    return max(ordered[below], min(ordered[below + 1], between))


def interquartile_mean(values: Sequence[float]) -> float:
    """Return the mean of the middle half: a quarter of the values, rounded down, is left out at either end.

    As ``scipy.stats.trim_mean(values, 0.25)``, which rliable takes.

    Example:
        >>> interquartile_mean([0.0, 1.0, 2.0, 100.0])
        1.5
    """
    cut = len(values) // 4
    return mean(sorted(values)[cut : len(values) - cut])


def _median(values: Sequence[float]) -> float:
    return quantile(values, 0.5)


# -- intervals ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def t_quantile(freedom: float) -> float:
    """Return how many standard errors a 95 % interval reaches to either side, of Student's t distribution.

    Args:
        freedom: The degrees of freedom, n - 1 for a mean.

    Raises:
        ImportError: SciPy is not installed.
    """
    special = load_extra("scipy.special", "a 95 % interval of a mean (spread='ci95')")
    return float(special.stdtrit(freedom, (1 + _LEVEL) / 2))


@lru_cache(maxsize=1024)
def _median_rank(count: int) -> int:
    """Return how many of sorted values may be left out at either end so that the rest holds the median at 95 %."""
    missed = 0.0
    every = math.lgamma(count + 1) - (count - 1) * math.log(2)
    for rank in range(count // 2 + 1):
        missed += math.exp(every - math.lgamma(rank + 1) - math.lgamma(count - rank + 1))
        if missed > 1 - _LEVEL:
            return rank - 1
    return count // 2 - 1


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return an interval of the median between two of the sorted values, whatever their distribution.

    It holds the true median with at least 95 % (binomial; Conover, "Practical Nonparametric Statistics", 3.2). Fewer
    than six values have none: from the lowest to the highest of five it is 93.75 %.

    Example:
        >>> median_interval([3.0, 1.0, 2.0, 5.0, 4.0, 6.0]), median_interval([1.0, 2.0, 3.0, 4.0, 5.0])
        ((1.0, 6.0), None)
    """
    rank = _median_rank(len(values))
    if rank < 0:
        return None
    ordered = sorted(values)
    return ordered[rank], ordered[-1 - rank]


def bootstrap_interval(
    tasks: Sequence[Sequence[float]], center: Center, *, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of a centre over tasks: runs are drawn anew within each task.

    As rliable's ``get_interval_estimates``, with random numbers that are always the same; tasks may have runs of
    different number. See Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (2021).

    Args:
        tasks: The values of each task.
        center: What is estimated: see ``center_of_tasks``.
        resamples: How often runs are drawn.

    Raises:
        ImportError: NumPy is not installed.
    """
    numpy = load_extra("numpy", "a bootstrap (center='iqm', or task=)")
    random = numpy.random.default_rng(_SEED)
    columns = [numpy.asarray(task, dtype="float64") for task in tasks]
    size = sum(len(task) for task in tasks)
    found = []
    for start in range(0, resamples, step := max(1, _DRAWN_AT_ONCE // size)):
        count = min(step, resamples - start)
        drawn = [column[random.integers(0, len(column), (count, len(column)))] for column in columns]
        if center == "iqm":
            pooled = numpy.sort(numpy.concatenate(drawn, axis=1), axis=1)
            found.append(pooled[:, size // 4 : size - size // 4].mean(axis=1))
        else:
            means = numpy.stack([part.mean(axis=1) for part in drawn])
            found.append(numpy.median(means, axis=0) if center == "median" else means.mean(axis=0))
    low, high = numpy.percentile(numpy.concatenate(found), [100 * (1 - _LEVEL) / 2, 100 * (1 + _LEVEL) / 2])
    return float(low), float(high)


def estimate_over_tasks(tasks: Sequence[Sequence[float]], center: Center = "iqm") -> Estimate:
    """Return the centre of runs of several tasks, as rliable has it, and its stratified bootstrap interval.

    Args:
        tasks: The finite values of each task.
        center: ``iqm``: the mean of the middle half of all runs of all tasks. ``mean`` and ``median``: of the tasks'
            means.

    Returns:
        The estimate; where no task has two values there is no interval.

    Raises:
        ImportError: NumPy is not installed.
    """
    filled = [tuple(map(float, task)) for task in tasks if task]
    values = tuple(value for task in filled for value in task)
    if not values:
        return Estimate((), None, None, None)
    means = [mean(task) for task in filled]
    middle = {"iqm": lambda: interquartile_mean(values), "mean": lambda: mean(means), "median": lambda: _median(means)}
    ends = bootstrap_interval(filled, center) if any(len(task) > 1 for task in filled) else (None, None)
    return Estimate(values, middle[center](), *ends)


# -- in words -----------------------------------------------------------------------------------------------------

_NAMES: dict[Center, str] = {
    "mean": "mean",
    "median": "median",
    "iqm": "interquartile mean (of the middle half of the values)",
}


def interval_words(center: Center, spread: Spread, over: str, *, task: str | None = None) -> str:
    """Say what a centre and its interval are.

    Args:
        center: The centre.
        spread: The interval.
        over: What they are over: ``config.seed``, or ``runs``.
        task: What tells tasks apart.

    Example:
        >>> interval_words("mean", "ci95", "config.seed")
        "mean ± half of its 95 % confidence interval (Student's t, n - 1 degrees of freedom), over config.seed"
    """
    if task is not None:
        name = _NAMES["iqm"] if center == "iqm" else f"{center} over {task} of the mean of each"
        return (
            f"{name}, with a 95 % percentile bootstrap interval ({RESAMPLES:,} resamples of runs within each "
            f"{task}), over {over}"
        )
    said = {
        "sd": " ± standard deviation of the values (n - 1)",
        "se": " ± standard error, which holds the true mean less often than in 95 % of cases",
        "minmax": ", with the lowest and the highest value",
        "quartiles": ", with the first and the third quartile of the values",
    }
    certain: dict[Center, str] = {
        "mean": " ± half of its 95 % confidence interval (Student's t, n - 1 degrees of freedom)",
        "median": ", with an interval between two of the sorted values that holds it with at least 95 % (order "
        "statistics; from 6 values on)",
        "iqm": f", with its 95 % percentile bootstrap interval ({RESAMPLES:,} resamples), which is too narrow for few "
        "values",
    }
    return f"{_NAMES[center]}{certain[center] if spread == 'ci95' else said[spread]}, over {over}"


def numbers_text(center: float | None, low: float | None, high: float | None, *, margin: float | None = None) -> str:
    """Write a centre and its interval with as many digits as the interval leaves sure.

    Args:
        center: The centre; ``None`` is written as nothing.
        low: Where the interval begins; ``None`` for none.
        high: Where it ends.
        margin: Half of a symmetric interval: ``0.123 ± 0.004``; without it ``0.123 [0.118, 0.131]``.

    Example:
        >>> numbers_text(0.12345, 0.1194, 0.1275, margin=0.0041), numbers_text(12.3456, 11.0, 13.25)
        ('0.123 ± 0.004', '12.35 [11.00, 13.25]')
        >>> numbers_text(0.5, None, None), numbers_text(1.5e-9, 1.2e-9, 1.8e-9, margin=3e-10)
        ('0.5', '(1.5 ± 0.3)e-09')
    """
    if center is None:
        return ""
    if low is None or high is None:
        return f"{center:.6g}"
    doubt = margin if margin is not None else (high - low) / 2
    is_told = math.isfinite(doubt) and doubt > abs(center) * 1e-15
    if not (is_told and max(abs(center), doubt) > sys.float_info.min):
        return f"{center:.4g} ± {doubt:.2g}" if margin is not None else f"{center:.4g} [{low:.4g}, {high:.4g}]"
    power = math.floor(math.log10(max(abs(center), doubt)))
    unit, tail = (10.0**power, f"e{power:+03d}") if not -5 <= power <= 6 else (1.0, "")
    shown = doubt / unit if unit > 0 else 0.0
    digits = max(0, _digits(shown) + (margin is None))
    if margin is None:
        middle, first, last = (f"{_fixed(end / unit, digits)}{tail}" for end in (center, low, high))
        return f"{middle} [{first}, {last}]"
    text = f"{_fixed(center / unit, digits)} ± {_fixed(shown, digits)}"
    return f"({text}){tail}" if tail else text


def _fixed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _digits(doubt: float) -> int:
    """Return how many decimals a doubt is written with: one digit of it, two if the first is a 1."""
    power = math.floor(math.log10(doubt))
    return min(17, -power + (doubt / 10.0**power < 1.95))

"""How often intervals of a mean hold it: ``python tests/benchmarks/intervals.py``.

A nominal 95 % interval should hold the true mean in 95 of 100 experiments. With few values most of those that reports
show do not.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

if __name__ == "__main__":  # run as a file: its own directory is on the path, its package's parent must be
    sys.path[0] = str(Path(__file__).parents[1])

from runatlas.statistics.estimate import bootstrap_interval, estimate

__all__ = ["coverage", "main"]

DRAWS = 4000
RESAMPLES = 500
COUNTS = (3, 5, 8, 20)
Interval = Callable[[Sequence[float]], tuple[float, float]]


def _student(values: Sequence[float]) -> tuple[float, float]:
    found = estimate(values)
    return found.low or 0.0, found.high or 0.0


def _normal(values: Sequence[float]) -> tuple[float, float]:
    found = estimate(values, spread="se")
    center, margin = found.center or 0.0, 1.96 * (found.margin or 0.0)
    return center - margin, center + margin


def _error(values: Sequence[float]) -> tuple[float, float]:
    found = estimate(values, spread="se")
    return found.low or 0.0, found.high or 0.0


def _bootstrap(values: Sequence[float]) -> tuple[float, float]:
    return bootstrap_interval([values], "mean", resamples=RESAMPLES)


INTERVALS: dict[str, Interval] = {
    "Student's t (ci95)": _student,
    "percentile bootstrap": _bootstrap,
    "mean ± 1.96 SE": _normal,
    "mean ± SE (se)": _error,
}
DATA: dict[str, tuple[Callable[[random.Random], float], float]] = {
    "normal": (lambda numbers: numbers.gauss(0, 1), 0.0),
    "lognormal": (lambda numbers: numbers.lognormvariate(0, 1), math.exp(0.5)),
}
"""How a value is drawn, and the true mean."""


def coverage(interval: Interval, draw: Callable[[random.Random], float], truth: float, count: int) -> float:
    """Return in which share of experiments an interval holds the true mean.

    Args:
        interval: Makes the interval of values.
        draw: Draws a value.
        truth: The true mean.
        count: How many values an experiment has.
    """
    numbers = random.Random(count)
    held = 0
    for _ in range(DRAWS):
        low, high = interval([draw(numbers) for _ in range(count)])
        held += low <= truth <= high
    return held / DRAWS


def main() -> None:
    """Print the table."""
    print("| values | " + " | ".join(INTERVALS) + " |")
    print("| --- |" + " --- |" * len(INTERVALS))
    for name, (draw, truth) in DATA.items():
        for count in COUNTS:
            shares = (coverage(interval, draw, truth, count) for interval in INTERVALS.values())
            print(f"| {count}, {name} | " + " | ".join(f"{share:.2f}" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    main()

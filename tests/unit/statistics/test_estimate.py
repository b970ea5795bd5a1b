from __future__ import annotations

import math
import random
import sys
from typing import Any

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from runatlas.statistics.estimate import (
    CENTERS,
    SPREADS,
    Center,
    Spread,
    bootstrap_interval,
    estimate,
    estimate_over_tasks,
    interquartile_mean,
    interval_words,
    mean,
    median_interval,
    numbers_text,
    quantile,
    standard_deviation,
)

VALUES = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=2, max_size=40)

TASKS = (
    ((1.668, 1.109, 0.464, 1.605, 0.826), (2.674, 4.765, 0.481, 0.738, 6.178)),
    ((0.573, 0.903, 0.254, 0.932, 0.763), (5.237, 4.888, 5.632, 2.476, 5.251)),
)
MATRIX = [task for pair in TASKS for task in pair]
"""Five runs of four tasks, drawn from gamma distributions."""

RLIABLE: dict[Center, tuple[float, float, float]] = {
    "iqm": (1.7721, 1.1015, 2.692505),
    "mean": (2.37085, 1.8187, 2.92690125),
    "median": (2.0508, 1.0952975, 2.934505),
}
"""What rliable 1.2.0 answers of ``MATRIX``: ``get_interval_estimates`` with ``aggregate_iqm``, ``aggregate_mean`` and
``aggregate_median``, 50,000 resamples and ``RandomState(1)``."""


@settings(max_examples=examples(60), deadline=None)
@given(VALUES)
def test_centres_and_intervals_are_those_of_numpy_and_scipy(values: list[float]) -> None:
    scale = max(map(abs, values), default=0.0)

    def near(wanted: float) -> Any:
        return pytest.approx(wanted, rel=1e-9, abs=1e-12 * scale + 1e-300)

    deviation = float(np.std(values, ddof=1))
    middle, error = float(np.mean(values)), deviation / math.sqrt(len(values))

    assert mean(values) == near(middle)
    assert standard_deviation(values) == pytest.approx(deviation, rel=1e-7, abs=1e-9 * scale + 1e-300)
    for share in (0.0, 0.25, 0.5, 0.9, 1.0):
        assert quantile(values, share) == near(float(np.quantile(values, share)))
    assert interquartile_mean(values) == near(float(scipy.stats.trim_mean(values, 0.25)))

    wide = float(scipy.stats.t.ppf(0.975, len(values) - 1)) * error
    wanted = {"ci95": wide, "sd": deviation, "se": error}
    spreads: tuple[Spread, ...] = ("ci95", "sd", "se")
    for spread in spreads:
        found = estimate(values, spread=spread)
        assert found.center == near(middle)
        assert found.margin == pytest.approx(wanted[spread], rel=1e-6, abs=1e-8 * scale + 1e-300)
        assert (found.n, found.values) == (len(values), tuple(values))
    assert (estimate(values, "median", "minmax").low, estimate(values, "iqm", "minmax").high) == (
        min(values),
        max(values),
    )
    quartiles = estimate(values, "median", "quartiles")
    assert (quartiles.low, quartiles.high) == (quantile(values, 0.25), quantile(values, 0.75))


@pytest.mark.parametrize("count", [2, 5, 6, 7, 12, 13, 60, 400])
def test_the_interval_of_a_median_holds_it_as_often_as_it_says(count: int) -> None:
    found = estimate([float(value) for value in range(count)], "median")
    if count < 6:
        assert (found.low, found.high) == (None, None)
        return
    left_out = int(found.low or 0)
    assert found.high == count - 1 - left_out
    covered = 1 - 2 * scipy.stats.binom.cdf(left_out, count, 0.5)
    narrower = 1 - 2 * scipy.stats.binom.cdf(left_out + 1, count, 0.5)
    assert covered >= 0.95 > narrower


def test_the_interval_of_a_median_is_that_of_exact_numbers() -> None:
    for count in range(1, 501):
        exact, missed = -1, 0
        while (missed := missed + 2 * math.comb(count, exact + 1)) * 20 <= 2**count and exact < count // 2:
            exact += 1
        values = [float(value) for value in range(count)]
        assert median_interval(values) == (None if exact < 0 else (float(exact), float(count - 1 - exact)))
    low, high = median_interval([float(value) for value in range(100_000)]) or (0.0, 0.0)
    assert (low, high) == (
        scipy.stats.binom.ppf(0.025, 100_000, 0.5) - 1,
        100_000 - scipy.stats.binom.ppf(0.025, 100_000, 0.5),
    )


@pytest.mark.parametrize("center", CENTERS)
def test_several_tasks_are_as_in_rliable(center: Center) -> None:
    found = estimate_over_tasks(MATRIX, center)
    middle, low, high = RLIABLE[center]
    assert found.center == pytest.approx(middle, rel=1e-12)
    # Either end is drawn at random there and here: some thousandths of it are chance.
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.02)
    assert found.n == 20
    assert estimate_over_tasks(MATRIX, center) == found  # the random numbers are the same ones each time


def test_tasks_may_have_runs_of_different_number() -> None:
    found = estimate_over_tasks([[1.0, 2.0, 3.0], [10.0], []], "mean")
    assert found.center == 6.0
    assert found.low is not None
    assert found.high is not None
    assert 5.5 <= found.low < found.high <= 6.5
    assert estimate_over_tasks([[1.0], [2.0]]).low is None
    assert estimate_over_tasks([]).center is None


def test_a_bootstrap_draws_within_tasks() -> None:
    apart = bootstrap_interval([[0.0, 0.1] * 3, [100.0, 100.1] * 3], "mean")
    assert 49.9 < apart[0] < apart[1] < 50.2


@pytest.mark.parametrize("count", [3, 5])
def test_an_interval_of_few_seeds_holds_the_mean_in_95_of_100(count: int) -> None:
    random_numbers = random.Random(count)
    held = 0
    for _ in range(4000):
        found = estimate([random_numbers.gauss(0, 1) for _ in range(count)])
        held += (found.low or 0) <= 0 <= (found.high or 0)
    assert held / 4000 == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("spread", SPREADS)
def test_one_value_has_no_interval_and_none_no_centre(center: Center, spread: str) -> None:
    if spread in {"sd", "se"} and center != "mean":
        with pytest.raises(ValueError, match="belongs to a mean"):
            estimate([1.0, 2.0], center, spread)  # type: ignore[arg-type]
        return
    one = estimate([0.25], center, spread)  # type: ignore[arg-type]
    assert (one.n, one.center, one.low, one.high, str(one)) == (1, 0.25, None, None, "0.25")
    none = estimate([], center, spread)  # type: ignore[arg-type]
    assert (none.n, none.center, str(none)) == (0, None, "")
    words = interval_words(center, spread, "config.seed")  # type: ignore[arg-type]
    assert words.endswith(", over config.seed")


def test_what_is_not_installed_is_told_and_needed_by_few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("scipy", "scipy.special", "numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    values = [float(value) for value in range(779)]  # so many that no test has asked for their quantile
    with pytest.raises(ImportError, match=r"needs scipy; install it with: pip install 'runatlas\[report\]'"):
        estimate(values)
    with pytest.raises(ImportError, match=r"needs numpy; install it with: pip install 'runatlas\[report\]'"):
        estimate(values, "iqm")
    assert estimate(values, spread="sd").center == estimate(values, "median").center == 389.0
    assert estimate(values, "iqm", "quartiles").low == 194.5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([1.0], "mode"), "center: expected one of mean, median, iqm, got 'mode'"),
        (([1.0], "mean", "95"), "spread: expected one of ci95, sd, se, minmax, quartiles, got '95'"),
        (([1.0, math.nan],), "values: expected finite numbers"),
        (([1.0, math.inf],), "values: expected finite numbers"),
    ],
)
def test_what_cannot_be_estimated_is_refused(arguments: tuple[object, ...], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        estimate(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("numbers", "margin", "text"),
    [
        ((0.12345, 0.1194, 0.1275), 0.00405, "0.123 ± 0.004"),
        ((0.12345, 0.1, 0.14), 0.012, "0.123 ± 0.012"),
        ((1234.5, 1200.0, 1270.0), 35.0, "1234 ± 35"),
        ((0.5, 0.5, 0.5), 0.0, "0.5 ± 0"),
        ((0.0, -0.3, 0.3), 0.3, "0.0 ± 0.3"),
        ((-0.01, -0.31, 0.29), 0.3, "0.0 ± 0.3"),
        ((1.5e-9, 1.2e-9, 1.8e-9), 3e-10, "(1.5 ± 0.3)e-09"),
        ((0.5, 0.4, 0.8), None, "0.50 [0.40, 0.80]"),
        ((0.5, None, None), None, "0.5"),
        ((None, None, None), None, ""),
    ],
)
def test_numbers_have_the_digits_that_are_sure(
    numbers: tuple[float | None, float | None, float | None], margin: float | None, text: str
) -> None:
    assert numbers_text(*numbers, margin=margin) == text


@settings(max_examples=examples(100), deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(min_value=0, allow_nan=False))
def test_any_number_can_be_written(center: float, margin: float) -> None:
    assert "±" in numbers_text(center, center - margin, center + margin, margin=margin)
    assert "[" in numbers_text(center, center - margin, center + margin)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_values_of_any_size_have_a_centre_between_them(values: list[float]) -> None:
    centers: tuple[Center, ...] = ("mean", "median")
    for center in centers:
        found = estimate(values, center, "minmax")
        assert found.center is not None
        low, high = min(values), max(values)
        slack = 1e-12 * max(abs(low), abs(high))
        assert low - slack <= found.center <= high + slack
    if len(values) > 1:
        estimate(values)


@pytest.mark.parametrize("value", [123.456, 0.1, 5e-324, -1.7976931348623157e308])
@pytest.mark.parametrize("center", CENTERS)
def test_equal_values_are_their_centre_and_vary_in_nothing(value: float, center: Center) -> None:
    for count in (2, 3, 5, 8):
        found = estimate([value] * count, center, "quartiles")
        assert (found.center, found.low, found.high) == (value, value, value)
        assert standard_deviation([value] * count) == 0


def test_the_smallest_numbers_can_be_written() -> None:
    assert numbers_text(0.0, -5e-324, 5e-324, margin=5e-324) == "0 ± 4.9e-324"

from __future__ import annotations

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from runatlas.statistics.difference import mean_difference, paired_difference, probability_larger

NUMBERS = st.floats(-1e3, 1e3).map(lambda value: round(value, 2))
GROUP = st.lists(NUMBERS, min_size=2, max_size=12)

FIRST = (
    ((1.668, 1.109, 0.464, 1.605, 0.826), (2.281, 0.837, 1.317, 4.327, 3.348), 0.8),
    ((2.674, 4.765, 0.481, 0.738, 6.178), (1.188, 6.262, 3.107, 2.39, 3.336), 0.6),
    ((0.573, 0.903, 0.254, 0.932, 0.763), (1.174, 1.668, 0.423, 0.179, 2.636), 0.64),
    ((5.237, 4.888, 5.632, 2.476, 5.251), (19.94, 9.914, 5.672, 6.08, 5.249), 0.92),
)
"""Two groups, and ``probability_of_improvement`` of the second over the first as rliable 1.2.0 answers it."""


@pytest.mark.parametrize(("first", "second", "improved"), FIRST)
def test_the_probability_is_that_of_rliable(
    first: tuple[float, ...], second: tuple[float, ...], improved: float
) -> None:
    assert probability_larger(first, second) == pytest.approx(improved, abs=1e-12)
    assert probability_larger(second, first) == pytest.approx(1 - improved, abs=1e-12)


@settings(max_examples=examples(60), deadline=None)
@given(GROUP, GROUP)
def test_differences_are_those_of_scipy(first: list[float], second: list[float]) -> None:
    u = scipy.stats.mannwhitneyu(second, first, alternative="greater", method="asymptotic").statistic
    assert probability_larger(first, second) == pytest.approx(u / (len(first) * len(second)))

    found = mean_difference(first, second)
    assert found.center == pytest.approx(np.mean(second) - np.mean(first), abs=1e-9)
    if min(np.std(first), np.std(second)) > 1e-6:
        wanted = scipy.stats.ttest_ind(second, first, equal_var=False).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-6, abs=1e-6)


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=12))
def test_paired_differences_are_those_of_scipy(pairs: list[tuple[float, float]]) -> None:
    first, second = zip(*pairs, strict=True)
    found = paired_difference(first, second)
    assert found.n == len(pairs)
    if np.std(np.subtract(second, first)) > 1e-6:
        wanted = scipy.stats.ttest_rel(second, first).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-6, abs=1e-6)


def test_what_has_too_few_values_has_no_interval() -> None:
    assert probability_larger([], [1.0]) is None
    assert mean_difference([], [1.0]).center is None
    assert mean_difference([1.0], [3.0, 5.0]).center == 3.0
    assert mean_difference([1.0], [3.0, 5.0]).low is None
    assert mean_difference([1.0, 1.0], [2.0, 2.0]).margin == 0.0


def test_values_of_any_size_differ_with_an_interval() -> None:
    assert str(mean_difference([1.0, 2.0, 3.0], [1e200, 3e200, 2e200])) == "(2 ± 2)e+200"
    for scale in (1e-200, 1.0, 1e200):
        found = mean_difference([1.0 * scale, 2.0 * scale, 3.0 * scale], [4.0 * scale, 6.0 * scale])
        assert (found.margin or 0.0) / scale == pytest.approx(mean_difference([1.0, 2.0, 3.0], [4.0, 6.0]).margin)

from __future__ import annotations

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from runatlas.statistics.association import eta_squared, pearson, ranks, spearman

NUMBERS = st.floats(-1e3, 1e3).map(lambda value: round(value, 2))


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=30))
def test_correlations_are_those_of_scipy(pairs: list[tuple[float, float]]) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    assert ranks(first) == scipy.stats.rankdata(first).tolist()
    if len(set(first)) < 2 or len(set(second)) < 2:
        assert (pearson(first, second), spearman(first, second)) == (None, None)
        return
    assert pearson(first, second) == pytest.approx(scipy.stats.pearsonr(first, second).statistic, abs=1e-7)
    assert spearman(first, second) == pytest.approx(scipy.stats.spearmanr(first, second).statistic, abs=1e-9)


@settings(max_examples=examples(40), deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), st.lists(NUMBERS, min_size=1, max_size=6), min_size=2))
def test_eta_squared_is_the_share_between_groups(groups: dict[str, list[float]]) -> None:
    values = [value for group in groups.values() for value in group]
    found = eta_squared(groups.values())
    if len(values) == len(groups) or len(set(values)) < 2:
        assert found is None
        return
    total = sum((value - np.mean(values)) ** 2 for value in values)
    between = sum(len(group) * (np.mean(group) - np.mean(values)) ** 2 for group in groups.values())
    assert found == pytest.approx(between / total, abs=1e-6)


def test_what_does_not_vary_or_is_too_short_has_no_correlation() -> None:
    assert pearson([1.0, 2.0], [1.0, 2.0]) is None
    assert pearson([0.1] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert pearson([1e300, -1e300, 0.0], [1e300, -1e300, 0.0]) == pytest.approx(1.0)
    assert eta_squared([[1.0, 2.0]]) is None
    assert eta_squared([[1.0], [2.0]]) is None

"""A sample is some of the points, the same ones each time, and never without the ones that matter."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runatlas.server.store.sampling import sample_places

VALUES = st.lists(
    st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, math.nan, math.inf, -math.inf])),
    min_size=1,
    max_size=60,
)


def sample(values: list[float], most: int, stride: int = 1) -> list[int]:
    steps = np.arange(len(values)) * stride
    return [int(place) for place in sample_places(steps, np.array(values, np.float64), most)]


@given(VALUES, st.integers(1, 70), st.integers(0, 3))
def test_a_sample_is_ascending_bounded_and_repeatable(values: list[float], most: int, stride: int) -> None:
    chosen = sample(values, most, stride)
    assert chosen == sorted(set(chosen))
    assert 1 <= len(chosen) <= min(most, len(values))
    assert chosen == sample(values, most, stride)
    if most >= len(values):
        assert chosen == list(range(len(values)))


@given(VALUES, st.integers(4, 30))
def test_ends_and_extremes_are_kept(values: list[float], most: int) -> None:
    chosen = sample(values, most)
    assert {0, len(values) - 1} <= set(chosen)
    known = [value for value in values if not math.isnan(value)]
    kept = [values[place] for place in chosen if not math.isnan(values[place])]
    assert (min(kept, default=None), max(kept, default=None)) == (min(known, default=None), max(known, default=None))


def test_a_small_sample_begins_with_the_newest() -> None:
    values = [1.0, 9.0, 5.0, 0.0, 3.0]
    assert [sample(values, most) for most in (1, 2, 3, 4)] == [[4], [0, 4], [0, 3, 4], [0, 1, 3, 4]]


def test_a_sample_shows_the_shape() -> None:
    values = [math.sin(step / 40) for step in range(10_000)]
    chosen = sample(values, 1000)
    assert len(chosen) >= 990
    back = np.interp(np.arange(10_000), chosen, [values[place] for place in chosen])
    assert np.abs(back - values).max() < 0.02


def test_a_single_spike_is_never_lost() -> None:
    for place in range(1, 5000, 271):
        values = [0.0] * 5000
        values[place] = 1.0
        assert place in sample(values, 10)

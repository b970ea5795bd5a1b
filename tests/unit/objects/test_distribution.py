from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.objects import Distribution

SAMPLES = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60)


@given(SAMPLES, st.integers(1, 600))
def test_every_finite_sample_is_in_one_bin(samples: list[float], bins: int) -> None:
    made = Distribution(samples, bin_count=bins)

    finite = [value for value in samples if math.isfinite(value)]
    assert sum(made.weights) == len(finite)
    assert made.bin_count == len(made.weights) == min(bins, 512)
    assert all(made.range[0] <= value <= made.range[1] for value in finite)
    assert made.range[0] < made.range[1]


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.integers(1, 40))
def test_a_list_and_an_array_are_counted_alike(samples: list[int], bins: int) -> None:
    of_list, of_array = Distribution(samples, bins), Distribution(np.array(samples), bins)

    assert of_list.range == of_array.range
    assert sum(of_list.weights) == sum(of_array.weights)
    # A sample on an inner edge may fall to either side of it by rounding.
    assert max(abs(a - b) for a, b in zip(np.cumsum(of_list.weights), np.cumsum(of_array.weights), strict=True)) <= (
        sum(1 for value in samples if ((value - min(samples)) * bins) % max(max(samples) - min(samples), 1) == 0)
    )


def test_the_documented_forms() -> None:
    samples = Distribution.from_samples([0.0, 1.0, 2.0], bin_count=2)
    counted = Distribution.from_histogram([1, 2.5], (0, 4))

    assert (samples.weights, samples.range, samples.bin_count) == ([1, 2], (0.0, 2.0), 2)
    assert counted.json() == {"type": "distribution", "bin_count": 2, "range": [0.0, 4.0], "data": [1, 2.5]}
    assert repr(counted) == "Distribution(bins=2, range=(0.0, 4.0))"
    assert Distribution(range(10)).bin_count == 64
    assert Distribution(np.ones((3, 3)), 4).weights == [0, 0, 9, 0]
    assert counted.encode().data == {"bin_count": 2, "range": [0.0, 4.0], "data": [1, 2.5]}


def test_samples_that_are_not_finite_are_told() -> None:
    for samples in ([1.0, math.nan, math.inf], np.array([1.0, math.nan, math.inf])):
        assert Distribution(samples).encode().meta == {"non_finite": 2}
    assert Distribution([]).weights == [0] * 64


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "samples"),
        ({"hist": [1]}, "samples"),
        ({"samples": [1], "bin_count": 0}, "bin_count"),
        ({"hist": [], "bin_range": (0, 1)}, "hist"),
        ({"hist": [1] * 513, "bin_range": (0, 1)}, "hist"),
        ({"hist": [math.nan], "bin_range": (0, 1)}, "hist"),
        ({"hist": [1], "bin_range": (1, 0)}, "bin_range"),
        ({"hist": [1, 2], "bin_range": (0, 1, 9)}, r"bin_range: expected \(low, high\)"),
        ({"samples": [1, 2], "bin_range": (0, 9)}, "samples: their bins reach from the least to the largest"),
        ({"samples": [1, 2], "hist": [1, 2]}, "samples: "),
        ({"samples": [1, 2], "hist": [1, 2], "bin_range": (0, 9)}, "samples: "),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Distribution(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("samples", [Counter([3, 3, 3, 7]), {"a": 1}, "123", b"123", bytearray(b"123"), [["1"], "2"]])
def test_what_holds_no_samples_is_refused(samples: Iterable[object]) -> None:
    with pytest.raises(TypeError, match="samples: "):
        Distribution(samples)


def test_a_list_of_arrays_is_counted_as_one_of_lists() -> None:
    arrays = [np.array([1.0, 2.0]), np.array([[3.0], [4.0]])]

    assert Distribution(arrays, 3).weights == Distribution([1.0, 2.0, 3.0, 4.0], 3).weights


def test_an_array_over_all_floats_is_counted_as_its_list() -> None:
    samples = [-1.7e308, 0.1, 1.7e308]

    assert Distribution(np.array(samples), 4).weights == Distribution(samples, 4).weights == [1, 0, 1, 1]


def test_masked_samples_are_not_counted() -> None:
    samples = np.ma.array([1.0, 2.0, 99.0], mask=[False, False, True])

    assert Distribution(samples, 2).range == (1.0, 2.0)
    assert Distribution(np.ma.array([1, 2, 99], mask=[False, False, True]), 2).weights == [1, 1]

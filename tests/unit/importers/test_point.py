"""Logged points to series."""

from __future__ import annotations

import json
import math
import struct
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.importers.layout import MalformedRecordError
from runatlas.importers.point import PointTable, read_points

_KEYS = st.sampled_from(["loss", "acc", "train/loss", "ä"])
_POINTS = st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.dictionaries(_KEYS, st.floats(), max_size=3)))


def _bits(values: list[float]) -> bytes:
    return b"".join(b"nan" if math.isnan(value) else struct.pack("d", value) for value in values)


@given(_POINTS)
def test_every_value_is_kept_in_the_order_logged(points: list[tuple[int, dict[str, float]]]) -> None:
    table = read_points(json.loads(json.dumps(points)))
    steps: dict[str, list[int]] = defaultdict(list)
    values: dict[str, list[float]] = defaultdict(list)
    for step, metrics in points:
        for key, value in metrics.items():
            steps[key].append(step)
            values[key].append(value)
    assert table.steps == steps
    assert {key: _bits(found) for key, found in table.values.items()} == {k: _bits(v) for k, v in values.items()}
    assert table.count == sum(len(metrics) for _, metrics in points)
    assert not table.left_out
    assert not table.rounded


@given(_POINTS, st.integers(1, 5))
def test_pieces_are_all_of_it(points: list[tuple[int, dict[str, float]]], size: int) -> None:
    table = read_points([list(point) for point in points])
    pieces = table.pieces(size, time_ms=7)
    assert [sum(len(series.steps) for series in piece) for piece in pieces[:-1]] == [size] * (len(pieces) - 1)
    steps: dict[str, list[int]] = defaultdict(list)
    values: dict[str, list[float]] = defaultdict(list)
    for series in (series for piece in pieces for series in piece):
        assert len(series.steps) == len(series.values) == len(series.times_ms) > 0
        assert set(series.times_ms.to_pylist()) == {7}
        steps[series.key] += series.steps.to_pylist()
        values[series.key] += series.values.to_pylist()
    assert steps == table.steps
    assert {key: _bits(found) for key, found in values.items()} == {k: _bits(v) for k, v in table.values.items()}


def test_repeated_steps_are_kept() -> None:
    table = read_points([[5, {"loss": 1.0}], [5, {"loss": 2.0, "val": 3.0}], [4, {"loss": 4.0}]])
    assert table.steps == {"loss": [5, 5, 4], "val": [5]}
    assert table.values == {"loss": [1.0, 2.0, 4.0], "val": [3.0]}


def test_numbers_of_all_sorts() -> None:
    table = read_points(
        [
            [0, {"n": 3, "flag": True, "mixed": True, "special": "NaN"}],
            [1.0, {"flag": False, "mixed": 0.5, "special": "-Infinity"}],
        ]
    )
    assert table.values["n"] == [3.0]
    assert table.values["flag"] == [1.0, 0.0]
    assert table.values["mixed"] == [1.0, 0.5]
    assert math.isnan(table.values["special"][0])
    assert table.values["special"][1] == -math.inf
    assert table.flags == {"flag"}
    kinds = {series.key: series.column_type for piece in table.pieces(100, 0) for series in piece}
    assert kinds == {"n": "FLOAT", "flag": "BOOLEAN", "mixed": "FLOAT", "special": "FLOAT"}


def test_what_is_no_number_is_counted_not_lost_silently() -> None:
    table = read_points(
        [
            [0, {"a": None, "b": "high", "c": [1], "d": {"x": 1}, "e": 10**400, "f": 2**53 + 1, "ok": 1}],
            [1, {"a": None, "b": 2.0}],
        ]
    )
    assert table.left_out == {
        ("a", "null"): 2,
        ("b", "text"): 1,
        ("c", "a list"): 1,
        ("d", "an object"): 1,
        ("e", "a number too large"): 1,
    }
    assert table.rounded == {"f": 1}
    assert table.values == {"b": [2.0], "f": [2.0**53], "ok": [1.0]}


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ({}, "data: expected a list, found {}"),
        ("abc", "data: expected a list, found 'abc'"),
        ([5], "data[0]: expected [step, {metric: value}], found 5"),
        (["ab"], "data[0]: expected [step, {metric: value}], found 'ab'"),
        ([[0, {}], [1]], "data[1]: expected [step, {metric: value}], found [1]"),
        ([[0, [1]]], "data[0]: expected [step, {metric: value}], found [0, [1]]"),
        ([[0, {}, {}]], "data[0]: expected [step, {metric: value}], found [0, {}, {}]"),
        ([[None, {}]], "data[0]: the step must be a whole number of 64 bits, found None"),
        ([[True, {}]], "data[0]: the step must be a whole number of 64 bits, found True"),
        ([[1.5, {}]], "data[0]: the step must be a whole number of 64 bits, found 1.5"),
        ([[math.nan, {}]], "data[0]: the step must be a whole number of 64 bits, found nan"),
        ([[math.inf, {}]], "data[0]: the step must be a whole number of 64 bits, found inf"),
        ([["1", {}]], "data[0]: the step must be a whole number of 64 bits, found '1'"),
        ([[2**63, {}]], f"data[0]: the step must be a whole number of 64 bits, found {2**63}"),
        ([[1, {"": 1}]], "data[0]: a metric's name has 1 to 1000 characters, found 0"),
        ([[1, {"x" * 1001: 1}]], "data[0]: a metric's name has 1 to 1000 characters, found 1001"),
        ([[1, {"a\nb": 1}]], "data[0]: a metric's name has no control characters, found 'a\\nb'"),
    ],
)
def test_another_form_is_refused_with_its_place(points: Any, message: str) -> None:
    with pytest.raises(MalformedRecordError) as caught:
        read_points(points, field="data")
    assert str(caught.value) == message


def test_no_points_are_no_points() -> None:
    for nothing in (None, [], [[3, {}]]):
        table = read_points(nothing)
        assert (table.count, table.pieces(10, 0)) == (0, [])


def _digest(*points: Any) -> str:
    return read_points(list(points)).digest()


def test_the_digest_tells_points_apart() -> None:
    base = _digest([0, {"a": 1.0, "b": 2.0}])
    assert base == _digest([0, {"b": 2.0, "a": 1.0}])
    others = [
        _digest(),
        _digest([1, {"a": 1.0, "b": 2.0}]),
        _digest([0, {"a": 2.0, "b": 1.0}]),
        _digest([0, {"a": 1.0}]),
        _digest([0, {"a": True, "b": 2.0}]),
        _digest([0, {"a": 1.0, "b": 2.0}], [0, {"a": 1.0}]),
        _digest([0, {"a": -1.0, "b": 2.0}]),
    ]
    assert len({base, *others}) == len(others) + 1
    assert PointTable({}, {}).digest() == _digest()

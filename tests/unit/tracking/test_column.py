from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runatlas.model.series import Context, SeriesPoints
from runatlas.tracking.column import ColumnBuilder
from runatlas.tracking.entry import Scalars
from runatlas.tracking.step import STEP_MAX, STEP_MIN, StepCounter, series_key

CONTEXTS: list[Context] = [(), (("a", 1),), (("a", True),), (("a", 1.0), ("b", "x"))]

numbers = st.one_of(st.floats(allow_nan=False), st.booleans(), st.integers(-(2**60), 2**60))
events = st.lists(
    st.tuples(
        st.floats(0, 2e9),
        st.dictionaries(st.sampled_from("abcd"), numbers, min_size=1),
        st.none() | st.integers(-5, 20) | st.sampled_from([STEP_MIN, STEP_MAX]),
        st.none() | st.integers(0, 3),
        st.sampled_from(CONTEXTS),
    ),
    max_size=30,
)


def built(given_events: list[Scalars], steps: StepCounter | None = None) -> tuple[SeriesPoints, ...]:
    builder = ColumnBuilder(steps or StepCounter(), lambda count, reason: None)
    for event in given_events:
        builder.add(event)
    made = builder.build()
    assert builder.count == sum(len(series.steps) for series in made)
    return made


def rows(series: SeriesPoints) -> list[tuple[int, float, int, int | None]]:
    epochs = [None] * len(series.steps) if series.epochs is None else series.epochs.to_pylist()
    columns = (series.steps.to_pylist(), series.values.to_pylist(), series.times_ms.to_pylist(), epochs)
    return list(zip(*columns, strict=True))


def one_by_one(given_events: list[Scalars]) -> dict[Any, list[tuple[int, float, int, int | None]]]:
    """What the builder must be equal to: a point at a time, each series counting its steps."""
    found: dict[Any, list[tuple[int, float, int, int | None]]] = {}
    following: dict[Any, int] = {}
    for time_s, data, step, epoch, context in given_events:
        for name, value in data.items():
            series = series_key(name, context)
            taken = following.get(series, 0) if step is None else step
            following[series] = min(max(following.get(series, 0), taken + 1), STEP_MAX)
            found.setdefault(series, []).append((taken, float(value), int(time_s * 1000), epoch))
    return found


@given(events)
def test_columns_hold_what_was_given_in_its_order(given_events: list[Scalars]) -> None:
    made = built(given_events)

    expected = one_by_one(given_events)
    assert {series_key(series.key, series.context): rows(series) for series in made} == expected
    assert len(made) == len(expected)


@given(events, st.integers(0, 30))
def test_it_does_not_matter_where_batches_end(given_events: list[Scalars], cut: int) -> None:
    steps = StepCounter()
    parts = [*built(given_events[:cut], steps), *built(given_events[cut:], steps)]
    joined: dict[Any, list[tuple[int, float, int, int | None]]] = {}
    for series in parts:
        joined.setdefault(series_key(series.key, series.context), []).extend(rows(series))

    assert joined == one_by_one(given_events)


def test_a_series_of_booleans_says_so() -> None:
    made = {
        series.key: series.column_type
        for series in built([(0.0, {"a": True, "b": True, "c": 1}, None, None, ()), (0.0, {"b": 0.5}, None, None, ())])
    }
    assert made == {"a": "BOOLEAN", "b": "FLOAT", "c": "FLOAT"}


def test_series_of_the_machine_are_a_class_of_their_own() -> None:
    made = built([(0.0, {"__system__cpu": 1.0, "cpu": 1.0}, None, None, ())])
    assert {series.key: series.column_class for series in made} == {"__system__cpu": "SYSTEM", "cpu": "CUSTOM"}


def test_a_number_too_large_for_a_float_costs_only_itself() -> None:
    lost: list[tuple[int, str]] = []
    builder = ColumnBuilder(StepCounter(), lambda count, reason: lost.append((count, reason)))
    for value in (1, 10**400, 3):
        builder.add((0.0, {"a": value, "b": value % 7}, None, 2, ()))
    made = {series.key: rows(series) for series in builder.build()}

    assert [(step, value) for step, value, _, _ in made["a"]] == [(0, 1.0), (2, 3.0)]
    assert len(made["b"]) == 3
    assert [count for count, _ in lost] == [1]
    assert "'a'" in lost[0][1]


def test_what_is_not_finite_is_kept() -> None:
    (series,) = built([(0.0, {"a": value}, None, None, ()) for value in (math.nan, math.inf, -math.inf)])
    values = series.values.to_pylist()
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


def test_steps_go_on_where_a_run_was() -> None:
    steps = StepCounter()
    steps.begin({("a", ""): 7, ("a", '{"x":1}'): 3})
    made = built([(0.0, {"a": 1}, None, None, ()), (0.0, {"a": 1, "b": 1}, None, None, (("x", 1),))], steps)

    assert {(series.key, series.context): series.steps.to_pylist() for series in made} == {
        ("a", ()): [7],
        ("a", (("x", 1),)): [3],
        ("b", (("x", 1),)): [0],
    }

"""Series: points as columns, and as dicts when asked for."""

from __future__ import annotations

import math
import operator
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.block import RUN, make_block, make_reading, make_summary

from runatlas.errors import ServerError
from runatlas.model.series import SummaryRecord
from runatlas.tables import Series
from runatlas.tables.metric import make_run_metric_table

ROWS = [(0, 1.0), (1, math.nan), (1, 0.5), (4, math.inf)]


def one_series(rows: list[tuple[int, float]], **reading: object) -> Series:
    table = make_run_metric_table(make_reading(make_block({(RUN, "loss"): rows}), **reading))  # type: ignore[arg-type]
    return table["loss"]


def test_points_are_dicts_in_order() -> None:
    series = one_series(ROWS)
    assert len(series) == 4
    assert series[0] == {"step": 0, "value": 1.0, "timestamp": 0}
    assert series[-1] == {"step": 4, "value": math.inf, "timestamp": 4000}
    assert [point["step"] for point in series] == [0, 1, 1, 4]
    assert math.isnan(series[1]["value"])
    assert [point["value"] for point in series[2:]] == [0.5, math.inf]


def test_an_index_beyond_the_end_is_an_index_error() -> None:
    series = one_series(ROWS)
    for index in (4, -5):
        with pytest.raises(IndexError):
            series[index]


def test_times_are_left_out_when_they_are_to_be_ignored() -> None:
    series = one_series(ROWS, timed=False)
    assert series[0] == {"step": 0, "value": 1.0}
    assert series.timestamps is None
    assert series.times == []


def test_times_are_aware() -> None:
    series = one_series(ROWS)
    assert series.times[-1].isoformat() == "1970-01-01T00:00:04+00:00"


def test_numpy_reads_the_columns() -> None:
    series = one_series(ROWS)
    assert np.asarray(series.steps).tolist() == [0, 1, 1, 4]
    np.testing.assert_array_equal(np.asarray(series.values), [1.0, math.nan, 0.5, math.inf])


def test_of_one_step_the_last_that_arrived_counts() -> None:
    assert one_series(ROWS).to_dict() == {0: 1.0, 1: 0.5, 4: math.inf}


def test_statistics_are_read_once_and_only_when_asked_for() -> None:
    asked = []

    def load() -> list[SummaryRecord]:
        asked.append(1)
        return [make_summary("c1", "loss", [(0, 3.0), (1, 1.0), (2, 2.0)])]

    series = one_series([(0, 3.0), (2, 2.0)], load=load)
    assert len(series) == 2
    assert asked == []
    assert series.min == {"step": 1, "value": 1.0, "timestamp": 1000}
    assert series.max == {"step": 0, "value": 3.0, "timestamp": 0}
    assert series.latest == {"step": 2, "value": 2.0, "timestamp": 2000}
    assert series.avg == 2.0
    assert series.median == 2.0
    assert asked == [1]


def test_a_failed_reading_of_statistics_is_raised_and_tried_again() -> None:
    failures = [ServerError("down")]

    def load() -> list[SummaryRecord]:
        if failures:
            raise failures.pop()
        return [make_summary("c1", "loss", [(0, 1.0)])]

    series = one_series([(0, 1.0)], load=load)
    with pytest.raises(ServerError):
        _ = series.min
    assert series.avg == 1.0


def test_a_series_that_goes_over_a_blocks_end_is_put_together() -> None:
    blocks = [
        make_block({(RUN, "loss"): [(0, 1.0), (1, 2.0)]}, totals={"loss": 3}),
        make_block({(RUN, "loss"): [(2, 3.0)]}, totals={"loss": 3}),
    ]
    series = make_run_metric_table(make_reading(*blocks))["loss"]
    assert [point["value"] for point in series] == [1.0, 2.0, 3.0]
    assert series.steps.to_pylist() == [0, 1, 2]
    assert series.total == 3
    assert series.complete


def test_json_has_the_documented_form() -> None:
    rows = [(0, 2.0), (5, 1.0)]
    series = one_series(rows, load=lambda: [make_summary("c1", "loss", rows)])
    plain = series.json()
    assert plain["key"] == "loss"
    assert plain["metrics"] == [
        {"step": 0, "value": 2.0, "timestamp": 0},
        {"step": 5, "value": 1.0, "timestamp": 5000},
    ]
    assert plain["min"] == {"step": 5, "value": 1.0, "timestamp": 5000}
    assert plain["latest"]["value"] == 1.0
    assert plain["avg"] == 1.5
    assert (plain["complete"], plain["sampled"], plain["total"]) == (True, False, 2)


@given(
    st.lists(st.tuples(st.integers(-(2**62), 2**62), st.floats())),
    st.integers(-5, 12),
    st.one_of(st.none(), st.integers(-5, 12)),
    st.one_of(st.none(), st.sampled_from([-3, -1, 1, 2])),
)
def test_slices_are_those_of_a_list(
    rows: list[tuple[int, float]], start: int, stop: int | None, step: int | None
) -> None:
    series = one_series(sorted(rows, key=lambda row: row[0]), timed=False)
    cut = slice(start, stop, step)
    part = series[cut]
    assert repr(list(part)) == repr(list(series)[cut])
    assert repr(list(part[::-1][1:])) == repr(list(series)[cut][::-1][1:])
    assert (part.total, part.summary, part.label) == (series.total, series.summary, series.label)


def test_a_slice_keeps_the_statistics_of_the_whole_series_and_its_own_times() -> None:
    blocks = [
        make_block({(RUN, "loss"): [(0, 1.0), (1, 2.0)]}, totals={"loss": 3}),
        make_block({(RUN, "loss"): [(2, 3.0)]}, totals={"loss": 3}),
    ]
    series = make_run_metric_table(make_reading(*blocks, load=lambda: [make_summary("c1", "loss", [(9, 7.0)])]))["loss"]
    part = series[1:]
    assert [point.get("timestamp") for point in part] == [1000, 2000]
    assert (part.max, len(part), part.total, part.complete) == (series.max, 2, 3, True)
    assert part.to_pandas()["value"].tolist() == [2.0, 3.0]


def test_numpy_takes_a_series_for_its_values() -> None:
    series = one_series(ROWS, load=lambda: [make_summary("c1", "loss", [(0, -5.0)])])
    values = np.array([value for _, value in ROWS])
    np.testing.assert_array_equal(series.to_numpy(), values)
    np.testing.assert_array_equal(np.asarray(series, dtype="float32"), values.astype("float32"))
    assert np.array(series, copy=True).flags.writeable
    assert np.nanmin(series) == np.min(series[:1].to_numpy()) / 2
    assert np.max(series[2:]) == math.inf
    assert series.min == {"step": 0, "value": -5.0, "timestamp": 0}  # as documented: of the whole series
    np.testing.assert_array_equal(np.log(series[:1]), [0.0])
    np.testing.assert_array_equal(np.concatenate([series, series]), np.concatenate([values, values]))
    np.testing.assert_array_equal(series + np.ones(4), values + 1)
    np.testing.assert_array_equal(np.maximum.accumulate(series[:1]), [1.0])


NUMBERS = st.floats() | st.sampled_from([0.0, -0.0, math.inf])


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=6), NUMBERS)
def test_a_series_computes_as_an_array_does(pairs: list[tuple[float, float]], number: float) -> None:
    rows = [list(enumerate(column)) for column in zip(*pairs, strict=True)] or [[], []]
    one, other = map(one_series, rows)
    with np.errstate(all="ignore"):
        for operation in (operator.add, operator.sub, operator.mul, operator.truediv):
            for left, right in ((one, other), (one, number), (number, one)):
                plain = [np.asarray(side) if isinstance(side, Series) else np.float64(side) for side in (left, right)]
                made = operation(left, right)
                assert isinstance(made, Series)
                np.testing.assert_array_equal(made.to_numpy(), operation(*plain))
                np.testing.assert_array_equal(1 / made.to_numpy(), 1 / operation(*plain))  # the signs of zeros
                assert made.steps == one.steps
        np.testing.assert_array_equal((-one).to_numpy(), -one.to_numpy())
        np.testing.assert_array_equal(abs(one).to_numpy(), np.abs(one))


def test_what_is_computed_says_so_and_has_statistics_of_its_own() -> None:
    series = one_series([(0, 1.0), (3, math.nan), (5, 3.0)], load=lambda: [make_summary("c1", "loss", [(0, -9.0)])])
    made = (1 - series) * 2
    assert made.label == "(1 - loss) * 2"
    assert made.min == {"step": 5, "value": -4.0, "timestamp": 5000}
    assert (made.avg, made.median, made.summary and made.summary["std"]) == (-2.0, -2.0, 2.0)
    assert made[0] == {"step": 0, "value": 0.0, "timestamp": 0}
    assert pickle.loads(pickle.dumps(made)).min == made.min
    with pytest.raises(TypeError):
        series + "a"  # type: ignore[operator]
    with pytest.raises(TypeError):
        series * True


def test_what_is_computed_of_a_sampled_series_is_sampled() -> None:
    whole = one_series([(0, 1.0)])
    block = make_block({(RUN, "acc"): [(0, 2.0)]}, totals={"acc": 9})
    part = make_run_metric_table(make_reading(block, sample=1))["acc"]
    assert [made.sampled for made in (whole - whole, whole - part, part - whole)] == [False, True, True]


def test_series_of_other_steps_do_not_compute() -> None:
    long, short = one_series([(0, 1.0), (1, 2.0)]), one_series([(0, 1.0)])
    with pytest.raises(ValueError, match=r"loss has step 1 where loss has none; join\(other\)"):
        long - short

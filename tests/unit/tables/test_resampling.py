"""Curves at other steps, smooth ones, and curves side by side: as NumPy and pandas have it, and only when asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from statistics import mean, median, pstdev
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.block import RUN, make_block, make_reading
from support.examples import examples

from runatlas.model.series import ReadFailure
from runatlas.tables import MetricTable
from runatlas.tables.metric import make_metric_table, make_run_metric_table
from runatlas.tables.resampling import smoothed
from runatlas.tables.wide_table import How

OTHER = ("c2", "two", "second run")
FINITE = st.floats(-1e6, 1e6)
CURVES = st.dictionaries(st.integers(0, 40), FINITE, max_size=8).map(lambda curve: sorted(curve.items()))
SETTINGS = settings(max_examples=examples(50))


def table_of(loss: Sequence[tuple[int, float]], acc: Sequence[tuple[int, float]], **reading: Any) -> MetricTable[str]:
    block = make_block({(RUN, "loss"): loss, (RUN, "acc"): acc})
    return make_run_metric_table(make_reading(block, **reading))


@SETTINGS
@given(CURVES, CURVES, st.integers(2, 9), st.booleans())
def test_curves_are_read_on_straight_lines_as_numpy_does(
    loss: list[tuple[int, float]], acc: list[tuple[int, float]], count: int, is_every: bool
) -> None:
    table = table_of(loss, acc)
    made = table.resample(every=count) if is_every else table.resample(count)
    steps = [step for step, _ in (*loss, *acc)]
    grid = range(min(steps), max(steps) + 1, count) if steps and is_every else None
    for key, rows in (("loss", loss), ("acc", acc)):
        read = list(made[key])
        for point in read:
            assert point["value"] == pytest.approx(np.interp(point["step"], *np.transpose(rows)), abs=1e-6)
            assert rows[0][0] <= point["step"] <= rows[-1][0]
        if grid is not None and rows:
            assert [point["step"] for point in read] == [step for step in grid if rows[0][0] <= step <= rows[-1][0]]
        if rows and not acc:
            assert {read[0]["step"], read[-1]["step"]} >= {rows[0][0]}
    assert not made.sampled
    assert made.total == made.num_rows


def test_beside_nan_and_infinities_there_is_no_line() -> None:
    made = table_of([(0, 0.0), (2, math.nan), (4, math.inf), (8, 1.0)], []).resample(every=1)["loss"].values.to_pylist()
    assert [value for value in made if math.isfinite(value)] == [0.0, 1.0]
    assert len(made) == 9
    assert made[5] == math.inf


@SETTINGS
@given(CURVES, CURVES, st.sampled_from([0.5, 0.99, 2, 5]))
def test_a_smooth_table_has_smooth_series(
    loss: list[tuple[int, float]], acc: list[tuple[int, float]], amount: float
) -> None:
    table = table_of(loss, acc)
    made = table.smooth(amount)
    for key, rows in (("loss", loss), ("acc", acc)):
        if rows:
            assert made[key].values.to_pylist() == smoothed([value for _, value in rows], amount)
            assert made[key].steps == table[key].steps
            assert made[key].timestamps == table[key].timestamps
            largest = made[key].max
            assert largest is not None
            assert largest["value"] == max(made[key].values.to_pylist())


def test_what_is_not_whole_stays_so_and_what_is_missing_missing() -> None:
    failures = (ReadFailure("one", "acc", "damaged"),)
    block = make_block({(RUN, "loss"): [(0, 1.0), (9, 2.0)], (OTHER, "loss"): [(3, 1.0)]}, failures=failures)
    made = make_metric_table(make_reading(block, keys=("loss", "acc"))).resample(every=3)
    assert made["one", "loss"].steps.to_pylist() == [0, 3, 6, 9]
    assert made["two", "loss"].steps.to_pylist() == [3]
    assert (made.missing, made.failures, made.complete) == ((("one", "acc"), ("two", "acc")), failures, False)
    thinned = make_block({(RUN, "loss"): [(0, 1.0), (9, 2.0)]}, totals={"loss": 50})
    sampled = make_run_metric_table(make_reading(thinned, sample=2))
    for table in (sampled, sampled.smooth(2), sampled.resample(3)):
        assert (table.sampled, table.complete, table["loss"].sampled, table["loss"][:1].sampled) == (
            True,
            False,
            True,
            True,
        )


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, ValueError, "give either how many"),
        ({"n": 3, "every": 2}, ValueError, "give either how many"),
        ({"n": 1}, ValueError, "n: expected 2 at least"),
        ({"every": 0}, ValueError, "every: expected 1 at least"),
        ({"n": 2.5}, TypeError, "n: expected a whole number, got float"),
        ({"every": 1}, ValueError, "1,000,000 at the most"),
    ],
)
def test_other_steps_are_refused(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    table = table_of([(0, 1.0), (10**9, 2.0)], [])
    for made in (table, table["loss"]):
        with pytest.raises(error, match=words):
            made.resample(**arguments)


def framed(rows: Sequence[tuple[int, float]], name: str, on: str) -> Any:
    import pandas as pd

    places, values = [step for step, _ in rows], [value for _, value in rows]
    frame: Any = pd.DataFrame({on: pd.Series(places, dtype="int64"), name: pd.Series(values, dtype="float64")})
    if on == "timestamp":
        frame[on] = pd.to_datetime(frame[on] * 1000, unit="ms", utc=True).astype("datetime64[ms, UTC]")
    return frame


@SETTINGS
@given(CURVES, CURVES, st.sampled_from(["exact", "outer", "asof"]), st.sampled_from(["step", "timestamp"]))
def test_a_join_is_that_of_pandas(
    loss: list[tuple[int, float]], acc: list[tuple[int, float]], how: How, on: str
) -> None:
    import pandas as pd

    table = table_of(loss, acc)
    joined = table["loss"].join(table["acc"], on="time" if on == "timestamp" else on, how=how)
    made = joined.to_pandas()
    empty = [key for key, rows in (("loss", loss), ("acc", acc)) if not rows]
    assert joined.notes == tuple(f"{key} has no points: its column is empty" for key in empty)
    assert all(told in joined._repr_html_() for told in joined.notes)
    left, right = framed(loss, "loss", on), framed(acc, "acc", on)
    if how == "asof":
        expected = pd.merge_asof(left, right, on=on)
    else:
        is_inner = how == "exact" and loss and acc
        expected = left.merge(right, on=on, how="inner" if is_inner else "outer").sort_values(on)
    pd.testing.assert_frame_equal(made, expected.reset_index(drop=True), check_dtype=False)


def test_runs_lie_side_by_side_at_what_a_metric_of_each_has() -> None:
    tokens, losses = [(0, 10.0), (1, 20.0), (2, math.nan)], [(0, 5.0), (1, 4.0), (2, 3.0), (3, 2.0)]
    block = make_block(
        {
            (RUN, "loss"): losses,
            (RUN, "tokens"): tokens,
            (OTHER, "loss"): [(7, 1.0)],
            (OTHER, "tokens"): [(7, 20.0)],
        }
    )
    table = make_metric_table(make_reading(block))
    alone = make_metric_table(make_reading(make_block({(RUN, "loss"): losses, (OTHER, "loss"): [(7, 1.0)]})))
    across = make_metric_table(make_reading(make_block({(RUN, "tokens"): tokens, (OTHER, "tokens"): [(7, 20.0)]})))
    assert alone.join(across, on="tokens", how="outer").to_arrow().to_struct_array().to_pylist() == [
        {"tokens": 10.0, "one/loss": 5.0, "two/loss": None},
        {"tokens": 20.0, "one/loss": 4.0, "two/loss": 1.0},
    ]
    joined = table["one", "loss"].join(table["one", "tokens"], on="tokens")
    assert joined.to_pandas().to_dict("list") == {"tokens": [10.0, 20.0], "loss": [5.0, 4.0]}
    with pytest.raises(ValueError, match="two columns would be called 'one/loss'"):
        table.join(table["one", "loss"])
    with pytest.raises(ValueError, match="metric that is among them with points, got 'none'"):
        table["one", "loss"].join(table["two", "loss"], on="none")
    with pytest.raises(ValueError, match="expected 'exact', 'outer' or 'asof', got 'left'"):
        table["one", "loss"].join(table["two", "loss"], how="left")  # type: ignore[arg-type]
    both = table["one", "loss"].join(table["two", "loss"], how="outer")
    assert both.columns == ("step", "one/loss", "two/loss")
    assert (both.complete, both.total, both.num_rows) == (True, 5, 5)
    bare = make_metric_table(make_reading(block, timed=False))
    with pytest.raises(ValueError, match="'time' needs times"):
        bare["one", "loss"].join(bare["two", "loss"], on="time")
    thinned = make_run_metric_table(make_reading(make_block({(RUN, "x"): [(0, 1.0)]}, totals={"x": 9}), sample=1))
    with pytest.raises(ValueError, match="every point is needed; read with all=True"):
        table["one", "loss"].join(thinned, on="x")


def test_a_join_along_a_metric_has_all_its_points_and_those_of_the_same_context() -> None:
    plain = make_block({(RUN, "loss"): [(0, 1.0), (1, 2.0)], (RUN, "epoch"): [(0, 10.0), (1, 20.0)]})
    of_val = {(RUN, "loss"): [(0, 3.0)], (RUN, "epoch"): [(0, 70.0)]}
    table = make_run_metric_table(make_reading(plain, make_block(of_val, context={"subset": "val"})))
    narrow = make_run_metric_table(make_reading(make_block({(RUN, "epoch"): [(1, 20.0)], (RUN, "lr"): [(1, 5.0)]})))
    assert table.join(narrow, on="epoch", how="outer").to_arrow().to_struct_array().to_pylist() == [
        {"epoch": 10.0, "loss": 1.0, 'loss{"subset":"val"}': None, "lr": None},
        {"epoch": 20.0, "loss": 2.0, 'loss{"subset":"val"}': None, "lr": 5.0},
        {"epoch": 70.0, "loss": None, 'loss{"subset":"val"}': 3.0, "lr": None},
    ]
    alone = make_run_metric_table(make_reading(make_block({(RUN, "acc"): [(1, 4.0)]}, context={"subset": "test"})))
    joined = alone.join(table["epoch"], on="epoch")
    assert joined.to_pandas().to_dict("list") == {"epoch": [20.0], 'acc{"subset":"test"}': [4.0]}


@pytest.mark.parametrize(("low", "high"), [(0, 2**62 + 1), (-(2**63), 2**63 - 1), (2**53 + 1, 2**54 + 3)])
def test_the_last_step_is_read_however_far_it_is(low: int, high: int) -> None:
    for count in range(2, 9):
        steps = table_of([(low, 1.0), (high, 2.0)], []).resample(count)["loss"].steps.to_pylist()
        assert (steps[0], steps[-1], len(steps)) == (low, high, count)


@SETTINGS
@given(st.lists(st.floats(-1e300, 1e300) | st.sampled_from([math.nan, math.inf]), max_size=20), st.integers(2, 30))
def test_a_window_has_the_mean_of_what_is_in_it(values: list[float], length: int) -> None:
    expected = []
    for place, value in enumerate(values):
        near = filter(math.isfinite, values[max(place - length // 2, 0) : place + length - length // 2])
        expected.append(float(np.mean([*map(Fraction, near)])) if math.isfinite(value) else math.nan)
    np.testing.assert_allclose(smoothed(values, length), expected, rtol=1e-15)


@SETTINGS
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=9))
@example([1e308] * 6)
@example([5e-324])
@example([1.7e308, -1.7e308])
@example([0.1] * 9)
def test_what_was_computed_has_the_mean_of_its_points_however_large_they_are(values: list[float]) -> None:
    told = (table_of([*enumerate(values)], [])["loss"] * 1).summary
    assert told is not None
    exact = [*map(Fraction, values)]
    expected = [mean(exact), median(exact), pstdev(exact)]
    mistake = max(map(abs, values)) * 1e-15
    assert [told["avg"], told["median"], told["std"]] == pytest.approx([*map(float, expected)], rel=1e-14, abs=mistake)


def test_a_window_of_any_length_is_read_in_one_go() -> None:
    values = [float(number) for number in range(100_000)]
    assert smoothed(values, 50_001)[50_000] == 50_000.0
    assert smoothed(values[:3], 10**30) == [1.0, 1.0, 1.0]

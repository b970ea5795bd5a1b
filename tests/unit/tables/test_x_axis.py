"""Points along another axis: a metric of the same step, or time."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.block import RUN, make_block

from runatlas.model.ranges import ValueRange
from runatlas.model.series import PointBlock
from runatlas.tables.x_axis import along_metric, along_time

OTHER = ("c2", "two", "second run")
VALUES = st.sampled_from([-1.0, 0.0, 0.5, 2.0, math.nan])
ROWS = st.lists(st.tuples(st.integers(0, 5), VALUES), max_size=6).map(lambda rows: sorted(rows, key=lambda row: row[0]))
RANGES = st.none() | st.builds(
    ValueRange,
    start=st.none() | st.sampled_from([-1.0, 0.0]),
    end=st.none() | st.sampled_from([0.5, 2.0]),
    head=st.none() | st.integers(1, 3),
)


def told(block: PointBlock) -> dict[tuple[str, str], list[tuple[int, float, float, int]]]:
    """Return ``(step, value, index, time)`` of each series; NaN as -9, which equals itself."""
    assert block.indices is not None
    columns = (block.steps, block.values, block.indices, block.times_ms)
    rows = [
        tuple(-9 if cell != cell else cell for cell in row)
        for row in zip(*map(list, (c.to_pylist() for c in columns)), strict=True)
    ]
    return {
        (block.runs[item.run][0], item.key): rows[item.start : item.start + item.length]  # type: ignore[misc]
        for item in block.series
    }


@given(rows=ROWS, more=ROWS, across=ROWS, within=RANGES, is_sampled=st.booleans(), cut=st.integers(0, 6))
def test_each_point_lies_where_the_metric_of_its_step_says(
    rows: list[tuple[int, float]],
    more: list[tuple[int, float]],
    across: list[tuple[int, float]],
    within: ValueRange | None,
    is_sampled: bool,
    cut: int,
) -> None:
    sampled = is_sampled and within is None
    totals = {"loss": len(rows)}
    blocks = (
        make_block({(RUN, "loss"): rows[:cut]}, totals=totals),
        make_block({(RUN, "loss"): rows[cut:], (OTHER, "loss"): more}, totals=totals),
    )
    (block,), notes = along_metric(
        blocks,
        "epoch",
        [make_block({(RUN, "epoch"): across}), make_block({(RUN, "other"): rows})],
        within,
        is_sampled=sampled,
    )
    known = dict(across)
    placed = [(step, value, known.get(step, math.nan), step * 1000) for step, value in rows]
    bounded = within is not None and (within.start is not None or within.end is not None)
    lost = sum(math.isnan(row[2]) for row in placed)
    if sampled or bounded:
        placed = [row for row in placed if not math.isnan(row[2])]
        lost += len(more)
    else:
        lost = 0
    if within is not None:
        placed = [row for row in placed if within.holds(row[2])]
    total = len(placed)
    if within is not None and within.head is not None:
        placed = placed[: within.head]
    assert told(block)[RUN[0], "loss"] == [tuple(-9 if cell != cell else cell for cell in row) for row in placed]
    assert block.series[0].total == total
    if not known:
        assert notes == ("none of 2 runs has points of 'epoch', which x_axis names",)
    else:
        assert bool(notes) == (lost > 0)


def test_a_context_takes_its_own_axis_before_that_without() -> None:
    context = {"subset": "val"}
    blocks = [make_block({(RUN, "loss"): [(0, 1.0)]}, context=context), make_block({(RUN, "loss"): [(0, 2.0)]})]
    plain = make_block({(RUN, "epoch"): [(0, 10.0)]})
    own = make_block({(RUN, "epoch"): [(0, 20.0)]}, context=context)
    (block,), _ = along_metric(blocks, "epoch", [plain], None, is_sampled=True)
    assert block.indices is not None
    assert list(block.indices.to_pylist()) == [10.0, 10.0]
    (block,), _ = along_metric(blocks, "epoch", [plain, own], None, is_sampled=True)
    assert block.indices is not None
    assert list(block.indices.to_pylist()) == [20.0, 10.0]


@pytest.mark.parametrize(("axis", "first"), [("time", 3000), ("relative_time", 0)])
def test_time_lies_across_a_series_of_several_blocks(axis: str, first: int) -> None:
    blocks = [
        make_block({(RUN, "loss"): [(3, 1.0)]}),
        make_block({(RUN, "loss"): [(4, 2.0), (9, 3.0)]}, epochs=[None, 7]),
    ]
    (block,) = along_time(blocks, axis)
    assert [row[2] for row in told(block)[RUN[0], "loss"]] == [first, first + 1000, first + 6000]
    assert block.epochs is not None
    assert list(block.epochs.to_pylist()) == [None, None, 7]
    again = pickle.loads(pickle.dumps(block))
    assert told(again) == told(block)


@pytest.mark.parametrize(("total", "left"), [(3, 1), (9, None)])
def test_how_many_points_lie_somewhere_is_not_known_of_a_sample(total: int, left: int | None) -> None:
    block = make_block({(RUN, "loss"): [(0, 1.0), (1, 2.0), (2, 3.0)]}, totals={"loss": total})
    across = make_block({(RUN, "lr"): [(1, 0.5)]})
    (made,), _ = along_metric([block], "lr", [across], None, is_sampled=True)
    assert (made.series[0].length, made.series[0].total) == (1, left)

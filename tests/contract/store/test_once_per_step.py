"""A batch that has one point a step leaves out the steps its series have."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.database import Place
from support.examples import examples
from support.recording import Recorder, line, points, rows_of

from runatlas.model.ids import RunPath
from runatlas.model.series import PointQuery, SummaryQuery

POINTS = st.lists(st.tuples(st.integers(-3, 12), st.integers(0, 99)), min_size=1, max_size=12)


def read(recorder: Recorder, run: RunPath) -> dict[str, list[tuple[int, float]]]:
    block = recorder.services.points.read_points(recorder.caller, PointQuery(recorder.selection(run)))
    return {key: [(step, value) for step, _, value, _ in rows] for (_, key, _), rows in rows_of(block).items()}


@pytest.fixture(scope="module")
def shared(new_location: Place) -> Iterator[Recorder]:
    """One store for all examples: each makes a run of its own."""
    opened = new_location().services()
    yield Recorder.of(opened)
    opened.close()


def test_what_is_sent_again_is_left_out(recorder: Recorder) -> None:
    run = recorder.run()
    series = (line("loss", 3), line("acc", 2))
    first = recorder.append(run, *series, once_per_step=True)
    again = recorder.append(run, *series, once_per_step=True)
    more = recorder.append(run, line("loss", 4, start=1, value=lambda step: -step), line("new", 1), once_per_step=True)
    assert (first.points, again.points, more.points) == (5, 0, 3)
    assert read(recorder, run) == {
        "loss": [(0, 0), (1, 1), (2, 2), (3, -3), (4, -4)],
        "acc": [(0, 0), (1, 1)],
        "new": [(0, 0)],
    }


def test_a_gap_is_filled_behind_the_last_step(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, points("loss", [(step, 0, 1.0, None) for step in (0, 10, 20)]), once_per_step=True)
    recorder.append(run, points("loss", [(step, 0, 2.0, None) for step in (20, 5, 10, 30)]), once_per_step=True)
    assert read(recorder, run) == {"loss": [(0, 1), (5, 2), (10, 1), (20, 1), (30, 2)]}


def test_the_first_of_a_step_within_a_batch_counts(recorder: Recorder) -> None:
    run = recorder.run()
    rows = [(1, 0, 1.0, 7), (0, 0, 2.0, None), (1, 0, 3.0, None), (0, 0, 4.0, 9)]
    recorder.append(run, points("loss", rows, event_ids=("a", "b", "c", "d")), once_per_step=True)
    assert read(recorder, run) == {"loss": [(0, 2), (1, 1)]}
    recorder.append(run, points("acc", [(0, 0, 1.0, None)], event_ids=("a",)), once_per_step=True)
    assert "acc" not in read(recorder, run)


def test_contexts_are_series_of_their_own(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, line("loss", 2), once_per_step=True)
    answer = recorder.append(run, line("loss", 2, context=(("subset", "val"),)), once_per_step=True)
    assert answer.points == 2


def test_ordinary_batches_keep_every_point(recorder: Recorder) -> None:
    run = recorder.run()
    for _ in range(2):
        recorder.append(run, line("loss", 2))
    assert read(recorder, run)["loss"] == [(0, 0), (0, 0), (1, 1), (1, 1)]


@settings(max_examples=examples(25))
@given(batches=st.lists(POINTS, min_size=1, max_size=4))
def test_however_points_are_cut_into_batches_the_first_of_a_step_counts(
    shared: Recorder, batches: list[list[tuple[int, int]]]
) -> None:
    expected: dict[int, float] = {}
    recorder = shared
    run = recorder.run()
    for batch in batches:
        recorder.append(run, points("x", [(step, 0, float(v), None) for step, v in batch]), once_per_step=True)
        for step, value in batch:
            expected.setdefault(step, float(value))
    assert read(recorder, run) == {"x": sorted(expected.items())}
    (summary,) = recorder.services.points.read_summaries(recorder.caller, SummaryQuery(recorder.selection(run))).items
    assert (summary.count, summary.last_step) == (len(expected), max(expected))
    assert summary.avg is not None
    assert np.isclose(summary.avg, np.mean(list(expected.values())))


def test_a_value_that_is_there_is_left_out_and_another_one_comes_after_it(recorder: Recorder) -> None:
    run = recorder.run()
    series = points("loss", [(step, 0, value, None) for step, value in ((0, 1.0), (2, float("inf")), (4, -0.0))])
    first = recorder.append(run, series, new_values_only=True)
    again = recorder.append(run, series, new_values_only=True)
    assert (first.points, again.points) == (3, 0)
    changed = points("loss", [(4, 0, 0.0, None), (0, 0, 5.0, None), (1, 0, 1.0, None), (0, 0, 1.0, None)])
    assert recorder.append(run, changed, new_values_only=True).points == 4
    assert recorder.append(run, points("loss", [(0, 0, 1.0, None)]), new_values_only=True).points == 0
    assert [row[0] for row in read(recorder, run)["loss"]] == [0, 0, 0, 1, 2, 4, 4]
    assert [value for step, value in read(recorder, run)["loss"] if step == 0] == [1.0, 5.0, 1.0]

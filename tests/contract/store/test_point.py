"""Points and summaries are those that the slow way works out, whatever was appended in whatever order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, select
from support.database import Place
from support.examples import examples
from support.recording import Recorder, Row, line, points, rows_of, same_rows

from runatlas.errors import NotFoundError, StoreError, ValidationError
from runatlas.model.ids import RunPath
from runatlas.model.page import PageRequest
from runatlas.model.ranges import RangeQuery
from runatlas.model.series import Context, PointBlock, PointQuery, Statistic, SummaryQuery, SummaryRecord
from runatlas.server.store.schema import chunks

NAN, INF = math.nan, math.inf
KEYS = ("a", "b")
CONTEXTS: tuple[Context, ...] = ((), (("x", 1),))

values = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([NAN, INF, -INF, 0.0, 1.0]))
row = st.tuples(st.integers(-5, 20), st.integers(0, 50), values, st.none() | st.integers(0, 3))
batch = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(CONTEXTS), st.lists(row, max_size=8)), min_size=1, max_size=4
)
ranges = st.one_of(
    st.none(),
    st.builds(lambda low, size: RangeQuery(start=low, end=low + size), st.integers(-6, 21), st.integers(0, 15)),
    st.builds(lambda low: RangeQuery(start=low), st.integers(-6, 21)),
    st.builds(lambda low: RangeQuery(end=low), st.integers(-6, 21)),
    st.builds(lambda last: RangeQuery(last=last), st.integers(1, 60)),
    st.builds(lambda head: RangeQuery(head=head), st.integers(1, 12)),
    st.builds(lambda tail: RangeQuery(tail=tail), st.integers(1, 12)),
    st.builds(lambda low, head: RangeQuery(start=low, head=head), st.integers(-6, 21), st.integers(1, 5)),
    st.builds(lambda last, tail: RangeQuery(last=last, tail=tail), st.integers(1, 60), st.integers(1, 5)),
)


@pytest.fixture(scope="module")
def shared(new_location: Place) -> Iterator[Recorder]:
    """One store for all examples of a test; each makes runs of its own."""
    services = new_location().services()
    yield Recorder.of(services)
    services.close()


def kept(rows: Sequence[Row], wanted: RangeQuery | None) -> tuple[list[Row], int]:
    """Choose the slow way: the rows of a range by step, and how many it had before it was cut."""
    found = sorted(rows, key=lambda row: row[0])
    if wanted is None:
        return found, len(found)
    start, end = wanted.start, wanted.end
    if wanted.last is not None:
        newest = max(row[1] for row in rows)
        found = [row for row in found if row[1] >= newest - wanted.last]
    if start is not None:
        found = [row for row in found if row[0] >= start]
    if end is not None:
        found = [row for row in found if row[0] <= end]
    total = len(found)
    if wanted.head is not None:
        found = found[: wanted.head]
    if wanted.tail is not None:
        found = found[-wanted.tail :]
    return found, total


def record(shared: Recorder, batches: Sequence[Any]) -> tuple[RunPath, dict[tuple[str, Context], list[Row]]]:
    run = shared.run()
    arrived: dict[tuple[str, Context], list[Row]] = {}
    for parts in batches:
        shared.append(run, *(points(key, rows, context=context) for key, context, rows in parts))
        for key, context, rows in parts:
            if rows:
                arrived.setdefault((key, context), []).extend(rows)
    return run, arrived


def read(shared: Recorder, query: PointQuery) -> PointBlock:
    return shared.services.points.read_points(shared.caller, query)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(batch, min_size=1, max_size=5), ranges)
def test_reading_gives_what_was_appended(shared: Recorder, batches: list[Any], wanted: RangeQuery | None) -> None:
    run, arrived = record(shared, batches)
    block = read(shared, PointQuery(shared.selection(run), range=wanted))
    found = rows_of(block)
    assert list(found) == [(run.run, key, context) for key, context in sorted(arrived)]
    for part in block.series:
        expected, total = kept(arrived[part.key, part.context], wanted)
        assert part.total == total
        assert same_rows(found[run.run, part.key, part.context], expected)


def close(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-6) or (math.isnan(found) and math.isnan(expected))


def expected_extreme(rows: Sequence[Row], sign: int) -> tuple[float, int] | None:
    known = [(sign * row[2], row[0]) for row in rows if not math.isnan(row[2])]
    value, step = min(known, default=(NAN, 0))
    return (sign * value, step) if known else None


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(batch, min_size=1, max_size=5))
def test_summaries_are_those_of_the_points(shared: Recorder, batches: list[Any]) -> None:
    run, arrived = record(shared, batches)
    page = shared.services.points.read_summaries(shared.caller, SummaryQuery(shared.selection(run)))
    assert [(found.key, found.context) for found in page.items] == sorted(arrived)
    for found in page.items:
        rows = arrived[found.key, found.context]
        known = np.array([row[2] for row in rows if not math.isnan(row[2])])
        last = [row for row in rows if row[0] == max(row[0] for row in rows)][-1]
        assert (found.count, found.first_step, found.last_step) == (len(rows), min(row[0] for row in rows), last[0])
        assert (found.latest.step, found.latest.time_ms) == last[:2]
        assert close(found.latest.value, last[2])
        for statistic, sign in ((found.min, 1), (found.max, -1)):
            assert (statistic and (statistic.value, statistic.step)) == expected_extreme(rows, sign)
        with np.errstate(invalid="ignore"):
            assert close(found.avg, known.mean() if len(known) else None)
            assert close(found.std, known.std() if len(known) else None)
            assert close(found.median, np.median(known) if len(known) else None)


def test_a_large_offset_does_not_cost_the_deviation(recorder: Recorder) -> None:
    run = recorder.run()
    for start in range(0, 100, 10):
        recorder.append(run, line("t", 10, start=start, value=lambda step: 1e9 + step % 2))
    (found,) = recorder.services.points.read_summaries(recorder.caller, SummaryQuery(recorder.selection(run))).items
    assert found.std == pytest.approx(0.5, rel=1e-9)


def test_sums_beyond_all_numbers_stay_readable(recorder: Recorder) -> None:
    run = recorder.run()
    for value in (1.7e308, -1.7e308, 1.7e308):
        recorder.append(run, points("huge", [(step, step, value, None) for step in range(3)]))
    (found,) = recorder.services.points.read_summaries(recorder.caller, SummaryQuery(recorder.selection(run))).items
    assert found.min == Statistic(-1.7e308, 0, 0)
    assert found.avg is not None
    assert math.isfinite(found.avg)


def test_many_runs_come_in_the_order_asked_with_those_that_have_nothing(recorder: Recorder) -> None:
    runs = [recorder.run(name) for name in ("c", "a", "b")]
    recorder.append(runs[0], line("loss", 2), line("acc", 1))
    recorder.append(runs[2], line("loss", 3))
    ids = ("b", "gone", "a", "c", "b")
    selection = attrs.evolve(recorder.selection(), ids=ids)
    block = read(recorder, PointQuery(selection, keys=("loss", "acc")))
    assert [run_id for _, run_id, _ in block.runs] == ["b", "a", "c"]
    assert block.missing == ("gone",)
    assert [(part.run, part.key, part.length) for part in block.series] == [
        (0, "loss", 3),
        (2, "loss", 2),
        (2, "acc", 1),
    ]
    assert block.epochs is None


def test_a_block_that_is_full_goes_on_at_its_cursor(recorder: Recorder) -> None:
    runs = [recorder.run(f"r{number}") for number in range(4)]
    for run in runs:
        recorder.append(run, line("a", 5), line("b", 5), line("b", 5, context=(("x", 1),)))
    whole = rows_of(read(recorder, PointQuery(recorder.selection())))
    found: dict[Any, Any] = {}
    sizes = []
    query = PointQuery(recorder.selection(), point_limit=12)
    while True:
        block = read(recorder, query)
        sizes.append(len(block.steps))
        found.update(rows_of(block))
        if block.next_cursor is None:
            break
        query = attrs.evolve(query, cursor=block.next_cursor)
    assert list(found.items()) == list(whole.items())
    assert sizes == [10] * 6


def test_a_cursor_survives_the_end_of_its_run(recorder: Recorder) -> None:
    runs = [recorder.run(f"r{number}") for number in range(3)]
    for run in runs:
        recorder.append(run, line("a", 5), line("b", 5))
    query = PointQuery(recorder.selection(), point_limit=5)
    first = read(recorder, query)
    trash = recorder.services.trash
    trash.delete(recorder.caller, trash.plan_run_deletion(recorder.caller, recorder.selection(runs[2]), force=True))
    rest = read(recorder, attrs.evolve(query, cursor=first.next_cursor, point_limit=100))
    assert [run_id for run_id, _, _ in rows_of(first)] == ["r2"]
    assert [run_id for run_id, _, _ in rows_of(rest)] == ["r1", "r1", "r0", "r0"]


def test_sampling_and_cutting_count_for_the_limit(recorder: Recorder) -> None:
    for number in range(3):
        recorder.append(recorder.run(f"r{number}"), line("a", 1000))
    selection = recorder.selection()
    assert read(recorder, PointQuery(selection, sample=100, point_limit=300)).next_cursor is None
    assert read(recorder, PointQuery(selection, range=RangeQuery(tail=100), point_limit=300)).next_cursor is None
    assert read(recorder, PointQuery(selection, point_limit=300)).next_cursor is not None


def test_a_sample_says_how_many_points_there_are(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, line("a", 5000, value=lambda step: math.sin(step / 50)))
    (part,) = read(recorder, PointQuery(recorder.selection(run), sample=100, range=RangeQuery(start=1000))).series
    assert (part.total, part.length <= 100) == (4000, True)


def test_steps_and_times_of_long_series_are_found_in_their_chunks(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, line("a", 200_000))
    selection = recorder.selection(run)
    block = read(recorder, PointQuery(selection, range=RangeQuery(start=131_070, end=131_075)))
    assert block.steps.to_pylist() == list(range(131_070, 131_076))
    block = read(recorder, PointQuery(selection, range=RangeQuery(last=3000)))
    assert block.steps.to_pylist() == [199_996, 199_997, 199_998, 199_999]
    times = RangeQuery(type="timestamp", start=0, end=2000)
    assert read(recorder, PointQuery(selection, range=attrs.evolve(times, start=None))).series[0].total == 200_000


def test_a_class_of_columns_can_be_chosen(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, line("loss", 1), line("cpu", 1, column_class="SYSTEM"))
    block = read(recorder, PointQuery(recorder.selection(run), column_class="SYSTEM"))
    assert [part.key for part in block.series] == ["cpu"]


def test_a_damaged_chunk_is_told_and_the_rest_comes(recorder: Recorder) -> None:
    run = recorder.run("r")
    recorder.append(run, line("a", 5))
    with recorder.services.store.write() as connection:
        data = bytearray(connection.execute(select(chunks.c.data)).scalar_one())
        data[60] ^= 1
        connection.execute(chunks.update().values(data=bytes(data)))
    recorder.append(run, line("b", 2))
    block = read(recorder, PointQuery(recorder.selection(run)))
    assert [part.key for part in block.series] == ["b"]
    (failure,) = block.failures
    assert (failure.path, failure.key) == (str(run), "a")
    assert "checksum" in failure.reason
    with pytest.raises(StoreError, match=r"the points of 'a' of .*/demo/r are damaged"):
        recorder.services.points.read_summaries(recorder.caller, SummaryQuery(recorder.selection(run)))
    told = recorder.services.points.read_summaries(recorder.caller, SummaryQuery(recorder.selection(run), median=False))
    assert [found.count for found in told.items] == [5, 2]


def test_summaries_come_page_by_page(recorder: Recorder) -> None:
    for number in range(4):
        recorder.append(
            recorder.run(f"r{number}"), *(line(key, number + 1) for key in "abc"), line("a", 1, context=(("x", 1),))
        )

    def page(**parts: Any) -> Any:
        query = SummaryQuery(recorder.selection(), page=PageRequest(**parts))
        return recorder.services.points.read_summaries(recorder.caller, query)

    whole = page(limit=100, with_total=True)
    found: list[SummaryRecord] = []
    cursor = None
    while True:
        part = page(limit=3, cursor=cursor)
        found += part.items
        cursor = part.next_cursor
        if cursor is None:
            break
    assert (tuple(found), whole.total, whole.next_cursor) == (whole.items, 16, None)
    assert page(limit=3, offset=5).items == whole.items[5:8]


def test_summaries_of_some_keys_only(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, line("a", 1), line("b", 1))
    query = SummaryQuery(recorder.selection(run), keys=("b",), median=False)
    (found,) = recorder.services.points.read_summaries(recorder.caller, query).items
    assert (found.key, found.median) == ("b", None)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"sample": 0}, "sample: expected 1 or more"),
        ({"point_limit": 0}, "point_limit: expected 1 or more"),
        ({"keys": (1,)}, "keys: expected text, got int"),
        ({"keys": ("\x00",)}, "keys: text must not have NUL"),
        ({"column_class": "X"}, "column_class: 'X' is none of"),
        ({"context": (("a", [1]),)}, "context: 'a' must map"),
        ({"cursor": "nonsense"}, "cursor: 'nonsense' is not one that this listing gave out"),
    ],
)
def test_a_query_out_of_bounds_is_refused(recorder: Recorder, parts: dict[str, Any], sentence: str) -> None:
    recorder.run()
    with pytest.raises(ValidationError, match=sentence):
        read(recorder, PointQuery(recorder.selection(), **parts))


def test_a_project_that_is_not_there_has_no_points(recorder: Recorder) -> None:
    with pytest.raises(NotFoundError):
        read(recorder, PointQuery(attrs.evolve(recorder.selection(), project="gone")))


def test_the_number_of_statements_does_not_grow_with_the_runs(recorder: Recorder) -> None:
    runs = [recorder.run(f"r{number}") for number in range(40)]
    for run in runs:
        recorder.append(run, line("loss", 3), line("acc", 3))
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    def count(chosen: Sequence[RunPath]) -> int:
        statements.clear()
        assert len(read(recorder, PointQuery(recorder.selection(*chosen))).series) == 2 * len(chosen)
        return len(statements)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert count(runs[:1]) == count(runs)
    finally:
        event.remove(Engine, "before_cursor_execute", note)

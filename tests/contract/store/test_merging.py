"""Merging changes how points lie, never what is read."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from sqlalchemy import func, select
from support.database import Location
from support.recording import Recorder, Row, line, points, rows_of

from runatlas.model.ids import RunPath
from runatlas.model.series import PointQuery, SummaryQuery
from runatlas.server.services.services import Services
from runatlas.server.store.check import check_store
from runatlas.server.store.merging import Merger, merge_series
from runatlas.server.store.point_chunk import decode_chunk
from runatlas.server.store.schema import chunks, runs, series


def sizes(services: Services) -> list[int]:
    with services.store.read() as connection:
        return list(connection.scalars(select(chunks.c.count).order_by(chunks.c.series_id, chunks.c.id)))


def only_series(services: Services) -> int:
    with services.store.read() as connection:
        return int(connection.execute(select(series.c.id)).scalar_one())


def read(recorder: Recorder, run: RunPath) -> list[Row]:
    block = recorder.services.points.read_points(recorder.caller, PointQuery(recorder.selection(run)))
    (rows,) = rows_of(block).values()
    return rows


def scattered(count: int, size: int) -> list[list[Row]]:
    """Batches whose steps come in no order, many of them the same."""
    chance = random.Random(count)
    return [
        [(chance.randrange(50), chance.randrange(10**6), float(number * size + place), None) for place in range(size)]
        for number in range(count)
    ]


def test_small_chunks_become_few_in_the_background(recorder: Recorder, location: Location) -> None:
    run = recorder.run()
    for start in range(0, 6400, 10):
        recorder.append(run, line("a", 10, start=start))
    recorder.services.close()
    services = location.services()
    try:
        held = sizes(services)
        assert len(held) < 64
        assert sum(held) == 6400
        with services.store.read() as connection:
            assert connection.execute(select(series.c.chunk_count)).scalar_one() == len(held)
        again = Recorder.of(services)
        assert [row[0] for row in read(again, run)] == list(range(6400))
    finally:
        services.close()


def test_merged_points_keep_the_order_of_their_arrival(recorder: Recorder) -> None:
    run = recorder.run()
    batches = scattered(100, 3)
    for rows in batches:
        recorder.append(run, points("a", rows, event_ids=tuple(f"{row[2]}" for row in rows)))
    store, series_id = recorder.services.store, only_series(recorder.services)
    merge_series(store, series_id)
    assert merge_series(store, series_id) == 0
    assert read(recorder, run) == sorted((row for rows in batches for row in rows), key=lambda row: row[0])
    with store.read() as connection:
        held = connection.scalars(select(chunks.c.data).where(chunks.c.series_id == series_id).order_by(chunks.c.id))
        kept = [event_id for data in held for event_id in decode_chunk(data).event_ids or ()]
    assert kept == [f"{row[2]}" for rows in batches for row in rows]


def test_chunks_of_uneven_sizes_are_merged_too(recorder: Recorder) -> None:
    run = recorder.run()
    total = 0
    for number in range(200):
        size = 1 if number % 2 else 300
        recorder.append(run, line("a", size, start=total))
        total += size
    merge_series(recorder.services.store, only_series(recorder.services))
    assert len(sizes(recorder.services)) < 100
    assert len(read(recorder, run)) == total


def test_no_chunk_grows_beyond_its_bound(recorder: Recorder) -> None:
    run = recorder.run()
    for start in range(0, 400_000, 10_000):
        recorder.append(run, line("a", 10_000, start=start))
    merge_series(recorder.services.store, only_series(recorder.services))
    held = sizes(recorder.services)
    assert max(held) <= 1 << 16
    assert len(held) <= 10


def test_reading_while_merging_and_appending_sees_every_acknowledged_point_once(recorder: Recorder) -> None:
    run = recorder.run()
    acknowledged = [0]
    done = threading.Event()
    wrong: list[str] = []

    def write() -> None:
        for start in range(0, 2000, 5):
            recorder.append(run, line("a", 5, start=start))
            acknowledged[0] = start + 5
        done.set()

    recorder.append(run, line("a", 1, start=-1))
    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        before = acknowledged[0]
        steps = [row[0] for row in read(recorder, run)]
        if steps != list(range(-1, len(steps) - 1)) or len(steps) <= before:
            wrong.append(f"{before} acknowledged, {len(steps)} read")
    thread.join()
    assert not wrong
    assert list(check_store(recorder.services.store)) == []
    (summary,) = recorder.services.points.read_summaries(recorder.caller, SummaryQuery(recorder.selection(run))).items
    assert summary.count == 2001 == len(read(recorder, run))


def test_two_mergers_of_one_series_lose_nothing(recorder: Recorder, location: Location) -> None:
    run = recorder.run()
    for rows in scattered(31, 4):
        recorder.append(run, points("a", rows))
    other = location.open()
    series_id = only_series(recorder.services)
    recorder.append(run, points("a", scattered(32, 4)[-1]))
    before = read(recorder, run)
    threads = [
        threading.Thread(target=merge_series, args=(store, series_id))
        for store in (recorder.services.store, other)
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert read(recorder, run) == before
    assert len(sizes(recorder.services)) == 1
    assert list(check_store(recorder.services.store)) == [], "the bytes that are kept of series and runs are right"


@pytest.mark.parametrize("change", [{"bytes": series.c.bytes + 1}, {"count": series.c.count + 1}])
def test_figures_that_do_not_fit_the_chunks_are_told(recorder: Recorder, change: dict[str, Any]) -> None:
    recorder.append(recorder.run("good"), line("a", 2), line("b", 3))
    recorder.append(recorder.run("wrong"), line("a", 2), line("b", 3))
    with recorder.services.store.write() as connection:
        newest = select(func.max(series.c.id)).scalar_subquery()
        connection.execute(series.update().where(series.c.id == newest).values(change))
    assert {told.runs for told in check_store(recorder.services.store)} == {(str(recorder.project.run("wrong")),)}


@pytest.mark.parametrize("name", ["point_count", "point_bytes"])
def test_figures_of_a_run_that_do_not_fit_are_told(recorder: Recorder, name: str) -> None:
    run = recorder.run("wrong")
    recorder.append(run, line("a", 2))
    assert list(check_store(recorder.services.store)) == []
    with recorder.services.store.write() as connection:
        connection.execute(runs.update().values({name: 7}))
    (told,) = check_store(recorder.services.store)
    assert (told.what, told.runs) == (str(run), (str(run),))


def test_a_damaged_series_stays_as_it_is_and_the_next_is_merged(recorder: Recorder, location: Location) -> None:
    damaged, whole = recorder.run("damaged"), recorder.run("whole")
    store = recorder.services.store
    recorder.append(damaged, line("a", 2))
    with store.write() as connection:
        connection.execute(chunks.update().values(data=b"nonsense"))
    for start in range(2, 64, 2):
        recorder.append(damaged, line("a", 2, start=start))
    for start in range(0, 60, 2):
        recorder.append(whole, line("b", 2, start=start))
    with store.read() as connection:
        ids = dict(connection.execute(select(series.c.key, series.c.id)).all())
    merger = Merger(store)
    merger.offer([ids["a"], ids["b"]])
    for start in range(60, 70, 2):
        recorder.append(whole, line("b", 2, start=start))
    merger.offer([ids["b"]])
    merger.drain()
    merger.close()
    with store.read() as connection:
        counted = connection.execute(select(chunks.c.series_id, func.count()).group_by(chunks.c.series_id))
        held: dict[int, int] = dict(counted.all())
    assert held[ids["a"]] == 32
    assert held[ids["b"]] < 32


def test_a_thread_that_fails_is_seen_and_followed_by_another(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    run, store = recorder.run(), recorder.services.store
    merger = Merger(store)
    nonsense: Any = object()
    merger.offer([nonsense])
    merger.drain()
    for start in range(0, 128, 2):
        recorder.append(run, line("a", 2, start=start))
    merger.offer([only_series(recorder.services)])
    merger.drain()
    merger.close()

    assert len(seen) == 1
    assert len(sizes(recorder.services)) < 64

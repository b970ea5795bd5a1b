"""Purging frees the room of what goes, in steps: nothing is half there, and a purge that broke off is finished."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select
from support.database import Clock, Location
from support.recording import Recorder

from runatlas.errors import BusyError
from runatlas.model.arrow_array import make_array
from runatlas.model.filter_language import parse_filter
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.run import RunSelection
from runatlas.model.series import SeriesPoints
from runatlas.server.services.services import Services
from runatlas.server.store.check import check_store
from runatlas.server.store.schema import chunks, projects, runs, series, trash

RUNS, KEYS = 20, 100


class Killed(BaseException):
    """Ends a purge as a kill does: between two of its transactions, and past everything that could tidy up."""


class Watch(Clock):
    """A clock that calls when it is looked at, which a store does before each transaction."""

    call: Callable[[], None] = staticmethod(lambda: None)

    def __call__(self) -> int:
        self.call()
        return super().__call__()


def fill(recorder: Recorder, *names: str, points: int = 5, keys: int = KEYS) -> None:
    steps = np.arange(points, dtype=np.int64)
    with recorder.services.store.together():
        for name in names:
            run = recorder.run(name)
            values = [make_array(np.random.default_rng(number).random(points)) for number in range(keys)]
            recorder.append(
                run,
                *(
                    SeriesPoints(f"k{number}", make_array(steps), held, make_array(steps * 1000))
                    for number, held in enumerate(values)
                ),
            )


def delete(recorder: Recorder, *names: str) -> str:
    with recorder.services.store.together():
        chosen = recorder.selection(*map(recorder.project.run, names))
        plan = recorder.services.trash.plan_run_deletion(recorder.caller, chosen, force=True)
        return recorder.services.trash.delete(recorder.caller, plan).trash_id


def counted(services: Services) -> dict[str, int]:
    with services.store.read() as connection:
        tables = (chunks, series, runs, projects, trash)
        return {table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def bytes_of(location: Location) -> int:
    return sum(path.stat().st_size for path in Path(location.name).rglob("*") if path.is_file())


def test_what_is_purged_is_free(recorder: Recorder, location: Location) -> None:
    names = [f"r{number}" for number in range(11)]
    fill(recorder, *names, points=10_000, keys=10)
    entry = delete(recorder, *names[1:])
    planned = recorder.services.purging.purge(recorder.caller, trash_id=entry, dry_run=True)
    assert (planned.points, planned.point_bytes > 8_000_000, planned.bytes_after) == (1_000_000, True, None)
    done = recorder.services.purging.purge(recorder.caller, trash_id=entry)
    assert (done.points, done.point_bytes, done.bytes_before) == (1_000_000, planned.point_bytes, planned.bytes_before)
    assert done.bytes_after is not None
    assert planned.bytes_before is not None
    assert done.bytes_after < planned.bytes_before - 0.9 * planned.point_bytes
    if location.engine == "sqlite":
        assert done.bytes_after < planned.bytes_before / 4
        # The index of the log, which nobody counts.
        assert bytes_of(location) - done.bytes_after < 100_000
    assert list(check_store(recorder.services.store)) == []


def test_others_write_in_between_and_see_all_of_an_entry_or_nothing(location: Location) -> None:
    clock = Watch(location.clock.now_ms)
    watched = Location(location.engine, location.name, location.blobs_dir, clock)
    services, other = watched.services(), location.services()
    recorder = Recorder.of(services)
    names = [f"r{number}" for number in range(RUNS)]
    fill(recorder, *names, "kept")
    entry = delete(recorder, *names)
    seen: list[tuple[int, int]] = []
    left, wrote = [counted(other)["chunks"]], list[int]()

    def look() -> None:
        usage = other.admin.get_usage(other.owner())
        entries = other.trash.list_trash(other.owner(), None, PageRequest()).items
        seen.append((sum(held.runs for held in entries), usage.trashed_runs))
        left.append(counted(other)["chunks"])
        with suppress(BusyError), other.store.write(waits=False) as connection:
            connection.execute(runs.update().where(runs.c.run_id == "kept").values(name=f"{len(left)}"))
            wrote.append(len(left))

    clock.call = look
    services.purging.purge(recorder.caller, trash_id=entry)
    clock.call = Watch.call
    assert set(seen) == {(RUNS, RUNS), (0, 0)}
    steps = [before - after for before, after in pairwise(left) if after < before]
    assert len(wrote) > len(steps) > 1
    assert max(steps) <= 1000
    assert list(check_store(other.store)) == []
    other.close()
    services.close()


def test_a_purge_that_broke_off_is_finished_by_the_next(location: Location) -> None:
    clock, chance = Watch(location.clock.now_ms), random.Random(1)
    watched = Location(location.engine, location.name, location.blobs_dir, clock)
    services, other = watched.services(), location.services()
    recorder = Recorder.of(services)
    fill(recorder, "kept")
    kept = counted(other)
    names = [f"r{number}" for number in range(RUNS)]
    calls: list[int] = []
    fill(recorder, *names)
    entry = delete(recorder, *names)
    clock.call = lambda: calls.append(1)
    services.purging.purge(recorder.caller, trash_id=entry)
    broken = 0
    for moment in sorted(chance.sample(range(len(calls) // 3, len(calls) * 3 // 4), 3)):
        clock.call = Watch.call
        fill(recorder, *names)
        entry = delete(recorder, *names)
        before = counted(other)
        calls.clear()

        def look(moment: int = moment) -> None:
            calls.append(1)
            if len(calls) > moment:
                raise Killed

        clock.call = look
        with pytest.raises(Killed):
            services.purging.purge(recorder.caller, trash_id=entry)
        clock.call = Watch.call
        there = counted(other)
        broken += there not in (before, kept)
        listed = other.trash.list_trash(other.owner(), None, PageRequest()).items
        assert [held.runs for held in listed] == [], "it was begun, and so nobody can bring half of it back"
        assert list(check_store(other.store)) == []
        fill(recorder, names[0])
        assert other.purging.purge(other.owner()).entries == 0
        assert list(check_store(other.store)) == []
        other.purging.purge(other.owner(), trash_id=delete(recorder, names[0]))
        assert counted(other) == kept
    assert broken
    services.close()
    other.close()


def test_a_project_that_goes_takes_along_what_was_deleted_of_it_before(recorder: Recorder) -> None:
    other = Recorder(recorder.services, recorder.caller, ProjectPath(recorder.caller.username, "other"))
    fill(recorder, "a", "b")
    fill(other, "c")
    both = delete(recorder, "a")
    trash_service = recorder.services.trash
    plan = trash_service.plan_project_deletion(recorder.caller, recorder.project, force=True)
    entry = trash_service.delete(recorder.caller, plan).trash_id
    assert recorder.services.purging.purge(recorder.caller, trash_id=entry).runs == 2
    listed = trash_service.list_trash(recorder.caller, None, PageRequest()).items
    assert both not in [held.id for held in listed]
    assert counted(recorder.services) == {"chunks": KEYS, "series": KEYS, "runs": 1, "projects": 1, "trash": 0}


def test_an_entry_over_several_projects_counts_what_a_purge_of_one_leaves(recorder: Recorder) -> None:
    other = Recorder(recorder.services, recorder.caller, ProjectPath(recorder.caller.username, "other"))
    fill(recorder, "a", "b", "e")
    fill(other, "c", "d")
    trash_service, caller = recorder.services.trash, recorder.caller
    of_all = RunSelection(caller.username, filter=parse_filter("id != 'e'"))
    over_both = trash_service.delete(caller, trash_service.plan_run_deletion(caller, of_all, force=True)).trash_id
    plan = trash_service.plan_project_deletion(caller, recorder.project, force=True)
    entry = trash_service.delete(caller, plan).trash_id
    (beside,) = (held for held in trash_service.list_trash(caller, None, PageRequest()).items if held.id == over_both)
    assert beside.runs == 4
    assert recorder.services.purging.purge(caller, trash_id=entry).runs == 3
    (left,) = trash_service.list_trash(caller, None, PageRequest()).items
    assert (left.id, left.runs) == (over_both, 2)
    assert trash_service.list_trashed_runs(caller, over_both, PageRequest(with_total=True)).total == 2
    assert trash_service.restore(caller, over_both).runs == 2

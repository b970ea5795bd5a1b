"""Copies come in steps: others write in between, nobody sees a part, and what a kill leaves is garbage a day later."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count, pairwise

import attrs
import numpy as np
import pytest
from sqlalchemy import func, select
from support.database import Clock, Location
from support.recording import Recorder, line

from runatlas.errors import BusyError, ConflictError, NotFoundError, PermissionDeniedError
from runatlas.model.arrow_array import make_array
from runatlas.model.change import ChangeQuery
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft, ProjectPatch
from runatlas.model.run import RunPatch, RunSelection
from runatlas.model.series import PointQuery, SeriesPoints, SummaryQuery
from runatlas.model.transfer import TransferDraft, TransferPlanRecord
from runatlas.server.services.services import Services
from runatlas.server.store.check import check_store
from runatlas.server.store.garbage import collect_garbage, find_leftovers
from runatlas.server.store.run_copy import LEFT_OUT
from runatlas.server.store.schema import chunks, metadata, projects, runs, series, trash

RUNS, KEYS = 110, 3
DAY_MS = 24 * 3600 * 1000


class Killed(BaseException):
    """Ends a copy as a kill does: between two of its transactions, and past everything that could tidy up."""


class Watch(Clock):
    """A clock that calls when it is looked at, which a store does before each transaction.

    Who merges chunks in the background looks at it too, whenever there is time for that; it calls only for the test.
    """

    call: Callable[[], None] = staticmethod(lambda: None)

    def __call__(self) -> int:
        if threading.current_thread() is threading.main_thread():
            self.call()
        return super().__call__()


def watched(location: Location) -> tuple[Watch, Services]:
    """Open a store with such a clock."""
    clock = Watch(location.clock.now_ms)
    return clock, Location(location.engine, location.name, location.blobs_dir, clock).services()


def fill(recorder: Recorder, number: int = RUNS, keys: int = KEYS, length: int = 5) -> None:
    """Make runs that have ended, with points."""
    steps = np.arange(length, dtype=np.int64)
    with recorder.services.store.together():
        for index in range(number):
            run = recorder.run(f"r{index}")
            values = [make_array(np.random.default_rng((index, key)).random(length)) for key in range(keys)]
            recorder.append(
                run,
                *(
                    SeriesPoints(f"k{key}", make_array(steps), held, make_array(steps * 1000))
                    for key, held in enumerate(values)
                ),
            )
        ended = RunPatch(state="FINISHED")
        recorder.services.runs.update_runs(recorder.caller, recorder.selection(), ended)


def plan(recorder: Recorder, target: str = "copies") -> TransferPlanRecord:
    where = f"{recorder.project.workspace}/{target}"
    draft = TransferDraft("copy", where, recorder.selection(), create=True)
    return recorder.services.transfers.plan_transfer(recorder.caller, draft)


def counted(services: Services) -> dict[str, int]:
    with services.store.read() as connection:
        tables = (chunks, series, runs, projects, trash)
        return {table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def read(recorder: Recorder, project: str) -> object:
    """All points and summaries of a project's runs."""
    chosen = RunSelection(recorder.project.workspace, project)
    block = recorder.services.points.read_points(recorder.caller, PointQuery(chosen))
    names = [run_id for _, run_id, _ in block.runs]
    values = block.values.to_pylist()
    held = {(names[part.run], part.key): values[part.start : part.start + part.length] for part in block.series}
    page = PageRequest(limit=1000)
    summaries = recorder.services.points.read_summaries(recorder.caller, SummaryQuery(chosen, page=page)).items
    return names, held, sorted(repr(attrs.evolve(item, run="")) for item in summaries)


def test_others_write_in_between_and_see_all_copies_or_none(location: Location) -> None:
    clock, services = watched(location)
    other, recorder = location.services(), Recorder.of(services)
    fill(recorder)
    before = other.admin.get_usage(other.owner())
    seen, copies, wrote = set[tuple[int, int, int]](), [counted(other)["chunks"]], list[int]()

    def look() -> None:
        usage = other.admin.get_usage(other.owner())
        seen.add((usage.runs, usage.projects, usage.trashed_runs))
        assert other.trash.list_trash(other.owner(), None, PageRequest()).items == ()
        assert not other.retirement.is_retired(other.owner(), "r7")
        copies.append(counted(other)["chunks"])
        with suppress(BusyError), other.store.write(waits=False) as connection:
            connection.execute(runs.update().where(runs.c.run_id == "r0").values(name=f"{len(copies)}"))
            wrote.append(len(copies))

    chosen = plan(recorder)
    clock.call = look
    services.transfers.copy_runs(recorder.caller, chosen)
    clock.call = Watch.call
    assert seen <= {(RUNS, 1, 0), (2 * RUNS, 2, 0)}
    assert (before.runs, before.projects) == (RUNS, 1)
    steps = [after - held for held, after in pairwise([*copies, counted(other)["chunks"]]) if after > held]
    assert (sum(steps), len(steps) > 1, len(wrote) > len(steps)) == (RUNS * KEYS, True, True)
    assert read(recorder, "copies") == read(recorder, recorder.project.project)
    assert counted(other)["trash"] == 0
    assert list(check_store(other.store)) == []
    other.close()
    services.close()


def test_long_series_are_written_in_parts(location: Location) -> None:
    clock, services = watched(location)
    other, recorder = location.services(), Recorder.of(services)
    fill(recorder, 1, keys=2, length=700_000)
    sizes = list[int]()

    def look() -> None:
        with other.store.read() as connection:
            sizes.append(int(connection.scalar(select(func.sum(func.length(chunks.c.data)))) or 0))

    chosen = plan(recorder)
    clock.call = look
    services.transfers.copy_runs(recorder.caller, chosen)
    clock.call = Watch.call
    look()
    steps = [after - held for held, after in pairwise(sizes) if after > held]
    assert len(steps) > 1
    assert max(steps) <= 8 << 20
    assert list(check_store(other.store)) == []
    found = services.points.read_summaries(
        recorder.caller, SummaryQuery(RunSelection(recorder.project.workspace, "copies"))
    )
    assert [item.count for item in found.items] == [700_000] * 2
    other.close()
    services.close()


def test_what_a_kill_leaves_is_seen_by_nobody_and_collected(location: Location) -> None:
    clock, services = watched(location)
    other, recorder = location.services(), Recorder.of(services)
    fill(recorder)
    before, held = counted(other), read(recorder, recorder.project.project)
    calls, whole = list[int](), plan(recorder, "whole")
    clock.call = lambda: calls.append(1)
    services.transfers.copy_runs(recorder.caller, whole)
    clock.call = Watch.call
    broken = 0
    services.trash.delete_project(recorder.caller, ProjectPath(recorder.project.workspace, "whole"))
    services.purging.purge(recorder.caller, expired_only=False)
    assert counted(other) == before
    for moment in random.Random(1).sample(range(4, len(calls)), 4):
        chosen, left = plan(recorder), count(moment, -1)

        def look(left: count[int] = left) -> None:
            if next(left) <= 0:
                raise Killed

        clock.call = look
        with pytest.raises(Killed):
            services.transfers.copy_runs(recorder.caller, chosen)
        clock.call = Watch.call
        if counted(other)["projects"] == 2 and other.admin.get_usage(other.owner()).projects == 2:
            pytest.fail("it was done, and then it was killed")
        broken += counted(other) != before
        assert other.trash.list_trash(other.owner(), None, PageRequest()).items == ()
        assert other.admin.get_usage(other.owner()).runs == RUNS
        assert list(check_store(other.store)) == []
        collect_garbage(other.store)
        assert counted(other)["trash"] == (counted(other) != before), "somebody may still be at work"
        assert find_leftovers(other.store)[0].count == 0
        location.clock.advance(DAY_MS + 1)
        clock.advance(DAY_MS + 1)
        assert find_leftovers(other.store)[0].count == counted(other)["runs"] - RUNS
        collect_garbage(other.store)
        assert counted(other) == before
    assert broken
    assert read(recorder, recorder.project.project) == held
    services.close()
    other.close()


def test_a_run_is_copied_as_it_is_at_one_moment(location: Location) -> None:
    clock, services = watched(location)
    other, recorder = location.services(), Recorder.of(services)
    writer = Recorder.of(other)
    fill(recorder, 1, keys=30)
    run, step = recorder.project.run("r0"), count(100)

    def record() -> None:
        if not counted(other)["trash"]:
            return  # It has not begun, and keeps who writes waiting.
        with suppress(BusyError):
            with other.store.write(waits=False) as connection:
                # Not while the copy holds the lock of the run, in this same thread.
                connection.execute(select(runs.c.id).where(runs.c.run_id == "r0").with_for_update())
                place = next(step)
            writer.append(run, *(line(f"k{key}", 1, start=place) for key in range(30)))

    chosen = plan(recorder)
    clock.call = record
    services.transfers.copy_runs(recorder.caller, chosen)
    clock.call = Watch.call
    summaries = services.points.read_summaries(
        recorder.caller, SummaryQuery(RunSelection(recorder.project.workspace, "copies"), page=PageRequest(limit=100))
    ).items
    assert len(summaries) == 30
    assert len({item.count for item in summaries}) == 1
    assert next(step) > 102, "it was recorded while it was copied"
    assert list(check_store(services.store)) == []
    other.close()
    services.close()


@pytest.mark.parametrize("gone", ["project", "purged", "taken", "renamed"])
def test_a_copy_that_cannot_be_shown_leaves_nothing(location: Location, gone: str) -> None:
    clock, services = watched(location)
    other, recorder = location.services(), Recorder.of(services)
    fill(recorder, 8, keys=1)
    owner, target = other.owner(), ProjectPath(recorder.project.workspace, "copies")
    services.projects.create_project(recorder.caller, ProjectDraft("copies"))
    before, chosen, calls = counted(other), plan(recorder), count()

    def change() -> None:
        # The first moment at which something of it is there.
        if next(calls) > 2 and counted(other)["runs"] > 8:
            clock.call = Watch.call
            if gone == "taken":
                Recorder(other, owner, target).run("r7")
            elif gone == "renamed":
                other.projects.update_project(owner, target, ProjectPatch(name="elsewhere"))
            else:
                entry = other.trash.delete_project(owner, target, force=True).trash_id
                if gone == "purged":
                    other.purging.purge(owner, trash_id=entry)

    clock.call = change
    with pytest.raises((ConflictError, NotFoundError), match="r7" if gone == "taken" else "copies|removed meanwhile"):
        services.transfers.copy_runs(recorder.caller, chosen)
    clock.call = Watch.call
    found = counted(other)
    assert (found["chunks"], found["series"], found["runs"]) == (
        before["chunks"],
        before["series"],
        8 + (gone == "taken"),
    )
    assert list(check_store(other.store)) == []
    other.close()
    services.close()


def _meanwhile(recorder: Recorder, other: Services) -> dict[str, tuple[Callable[[], object], str]]:
    """What may become of a copy's ends while it is at work, and what is said of it."""
    owner, project = other.owner(), recorder.project
    run = RunSelection(project.workspace, project.project, ids=("r7",))
    return {
        "project deleted": (lambda: other.trash.delete_project(owner, project, force=True), str(project)),
        "run deleted": (lambda: other.trash.delete_runs(owner, run, force=True), r"r7 \(in the trash"),
        "run moved": (lambda: other.runs.update_runs(owner, run, RunPatch(project="third")), "r7.*now .*/third/r7"),
        "run goes on": (lambda: other.runs.update_runs(owner, run, RunPatch(state="RUNNING")), "r7 is still running"),
        "role taken": (
            lambda: other.workspaces.set_member(owner, project.workspace, "ann", None),
            "there is no",
        ),
        "role less": (
            lambda: other.workspaces.set_member(owner, project.workspace, "ann", "VIEWER"),
            "ann may not",
        ),
    }


@pytest.mark.parametrize("target", ["copies", "new"])
def test_a_copy_whose_ends_are_not_as_they_were_is_refused(location: Location, target: str) -> None:
    """Another takes the runs away, or the right to copy them, once a copy has begun."""
    clock, services = watched(location)
    other, recorder = location.services(), Recorder.of(services)
    fill(recorder, 8, keys=1)
    owner = other.owner()
    for name in ("copies", "third"):
        other.projects.create_project(owner, ProjectDraft(name))
    other.admin.create_user(owner, "ann")
    ann = services.accounts.authenticate(other.accounts.create_key(owner, "ann").secret)
    assert ann is not None
    for change, (act, told) in _meanwhile(recorder, other).items():
        other.workspaces.set_member(owner, recorder.project.workspace, "ann", "MEMBER")
        chosen, before = plan(recorder, target), counted(other)

        def look(act: Callable[[], object] = act) -> None:
            if counted(other)["runs"] > 8:
                clock.call = Watch.call
                act()

        clock.call = look
        with pytest.raises((ConflictError, NotFoundError, PermissionDeniedError), match=told):
            services.transfers.copy_runs(ann, chosen)
        assert clock.call is Watch.call, change
        found = counted(other)
        assert (found["runs"], found["chunks"], found["projects"]) == (8, before["chunks"], 3), change
        for line_ in other.changes.list_changes(owner, ChangeQuery(page=PageRequest(limit=1))).items:
            if "role" not in change:
                other.changes.undo_change(owner, line_.id)
    other.close()
    services.close()


def test_all_that_hangs_on_runs_is_copied_or_left_out_on_purpose() -> None:
    """A new table of the store's is one or the other."""
    hanging = {name for name, table in metadata.tables.items() if "run_pk" in table.c}
    assert hanging - LEFT_OUT == {
        *("annotations", "artifacts", "blob_refs", "event_ids", "logs", "long_contexts", "run_configs", "run_labels"),
        *("run_profiles", "run_versions", "series", "stepless_events", "uploads", "writers"),
    }
    assert hanging >= LEFT_OUT

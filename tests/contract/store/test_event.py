"""Events: what came with a point comes back with it, and each is applied once a run."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from arro3.core import Array, DataType
from support.recording import Recorder, points, rows_of

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.ids import RunPath
from runatlas.model.run import Profile, RunDraft, RunPatch
from runatlas.model.series import PointQuery, SeriesPoints


def _events(key: str, rows: list[tuple[str, int | None]], **parts: Any) -> SeriesPoints:
    made = points(key, [(0, 10 * i, float(i), None) for i in range(len(rows))], **parts)
    steps = Array([step for _, step in rows], DataType.int64())
    return attrs.evolve(made, steps=steps, event_ids=tuple(name for name, _ in rows))


def _read(recorder: Recorder, run: RunPath) -> dict[str, list[tuple[str | None, int, bool]]]:
    found = recorder.services.events.read_series(recorder.caller, run)
    return {
        series.key: list(zip(series.event_ids, series.steps.tolist(), series.stepless.tolist(), strict=True))
        for series in found
    }


def test_an_event_without_a_step_gets_the_one_after_the_last(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, _events("loss", [("a", None), ("b", None), ("c", 7), ("d", None)]))
    recorder.append(run, _events("loss", [("e", None), ("a", 3), ("f", 2)]), _events("acc", [("g", None)]))
    assert _read(recorder, run) == {
        "acc": [("g", 0, True)],
        "loss": [
            ("a", 0, True),
            ("b", 1, True),
            ("c", 7, False),
            ("d", 8, True),
            ("e", 9, True),
            ("f", 2, False),
        ],
    }
    block = recorder.services.points.read_points(recorder.caller, PointQuery(recorder.selection(run), keys=("loss",)))
    ((rows),) = rows_of(block).values()
    assert [row[0] for row in rows] == [0, 1, 2, 7, 8, 9]


def test_only_events_may_be_without_a_step(recorder: Recorder) -> None:
    series = attrs.evolve(_events("loss", [("a", None)]), event_ids=None)
    with pytest.raises(ValidationError, match="nulls"):
        recorder.append(recorder.run(), series)


def test_when_an_event_arrived_is_known(recorder: Recorder) -> None:
    run = recorder.run()
    before = recorder.services.store.clock()
    recorder.append(run, _events("loss", [("a", 1), ("b", 2)]))
    times = recorder.services.events.received_times(recorder.caller, run, ["a", "b", "c"])
    assert set(times) == {"a", "b"}
    assert before <= min(times.values()) <= max(times.values()) <= recorder.services.store.clock()


def test_what_is_no_point_is_claimed_once_a_run(recorder: Recorder) -> None:
    run, other = recorder.run(), recorder.run()
    events = recorder.services.events
    assert events.claim(recorder.caller, run, "start")
    assert not events.claim(recorder.caller, run, "start")
    assert events.claim(recorder.caller, other, "start")


def test_what_is_too_long_for_a_context_is_kept_by_its_digest(recorder: Recorder) -> None:
    run = recorder.run()
    events = recorder.services.events
    long = {"b": "x" * 5000, "a": [1, {"c": None}]}
    digest = events.keep_metadata(recorder.caller, run, long)
    assert events.keep_metadata(recorder.caller, run, dict(reversed(long.items()))) == digest
    assert events.kept_metadata(recorder.caller, run) == {digest: long}
    assert events.kept_metadata(recorder.caller, recorder.run()) == {}


def test_replacing_keeps_what_was_replaced(recorder: Recorder) -> None:
    runs, caller = recorder.services.runs, recorder.caller
    first = RunDraft(recorder.project, id="r", description="one", config={"lr": 1}, create_project=True)
    made, created = runs.create_run(caller, first)
    second = attrs.evolve(first, description="two", config={"seed": {"a": None}}, if_exists="replace", name="ignored")
    found, again = runs.create_run(caller, second)
    assert (created, again) == (True, False)
    assert (found.cuid, found.description, found.config) == (made.cuid, "two", {"seed": {"a": None}})
    assert (found.state, found.name) == ("RUNNING", "")
    unchanged, _ = runs.create_run(caller, second)
    assert unchanged.updated_at_ms == found.updated_at_ms
    (version,) = recorder.services.events.earlier_versions(caller, made.path)
    assert (version.description, version.config) == ("one", '{"lr":1}')
    assert version.until_ms <= found.updated_at_ms


def test_metadata_is_replaced_name_by_name(recorder: Recorder) -> None:
    runs, caller = recorder.services.runs, recorder.caller
    run = recorder.run("r")
    assert runs.update_run(caller, run, RunPatch(metadata={"a": 1})).profile == Profile({"a": 1})
    runs.update_run(caller, run, RunPatch(profile=Profile(requirements="numpy")))
    found = runs.update_run(caller, run, RunPatch(metadata={"b": {"c": 2}}, state="FINISHED"))
    assert found.profile == Profile({"a": 1, "b": {"c": 2}}, "numpy")
    assert found.state == "FINISHED"
    with pytest.raises(NotFoundError):
        runs.update_run(caller, recorder.project.run("s"), RunPatch(metadata={"a": 1}))


def test_a_folder_is_found_by_its_id(recorder: Recorder) -> None:
    folders, caller = recorder.services.folders, recorder.caller
    run = recorder.run("r")
    outer = folders.create_folder(caller, recorder.project, "outer")
    inner = folders.create_folder(caller, recorder.project, "inner", outer.id)
    recorder.services.runs.update_run(caller, run, RunPatch(folder_id=inner.id))
    found = folders.find_folder(caller, inner.id)
    assert found == attrs.evolve(inner, runs=1)
    assert folders.list_run_ids(caller, found) == ("r",)
    assert folders.list_run_ids(caller, outer) == ()
    with pytest.raises(NotFoundError):
        folders.find_folder(caller, "none")


def test_an_id_that_no_engine_holds_is_refused(recorder: Recorder) -> None:
    run, events = recorder.run(), recorder.services.events
    assert events.claim(recorder.caller, run, "begun")
    for odd in ("begun\0", "\0", "\ud800"):
        with pytest.raises(ValidationError, match="text must not have"):
            events.claim(recorder.caller, run, odd)
    assert not events.claim(recorder.caller, run, "begun")


def test_what_no_engine_holds_stands_for_nothing_in_a_list_that_is_asked_for(recorder: Recorder) -> None:
    run, events = recorder.run(), recorder.services.events
    recorder.append(run, _events("loss", [("a", 0)]))
    assert events.received_times(recorder.caller, run, ["a\0b", "a\ud800", "\0"]) == {}
    assert set(events.received_times(recorder.caller, run, ["a\0b", "a"])) == {"a"}

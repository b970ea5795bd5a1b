"""How a run ends: the state behind all it closes, and the ends that Python lets one know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runatlas import Api, Run
from runatlas.model.batch import Batch
from runatlas.model.run import RunPatch
from runatlas.tracking.entry import Head, body_of, count_body
from runatlas.tracking.frame import Frame
from runatlas.tracking.spool import find_spools


def written(directory: Path) -> list[Batch | RunPatch]:
    """What the one spool in a directory holds, in its order: the order in which a store gets it."""
    (left,) = find_spools(directory / "spool")
    bodies = [body_of(item) for item in left.frames() if isinstance(item, Frame) and item.kind != "sent"]
    return [body for body in bodies if not isinstance(body, Head)]


# -- the order --------------------------------------------------------------------------------------------------------


def test_the_last_state_comes_behind_all_that_it_closes(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"0123")
    with Run(repo=tmp_path, mode="offline") as run:
        run.log({"loss": 1.0})
        run.log_artifact(tmp_path / "weights.bin")
        run["late"] = 1
        print("the last line, without an end", end="")
    *before, last = written(tmp_path)

    assert isinstance(last, RunPatch) and last.state == "FINISHED"
    assert not any(isinstance(body, RunPatch) and body.state is not None for body in before)
    batches = [body for body in before if isinstance(body, Batch)]
    assert sum(count_body(batch) for batch in batches) == 3
    assert [line.message for batch in batches for line in batch.logs] == ["the last line, without an end"]
    assert [file.name for batch in batches for file in batch.artifacts] == ["weights.bin"]


def test_a_state_that_is_set_keeps_its_place(tmp_path: Path) -> None:
    with Run(repo=tmp_path, mode="offline", capture_terminal_logs=False) as run:
        run.log({"loss": 1.0})
        run.update(state="CRASHED")
        run.log({"loss": 2.0})
        run.update(state="RUNNING")
    told = [body.state if isinstance(body, RunPatch) else count_body(body) for body in written(tmp_path)]

    assert told == [1, "CRASHED", 1, "RUNNING", "FINISHED"] or told == [1, "CRASHED", 1, "FINISHED"]


def test_who_did_not_end_his_runs_can_end_them_later(place: str) -> None:
    runs = [Run(f"r{number}", repo=place, experiment="left", capture_terminal_logs=False) for number in range(4)]
    for run in runs:
        run.close()
    api = Api(place, cache=False)
    project = api.workspace().unwrap().project("left")
    run = project.run("r0").unwrap()

    run.update(state="ABORTED", error="the machine was taken away").unwrap()
    assert (run.state, run.crash_message, run.finished_at is None) == ("ABORTED", "the machine was taken away", False)
    assert project.runs("id in ['r1', 'r2']").update(state="CRASHED").unwrap().total == 2
    command = [sys.executable, "-m", "runatlas", "api", "update", project.run("r3").path, "--state", "FINISHED"]
    where = ["--host" if place.startswith("http") else "--dir", place]
    subprocess.run([*command, *where], check=True, capture_output=True)
    assert {run.id: run.state for run in project.runs().refresh()} == {
        "r0": "ABORTED",
        "r1": "CRASHED",
        "r2": "CRASHED",
        "r3": "FINISHED",
    }
    assert run.update(state="RUNNING").unwrap().finished_at is None
    with pytest.raises(ValueError, match="state: 'DONE' is not one of"):
        run.update(state="DONE")  # type: ignore[typeddict-item]

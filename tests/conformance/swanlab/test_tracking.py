"""What SwanLab's tracker writes, our own client reads."""

from __future__ import annotations

import math
from typing import Any

import pytest
from support.swanlab_site import TEAM, Site
from support.world import make_png

from runatlas.entities.run import Run

pytestmark = pytest.mark.xdist_group("conformance-swanlab")


@pytest.fixture(scope="module")
def told(site: Site, version: str) -> Any:
    """What the script tells, after it tracked a run, went on with it, and crashed another."""
    return site.call(version, "track.py", {"workspace": TEAM, "id": f"run {version}"})


@pytest.fixture(scope="module")
def run(site: Site, version: str, told: Any) -> Run:
    return site.api().run(f"{TEAM}/demo/run {version}")


def test_a_run_has_what_it_was_made_with(run: Run, told: Any, version: str) -> None:
    assert told["id"] == run.id == f"run {version}"
    assert (run.name, run.description, run.group, run.job_type) == ("run one", "the first", "g1", "train")
    assert run.labels == ["a", "b"]
    assert run.state == "FINISHED"
    assert run.user["username"] == "ann"
    assert run.finished_at is not None
    assert run.config == {
        "lr": 0.1,
        "none": None,
        "net": {"depth": 18},
        "layers": [1, 2],
        "name": "été",
        "more": 1,
    }


def test_the_profile_outlives_going_on(run: Run) -> None:
    metadata = run.profile["metadata"]
    assert metadata["hardware"]
    assert metadata["runtime"]["python_version"]
    assert run.profile["requirements"]


def test_every_point_is_there_once(run: Run) -> None:
    table = run.metrics(["train/loss", "acc"], all=True).unwrap()
    loss, acc = table["train/loss"], table["acc"]
    assert loss.steps.to_pylist() == list(range(25))
    assert loss.values.to_pylist() == [1 / (step + 1) for step in range(25)]
    assert acc.values.to_pylist() == [step / 20 for step in range(20)]
    (odd,) = run.metrics(["odd"]).unwrap()["odd"].values.to_pylist()
    assert math.isnan(odd)


def test_media_come_with_captions_and_content(run: Run) -> None:
    media = run.medias(["pic", "note"], all=True).unwrap()
    found = [
        (key, step.step, [(item.caption, item.read().unwrap()) for item in step])
        for key in sorted(media)
        for step in media[key]
    ]
    red, green = make_png((255, 0, 0)), make_png((0, 255, 0))
    assert found == [
        ("note", 1, [("greeting", "hello ✓".encode())]),
        ("pic", 5, [("a red one", red)]),
        ("pic", 10, [("r", red), ("g", green)]),
    ]


def test_lines_that_were_printed_are_there(run: Run) -> None:
    messages = [line.message for line in run.logs(level="DEBUG").unwrap()]
    for line in ("printed line", "to stderr", "after the break"):
        assert line in messages, messages


def test_saved_files_are_there(run: Run) -> None:
    (file,) = [file for file in run.artifacts() if file.name.endswith("weights.txt")]
    assert file.read().unwrap() == b"weights"


def test_columns_have_classes_and_types(run: Run) -> None:
    columns = {column.key: (column.column_class, column.column_type) for column in run.columns()}
    assert columns["train/loss"] == ("CUSTOM", "FLOAT")
    assert columns["pic"] == ("CUSTOM", "IMAGE")
    assert columns["note"] == ("CUSTOM", "TEXT")
    system = [key for key in columns if key.startswith("__swanlab__.")]
    assert all(columns[key][0] == "SYSTEM" for key in system)


def test_a_crash_is_told(site: Site, version: str, told: Any) -> None:
    crashed = site.api().run(f"{TEAM}/demo/run {version}-crash")
    assert crashed.state == "CRASHED"
    assert any("boom" in line.message for line in crashed.logs(level="ERROR").unwrap())


def test_a_run_that_is_not_there_is_not_gone_on_with(site: Site, told: Any) -> None:
    assert told["refused"] is not None
    assert "never-there" not in {run.id for run in site.api().runs(f"{TEAM}/demo")}


def test_a_run_tracked_offline_is_sent_once_however_often(site: Site, version: str) -> None:
    team = site.add_team("offline", version)
    assert site.call(version, "sync.py", {"team": team}) == [0, 0]
    (run,) = site.api().runs(f"{team}/offline")
    assert (run.id, run.name, run.state, run.config) == ("synced", "later", "FINISHED", {"lr": 1})
    loss = run.metrics(["loss"], all=True).unwrap()["loss"]
    assert loss.values.to_pylist() == [step / 10 for step in range(10)]
    assert run.medias(["note"], all=True).unwrap()["note"][0][0].read().unwrap() == b"kept"
    (file,) = run.artifacts()
    assert (file.name, file.read().unwrap()) == ("weights.txt", b"kept weights")
    lines = [line.message for line in run.logs(level="DEBUG", all=True).unwrap()]
    assert lines.count("said offline") == 1

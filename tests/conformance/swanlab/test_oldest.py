"""The oldest client: its tracker, which sends media as to an object store, and its ``OpenApi`` (document 002)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from support.swanlab_site import Site
from support.world import START, loss_values, make_png, make_world

from runatlas.backends.native import NativeBackend
from runatlas.entities.run import Run

pytestmark = pytest.mark.xdist_group("conformance-swanlab")

TEAM = "old-team"


@pytest.fixture(scope="module")
def told(site: Site) -> Any:
    """What the script tells, after it tracked a run and read ours."""
    backend = NativeBackend(site.server.origin, site.keys["ann"])
    world = make_world(backend, TEAM)
    cuids = {name: backend.get_run(world.run(name)).cuid for name in ("abc123", "run_id_1")}
    backend.close()
    return site.call("0.6.12", "oldest.py", {"team": TEAM, "cuid": cuids["abc123"], "doomed": cuids["run_id_1"]})


@pytest.fixture(scope="module")
def run(site: Site, told: Any) -> Run:
    """The run that was tracked."""
    return site.api().run(f"{TEAM}/old/{told['run']}")


def test_a_tracked_run_has_what_it_was_made_with(run: Run) -> None:
    assert (run.name, run.description, run.state, run.labels) == ("old run", "the first", "FINISHED", ["a"])
    assert run.config == {"lr": 0.1, "net": {"depth": 18}}
    assert run.profile["metadata"]


def test_every_point_is_there_once(run: Run) -> None:
    table = run.metrics(["train/loss", "acc", "odd", "big"], all=True).unwrap()
    assert table["train/loss"].steps.to_pylist() == list(range(25))
    assert table["train/loss"].values.to_pylist() == [1 / (step + 1) for step in range(25)]
    assert math.isnan(table["odd"].values.to_pylist()[0])
    assert table["big"].values.to_pylist() == [math.inf]


def test_media_and_lines_are_there(run: Run) -> None:
    media = run.medias(["pic/a b", "note"], all=True).unwrap()
    assert [(item.caption, item.read().unwrap()) for item in media["pic/a b"][0]] == [("red", make_png((255, 0, 0)))]
    assert [(item.caption, item.read().unwrap()) for item in media["note"][0]] == [("greeting", "hello ✓".encode())]
    assert {column.key: column.column_type for column in run.columns()}["pic/a b"] == "IMAGE"
    lines = {(line.level, line.message) for line in run.logs(level="DEBUG").unwrap()}
    assert {("INFO", "printed line"), ("WARN", "to stderr")} <= lines


def test_workspaces_and_projects(told: Any) -> None:
    read = told["read"]
    assert (read["workspaces"]["code"], read["workspaces"]["errmsg"]) == (200, "")
    assert {"name": "My Team", "username": TEAM, "role": "OWNER"} in read["workspaces"]["data"]
    projects = {project["name"]: project for project in read["projects"]["data"]}
    assert set(projects) == {"my-project", "old"}
    project = projects["my-project"]
    assert (project["visibility"], project["description"]) == ("PUBLIC", "All about images")
    assert project["group"] == {"type": "TEAM", "username": TEAM, "name": "My Team"}
    assert project["count"]["experiments"] == 4
    assert read["own projects"]["data"] == []


def test_experiments(told: Any) -> None:
    read = told["read"]
    names = {run["name"] for run in read["experiments"]["data"]}
    assert names == {"baseline v2", "wide v2", "deep v1", "broken"}
    assert read["listed"] == read["experiments"]
    found = read["experiment"]["data"]
    assert (found["name"], found["state"], found["show"]) == ("baseline v2", "FINISHED", True)
    assert (found["createdAt"], found["finishedAt"]) == ("2024-05-15T10:40:00.000Z", "2024-05-15T11:40:00.000Z")
    assert found["user"]["username"] == "ann"
    assert found["profile"]["requirements"] == "numpy==2.0"
    assert read["missing"]["code"] == 404


def test_summaries_and_metrics(told: Any) -> None:
    read = told["read"]
    assert read["summary"]["data"]["acc"]["max"]["value"] == 0.495
    assert set(read["summary"]["data"]) == {"loss", "acc", "cpu"}
    table = read["metrics"]["data"]
    # The client fetches the keys side by side, and joins them as they come.
    assert set(table["columns"]) == {"loss", "loss_timestamp", "acc", "acc_timestamp"}
    losses = loss_values(100)
    for step, row in enumerate(table["rows"]):
        found = dict(zip(["step", *table["columns"]], row, strict=True))
        time = START + 1000 * step
        # pandas reads numbers fast, not exactly.
        values = {"loss": pytest.approx(losses[step]), "acc": pytest.approx(step / 200)}
        assert found == {"step": step, "loss_timestamp": time, "acc_timestamp": time, **values}
    assert len(table["rows"]) == 100
    assert len(read["one metric"]["data"]["rows"]) == 100
    assert read["no metric"]["code"] == 404


def test_deletions(told: Any, site: Site) -> None:
    deleted = told["deleted"]
    assert deleted["deleted"]["code"] in {200, 204}
    assert sorted(deleted["left"]) == ["baseline v2", "broken", "deep v1"]
    assert deleted["project"]["code"] in {200, 204}
    assert [project.name for project in site.api().projects(TEAM)] == ["old"]

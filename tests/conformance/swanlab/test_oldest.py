"""The oldest client: its tracker, which sends media as to an object store, and its ``OpenApi`` (document 002)."""

from __future__ import annotations

import math
from typing import Any

import pytest
import requests
from support.swanlab_site import Site
from support.world import START, World, loss_values, make_png

from runatlas.entities.run import Run
from runatlas.model.ids import ProjectPath
from runatlas.model.project import ProjectDraft

pytestmark = pytest.mark.xdist_group("conformance-swanlab")

TEAM = "old-team"


PAGES = [f"page-{number:02}" for number in range(11)]
RUNS = [f"run {number}" for number in range(21)]


def widen(world: World) -> None:
    """Add what fills several pages of ten, and who else may look."""
    for name in PAGES:
        world.backend.create_project(ProjectDraft(name, TEAM))
    pages = World(world.backend, TEAM, ProjectPath(TEAM, PAGES[0]))
    for number, name in enumerate(RUNS):
        pages.add_run(f"run-{number}", name=name, config={"number": number})
    own = World(world.backend, "ann", ProjectPath("ann", "mine"))
    world.backend.create_project(ProjectDraft("mine", "ann"))
    own.add_run("own", name="my own")
    world.backend.set_member(TEAM, "vera", "VIEWER")


@pytest.fixture(scope="module")
def told(site: Site) -> Any:
    """What the script tells, after it tracked runs and read ours."""
    with site.world(TEAM) as world:
        widen(world)
        cuids = {name: world.backend.get_run(world.run(name)).cuid for name in ("abc123", "run_id_1")}
    given = {"team": TEAM, "cuid": cuids["abc123"], "doomed": cuids["run_id_1"], "other": site.keys["vera"]}
    return site.call("0.6.12", "oldest.py", given)


@pytest.fixture(scope="module")
def run(site: Site, told: Any) -> Run:
    """The run that was tracked."""
    return site.api().run(f"{TEAM}/old/{told['run']}")


def test_a_tracked_run_has_what_it_was_made_with(run: Run) -> None:
    assert (run.name, run.description, run.state, run.labels) == ("old run", "the first", "FINISHED", ["a"])
    assert run.config == {"lr": 0.2, "net": {"depth": 18}, "added": [1, {"deep": None}]}
    assert run.profile["metadata"]


def test_every_point_is_there_once(run: Run) -> None:
    table = run.metrics(["train/loss", "acc", "odd", "big"], all=True).unwrap()
    assert table["train/loss"].steps.to_pylist() == list(range(25))
    assert table["train/loss"].values.to_pylist() == [1 / (step + 1) for step in range(25)]
    assert math.isnan(table["odd"].values.to_pylist()[0])
    assert table["big"].values.to_pylist() == [math.inf]


def test_media_of_all_kinds_are_there(run: Run) -> None:
    kinds = {"chart": "ECHARTS", "cloud": "OBJECT3D", "film": "IMAGE", "molecule": "MOLECULE", "note": "TEXT"}
    kinds |= {"notes": "TEXT", "pic/a b": "IMAGE", "some": "IMAGE", "tone": "AUDIO"}
    assert {column.key: column.column_type for column in run.columns() if column.column_type != "FLOAT"} == kinds
    media = run.medias(list(kinds), all=True).unwrap()
    captions = {key: [item.caption for item in media[key][0]] for key in kinds}
    assert captions == {
        "chart": [""],
        "cloud": ["points"],
        "film": ["a film"],
        "molecule": ["carbon"],
        "note": ["greeting"],
        "notes": ["first", "second"],
        "pic/a b": ["red"],
        "some": ["level 1", "level 2"],
        "tone": ["a tone"],
    }
    begins = {"chart": b"{", "cloud": b'{"version"', "film": b"GIF8", "molecule": b"HETATM", "tone": b"RIFF"}
    assert {key: media[key][0][0].read().unwrap()[: len(start)] for key, start in begins.items()} == begins
    assert [item.read().unwrap() for item in media["notes"][0]] == [b"a", b"b"]
    assert len({item.read().unwrap() for item in media["some"][0]}) == 2


def test_measurements_of_the_machine_are_of_the_system(run: Run) -> None:
    system = {column.key: column for column in run.columns(column_class="SYSTEM")}
    assert {"__swanlab__.cpu.pct", "__swanlab__.mem.pct"} <= set(system)
    assert system["__swanlab__.cpu.pct"].name != "__swanlab__.cpu.pct"
    assert all(key.startswith("__swanlab__.") for key in system)


def test_texts_of_one_step_are_told_apart_by_their_links(run: Run, site: Site) -> None:
    def ask(path: str, body: dict[str, Any]) -> Any:
        return site.server.call("POST", path, key=site.keys["ann"], json=body).json()

    columns = [{"experimentId": run.cuid, "key": key} for key in ("note", "notes")]
    series = ask("/api/house/metrics/f_media", {"columns": columns})
    paths = [path for found in series for step in found["metrics"] for path in step["data"]]
    urls = ask("/api/resources/presigned/get", {"prefix": f"project/{run.cuid}", "paths": paths})["urls"]
    assert [requests.get(url, timeout=60).content.decode() for url in urls] == ["hello ✓", "a", "b"]


def test_media_and_lines_are_there(run: Run) -> None:
    media = run.medias(["pic/a b", "note"], all=True).unwrap()
    assert [(item.caption, item.read().unwrap()) for item in media["pic/a b"][0]] == [("red", make_png((255, 0, 0)))]
    assert [(item.caption, item.read().unwrap()) for item in media["note"][0]] == [("greeting", "hello ✓".encode())]
    assert {column.key: column.column_type for column in run.columns()}["pic/a b"] == "IMAGE"
    lines = {(line.level, line.message) for line in run.logs(level="DEBUG").unwrap()}
    assert {("INFO", "printed line"), ("WARN", "to stderr")} <= lines


def test_a_run_that_failed_tells_why(told: Any, site: Site) -> None:
    (crashed,) = [run for run in site.api().runs(f"{TEAM}/old") if run.name == "crashing"]
    assert crashed.state == "CRASHED"
    assert any("boom" in line.message for line in crashed.logs(level="ERROR").unwrap())
    assert told["run"]


def test_runs_that_must_not_begin_are_refused(told: Any, site: Site) -> None:
    assert told["refused"] == {
        "must without a run": "RuntimeError",
        "must without an id": "ValueError",
        "never with an id": "RuntimeError",
        "a workspace that is not there": "ApiError",
    }
    assert told["allowed"] is None
    assert site.api().run(f"{TEAM}/old/abcdefghijk0123456789").state == "FINISHED"
    assert len(site.api().runs(f"{TEAM}/old")) == 3


def test_workspaces_and_projects(told: Any) -> None:
    read = told["read"]
    assert (read["workspaces"]["code"], read["workspaces"]["errmsg"]) == (200, "")
    assert {"name": "My Team", "username": TEAM, "role": "OWNER"} in read["workspaces"]["data"]
    assert read["a name"] == read["workspaces"]["data"][0]["name"]
    projects = {project["name"]: project for project in read["projects"]["data"]}
    assert set(projects) == {"my-project", "old", *PAGES}
    assert read["a workspace"] == "My Team"
    project = projects["my-project"]
    assert (project["visibility"], project["description"]) == ("PUBLIC", "All about images")
    assert project["group"] == {"type": "TEAM", "username": TEAM, "name": "My Team"}
    assert project["cuid"]
    assert project["createdAt"] <= project["updatedAt"]
    counts = {"experiments": 4, "contributors": 1, "children": 0, "runningExps": 1}
    assert {name: project["count"][name] for name in counts} == counts
    assert all(not project["count"] for project in read["bare projects"]["data"])
    assert [project["name"] for project in read["own projects"]["data"]] == ["mine"]
    assert (read["no project"]["code"], bool(read["no project"]["errmsg"])) == (404, True)


def test_experiments(told: Any, site: Site) -> None:
    read = told["read"]
    runs = {run["name"]: run for run in read["experiments"]["data"]}
    assert set(runs) == {"baseline v2", "wide v2", "deep v1", "broken"}
    assert read["listed"] == read["experiments"]
    assert {run["name"]: run["profile"]["config"]["number"]["value"] for run in read["many"]["data"]} == {
        name: number for number, name in enumerate(RUNS)
    }
    assert [run["name"] for run in read["own experiments"]["data"]] == ["my own"]
    found = read["experiment"]["data"]
    assert (found["name"], found["description"], found["state"]) == ("baseline v2", "The first one", "FINISHED")
    assert (found["createdAt"], found["finishedAt"]) == ("2024-05-15T10:40:00.000Z", "2024-05-15T11:40:00.000Z")
    assert found["user"] == {"username": "ann", "name": site.api().user().name}
    assert (found["profile"]["requirements"], found["profile"]["conda"]) == ("numpy==2.0", "name: base")
    assert found["cuid"] == runs["baseline v2"]["cuid"]
    # A run that goes on has no end; the client writes that as no text.
    assert (runs["wide v2"]["state"], runs["wide v2"]["finishedAt"], runs["wide v2"]["show"]) == ("RUNNING", "", True)
    assert (read["a time"], read["a creator"]) == ("2024-05-15T10:40:00.000Z", "ann")
    assert read["missing"]["code"] == 404
    assert read["missing"]["errmsg"]


def test_another_key_is_another_user(told: Any) -> None:
    assert {"name": "My Team", "username": TEAM, "role": "VIEWER"} in told["other"]["data"]
    assert {"mine", "my-project"} & {project["name"] for project in told["other's"]["data"]} == {"my-project"}
    assert told["other deletes"]["code"] == 403


def test_summaries_and_metrics(told: Any) -> None:
    read = told["read"]
    assert read["summary"]["data"]["acc"]["max"]["value"] == 0.495
    assert set(read["summary"]["data"]) == {"loss", "acc", "cpu"}
    assert read["older summary"] == read["summary"]
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
    assert {project.name for project in site.api().projects(TEAM)} == {"old", *PAGES}

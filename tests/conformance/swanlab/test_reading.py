"""What our own client writes, SwanLab's ``Api`` reads, as document 004 shows."""

from __future__ import annotations

from typing import Any

import pytest
from support.swanlab_site import Site
from support.world import START, World, loss_values, make_points

from runatlas.backends.native import NativeBackend
from runatlas.model.batch import Batch
from runatlas.model.media import MediaDraft, MediaItem

pytestmark = pytest.mark.xdist_group("conformance-swanlab")

LOSS = loss_values(2000)


def make_place(site: Site, team: str) -> World:
    with site.world(team) as world:
        return world


@pytest.fixture(scope="module")
def team(site: Site, version: str) -> str:
    return make_place(site, f"team-{version.replace('.', '-')}").team


@pytest.fixture(scope="module")
def told(site: Site, version: str, team: str) -> Any:
    """What the client read and changed."""
    return site.call(version, "read.py", {"team": team})


def without(item: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}


def points(series: list[dict[str, Any]]) -> list[tuple[int, float, int]]:
    # Whole series have other names than sampled ones.
    return [(p.get("index", p.get("step")), p.get("data", p.get("value")), p["timestamp"]) for p in series]  # type: ignore[misc]


def test_users_workspaces_and_projects(told: Any, team: str) -> None:
    places = told["places"]
    assert places["user"]["username"] == "ann"
    assert without(places["workspace"], "profile") == {
        "comment": "We train.",
        "name": "My Team",
        "role": "OWNER",
        "username": team,
        "workspace_type": "TEAM",
    }
    assert places["workspaces"] == [team]
    assert {"ann", team} <= set(places["own workspaces"])
    assert (places["projects"], places["no projects"]) == (["my-project"], [])
    assert places["all projects"] == [f"{team}/my-project"]
    project = places["project"]
    assert (project["path"], project["visibility"], project["description"]) == (
        f"{team}/my-project",
        "PUBLIC",
        "All about images",
    )
    assert [label["name"] for label in project["labels"]] == ["cv", "v1"]
    assert (project["count"]["experiments"], project["count"]["runningExps"]) == (4, 1)
    assert places["missing"] == [False, False]


def test_listing_and_filtering_runs(told: Any) -> None:
    runs = told["runs"]
    assert (
        sorted(name for _, name, _ in runs["listed"]) == runs["all"] == ["baseline v2", "broken", "deep v1", "wide v2"]
    )
    assert {state for _, _, state in runs["listed"]} == {"FINISHED", "CRASHED", "RUNNING"}
    assert runs["pages"] == []
    assert runs["filtered"] == {
        "finished": ["baseline v2", "deep v1"],
        "v2": ["baseline v2"],
        "not finished": ["broken", "wide v2"],
        "in": ["broken", "wide v2"],
        "not in": ["baseline v2", "deep v1"],
        "labels": ["baseline v2", "deep v1"],
        "config": ["baseline v2", "wide v2"],
        "config text": ["baseline v2"],
        "scalar": ["baseline v2", "deep v1"],
        "since": ["broken", "deep v1", "wide v2"],
    }


def test_a_run_and_its_profile(told: Any, site: Site, team: str) -> None:
    run = told["run"]["run"]
    assert (run["name"], run["state"], run["group"], run["job_type"]) == ("baseline v2", "FINISHED", "resnet", "train")
    assert (run["created_at"], run["finished_at"]) == ("2024-05-15T10:40:00.000Z", "2024-05-15T11:40:00.000Z")
    assert [label["name"] for label in run["labels"]] == ["baseline", "cv"]
    assert run["user"]["username"] == "ann"
    profile = told["run"]["profile"]
    assert {key: item["value"] for key, item in profile["config"].items()} == {
        "lr": 0.01,
        "param_2": 7,
        "net": {"depth": 18},
    }
    assert (profile["metadata"], profile["requirements"], profile["conda"]) == (
        {"git": {"branch": "main"}},
        "numpy==2.0",
        "name: base",
    )
    assert told["run"]["url"] == f"{site.server.origin}/@{team}/my-project/runs/abc123/chart"
    assert told["run"]["cuid"] == "baseline v2"


def test_sampled_metrics_with_statistics(told: Any) -> None:
    loss, acc = told["metrics"]["sampled"]["list"]
    assert (loss["key"], len(loss["metrics"])) == ("loss", 1500)
    assert all(value == LOSS[step] for step, value, _ in points(loss["metrics"]))
    assert points(acc["metrics"]) == [(step, step / 200, START + 1000 * step) for step in range(100)]
    last = len(LOSS) - 1
    assert loss["latest"] == {"index": last, "data": LOSS[last], "timestamp": START + 1000 * last}
    low = min(range(len(LOSS)), key=LOSS.__getitem__)
    assert loss["min"] == {"index": low, "data": LOSS[low], "timestamp": START + 1000 * low}
    assert acc["median"]["data"] == pytest.approx(0.2475)
    assert 2 <= len(told["metrics"]["some"]["list"][0]["metrics"]) <= 50
    assert all("timestamp" not in point for point in told["metrics"]["bare"]["list"][0]["metrics"])
    assert told["metrics"]["missing"]["list"][0]["metrics"] == []


def test_whole_metrics_and_ranges(told: Any) -> None:
    loss, acc = told["metrics"]["all"]["list"]
    assert points(loss["metrics"]) == [(step, value, START + 1000 * step) for step, value in enumerate(LOSS)]
    assert len(acc["metrics"]) == 100
    steps = {
        name: [step for step, _, _ in points(found["list"][0]["metrics"])]
        for name, found in told["metrics"]["ranges"].items()
    }
    # The newer client takes the last seconds before now, by its own clock, and this run is older; the other takes all.
    assert steps.pop("last") in ([], list(range(2000)))
    assert steps == {
        "steps": [100, 101, 102, 103],
        "times": [5, 6, 7, 8],
        "head": [10, 11, 12],
        "tail": [1996, 1997, 1998, 1999],
    }


def test_summaries(told: Any) -> None:
    summary = told["rest"]["summary"]
    assert set(summary) == {"loss", "acc"}
    assert without(summary["acc"], "avg", "median", "stdDev") == {
        "step": 99,
        "value": 0.495,
        "min": {"index": 0, "data": 0.0},
        "max": {"index": 99, "data": 0.495},
    }
    assert summary["acc"]["avg"] == pytest.approx(0.2475)
    assert set(told["rest"]["all summary"]) == {"loss", "acc", "cpu"}


def test_logs_and_their_export(told: Any) -> None:
    logs = told["rest"]["logs"]
    assert [(line["epoch"], line["message"]) for line in logs["logs"]] == [
        (1, "epoch 1"),
        (3, "slow"),
        (4, "bad"),
        (5, "epoch 2"),
    ]
    assert logs["count"] == 4
    assert len(told["rest"]["debug"]["logs"]) == 5
    assert told["rest"]["exported"] == "details\nslow\n"


def test_media_with_links(told: Any) -> None:
    (series,) = told["rest"]["media"]["list"]
    assert (series["step"], series["steps"]) == (10, [5, 10])
    assert series["metrics"][0]["items"][0]["caption"] == "green"
    assert told["rest"]["media content"].startswith("\x89PNG")
    (every,) = told["rest"]["all media"]["list"]
    assert [(step["index"], step["items"][0]["caption"]) for step in every["metrics"]] == [(5, "red"), (10, "green")]


def test_columns(told: Any) -> None:
    rest = told["rest"]
    assert [(column["key"], column["column_class"], column["column_type"]) for column in rest["columns"]] == [
        ("acc", "CUSTOM", "FLOAT"),
        ("cpu", "SYSTEM", "FLOAT"),
        ("generated_image", "CUSTOM", "IMAGE"),
        ("loss", "CUSTOM", "FLOAT"),
    ]
    assert (rest["system"], rest["search"], rest["images"]) == (["cpu"], ["loss"], ["generated_image"])
    assert rest["total"] == 3
    assert rest["column"]["key"] == "loss"
    assert len(rest["column metric"]["metrics"]) <= 10
    rows = rest["csv"].splitlines()
    assert rows[0].startswith("step,")
    assert rows[2] == f"1,0.005,{START + 1000}"


def test_making_and_deleting(told: Any, site: Site, team: str) -> None:
    changed = told["changed"]
    assert (changed["made"]["path"], changed["again"]) == (f"{team}/new-project", False)
    assert (changed["made"]["visibility"], changed["made"]["description"]) == ("PRIVATE", "Project description")
    assert changed["made there"] == [f"{team}/my_project", "PUBLIC", ""]
    assert changed["listed"] == ["my_project", "new-project", "my-project"]
    assert changed["after nothing"] == ["baseline v2", "broken", "deep v1", "wide v2"]
    assert changed["left"] == ["baseline v2"]
    assert changed["projects"] == ["my-project"]
    api = site.api()
    assert [run.name for run in api.runs(f"{team}/my-project")] == ["baseline v2"]
    # SwanLab's deletion is for good; ours can be undone.
    assert sum(entry.runs for entry in api.trash(team)) == 3


def test_administration(told: Any, site: Site, team: str) -> None:
    found = told["administered"]
    assert found["info"] == {"enabled": True, "expired": False, "plan": "free", "root": True, "seats": 0}
    assert {"ann", "vera", "newuser"} <= set(found["users"])
    assert f"{team}/my-project" in found["projects"]
    assert team in found["groups"]
    assert found["usage"]["users"] >= 3


@pytest.fixture(scope="module")
def shell(site: Site) -> World:
    return make_place(site, "shell")


def test_series_of_the_newest_client(site: Site, shell: World) -> None:
    backend = NativeBackend(site.server.origin, site.keys["ann"])
    world = World(backend, shell.team, shell.project)
    world.add_points(
        "run_id_3",
        make_points("val", [1.0, 2.0], context={"subset": "val"}),
        make_points("val", [3.0]),
        make_points("epoch", [10.0, 20.0]),
        make_points("__swanlab__.cpu.pct", [5.0], column_class="SYSTEM"),
    )
    note = MediaItem("media/text/000-note.txt", data={"text": "written ✓"}, mime_type="text/plain")
    backend.append(Batch(world.run("run_id_3"), media=(MediaDraft("note", 0, (note,), "TEXT"),)))
    backend.close()
    told = site.call("0.10.3", "series.py", {"team": "shell"})
    assert set(told["keys"]) == {"val", 'val {"subset":"val"}', "epoch"}
    assert told["media keys"] == ["note"]
    assert told["system keys"] == [["__swanlab__.cpu.pct", "SYSTEM"]]
    assert told["total"] == 3
    assert told["whole"] == [[0, 10.0], [1, 20.0]]
    assert told["against epoch"] == [[10.0, 3.0]]
    assert told["note by key"] == told["note"]
    assert told["no csv"]
    assert told["available"] == {"val": [told["cuid"]], "zz": []}
    assert told["found"] == ["epoch"]
    assert told["with context"] == [1.0, 2.0]
    assert told["custom axis"] == [[10.0, 1.0], [20.0, 2.0]]
    assert told["time axis"] == [START, START + 1000]
    assert told["relative axis"] == [0, 1000]
    ours = site.api().run("shell/my-project/run_id_3")
    assert {key.key for key in ours.series()} == {"val", "epoch"}
    for name, axis in (("custom axis", "epoch"), ("time axis", "time"), ("relative axis", "relative_time")):
        series = ours.metrics(["val" if axis == "epoch" else "epoch"], x_axis=axis).unwrap().series[-1]
        lies = [[point["index"], point["value"]] for point in series]
        assert lies == told[name] or [index for index, _ in lies] == told[name], axis
    assert told["csv"]
    assert told["note"] == "written ✓"

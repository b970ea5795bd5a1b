"""Every entity, property and parameter of document 004, read with SwanLab's ``Api`` from what our own client wrote."""

from __future__ import annotations

from typing import Any

import pytest
from support.swanlab_site import Site
from support.world import World, loss_values, make_points

from runatlas.model.account import UserPatch, WorkspacePatch
from runatlas.model.project import ProjectDraft
from runatlas.model.run import RunPatch, RunSelection

pytestmark = pytest.mark.xdist_group("conformance-swanlab")

PROFILE = {
    "bio": "Trains.",
    "institution": "Institute",
    "school": "School",
    "email": "ann@example.org",
    "location": "Here",
    "url": "https://example.org/ann",
}
PAGES = [f"page-{number:02}" for number in range(11)]
ORDINARY = ["baseline v2", "broken", "deep v1", "wide v2"]
NAMES = sorted([*ORDINARY, "stopped", "away", "wide", *(f"more {number}" for number in range(5))])


def rule(key: str, kind: str, op: str, *values: Any) -> dict[str, Any]:
    return {"key": key, "type": kind, "op": op, "value": list(values)}


MORE = [f"more {number}" for number in range(5)]
FILTERS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "state EQ": ([rule("state", "STABLE", "EQ", "ABORTED")], ["stopped"]),
    "state IN": ([rule("state", "STABLE", "IN", "ABORTED", "OFFLINE")], ["away", "stopped"]),
    "name EQ": ([rule("name", "STABLE", "EQ", "wide")], ["wide"]),
    "name NEQ": ([rule("name", "STABLE", "NEQ", "wide"), rule("name", "STABLE", "CONTAIN", "wide")], ["wide v2"]),
    "name GTE": ([rule("name", "STABLE", "GTE", "wide")], ["wide", "wide v2"]),
    "name LTE": ([rule("name", "STABLE", "LTE", "baseline v2")], ["away", "baseline v2"]),
    "name IN": ([rule("name", "STABLE", "IN", "wide", "away", "never")], ["away", "wide"]),
    "name NOT IN": ([rule("name", "STABLE", "NOT IN", *MORE, "wide", "away", "stopped")], ORDINARY),
    "description": ([rule("description", "STABLE", "CONTAIN", "first")], ["baseline v2"]),
    "show": ([rule("show", "STABLE", "EQ", False)], ["deep v1"]),
    "pin": ([rule("pin", "STABLE", "EQ", True)], ["deep v1"]),
    "baseline": ([rule("baseline", "STABLE", "EQ", True)], ["deep v1"]),
    "colors": ([rule("colors", "STABLE", "CONTAIN", "#123456")], ["deep v1"]),
    "cluster": ([rule("cluster", "STABLE", "EQ", "resnet")], ["baseline v2"]),
    "job": ([rule("job", "STABLE", "EQ", "train")], ["baseline v2"]),
    "createdAt": ([rule("createdAt", "STABLE", "LTE", "2024-12-31")], ["baseline v2"]),
    "updatedAt": ([rule("updatedAt", "STABLE", "GTE", "2100-01-01T00:00:00Z")], []),
    "finishedAt": ([rule("finishedAt", "STABLE", "LTE", "2024-05-15T11:40:00.000Z")], ["baseline v2"]),
    "pinnedAt": ([rule("pinnedAt", "STABLE", "GTE", "2025-01-01")], ["deep v1"]),
    "labels EQ": ([rule("labels", "STABLE", "EQ", "baseline")], ["baseline v2"]),
    "labels IN": ([rule("labels", "STABLE", "IN", "cv", "never")], ["baseline v2", "deep v1"]),
    "labels NOT IN": ([rule("labels", "STABLE", "NOT IN", "cv"), rule("name", "STABLE", "CONTAIN", "v2")], ["wide v2"]),
    "config EQ": ([rule("param_2", "CONFIG", "EQ", 8)], ["wide v2"]),
    "config IN": ([rule("param_2", "CONFIG", "IN", "7", "8")], ["baseline v2", "wide v2"]),
    "config LTE": ([rule("lr", "CONFIG", "LTE", 0.01)], ["baseline v2", "deep v1"]),
    "config nested": ([rule("net.depth", "CONFIG", "GTE", 18)], ["baseline v2"]),
    "scalar GTE": ([rule("loss", "SCALAR", "GTE", 0.6)], ["wide v2"]),
    "scalar EQ": ([rule("loss", "SCALAR", "EQ", 0.5)], ["deep v1"]),
    "both": ([rule("loss", "SCALAR", "LTE", 0.9), rule("lr", "CONFIG", "EQ", "0.1")], ["wide v2"]),
}


def widen(world: World) -> None:
    """Add what a world needs for pages, states and filters."""
    backend = world.backend
    backend.update_user(UserPatch(name="Ann Author", **PROFILE))
    backend.update_workspace(world.team, WorkspacePatch(profile={"bio": "A team.", "location": "There"}))
    backend.set_member(world.team, "vera", "MEMBER")
    for name in PAGES:
        backend.create_project(ProjectDraft(name, world.team))
    world.add_run("stopped", name="stopped", state="ABORTED")
    world.add_run("away", name="away", state="OFFLINE")
    for number, name in enumerate(MORE):
        world.add_run(f"more-{number}", name=name)
    world.add_run("wide", name="wide")
    world.add_points("wide", *(make_points(f"k{number}", [float(number)]) for number in range(20)))
    changed = RunPatch(show=False, pin=True, baseline=True, colors=("#123456", "#654321"))
    backend.update_runs(RunSelection(world.team, "my-project", ids=("run_id_2",)), changed)


@pytest.fixture(scope="module")
def team(site: Site, version: str) -> str:
    with site.world(f"entity-{version.replace('.', '-')}") as world:
        widen(world)
    return world.team


@pytest.fixture(scope="module")
def told(site: Site, version: str, team: str) -> Any:
    """What the client read."""
    rules = {name: given for name, (given, _) in FILTERS.items()}
    return site.call(version, "entity.py", {"team": team, "filters": rules})


def test_a_workspace_has_its_properties(told: Any, team: str) -> None:
    places = told["places"]
    empty = {"url": "", "institution": "", "school": "", "email": ""}
    assert places["workspace"] == {
        "name": "My Team",
        "username": team,
        "workspace_type": "TEAM",
        "role": "OWNER",
        "profile": {"bio": "A team.", "location": "There", **empty},
        "comment": "We train.",
    }
    assert (places["own"]["username"], places["own"]["workspace_type"]) == ("ann", "PERSON")
    assert {"name": "My Team", "username": team, "role": "OWNER", "workspace_type": "TEAM"} in places["listed"]
    assert places["count"] == len(places["listed"]) >= 3


def test_a_user_has_its_properties(told: Any) -> None:
    assert told["username"] == "ann"
    assert told["places"]["user"] == {"username": "ann", "name": "Ann Author", **PROFILE}


def test_a_project_has_its_properties(told: Any, site: Site, team: str) -> None:
    project = dict(told["places"]["project"])
    ours = site.api().project(f"{team}/my-project")
    assert [label["name"] for label in project.pop("labels")] == ["cv", "v1"]
    assert project.pop("count") == {
        "experiments": 12,
        "contributors": 1,
        "collaborators": 2,
        "clones": 0,
        "children": 0,
        "runningExps": 7,
    }
    assert project == {
        "name": "my-project",
        "path": f"{team}/my-project",
        "description": "All about images",
        "created_at": ours.created_at,
        "updated_at": ours.updated_at,
        "url": f"{site.server.origin}/@{team}/my-project",
        "visibility": "PUBLIC",
    }


def test_projects_come_in_order_and_in_pages(told: Any, version: str) -> None:
    places = told["places"]
    pages, every = places["pages"], ["my-project", *PAGES]
    assert pages["name"] == sorted(every)
    assert pages["create"] == every[::-1]
    # What was written to last comes first.
    assert (pages["default"][0], set(pages["default"])) == ("my-project", set(every))
    assert set(pages["bare"]) == set(every)
    assert pages["second"] == sorted(every)[10:]
    assert pages["of workspace"] == ["page-10"]
    page = places["page"]
    assert [(page[name]) for name in ("page", "size", "total", "pages")] == [1, 10, 11, 2]
    assert [project["name"] for project in page["list"]] == PAGES[:10]


@pytest.mark.parametrize("name", FILTERS)
def test_runs_are_filtered(told: Any, name: str) -> None:
    assert told["runs"]["filtered"][name] == sorted(FILTERS[name][1])


def test_runs_are_listed_in_order_and_in_pages(told: Any) -> None:
    runs = told["runs"]
    assert runs["unfiltered"] == runs["grouped"] == NAMES
    assert runs["ordered"] == NAMES[::-1]
    assert runs["by loss"] == ["baseline v2", "deep v1"]
    assert (len(runs["first page"]), len(runs["second page"])) == (10, 2)
    assert runs["first page"] + runs["second page"] == runs["all"] == runs["default"]
    assert sorted(runs["all"]) == NAMES
    page = runs["of project"]
    assert [page[name] for name in ("page", "size", "total", "pages")] == [1, 100, 12, 1]
    assert sorted(run["name"] for run in page["list"]) == NAMES
    finished = runs["json"]
    assert finished["total"] == 2
    assert {run["name"] for run in finished["list"]} == {"baseline v2", "deep v1"}


def test_a_run_has_its_properties(told: Any, site: Site, team: str) -> None:
    run = dict(told["run"]["run"])
    profile = run.pop("profile")
    assert [label["name"] for label in run.pop("labels")] == ["baseline", "cv"]
    assert run == {
        "name": "baseline v2",
        "description": "The first one",
        "state": "FINISHED",
        "group": "resnet",
        "job_type": "train",
        "created_at": "2024-05-15T10:40:00.000Z",
        "finished_at": "2024-05-15T11:40:00.000Z",
        "url": f"{site.server.origin}/@{team}/my-project/runs/abc123/chart",
        "show": True,
        "user": {"username": "ann", "name": "Ann Author"},
        "type": "CHAPTER",
        "project_id": site.api().project(f"{team}/my-project").project_id,
    }
    assert {key: item["value"] for key, item in profile["config"].items()} == {
        "lr": 0.01,
        "param_2": 7,
        "net": {"depth": 18},
    }
    # A run has the same properties wherever it comes from.
    assert told["run"]["listed"] == told["run"]["paged"] == told["run"]["run"]


def test_states_and_what_is_shown(told: Any) -> None:
    states = told["run"]["states"]
    assert {name: states[name] for name in (*ORDINARY, "stopped", "away")} == {
        "baseline v2": ["FINISHED", False],
        "broken": ["CRASHED", False],
        "deep v1": ["FINISHED", False],
        "wide v2": ["RUNNING", True],
        "stopped": ["ABORTED", False],
        "away": ["OFFLINE", True],
    }
    assert told["run"]["hidden"] is False


def test_a_deletion_that_is_not_committed_deletes_nothing(told: Any) -> None:
    assert told["run"]["kept"] == [True, True]
    assert told["run"]["many kept"] is True
    assert told["run"]["after"] == 12


def test_a_column_has_its_properties(told: Any, site: Site, team: str) -> None:
    columns = told["columns"]
    ours = {column.key: column for column in site.api().run(f"{team}/my-project/abc123").columns()}
    assert columns["column"] == {
        "name": "loss",
        "key": "loss",
        "column_class": "CUSTOM",
        "column_type": "FLOAT",
        "created_at": ours["loss"].created_at,
    }
    assert isinstance(columns["column"]["created_at"], int)
    assert (columns["system"]["key"], columns["system"]["column_class"]) == ("cpu", "SYSTEM")
    assert columns["fuzzy"] == {"name": "loss", "column_type": "FLOAT"}
    # Ten others contain what is looked for, too.
    assert columns["exact"] == "k1"
    assert columns["nothing"] == {"name": "", "column_type": ""}
    assert columns["of run"] == "FLOAT"


def test_columns_are_searched_and_come_in_pages(told: Any) -> None:
    columns = told["columns"]
    wide = [f"k{number}" for number in range(20)]
    page = columns["page"]
    assert [page[name] for name in ("page", "size", "total", "pages")] == [2, 10, 20, 2]
    assert (len(page["list"]), sorted(columns["all"])) == (10, sorted(wide))
    assert columns["total"] == [20, 0]
    assert columns["search"] == sorted(["k1", *wide[10:]])
    assert columns["floats"] == ["acc", "loss"]
    assert columns["texts"] == []
    assert columns["every"] == ["acc", "cpu", "generated_image", "loss"]


def test_a_column_has_metrics(told: Any) -> None:
    columns, loss = told["columns"], loss_values(2000)
    metric = columns["metric"]
    assert (metric["key"], metric["metric_type"], len(metric["metrics"])) == ("loss", "SCALAR", 1500)
    assert all(point["data"] == loss[point["index"]] for point in metric["metrics"])
    assert metric["latest"]["data"] == loss[-1]
    assert (metric["max"]["index"], metric["max"]["data"]) == (loss.index(max(loss)), max(loss))
    sampled = columns["sampled"]["metrics"]
    assert 2 <= len(sampled) <= 20
    assert all("timestamp" not in point for point in sampled)


def test_a_column_of_images_has_images(told: Any) -> None:
    columns = told["columns"]
    image, latest = columns["image"], columns["latest image"]
    assert (image["metric_type"], image["step"], image["steps"]) == ("MEDIA", 5, [5, 10])
    assert image["metrics"][0]["items"][0]["caption"] == "red"
    assert (latest["step"], latest["metrics"][0]["items"][0]["caption"]) == (10, "green")
    ok, errmsg, data = columns["no csv"]
    assert not ok
    assert errmsg
    assert data is None


def test_administration_has_its_properties_and_filters(told: Any, team: str) -> None:
    found = told["administration"]
    info = {"enabled": True, "expired": False, "root": True, "plan": "free", "seats": 0}
    assert found["info"] == found["json"] == info
    assert {"ann", "vera"} <= set(found["users"])
    every = [f"{team}/{name}" for name in sorted(["my-project", *PAGES])]
    assert found["of team"] == every
    assert found["newest"] == [f"{team}/{name}" for name in ["my-project", *PAGES][::-1]]
    assert found["found"] == found["running"] == [f"{team}/my-project"]
    assert found["nobody's"] == []
    assert team in found["teams"]
    assert "ann" not in found["teams"]
    assert {"ann", "vera"} <= set(found["persons"])
    assert team in found["searched"]
    assert found["usage"]["ok"]
    assert found["usage"]["errmsg"] == ""
    assert found["usage"]["data"]["users"] >= 2

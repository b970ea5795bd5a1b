"""What matyan's own server offers beside what its client calls: notes, experiments, tags, and many runs at once."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from support.server import ServerProcess, make_key, running_server

import runatlas
from runatlas import Api

pytestmark = pytest.mark.xdist_group("conformance-matyan")

RUNS = ("one", "two", "three")


@pytest.fixture(scope="module")
def world(server: ServerProcess) -> ServerProcess:
    """A server with two runs of an experiment, one tagged, and one without an experiment."""
    for name, experiment in zip(RUNS, ("red", "red", "default"), strict=True):
        tags = ["best"] if name == "one" else []
        with runatlas.Run(name, repo=server.origin, experiment=experiment, name=f"run {name}", tags=tags) as run:
            run.track(1.0, name="loss", step=0)
    return server


def _ask(server: ServerProcess, method: str, path: str, **options: Any) -> Any:
    answer = server.call(method, f"/api/v1/rest/{path}/", **options)
    assert answer.ok, answer.text
    return answer.json()


def _refusal(server: ServerProcess, method: str, path: str, **options: Any) -> tuple[int, str]:
    answer = server.call(method, f"/api/v1/rest/{path}/", **options)
    return answer.status_code, answer.json()["error"]["code"]


def _by_name(server: ServerProcess, kind: str, name: str) -> Any:
    (found,) = [item for item in _ask(server, "GET", kind) if item["name"] == name]
    return found


def _run(server: ServerProcess, name: str) -> Any:
    return next(run for project in Api(host=server.origin).projects() for run in project.runs() if run.id == name)


def test_notes_of_a_run(world: ServerProcess) -> None:
    _run(world, "two").annotate("by our Api", {"n": 1}).unwrap()
    answer = world.call("POST", "/api/v1/rest/runs/two/note/", json={"content": " by matyan "})
    made = answer.json()
    assert (answer.status_code, sorted(made)) == (201, ["created_at", "id"])
    listed = _ask(world, "GET", "runs/two/note")
    assert [note["content"] for note in listed] == ["by our Api", "by matyan"]
    assert listed[1]["id"] == made["id"]
    assert math.isclose(listed[1]["created_at"], made["created_at"])
    path = f"runs/two/note/{made['id']}"
    changed = _ask(world, "PUT", path, json={"content": "changed"})
    assert (changed["content"], _ask(world, "GET", path)) == ("changed", changed)
    assert changed["updated_at"] >= made["created_at"]
    assert [note.text for note in _run(world, "two").annotations()] == ["by our Api", "changed"]
    assert [sorted(note.metadata) for note in _run(world, "two").annotations()] == [["n"], ["edited_at_ms"]]
    assert _ask(world, "DELETE", path) == {"status": "OK"}
    assert [note["content"] for note in _ask(world, "GET", "runs/two/note")] == ["by our Api"]
    for method, options in (("GET", {}), ("DELETE", {}), ("PUT", {"json": {"content": "x"}})):
        assert _refusal(world, method, path, **options) == (404, "not_found")
    other = _ask(world, "POST", "runs/one/note", json={"content": "of another"})
    assert _refusal(world, "GET", f"runs/two/note/{other['id']}") == (404, "not_found")
    assert _refusal(world, "POST", "runs/two/note", json={"content": ""}) == (422, "validation_error")
    assert _refusal(world, "POST", "runs/nothing/note", json={"content": "x"}) == (404, "not_found")


def test_an_experiment_is_renamed_described_and_archived(world: ServerProcess) -> None:
    red = _by_name(world, "experiments", "red")
    path = f"experiments/{red['id']}"
    assert (red["run_count"], red["archived"], _ask(world, "GET", path)) == (2, False, red)
    body = {"name": "Rouge & noir", "description": "d", "archived": True}
    assert _ask(world, "PUT", path, json=body) == {"id": red["id"], "status": "OK"}
    found = _ask(world, "GET", path)
    assert {name: found[name] for name in ("id", "name", "description", "archived", "run_count")} == {
        "id": red["id"],
        "run_count": 2,
        **body,
    }
    assert [item["id"] for item in _ask(world, "GET", "experiments/search", params={"q": "ROUGE"})] == [red["id"]]
    assert _ask(world, "GET", "experiments/search", params={"q": "nothing"}) == []
    runs = _ask(world, "GET", f"{path}/runs")
    assert (runs["id"], sorted(run["run_id"] for run in runs["runs"])) == (red["id"], ["one", "two"])
    assert set(runs["runs"][0]) == {"run_id", "name", "creation_time", "end_time", "archived"}
    first = runs["runs"][0]["run_id"]
    assert [run["run_id"] for run in _ask(world, "GET", f"{path}/runs", params={"limit": 1})["runs"]] == [first]
    rest = _ask(world, "GET", f"{path}/runs", params={"offset": first})["runs"]
    assert [run["run_id"] for run in rest] == [runs["runs"][1]["run_id"]]
    activity = _ask(world, "GET", f"{path}/activity")
    hours = map(datetime.fromisoformat, activity["activity_map"])
    east = _ask(world, "GET", f"{path}/activity", headers={"X-Timezone-Offset": "-120"})["activity_map"]
    assert set(east) == {(hour + timedelta(hours=2)).isoformat() for hour in hours}
    assert {**activity, "activity_map": sum(activity["activity_map"].values())} == {
        "num_runs": 2,
        "num_archived_runs": 0,
        "num_active_runs": 0,
        "activity_map": 2,
    }
    assert _run(world, "one").project_path.project != "red"
    assert world.call("GET", "/api/v1/rest/runs/one/info/").json()["props"]["experiment"]["name"] == "Rouge & noir"
    _ask(world, "PUT", path, json={"name": "red"})
    _ask(world, "PUT", path, json={"archived": False})
    assert _ask(world, "GET", path)["name"] == "red"
    assert not _ask(world, "GET", path)["archived"]
    _ask(world, "POST", "experiments", json={"name": "taken"})
    assert _refusal(world, "PUT", path, json={"name": "taken"}) == (409, "conflict")
    for wrong in ({"archived": "yes"}, {"name": "default"}, {"name": 5}, {"name": "x" * 1001}):
        assert _refusal(world, "PUT", path, json=wrong) == (422, "validation_error"), wrong
    for name in ("", "/runs", "/activity"):
        assert _refusal(world, "GET", f"experiments/nothing{name}") == (404, "not_found")
    assert _refusal(world, "PUT", "experiments/nothing", json={}) == (404, "not_found")


def test_a_tag_is_renamed_and_deleted(world: ServerProcess) -> None:
    best = _by_name(world, "tags", "best")
    path = f"tags/{best['id']}"
    assert (best["run_count"], _ask(world, "GET", path)) == (1, best)
    (run,) = _ask(world, "GET", f"{path}/runs")["runs"]
    assert (run["run_id"], run["name"], run["experiment"]) == ("one", "run one", "red")
    changed = _ask(world, "PUT", path, json={"name": "finest", "color": "#ff0000", "description": "d"})
    found = _ask(world, "GET", f"tags/{changed['id']}")
    assert [found[name] for name in ("name", "color", "description", "run_count")] == ["finest", "#ff0000", "d", 1]
    assert _ask(world, "PUT", f"tags/{changed['id']}", json={"color": ""})["id"] == changed["id"]
    assert _by_name(world, "tags", "finest")["description"] == "d"
    assert _run(world, "one").labels == ["finest"]
    assert [tag["name"] for tag in _ask(world, "GET", "tags/search", params={"q": "FIN"})] == ["finest"]
    _ask(world, "POST", "tags", json={"name": "other"})
    assert _refusal(world, "PUT", f"tags/{changed['id']}", json={"name": "other"}) == (409, "conflict")
    assert _refusal(world, "PUT", f"tags/{changed['id']}", json={"archived": True}) == (422, "validation_error")
    assert world.call("DELETE", f"/api/v1/rest/tags/{changed['id']}/").ok
    assert "finest" not in [tag["name"] for tag in _ask(world, "GET", "tags")]
    assert _run(world, "one").labels == []
    refused: list[tuple[str, Any]] = [("GET", {}), ("DELETE", {}), ("PUT", {"json": {}})]
    for method, options in refused:
        assert _refusal(world, method, f"tags/{changed['id']}", **options) == (404, "not_found")
    assert _refusal(world, "GET", f"{path}/runs") == (404, "not_found")


def test_many_runs_are_archived_and_finished_at_once(world: ServerProcess) -> None:
    for archive in (True, False):
        asked = {"archive": str(archive).lower()}
        answered = _ask(world, "POST", "runs/archive-batch", json=["one", "nothing", "three"], params=asked)
        assert answered == {"status": "OK"}
        assert [_run(world, name).archived for name in RUNS] == [archive, False, archive]
    world.call("PUT", "/api/v1/rest/runs/two/", json={"active": True}).raise_for_status()
    assert b"two" in world.call("GET", "/api/v1/rest/runs/active/").content
    assert b"one" not in world.call("GET", "/api/v1/rest/runs/active/").content
    assert _ask(world, "POST", "runs/finish-batch", json=["two", "nothing"]) == {"status": "OK"}
    assert world.call("GET", "/api/v1/rest/runs/active/").content == b""
    assert _run(world, "two").state == "FINISHED"
    assert _refusal(world, "POST", "runs/finish-batch", json=[1]) == (422, "validation_error")
    activity = _ask(world, "GET", "projects/activity")
    assert (activity["num_runs"], activity["num_archived_runs"], activity["num_active_runs"]) == (3, 0, 0)
    assert activity["num_experiments"] >= 1
    assert sum(activity["activity_map"].values()) == 3
    assert {moment[10:] for moment in activity["activity_map"]} == {"T00:00:00"}
    for wrong in ("x", "99999"):
        refused = _refusal(world, "GET", "projects/activity", headers={"X-Timezone-Offset": wrong})
        assert refused == (422, "validation_error")


def test_others_see_and_change_nothing(tmp_path: Path) -> None:
    ann, bob = (make_key(tmp_path, name) for name in ("ann", "bob"))
    with running_server(tmp_path) as server:
        with runatlas.Run("r", repo=server.origin, api_key=ann, experiment="e", tags=["t"]):
            pass
        (experiment,) = _ask(server, "GET", "experiments", key=ann)
        (tag,) = _ask(server, "GET", "tags", key=ann)
        note = _ask(server, "POST", "runs/r/note", key=ann, json={"content": "x"})
        for path in (
            f"experiments/{experiment['id']}",
            f"experiments/{experiment['id']}/runs",
            f"experiments/{experiment['id']}/activity",
            f"tags/{tag['id']}",
            f"tags/{tag['id']}/runs",
            "runs/r/note",
            f"runs/r/note/{note['id']}",
        ):
            assert _refusal(server, "GET", path, key=bob) == (404, "not_found"), path
            assert requests.get(f"{server.origin}/api/v1/rest/{path}/", timeout=30).status_code == 401
        for method, path in (("PUT", "experiments"), ("PUT", "tags"), ("DELETE", "tags")):
            name = experiment["id"] if path == "experiments" else tag["id"]
            assert _refusal(server, method, f"{path}/{name}", key=bob, json={"name": "x"}) == (404, "not_found")
        assert _ask(server, "POST", "runs/archive-batch", key=bob, json=["r"]) == {"status": "OK"}
        assert _ask(server, "GET", "projects/activity", key=bob)["num_runs"] == 0
        assert Api(host=server.origin, api_key=ann).run("ann/e/r").archived is False

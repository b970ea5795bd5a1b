"""What our tracker and our Api make, as document 003's requests read it; and what they make, as our Api sees it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import runatlas
from runatlas import Api
from runatlas.objects.text import Text

pytestmark = pytest.mark.xdist_group("conformance-chachaml")


@pytest.fixture(scope="module")
def ours(client: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of a run with everything in it that this protocol has a word for, and some that it has none for."""
    file: Path = tmp_path_factory.mktemp("ours") / "weights.bin"
    file.write_bytes(b"weights")
    with runatlas.Run(repo=client.origin, experiment="ours", name="first", tags=["best", "team=red"]) as run:
        run["hparams"] = {"lr": 0.5}
        for step, value in enumerate((0.5, math.nan, math.inf, -math.inf)):
            run.track(value, name="loss", step=step, context={"subset": "train"})
        run.track(2.0, name="loss", step=1)
        run.track(Text("hello"), name="said", step=0)
        run.log_artifact(str(file), name="dir/weights.bin")
        run.description = "noted"
    for stage in ("production", "staging"):
        Api(host=client.origin).run(run.path).register_model("ours", "dir/weights.bin", stage=stage).unwrap()
    return str(run.hash)


def test_our_run_is_read(client: Any, ours: str) -> None:
    _, found = client("GET", f"/api/runs/{ours}")
    assert (found["experiment"], found["name"], found["status"], found["note"]) == (
        "ours",
        "first",
        "completed",
        "noted",
    )
    assert found["tags"] == {"best": "", "team": "red"}
    assert found["params"] == {"hparams": {"lr": 0.5}}
    points = [
        (item["key"], item["step"], item["value"], item.get("context"))
        for item in found["metrics"]
        if item["key"] == "loss"
    ]
    train = {"subset": "train"}
    assert sorted(points, key=str) == [
        ("loss", 0, 0.5, train),
        ("loss", 1, "NaN", train),
        ("loss", 1, 2.0, None),
        ("loss", 2, "Infinity", train),
        ("loss", 3, "-Infinity", train),
    ]
    (artifact,) = found["artifacts"]
    assert artifact["name"] == "dir/weights.bin"
    assert client.ask("GET", f"/api/artifacts/{artifact['id']}/download").content == b"weights"
    assert ours in [run["id"] for run in client("GET", "/api/runs", params={"status": "completed"})[1]]
    assert client("GET", "/api/runs", params={"status": "running", "experiment": "ours"})[1] == []
    (experiment,) = [item for item in client("GET", "/api/experiments")[1] if item["name"] == "ours"]
    assert experiment["runs"] == 1
    assert client("GET", f"/api/datasets/{ours}") == (200, [])


def test_our_models_are_read_and_promoted(client: Any, ours: str) -> None:
    _, found = client("GET", "/api/models/ours")
    assert [(version["stage"], version["run_id"]) for version in found["versions"]] == [
        ("production", ours),
        ("staging", ours),
    ]
    body = {"name": "ours", "run_id": ours, "artifact": "dir/weights.bin", "stage": "production"}
    assert client("POST", "/api/w/models", json=body)[1]["version"] == 3
    model = next(model for model in Api(host=client.origin).models() if model.name == "ours")
    assert model.production == 3
    assert [version.stage for version in model.versions()] == ["archived", "staging", "production"]
    model.promote(2).unwrap()
    _, found = client("GET", "/api/models/ours")
    assert [version["stage"] for version in found["versions"]] == ["archived", "production", "archived"]


def test_what_fails_is_seen_by_our_api(client: Any) -> None:
    run = client.start(experiment="theirs", tags={"author": "maria"}, created_by="ci")
    assert client("POST", f"/api/note/{run}", json={"note": "look"})[0] == 200
    assert client("POST", f"/api/tags/{run}", json={"key": "author", "value": "ann"})[0] == 200
    assert client("POST", f"/api/w/runs/{run}/artifacts", json={"name": "table", "value": {"a": [1]}})[0] == 200
    assert client("POST", f"/api/w/runs/{run}/end", json={"status": "failed", "error": "out of memory"})[0] == 200
    api = Api(host=client.origin)
    found = next(project for project in api.projects() if project.name == "theirs").run(run)
    assert (found.state, found.crash_message, found.description) == ("CRASHED", "out of memory", "look")
    assert found.labels == ["author=ann"]
    (artifact,) = found.artifacts().unwrap()
    assert artifact.read().unwrap() == b'{"a":[1]}'
    assert client("GET", f"/api/runs/{run}")[1]["created-by"] == "ci"

"""The API surface of document 003, row by row: what is written, what is read, and what is refused."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.server import make_key, running_server

pytestmark = pytest.mark.xdist_group("conformance-chachaml")


def _with_artifact(client: Any) -> str:
    run = str(client.start())
    assert client.store(run, "m.bin", b"abc")["size"] == 3
    return run


def test_promoting_a_version_archives_the_one_in_production(client: Any) -> None:
    run = _with_artifact(client)
    model = {"name": "classifier", "run_id": run, "artifact": "m.bin", "stage": "production"}
    assert client("POST", "/api/w/models", json=model)[1]["version"] == 1
    assert client("POST", "/api/w/models", json=model)[1]["version"] == 2
    _, found = client("GET", "/api/models/classifier")
    assert [version["stage"] for version in found["versions"]] == ["archived", "production"]
    assert found["model"]["production-version"] == 2
    status, difference = client("GET", "/api/diff/classifier/1/2")
    assert (status, difference["params"]) == (200, {})


def test_what_the_run_does_not_have_cannot_be_registered(client: Any) -> None:
    run = client.start()
    status, body = client("POST", "/api/w/models", json={"name": "x", "run_id": run, "artifact": "none.bin"})
    assert status == 404
    assert "none.bin" in body["error"]


def test_a_run_that_is_not_there_or_has_ended(client: Any) -> None:
    gone = {"error": "no such run"}
    assert client("POST", "/api/w/runs/nothing/params", json={"a": 1}) == (404, gone)
    run = client.start()
    status, ended = client("POST", f"/api/w/runs/{run}/end", json={"status": "failed", "error": "out of memory"})
    assert (status, ended["ok"], ended["status"], ended["error"]) == (200, True, "failed", "out of memory")
    for path in ("params", "metrics", "end"):
        assert client("POST", f"/api/w/runs/{run}/{path}", json={}) == (409, gone)
    raw = {"data": b"x", "headers": {"content-type": "application/octet-stream"}}
    assert client("POST", f"/api/w/runs/{run}/artifacts?name=x", **raw) == (409, gone)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/api/w/runs", {"data": b"{", "headers": {"content-type": "application/json"}}),
        ("/api/w/runs", {"data": b"[]", "headers": {"content-type": "application/json"}}),
        ("/api/w/runs", {"data": b"{}", "headers": {"content-type": "text/plain"}}),
        ("/api/w/runs", {"json": {"tags": []}}),
        ("/api/w/runs", {"json": {"experiment": 5}}),
        ("/api/w/runs/RUN/metrics", {"json": {"good": 1, "bad": "x"}}),
        ("/api/w/runs/RUN/metrics", {"json": {"good": 1, "step": 1.5}}),
        ("/api/w/runs/RUN/metrics", {"json": {"good": True}}),
        (
            "/api/w/runs/RUN/artifacts?name=../x",
            {"data": b"x", "headers": {"content-type": "application/octet-stream"}},
        ),
        ("/api/w/runs/RUN/artifacts?name=x", {"data": b"x", "headers": {"content-type": "text/plain"}}),
        ("/api/w/runs/RUN/end", {"json": {"status": "maybe"}}),
        ("/api/w/models", {"json": {"name": "a", "run_id": "RUN", "artifact": "b", "stage": "best"}}),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(client: Any, path: str, options: dict[str, Any]) -> None:
    run = client.start()
    status, body = client("POST", path.replace("RUN", run), **options)
    assert status == 400
    assert body["error"]
    _, found = client("GET", f"/api/runs/{run}")
    assert (found["metrics"], found["artifacts"], found["status"]) == ([], [], "running")


def test_reading(client: Any) -> None:
    low, high = client.start(name="low"), client.start(name="high")
    for run, value in ((low, 0.2), (high, 0.9)):
        client("POST", f"/api/w/runs/{run}/metrics", json={"metrics": {"searched": value}, "step": 3})
    _, found = client("GET", "/api/search", params={"metric_key": "searched", "op": ">", "metric_value": 0.5})
    assert [run["id"] for run in found] == [high]
    _, compared = client("GET", "/api/compare", params={"ids": f"{low},{high}"})
    assert [run["metrics"] for run in compared["runs"]] == [{"searched": 0.2}, {"searched": 0.9}]
    assert client("GET", "/api/compare", params={"ids": low})[0] == 400
    assert client("GET", "/api/search", params={"metric_key": "searched", "op": "~"})[0] == 400
    _, listed = client("GET", "/api/runs", params={"limit": 1, "experiment": "iris"})
    assert [run["id"] for run in listed] == [high]
    assert client("GET", "/api/runs", params={"limit": "many"})[0] == 400
    assert "iris" in [item["name"] for item in client("GET", "/api/experiments")[1]]


def test_tags_notes_and_values(client: Any) -> None:
    run = client.start(tags={"author": "maria"})
    assert client("POST", f"/api/tags/{run}", json={"key": "author", "value": "ann"})[0] == 200
    assert client("GET", f"/api/tags/{run}")[1] == {"author": "ann"}
    assert client("POST", f"/api/note/{run}", json={"note": "looks good"})[0] == 200
    status, stored = client("POST", f"/api/w/runs/{run}/artifacts", json={"name": "table", "value": [1, 2]})
    assert (status, stored["name"]) == (200, "table")
    _, found = client("GET", f"/api/runs/{run}")
    assert found["note"] == "looks good"
    (artifact,) = found["artifacts"]
    assert client("GET", f"/api/artifacts/{artifact['id']}/download") == (200, [1, 2])


def test_the_table_of_runs_as_csv(client: Any) -> None:
    run = client.start(experiment="csv only", name="a,b")
    params = {"lr": 0.5, "on": True, "deep": {"x": [1, None]}, "none": None, "text": "t"}
    assert client("POST", f"/api/w/runs/{run}/params", json=params)[0] == 200
    assert client("POST", f"/api/w/runs/{run}/metrics", json={"loss": 0.25})[0] == 200
    answer = client.ask("GET", "/api/export", params={"experiment": "csv only"})
    assert answer.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["id"], row["name"], row["status"], row["end-time"]) == (run, "a,b", "running", "")
    found = {name.removeprefix("param."): value for name, value in row.items() if name.startswith("param.")}
    assert found == {"lr": "0.5", "on": "true", "deep": '{"x":[1,null]}', "none": "", "text": "t"}
    assert row["metric.loss"] == "0.25"


def test_with_accounts_a_key_is_needed(make_client: Any, tmp_path: Path) -> None:
    with running_server(tmp_path / "store") as found:
        ann, bob = (make_key(found.directory, name) for name in ("ann", "bob"))
        nobody, owner, stranger = (make_client(found.origin, key) for key in (None, ann, bob))
        assert nobody("POST", "/api/w/runs", json={})[0] == 401
        assert make_client(found.origin, "0" * 21)("GET", "/api/runs")[0] == 401
        run = owner.start()
        assert stranger("GET", f"/api/runs/{run}") == (404, {"error": "no such run"})
        assert stranger("POST", f"/api/w/runs/{run}/metrics", json={"a": 1})[0] == 404
        assert stranger("GET", "/api/runs")[1] == []


def test_every_row_of_the_documents_table(client: Any) -> None:
    parent = client.start()
    run = client.start(name="child", tags={"n": 1, "on": True}, parent_run_id=parent)
    other = client.start(experiment=None)
    for body in ({"a": 1.5, "step": 7}, {"a": 2, "b": 3}, {"a": 2.5, "step": -1}):
        assert client("POST", f"/api/w/runs/{run}/metrics", json=body) == (200, {"ok": True})
    assert client("POST", f"/api/w/runs/{run}/params", json={"lr": 1, "deep": {"x": [1, None]}}) == (200, {"ok": True})
    assert client("POST", f"/api/w/runs/{run}/params", json={"lr": 2}) == (200, {"ok": True})
    _, found = client("GET", f"/api/runs/{run}")
    assert (found["parent-run-id"], found["tags"], found["name"]) == (parent, {"n": "1", "on": "true"}, "child")
    assert found["params"] == {"lr": 2, "deep": {"x": [1, None]}}
    points = [(item["key"], item["step"], item["value"]) for item in found["metrics"]]
    assert sorted(points) == [("a", -1, 2.5), ("a", 0, 2.0), ("a", 7, 1.5), ("b", 0, 3.0)]
    assert {type(item["timestamp"]) for item in found["metrics"]} == {int}
    assert client("GET", f"/api/runs/{other}")[1]["experiment"] == "default"
    assert client("POST", f"/api/w/runs/{other}/end", data=b"")[1]["status"] == "completed"


def test_numbers_without_a_leading_zero_are_taken(client: Any) -> None:
    run = client.start()
    headers = {"content-type": "application/json; charset=utf-8"}
    body = r'{"loss":.500,"down": -.25, "\".5": [.125][0],"step":1}'.replace("[.125][0]", ".125")
    assert client("POST", f"/api/w/runs/{run}/metrics", data=body, headers=headers) == (200, {"ok": True})
    params = {"text": 'a .5, " .5', "list": [0.5, -0.5]}
    sent = json.dumps(params).replace("0.5", ".5")
    assert client("POST", f"/api/w/runs/{run}/params", data=sent, headers=headers)[0] == 200
    _, found = client("GET", f"/api/runs/{run}")
    assert {item["key"]: item["value"] for item in found["metrics"]} == {"loss": 0.5, "down": -0.25, '".5': 0.125}
    assert found["params"] == params
    for wrong in (b'{"a": .}', b'{"a": 5.}', b'{"a": 1..5}', b'{"a": .5.5}', b'{"a": "}'):
        assert client("POST", f"/api/w/runs/{run}/metrics", data=wrong, headers=headers)[0] == 400


def test_bytes_come_back_as_they_were(client: Any) -> None:
    run = client.start()
    for name, data in (("all", bytes(range(256)) * 40_000), ("empty", b""), ("dir/ü 'x'.bin", b"\r\n\x00")):
        stored = client.store(run, name, data)
        assert (stored["ok"], stored["size"], stored["sha256"]) == (True, len(data), hashlib.sha256(data).hexdigest())
        _, found = client("GET", f"/api/runs/{run}")
        (artifact,) = [item for item in found["artifacts"] if item["name"] == name]
        assert (artifact["size"], artifact["sha256"]) == (len(data), stored["sha256"])
        fetched = client.ask("GET", f"/api/artifacts/{artifact['id']}/download")
        assert (fetched.status_code, fetched.content) == (200, data)
        assert fetched.headers["content-type"] == "application/octet-stream"
    assert client("GET", "/api/artifacts/none/download")[0] == 404


def test_of_many_promoted_at_once_one_is_in_production(either: Any) -> None:
    run = _with_artifact(either)
    model = {"name": "raced", "run_id": run, "artifact": "m.bin", "stage": ":production"}
    barrier = threading.Barrier(6)

    def promote(_: int) -> int:
        barrier.wait()
        status, version = either("POST", "/api/w/models", json=model)
        assert (status, version["stage"]) == (200, "production")
        return int(version["version"])

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(promote, range(6))) == [1, 2, 3, 4, 5, 6]
    _, found = either("GET", "/api/models/raced")
    stages = {version["version"]: version["stage"] for version in found["versions"]}
    assert sorted(stages.values()) == ["archived"] * 5 + ["production"]
    assert stages[found["model"]["production-version"]] == "production"


def test_two_versions_differ_where_their_runs_do(client: Any) -> None:
    for lr in (0.1, 0.2):
        run = _with_artifact(client)
        client("POST", f"/api/w/runs/{run}/params", json={"lr": lr, "same": 1})
        client("POST", f"/api/w/runs/{run}/metrics", json={"loss": lr * 2, "same": 1})
        body = {"model_name": "differs", "run_id": run, "artifact": "m.bin", "description": "d"}
        version = client("POST", "/api/w/models", json=body)[1]
        assert (version["stage"], version["run_id"], version["description"]) == ("none", run, "d")
    _, found = client("GET", "/api/diff/differs/1/2")
    assert (found["params"], found["metrics"]) == ({"lr": [0.1, 0.2]}, {"loss": [0.2, 0.4]})
    assert client("GET", "/api/diff/differs/1/3")[0] == 404
    assert "differs" in [model["name"] for model in client("GET", "/api/models")[1]]
    assert client("GET", "/api/models/none")[0] == 404

"""Document 003, word for word: its curl commands and its Python, and what our own Api then sees."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from support.server import ServerProcess, make_key, running_server

from runatlas import Api

pytestmark = pytest.mark.xdist_group("conformance-chachaml")

DOCUMENT = Path(__file__).resolve().parents[4] / "shared" / "reference" / "003-chachaml-http.txt"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("chachaml") / "store") as found:
        yield found


def _shell_part() -> str:
    """The commands of its first step. ``jq -r .id`` and ``bc`` are not on every machine: Python takes their place."""
    text = DOCUMENT.read_text(encoding="utf-8")
    part = text[text.index("HOST=http://localhost:8080") : text.index("Verify in the UI")]
    part = part.replace("jq -r .id", "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"id\"])'")
    return re.sub(
        r"\$\(echo \"scale=3; 1\.0 / \(\$i \+ 1\)\" \| bc\)", '$(python3 -c "print(round(1.0 / ($i + 1), 3))")', part
    )


def _python_part() -> str:
    text = DOCUMENT.read_text(encoding="utf-8")
    return text[text.index("import requests") : text.index("3. (Optional) Register a model")]


def test_the_curl_commands(server: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"weights")
    script = "set -euo pipefail\n" + _shell_part().replace("http://localhost:8080", server.origin)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    run_id = re.search(r"Run id: (\S+)", done.stdout)
    assert run_id is not None

    api = Api(host=server.origin)
    project = next(project for project in api.projects() if project.name == "iris")
    run = project.run(run_id[1])
    assert run.name == "from-python"
    assert run.labels == ["author=maria"]
    assert run.config == {"lr": 0.01, "epochs": 100}
    assert run.state == "FINISHED"
    table = run.metrics(["accuracy", "loss"], all=True).unwrap()
    assert table["accuracy"].values.to_pylist() == [0.94]
    assert table["loss"].steps.to_pylist() == [0, 1, 2, 3, 4]
    assert table["loss"].values.to_pylist() == [1.0, 0.5, 0.333, 0.25, 0.2]
    (artifact,) = run.artifacts().unwrap()
    assert artifact.name == "model.pkl"
    assert artifact.read().unwrap() == b"weights"


def test_the_python_of_the_document(server: ServerProcess) -> None:
    namespace: dict[str, Any] = {}
    exec(_python_part().replace("http://localhost:8080", server.origin), namespace)
    found = requests.get(f"{server.origin}/api/runs/{namespace['run_id']}", timeout=10).json()
    assert found["status"] == "completed"
    assert found["params"] == {"lr": 0.01, "epochs": 100}
    losses = [item["value"] for item in found["metrics"] if item["key"] == "loss"]
    assert losses == [1.0 / (epoch + 1) for epoch in range(100)]
    assert found["tags"] == {"author": "maria"}


class _Client:
    def __init__(self, origin: str, key: str | None = None) -> None:
        self._origin = origin
        self._auth = ("", key) if key else None

    def __call__(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        answer = requests.request(method, self._origin + path, auth=self._auth, timeout=10, **options)
        return answer.status_code, answer.json()

    def start(self, **fields: Any) -> str:
        status, run = self("POST", "/api/w/runs", json={"experiment": "iris", **fields})
        assert status == 200
        return str(run["id"])


@pytest.fixture
def client(server: ServerProcess) -> _Client:
    return _Client(server.origin)


def _with_artifact(client: _Client) -> str:
    run = client.start()
    status, stored = client(
        "POST",
        f"/api/w/runs/{run}/artifacts?name=m.bin",
        data=b"abc",
        headers={"content-type": "application/octet-stream"},
    )
    assert (status, stored["size"]) == (200, 3)
    return run


def test_promoting_a_version_archives_the_one_in_production(client: _Client) -> None:
    run = _with_artifact(client)
    model = {"name": "classifier", "run_id": run, "artifact": "m.bin", "stage": "production"}
    assert client("POST", "/api/w/models", json=model)[1]["version"] == 1
    assert client("POST", "/api/w/models", json=model)[1]["version"] == 2
    _, found = client("GET", "/api/models/classifier")
    assert [version["stage"] for version in found["versions"]] == ["archived", "production"]
    assert found["model"]["production-version"] == 2
    status, difference = client("GET", "/api/diff/classifier/1/2")
    assert (status, difference["params"]) == (200, {})


def test_what_the_run_does_not_have_cannot_be_registered(client: _Client) -> None:
    run = client.start()
    status, body = client("POST", "/api/w/models", json={"name": "x", "run_id": run, "artifact": "none.bin"})
    assert status == 404
    assert "none.bin" in body["error"]


def test_a_run_that_is_not_there_or_has_ended(client: _Client) -> None:
    assert client("POST", "/api/w/runs/nothing/params", json={"a": 1}) == (404, {"error": "no such run"})
    run = client.start()
    status, ended = client("POST", f"/api/w/runs/{run}/end", json={"status": "failed", "error": "out of memory"})
    assert (status, ended["ok"], ended["status"], ended["error"]) == (200, True, "failed", "out of memory")
    assert client("POST", f"/api/w/runs/{run}/metrics", json={"a": 1})[0] == 409


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
def test_bad_input_is_refused_and_leaves_nothing(client: _Client, path: str, options: dict[str, Any]) -> None:
    run = client.start()
    status, body = client("POST", path.replace("RUN", run), **options)
    assert status == 400
    assert body["error"]
    _, found = client("GET", f"/api/runs/{run}")
    assert (found["metrics"], found["artifacts"], found["status"]) == ([], [], "running")


def test_reading(client: _Client) -> None:
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


def test_tags_notes_and_values(client: _Client) -> None:
    run = client.start(tags={"author": "maria"})
    assert client("POST", f"/api/tags/{run}", json={"key": "author", "value": "ann"})[0] == 200
    assert client("GET", f"/api/tags/{run}")[1] == {"author": "ann"}
    assert client("POST", f"/api/note/{run}", json={"note": "looks good"})[0] == 200
    status, stored = client("POST", f"/api/w/runs/{run}/artifacts", json={"name": "table", "value": [1, 2]})
    assert (status, stored["name"]) == (200, "table")
    _, found = client("GET", f"/api/runs/{run}")
    assert found["note"] == "looks good"
    (artifact,) = found["artifacts"]
    fetched = requests.get(f"{client._origin}/api/artifacts/{artifact['id']}/download", timeout=10)
    assert fetched.json() == [1, 2]


def test_the_table_of_runs_as_csv(server: ServerProcess, client: _Client) -> None:
    client.start(experiment="csv only", name="a,b")
    answer = requests.get(f"{server.origin}/api/export", params={"experiment": "csv only"}, timeout=10)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.splitlines()[1].split(",", 2)[2].startswith('"a,b"')


def test_with_accounts_a_key_is_needed(tmp_path: Path) -> None:
    with running_server(tmp_path / "store") as found:
        ann, bob = (make_key(found.directory, name) for name in ("ann", "bob"))
        nobody, owner, stranger = _Client(found.origin), _Client(found.origin, ann), _Client(found.origin, bob)
        assert nobody("POST", "/api/w/runs", json={})[0] == 401
        assert _Client(found.origin, "0" * 21)("GET", "/api/runs")[0] == 401
        run = owner.start()
        assert stranger("GET", f"/api/runs/{run}") == (404, {"error": "no such run"})
        assert stranger("POST", f"/api/w/runs/{run}/metrics", json={"a": 1})[0] == 404
        assert stranger("GET", "/api/runs")[1] == []

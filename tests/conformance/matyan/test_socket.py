"""The ingestion socket, frame by frame: what is acknowledged, what is applied, and who gets in."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from support.server import ServerProcess, make_key, running_server
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from runatlas import Api

pytestmark = pytest.mark.xdist_group("conformance-matyan")

NOW = "2026-01-02T03:04:05.678+00:00"
OK = {"status": "ok", "error": None}


def _socket(server: ServerProcess, run: str, headers: dict[str, str] | None = None) -> ClientConnection:
    url = f"{server.origin.replace('http', 'ws', 1)}/api/v1/ws/runs/{run}"
    return connect(url, proxy=None, additional_headers=headers)


def _say(socket: ClientConnection, *messages: Any) -> dict[str, Any]:
    socket.send(json.dumps(messages[0] if len(messages) == 1 else list(messages)))
    answer = json.loads(socket.recv(timeout=30))
    assert isinstance(answer, dict)
    return answer


def _metric(name: str, value: Any, step: Any = None, **fields: Any) -> dict[str, Any]:
    common = {"type": "log_metric", "name": name, "value": value, "step": step, "client_datetime": NOW}
    return {"epoch": None, "context": None, "dtype": "float", **common, **fields}


def _points(server: ServerProcess, run: str, *names: str) -> dict[str, dict[int, float]]:
    asked = [{"name": name, "context": {}} for name in names]
    path = f"/api/v1/rest/runs/{run}/metric/get-batch/?record_density=0"
    found = server.call("POST", path, json=asked).json()
    return {item["name"]: dict(zip(item["iters"], item["values"], strict=True)) for item in found}


def _info(server: ServerProcess, run: str) -> Any:
    return server.call("GET", f"/api/v1/rest/runs/{run}/info/").json()


def test_every_valid_message_of_a_frame_is_applied(server: ServerProcess) -> None:
    with _socket(server, "frames") as socket:
        assert _say(socket, {"type": "create_run", "client_datetime": NOW}) == OK
        wrong = [_metric("a", None, 1), {"type": "nothing"}, 7, _metric("", 1.0, 0), _metric("a", "x", 1)]
        answer = _say(socket, _metric("a", 1.0, 0), *wrong, _metric("a", True, 2), _metric("b", "1.5", 3.0))
        assert answer["status"] == "error"
        assert _points(server, "frames", "a", "b") == {"a": {0: 1.0, 2: 1.0}, "b": {3: 1.5}}
        socket.send("this is not JSON")
        assert json.loads(socket.recv(timeout=30))["status"] == "error"
        assert _say(socket, _metric("a", 4.0)) == OK
        assert _points(server, "frames", "a") == {"a": {0: 1.0, 2: 1.0, 3: 4.0}}


def test_a_frame_that_arrives_twice_is_applied_once(server: ServerProcess) -> None:
    record = {"type": "log_record", "message": "once", "level": 20, "timestamp": 1.5e9}
    with _socket(server, "twice") as socket:
        for _ in range(3):
            assert _say(socket, _metric("a", 1.0, 0), record) == OK
    run = Api(host=server.origin).projects()[0].run("twice")
    assert run.metrics(["a"], all=True).unwrap()["a"].values.to_pylist() == [1.0]
    assert [line.message for line in run.logs().unwrap().lines] == ["once"]


def test_the_last_value_of_a_step_counts(server: ServerProcess) -> None:
    with _socket(server, "upsert") as socket:
        assert _say(socket, _metric("a", 1.0, 0), _metric("a", 2.0, -5)) == OK
        assert _say(socket, _metric("a", 3.0, 0), _metric("a", 4.0, 0)) == OK
    assert _points(server, "upsert", "a") == {"a": {-5: 2.0, 0: 4.0}}


def test_any_message_makes_a_run_and_names_find_their_places(server: ServerProcess) -> None:
    with _socket(server, "params") as socket:
        assert _say(socket, {"type": "log_hparams", "value": {"h": {"a": 1, "b": {"c": 2}}}}) == OK
        assert _say(socket, {"type": "log_hparams", "value": {"h": {"b": 5}}}) == OK
        assert (
            _say(socket, {"type": "log_hparams", "value": {"x": {"y": 1}}}, {"type": "log_hparams", "value": {"x": {}}})
            == OK
        )
        assert _say(socket, {"type": "log_hparams", "value": {"big": 10**30}}) == OK
        assert _say(socket, {"type": "set_run_property", "experiment": "Été / 2026"}) == OK
        line = {"type": "log_terminal_line", "line": "part", "step": 0}
        assert _say(socket, line, {**line, "line": "partly"}) == OK
    info = _info(server, "params")
    assert info["params"] == {"h": {"a": 1, "b": 5}, "x": {}, "big": 10**30}
    assert info["props"]["experiment"]["name"] == "Été / 2026"
    assert info["props"]["name"] == "Run: params"
    found = server.call("GET", "/api/v1/rest/runs/search/run/", params={"q": 'run.experiment == "Été / 2026"'})
    assert found.content.count(b"params\xfe") > 0
    lines = server.call("GET", "/api/v1/rest/runs/params/logs/").content
    assert b"partly" in lines


def test_objects_wait_for_their_bytes(server: ServerProcess) -> None:
    value = {"type": "image", "format": "PNG", "caption": "c", "width": 1, "height": 2}
    said = {"type": "log_custom_object", "name": "deep/img", "value": value, "step": 3, "client_datetime": NOW}
    path = "seq/deep/img/3.png"
    with _socket(server, "objects") as socket:
        assert _say(socket, said, {**said, "context": {"v": 1}}) == OK
        place = {"run_id": "objects", "artifact_path": path, "content_type": "image/png"}
        link = server.call("POST", "/api/v1/rest/artifacts/presign", json=place).json()
        assert link["s3_key"] == f"objects/{path}"
        reference = {"type": "blob_ref", "s3_key": link["s3_key"], "artifact_path": path, "content_type": "image/png"}
        assert _say(socket, reference)["status"] == "error"
        assert requests.put(link["upload_url"], data=b"bytes", timeout=30).ok
        assert _say(socket, {**reference, "again": 1}) == OK
    run = Api(host=server.origin).projects()[0].run("objects")
    found = run.medias(["deep/img"], all=True).unwrap()
    files = [file for series in found.values() for step in series for file in step]
    assert {file.read().unwrap() for file in files} == {b"bytes"}
    assert _info(server, "objects")["artifacts"] == []


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, dict[str, str]]]:
    """A server with accounts, and keys of two users."""
    directory: Path = tmp_path_factory.mktemp("guarded")
    keys = {name: make_key(directory, name) for name in ("ann", "bob")}
    with running_server(directory) as server:
        yield server, keys


def _basic(key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"x:{key}".encode()).decode()}


def test_only_who_has_a_key_gets_in_and_each_sees_its_own(guarded: tuple[ServerProcess, dict[str, str]]) -> None:
    server, keys = guarded
    for headers in ({}, _basic("0" * 21), {**_basic(keys["ann"]), "Origin": "http://elsewhere.example"}):
        with pytest.raises(InvalidStatus) as refused, _socket(server, "r", headers):
            pass
        assert refused.value.response.status_code in {401, 403}
    with _socket(server, "r", _basic(keys["ann"])) as socket:
        assert _say(socket, _metric("a", 1.0, 0)) == OK
    for key, status in ((None, 401), ("0" * 21, 401), (keys["bob"], 404), (keys["ann"], 200)):
        answer = server.call("GET", "/api/v1/rest/runs/r/info/", key=key)
        assert answer.status_code == status
        if status != 200:
            body = answer.json()
            assert body["detail"] == body["error"]["message"]


def test_a_foreign_page_opens_no_socket_where_nobody_needs_a_key(server: ServerProcess) -> None:
    with pytest.raises(InvalidStatus), _socket(server, "r", {"Origin": "http://elsewhere.example"}):
        pass
    with _socket(server, "own-page", {"Origin": server.origin}) as socket:
        assert _say(socket, _metric("a", 1.0, 0)) == OK


def test_a_key_that_is_revoked_writes_nothing_more(guarded: tuple[ServerProcess, dict[str, str]]) -> None:
    server, keys = guarded
    made = server.call("POST", "keys", key=keys["bob"], json={}).json()
    with _socket(server, "long", _basic(made["secret"])) as socket:
        assert _say(socket, _metric("a", 1.0, 0)) == OK
        assert server.call("DELETE", f"keys/{made['key']['id']}", key=keys["bob"]).ok
        assert _say(socket, _metric("a", 2.0, 1))["status"] == "error"
    path = "/api/v1/rest/runs/long/metric/get-batch/"
    found = server.call("POST", path, key=keys["bob"], json=[{"name": "a", "context": {}}]).json()
    assert found[0]["values"] == [1.0]


def test_the_client_logs_in_by_its_url(make_client: Any, guarded: tuple[ServerProcess, dict[str, str]]) -> None:
    server, keys = guarded
    url = server.origin.replace("http://", f"http://ann:{keys['ann']}@")
    written = make_client(url).call("write")
    assert (written["tags"], written["images"], written["model"]) == (["best"], 2, 7000)
    assert "baseline" not in [project.name for project in Api(host=server.origin, api_key=keys["bob"]).projects()]


def test_entities_are_made_once(server: ServerProcess) -> None:
    for path in ("experiments", "tags"):
        made = [server.call("POST", f"/api/v1/rest/{path}/", json={"name": f"new {path}"}) for _ in range(2)]
        assert [answer.status_code for answer in made] == [200, 409]
        listed = server.call("GET", f"/api/v1/rest/{path}/").json()
        assert made[0].json()["id"] in {item["id"] for item in listed if item["name"] == f"new {path}"}

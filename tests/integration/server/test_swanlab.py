"""What SwanLab's links are good for, what it takes once, and how long a session lasts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import requests
from support.server import ServerProcess, make_key, running_server

from runatlas.model.ids import new_cuid


@attrs.frozen
class World:
    """A server with a project of a workspace, and in it a run."""

    server: ServerProcess
    session: str
    project: str
    run: str

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Make a request below ``/api`` with a session."""
        headers = {"Cookie": f"sid={self.session}", **options.pop("headers", {})}
        return self.server.call(method, f"/api{path}", headers=headers, **options)

    def make(self, method: str, path: str, **options: Any) -> Any:
        """Do something that is needed before the request that is looked at."""
        answer = self.ask(method, path, **options)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def new_run(self) -> str:
        """Make a run, and return its cuid."""
        return str(self.make("POST", "/project/lab/secret/experiment", json={"name": "n", "cuid": new_cuid()})["cuid"])


COLUMNS = [{"experimentId": "RUN", "key": "loss"}]
QUERY = {"projectId": "p", "xType": "step", "range": [0, 0], "num": 10, "columns": COLUMNS}
POINT = {"key": "loss", "index": 1, "data": 0.5, "create_time": "2026-01-02T03:04:05.678Z"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("swanlab") / "store"
    key = make_key(directory, "olga")
    with running_server(directory) as server:
        session = server.call("POST", "/api/login/api_key", headers={"authorization": key}).json()["sid"]
        made = World(server, session, "", "")
        assert server.call("POST", "workspaces", key=key, json={"username": "lab"}).ok
        project = made.make("POST", "/project", json={"name": "secret", "username": "lab"})["cuid"]
        made = attrs.evolve(made, project=project)
        made = attrs.evolve(made, run=made.new_run())
        body = {"type": "scalar", "projectId": project, "experimentId": made.run, "metrics": [POINT]}
        made.make("POST", "/house/metrics", json=body)
        yield made


def test_a_session_outlives_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("session") / "store"
    key = make_key(directory, "ann")
    with running_server(directory) as server:
        told = server.call("POST", "/api/login/api_key", headers={"authorization": key}).json()
    assert told["userInfo"]["username"] == "ann"
    with running_server(directory) as server:
        answer = server.call("GET", "/api/user/profile", headers={"Cookie": f"sid={told['sid']}"})
        assert answer.status_code == 200, answer.text


def test_links_are_for_what_they_were_given_for(world: World) -> None:
    body = {"experimentId": world.run, "paths": ["media/image/1.png"]}
    (url,) = world.make("POST", "/resources/presigned/put", json=body)["urls"]
    for wrong in (url.replace("1.png", "2.png"), url[:-4] + "0000", url.replace(world.run, world.new_run()), url[:-80]):
        assert requests.put(wrong, b"x", timeout=60).status_code == 404
    token = world.make("GET", f"/project/lab/secret/runs/{world.run}/sts")["credentials"]["sessionToken"]
    s3 = f"{world.server.origin}/api/resources/s3/runs/{world.project}"
    sent = {"x-amz-security-token": token}
    assert requests.put(f"{s3}/{world.run}/pic/1.png", b"x", headers=sent, timeout=60).status_code == 200
    assert requests.put(f"{s3}/{world.new_run()}/pic/1.png", b"x", headers=sent, timeout=60).status_code == 404
    assert requests.put(f"{s3}/{world.run}/a%2F..%2F..%2Fb", b"x", headers=sent, timeout=60).status_code == 400
    assert requests.put(f"{s3}/{world.run}/pic/1.png", b"x", timeout=60).status_code == 401
    # Nobody reads inline media by the address of an upload.
    inline = url.replace("/objects/", "/inline/")
    assert requests.get(inline, timeout=60).status_code == 404


def test_what_is_sent_twice_is_stored_once(world: World) -> None:
    run = world.new_run()
    metrics = [{**POINT, "index": step, "data": step / 2} for step in range(10)]
    body = {"type": "scalar", "projectId": world.project, "experimentId": run, "metrics": metrics}
    for _ in range(3):
        world.make("POST", "/house/metrics", json=body)
    query = {**QUERY, "columns": [{"experimentId": run, "key": "loss"}]}
    (line,) = world.make("POST", "/house/metrics/scalar", json=query)
    assert [(point["index"], point["data"]) for point in line["metrics"]] == [(step, step / 2) for step in range(10)]
    lines = [{"epoch": 1, "level": "INFO", "message": "once", "create_time": "2026-01-02T03:04:05Z"}]
    for _ in range(2):
        world.make("POST", "/house/metrics", json={"type": "log", "experimentId": run, "metrics": lines})
    told = world.make("GET", f"/house/metrics/summaries/{world.project}/{run}?all=True")
    assert told == {"log": [{"key": "LOG", "step": 1}], "scalar": [{"key": "loss", "step": 9}], "media": []}


def test_of_several_users_all_are_made_or_none(world: World) -> None:
    held = world.make("GET", "/self_hosted/users")["total"]
    wanted = [{"username": name, "password": "long enough"} for name in ("first", "lab", "second")]
    assert world.ask("POST", "/self_hosted/users", json={"users": wanted}).status_code == 409
    assert world.make("GET", "/self_hosted/users")["total"] == held
    world.make("POST", "/self_hosted/users", json={"users": wanted[::2]})
    assert world.make("GET", "/self_hosted/users")["total"] == held + 2


def test_a_project_that_is_there_is_told_with_a_conflict(world: World) -> None:
    answer = world.ask("POST", "/project", json={"name": "secret", "username": "lab"})
    assert (answer.status_code, answer.json()["username"], answer.json()["name"]) == (409, "lab", "secret")
    again = world.ask("POST", "/projects/lab", json={"name": "secret"})
    assert again.status_code == 200


@pytest.mark.parametrize(
    ("numbers", "said"), [((1, 1, 2), "1, 1, 2"), ((1, 3), "1, 3"), ((2,), "2")], ids=("twice", "gap", "no first")
)
def test_a_file_is_put_together_of_all_its_parts_once(world: World, numbers: tuple[int, ...], said: str) -> None:
    file = {"path": "big.bin", "size": 9, "md5": "", "mimeType": "text/plain", "count": 3}
    path = f"/experiment/{world.run}/files"
    made = world.make("POST", f"{path}/prepare-multipart", json={"files": [file]})["files"][0]
    for part in made["parts"]:
        assert requests.put(part["url"], b"abc", timeout=60).ok
    parts = [{"partNumber": number, "etag": "x"} for number in numbers]
    files = [{"path": "big.bin", "uploadId": made["uploadId"], "parts": parts}]
    answer = world.ask("POST", f"{path}/complete-multipart", json={"files": files})
    assert answer.status_code == 400
    assert f"got {said}" in answer.json()["message"]

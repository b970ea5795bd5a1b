"""What comes in by each door leaves one line in the journal, of that door and user; what is recorded leaves none."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import requests
from support.backend import Servers, servers
from websockets.sync.client import connect

from runatlas import Api, Run
from runatlas.backends.local import LocalBackend
from runatlas.model.change import ChangeQuery, ChangeRecord
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunSelection
from runatlas.server.services.services import Services

__all__ = ["servers"]

_PROTOCOLS = ("native", "chachaml", "swanlab", "syvain", "matyan")
REST = "/api/v1/rest"
RUN = "recorded"


@attrs.frozen
class World:
    """A server, and ann, who has a project on it; others administer it."""

    services: Services
    backend: LocalBackend
    origin: str
    key: str

    def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> Any:
        told = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        answer = requests.request(method, self.origin + path, headers=told, timeout=60, **options)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def cuid(self, run: str) -> str:
        (found,) = self.backend.list_runs(RunQuery(RunSelection("ann", ids=(run,)))).items
        return found.cuid

    def lines(self) -> list[ChangeRecord]:
        """The lines of the journal, but for the projects that were made."""
        found = self.services.changes.list_changes(self.services.owner(), ChangeQuery(page=PageRequest()))
        return [line for line in found.items if line.kind != "create"]


@pytest.fixture
def world(tmp_path: Path, servers: Servers) -> Iterator[World]:
    services = Services.open(tmp_path / "store")
    owner = LocalBackend(services, services.owner())
    owner.create_user("ann")
    key = owner.create_key("ann").secret
    caller = services.accounts.authenticate(key)
    assert caller is not None
    backend = LocalBackend(services, caller)
    backend.create_project(ProjectDraft("demo"))
    with servers.serving(services, *_PROTOCOLS) as origin:
        yield World(services, backend, origin, key)
    services.close()


def _python(world: World) -> str:
    run, _ = world.backend.create_run(RunDraft(ProjectPath("ann", "demo"), id=RUN))
    for patch in (RunPatch(config={"lr": 1}, labels_added=("a",)), RunPatch(state="FINISHED")):
        world.backend.update_runs(RunSelection("ann", "demo", ids=(run.id,)), attrs.evolve(patch, by_run=True))
    return run.id


def _native(world: World) -> str:
    with Run(repo=world.origin, api_key=world.key, experiment="demo", config={"lr": 1}) as run:
        run.track(0.5, name="loss", step=0)
        run.add_tag("a")
        run.name = "called"
    return run.id


def _chachaml(world: World) -> str:
    headers = {"Authorization": f"Basic {base64.b64encode(f':{world.key}'.encode()).decode()}"}
    made = world.call("POST", "/api/w/runs", headers=headers, json={"experiment": "demo"})
    for path, body in (("params", {"lr": 1}), ("metrics", {"loss": 0.5}), ("end", {"status": "completed"})):
        world.call("POST", f"/api/w/runs/{made['id']}/{path}", headers=headers, json=body)
    return str(made["id"])


def _chachaml_change(world: World, run: str) -> None:
    headers = {"Authorization": f"Basic {base64.b64encode(f':{world.key}'.encode()).decode()}"}
    world.call("POST", f"/api/note/{run}", headers=headers, json={"note": "whisper"})


def _matyan(world: World) -> str:
    metric = {"name": "loss", "value": 0.5, "step": 0, "dtype": "float", "context": None, "epoch": None}
    said: tuple[dict[str, Any], ...] = (
        {"type": "create_run"},
        {"type": "log_hparams", "value": {"lr": 1}},
        {"type": "log_metric", **metric, "client_datetime": "2026-01-02T03:04:05.678+00:00"},
        {"type": "set_run_property", "name": "called"},
        {"type": "add_tag", "tag_name": "a"},
        {"type": "finish_run"},
    )
    url = f"{world.origin.replace('http', 'ws', 1)}/api/v1/ws/runs/{RUN}"
    with connect(url, additional_headers={"Authorization": f"Bearer {world.key}"}) as socket:
        for message in said:
            socket.send(json.dumps(message))
            assert json.loads(socket.recv())["status"] == "ok"
    return RUN


def _swanlab_headers(world: World) -> dict[str, str]:
    told = world.call("POST", "/api/login/api_key", headers={"Authorization": world.key})
    return {"Cookie": f"sid={told['sid']}"}


def _swanlab(world: World) -> str:
    headers, path = _swanlab_headers(world), "/api/project/ann/demo"
    made = world.call("POST", f"{path}/experiment", headers=headers, json={"name": "n", "cuid": RUN})
    point = {"key": "loss", "index": 0, "data": 0.5, "epoch": 1}
    config = {"config": {"lr": {"value": 1, "sort": 0, "desc": ""}}}
    body = {"type": "scalar", "projectId": "p", "experimentId": made["cuid"], "metrics": [point]}
    world.call("PUT", f"{path}/runs/{RUN}/profile", headers=headers, json=config)
    world.call("POST", "/api/house/metrics", headers=headers, json=body)
    world.call(
        "POST", f"/api/house/experiments/{world.cuid(RUN)}/heartbeat", headers=headers, json={"flagId": "123456"}
    )
    world.call("PUT", f"{path}/runs/{RUN}/state", headers=headers, json={"state": "FINISHED", "from": "sdk"})
    return RUN


def _swanlab_change(world: World, run: str) -> None:
    world.call("DELETE", f"/api/project/ann/demo/runs/{run}", headers=_swanlab_headers(world))


def _syvain(world: World) -> str:
    made = world.call("POST", "/api/v1/experiments", json={"slug": RUN})["data"]["experiment"]["id"]
    metric = {"client_event_id": "e", "name": "loss", "value": 1, "step": 1}
    world.call("POST", f"/api/v1/experiments/{made}/ingest", json={"data": [metric]})
    world.call("POST", f"/api/v1/experiments/{made}", json={"status": "running"})
    world.call("POST", f"/api/v1/experiments/{made}", json={"status": "done"})
    return str(made)


def _syvain_change(world: World, run: str) -> None:
    folder = world.call("POST", "/api/v1/folders", json={"name": "best"})["data"]["folder"]["folder_id"]
    world.call("PATCH", f"/api/v1/experiments/{run}", json={"folder_id": folder})


def _update(world: World, run: str) -> None:
    world.backend.update_runs(RunSelection("ann", ids=(run,)), RunPatch(group="g"))


def _native_update(world: World, run: str) -> None:
    with Api(host=world.origin, api_key=world.key) as api:
        api.run(f"ann/demo/{run}").update(group="g").unwrap()


def _matyan_update(world: World, run: str) -> None:
    world.call("PUT", f"{REST}/runs/{run}", json={"name": "renamed"})


DOORS: dict[str, tuple[Callable[[World], str], Callable[[World, str], None], str]] = {
    "python": (_python, _update, "update"),
    "http": (_native, _native_update, "update"),
    "chachaml": (_chachaml, _chachaml_change, "update"),
    "matyan": (_matyan, _matyan_update, "update"),
    "swanlab": (_swanlab, _swanlab_change, "delete"),
    "syvain": (_syvain, _syvain_change, "update"),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_change_leaves_one_line_and_what_is_recorded_none(world: World, door: str) -> None:
    record, change, kind = DOORS[door]
    run = record(world)
    assert world.lines() == []
    change(world, run)
    (line,) = world.lines()
    assert (line.door, line.by, line.kind, line.workspace, line.runs) == (door, "ann", kind, "ann", 1)

"""Every route of matyan's protocol asked by everyone: each caller has a repository of its own."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from support.server import ServerProcess, make_key, running_server

from runatlas.model.ids import new_cuid
from runatlas.server.dialects.matyan.dialect import PREFIX, ROUTES

HIDDEN = {
    "GET /runs/{run}/info",
    "PUT /runs/{run}",
    "DELETE /runs/{run}",
    "POST /runs/{run}/metric/get-batch",
    "POST /runs/{run}/tags/new",
    "DELETE /runs/{run}/tags/{tag}",
    "GET /runs/{run}/artifacts/download",
    "GET /runs/{run}/artifacts/download-all",
    "DELETE /experiments/{experiment}",
}
"""The routes that tell a stranger that there is nothing; all others speak of what is the stranger's own."""

BODIES: dict[str, Any] = {
    "PUT /runs/{run}": {"name": "n"},
    "POST /runs/{run}/metric/get-batch": [{"name": "loss", "context": {}}],
    "POST /runs/{run}/tags/new": {"tag_name": "t"},
    "POST /runs/delete-batch": [],
    "POST /runs/images/get-batch": [],
    "POST /runs/audios/get-batch": [],
}


@attrs.frozen
class World:
    """A server with two users, of whom one has runs."""

    server: ServerProcess
    keys: dict[str, str]
    revoked: str

    def rest(self, method: str, path: str, key: str | None, **options: Any) -> Any:
        """Make a request below the prefix."""
        return self.server.call(method, PREFIX + path, key=key, **options)

    def new_run(self) -> str:
        """Make a run with a file, and return its id."""
        run, key = new_cuid(), self.keys["olga"]
        link = self.rest("POST", "/artifacts/presign", key, json={"run_id": run, "artifact_path": "f"}).json()
        assert self.server.call("PUT", link["upload_url"].removeprefix(self.server.origin), data=b"x").ok
        blob = self.server.call("POST", "projects/olga/default/blobs", key=key, data=b"x").json()
        batch = {"artifacts": [{"name": "f", **blob}]}
        assert self.server.call("POST", f"runs/olga/default/{run}/append", key=key, json=batch).ok
        return run

    def filled(self, route: str) -> str:
        """Return a path of a route, with things of olga's in it."""
        path = route.partition(" ")[2]
        if "{run}" in path:
            path = path.replace("{run}", self.new_run())
        if "{experiment}" in path:
            name = new_cuid()
            made = self.rest("POST", "/experiments", self.keys["olga"], json={"name": name}).json()
            path = path.replace("{experiment}", made["id"])
        return path.replace("{tag}", "none") + ("?path=f" if path.endswith("/download") else "")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("roles") / "store"
    keys = {name: make_key(directory, name) for name in ("boss", "olga", "stan")}
    with running_server(directory) as server:
        made = server.call("POST", "keys", key=keys["olga"], json={}).json()
        assert server.call("DELETE", f"keys/{made['key']['id']}", key=keys["olga"]).ok
        yield World(server, keys, made["secret"])


def _name(method: str, path: str) -> str:
    return f"{method} {path.replace(':str', '')}"


def _body(route: str) -> Any:
    if route in {"POST /experiments", "POST /tags"}:
        return {"name": new_cuid()}
    if route == "POST /artifacts/presign":
        return {"run_id": new_cuid(), "artifact_path": "f"}
    return BODIES.get(route)


@pytest.mark.parametrize("route", [_name(*route) for route in ROUTES])
def test_everyone_gets_what_is_theirs(world: World, route: str) -> None:
    method, path = route.partition(" ")[0], world.filled(route)
    options = {"json": _body(route)} if _body(route) is not None else {}
    for key in (None, "0" * 21, world.revoked):
        refused = world.rest(method, path, key, **options)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "unauthorized"
        assert "WWW-Authenticate" in refused.headers
    stranger = world.rest(method, path, world.keys["stan"], **options)
    assert stranger.status_code == 404 if route in HIDDEN else stranger.ok, stranger.text
    options = {"json": _body(route)} if _body(route) is not None else {}
    assert world.rest(method, path, world.keys["olga"], **options).ok


def test_a_stranger_finds_nothing_of_others(world: World) -> None:
    run = world.new_run()
    for kind in ("run", "metric", "images", "audios", "texts", "figures", "distributions"):
        assert world.rest("GET", f"/runs/search/{kind}", world.keys["stan"]).content.find(run.encode()) == -1
    assert run.encode() in world.rest("GET", "/runs/search/run", world.keys["olga"]).content
    world.rest("POST", "/runs/delete-batch", world.keys["stan"], json=[run])
    assert world.rest("GET", f"/runs/{run}/info", world.keys["olga"]).ok


def test_a_bomb_is_stopped(world: World) -> None:
    bomb = gzip.compress(b"[" + b" " * (64 << 20) + b"]")
    headers = {"Content-Encoding": "gzip"}
    answer = world.rest("POST", "/runs/delete-batch", world.keys["olga"], data=bomb, headers=headers)
    assert answer.status_code == 413
    deep = b"[" * 100_000
    assert world.rest("POST", "/runs/delete-batch", world.keys["olga"], data=deep).status_code == 400

"""Every route of our own protocol, asked by everyone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
import requests
from support.server import ServerProcess, make_key, running_server

from runatlas.model.ids import new_cuid
from runatlas.server.dialects.native.dialect import native_routes

ROLES = {"vito": "VISITOR", "vera": "VIEWER", "mia": "MEMBER", "olga": "OWNER"}
NAMES = (*ROLES, "stan", "boss")
"""The members of the workspace ``lab``, a stranger to it, and an administrator who is one too."""

OK = 0
LAB, SECRET, RUN = "lab", "lab/secret", "lab/secret/r"


def _expected(vito: int, vera: int, mia: int, olga: int, stan: int, boss: int | None = None) -> dict[str, int]:
    return dict(zip(NAMES, (vito, vera, mia, olga, stan, stan if boss is None else boss), strict=True))


ANYONE = _expected(OK, OK, OK, OK, OK)
ADMINISTRATOR = _expected(403, 403, 403, 403, 403, OK)
READ = _expected(404, OK, OK, OK, 404)
WRITE = _expected(404, 403, OK, OK, 404)
MANAGE = _expected(404, 403, 403, OK, 404)
SEE_WORKSPACE = _expected(OK, OK, OK, OK, 404)
READ_WORKSPACE = _expected(403, OK, OK, OK, 404)
WRITE_WORKSPACE = _expected(403, 403, OK, OK, 404)
MANAGE_WORKSPACE = _expected(403, 403, 403, OK, 404)
RESTORE = _expected(404, 404, OK, OK, 404)
PURGE = _expected(404, 404, 403, OK, 404, OK)


@attrs.frozen
class World:
    """A server with a private project in a shared workspace, and what is needed to ask for it."""

    server: ServerProcess
    keys: dict[str, str]
    revoked: str

    def make(self, method: str, path: str, name: str = "olga", **options: Any) -> Any:
        """Do something that is needed before the request that is looked at."""
        answer = self.server.call(method, path, key=self.keys[name], **options)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def new_run(self) -> str:
        """Make a run, and return its id."""
        draft = {"project": {"workspace": LAB, "project": "secret"}, "id": new_cuid()}
        return str(self.make("POST", "runs", json=draft)["run"]["id"])

    def plan(self) -> Any:
        """Plan the deletion of a new run."""
        selection = {"workspace": LAB, "project": "secret", "ids": [self.new_run()]}
        return self.make("POST", "deletions/plan", json={"runs": selection})

    def trash(self) -> str:
        """Delete a new run, and return the trash entry."""
        return str(self.make("POST", "deletions", json=self.plan())["trash_id"])

    def folder(self) -> str:
        """Make a folder."""
        return str(self.make("POST", f"projects/{SECRET}/folders", json={"name": new_cuid()})["id"])

    def model(self) -> str:
        """Register a model."""
        draft = {"name": new_cuid(), "run": RUN, "artifact": "weights.pt"}
        return str(self.make("POST", "models", json=draft)["model"])

    def own_key(self, name: str) -> str:
        """Make a key of the caller's own."""
        return str(self.make("POST", "keys", name, json={})["key"]["id"])

    def ingestion_key(self) -> str:
        """Make an ingestion key."""
        made = self.make("POST", f"runs/{RUN}/ingestion-keys", json={"name": new_cuid()})
        return str(made["key"]["id"])

    def link(self, path: str, **options: Any) -> str:
        """Ask for something that answers with a link, and return that."""
        found = self.make("POST" if options else "GET", path, **options)
        url = str(found["url"] if "url" in found else found["items"][0]["url"])
        return url.removeprefix(self.server.origin)


Request = tuple[str, dict[str, Any]]
"""A path and the options of the request."""


@attrs.frozen
class Row:
    """A route, what each caller gets, and how it is asked."""

    route: str
    expected: dict[str, int]
    request: Callable[[World, str], Request]


def _plain(route: str, expected: dict[str, int], path: str, body: Any = None) -> Row:
    return Row(route, expected, lambda _, __: (path, {} if body is None else {"json": body}))


SELECTION = {"workspace": LAB, "project": "secret"}
POINTS = [{"key": "loss", "steps": [1], "values": [0.5], "times_ms": [1]}]
OCTETS = {"Content-Type": "application/octet-stream"}

ROWS = [
    _plain("GET /server", ANYONE, "server"),
    _plain("GET /user", ANYONE, "user"),
    _plain("PATCH /user", ANYONE, "user", {"bio": "here"}),
    _plain("GET /workspaces", ANYONE, "workspaces"),
    Row("POST /workspaces", ANYONE, lambda _, __: ("workspaces", {"json": {"username": new_cuid()}})),
    _plain("GET /workspaces/{workspace}", SEE_WORKSPACE, f"workspaces/{LAB}"),
    _plain("PATCH /workspaces/{workspace}", MANAGE_WORKSPACE, f"workspaces/{LAB}", {"comment": "!"}),
    _plain(
        "PUT /workspaces/{workspace}/members/{username}",
        MANAGE_WORKSPACE,
        f"workspaces/{LAB}/members/extra",
        {"role": "VIEWER"},
    ),
    _plain("GET /keys", ANYONE, "keys"),
    _plain("POST /keys", ANYONE, "keys", {}),
    Row("DELETE /keys/{key_id}", ANYONE, lambda world, name: (f"keys/{world.own_key(name)}", {})),
    _plain("POST /projects/query", SEE_WORKSPACE, "projects/query", {"workspace": LAB}),
    Row(
        "POST /projects",
        WRITE_WORKSPACE,
        lambda _, __: ("projects", {"json": {"workspace": LAB, "name": new_cuid()}}),
    ),
    _plain("GET /projects/{workspace}/{project}", READ, f"projects/{SECRET}"),
    _plain("PATCH /projects/{workspace}/{project}", WRITE, f"projects/{SECRET}", {"title": "!"}),
    _plain("POST /runs/query", READ, "runs/query", {"selection": SELECTION}),
    _plain("POST /runs/count", READ, "runs/count", SELECTION),
    Row("POST /runs", WRITE, lambda _, __: ("runs", {"json": {"project": SELECTION, "id": new_cuid()}})),
    _plain("POST /runs/update", WRITE, "runs/update", {"selection": SELECTION, "patch": {"show": True}}),
    _plain("GET /runs/{workspace}/{project}/{run}", READ, f"runs/{RUN}"),
    _plain("POST /runs/{workspace}/{project}/{run}/append", WRITE, f"runs/{RUN}/append", {"points": POINTS}),
    _plain("POST /points/query", READ, "points/query", {"selection": SELECTION}),
    _plain("POST /summaries/query", READ, "summaries/query", {"selection": SELECTION}),
    _plain("POST /runs/{workspace}/{project}/{run}/columns/query", READ, f"runs/{RUN}/columns/query", {}),
    _plain("POST /runs/{workspace}/{project}/{run}/media/query", READ, f"runs/{RUN}/media/query", {}),
    _plain("POST /runs/{workspace}/{project}/{run}/logs/query", READ, f"runs/{RUN}/logs/query", {}),
    _plain("GET /runs/{workspace}/{project}/{run}/artifacts", READ, f"runs/{RUN}/artifacts"),
    _plain(
        "POST /runs/{workspace}/{project}/{run}/logs/export", READ, f"runs/{RUN}/logs/export", {"start": 0, "rows": 1}
    ),
    _plain(
        "POST /runs/{workspace}/{project}/{run}/columns/export", READ, f"runs/{RUN}/columns/export", {"key": "loss"}
    ),
    Row(
        "POST /projects/{workspace}/{project}/blobs",
        WRITE,
        lambda _, __: (f"projects/{SECRET}/blobs", {"data": b"blob", "headers": OCTETS}),
    ),
    _plain("POST /deletions/plan", WRITE, "deletions/plan", {"runs": {**SELECTION, "ids": ["r"]}}),
    Row("POST /deletions", WRITE, lambda world, _: ("deletions", {"json": world.plan()})),
    _plain("GET /trash", WRITE_WORKSPACE, f"trash?workspace={LAB}"),
    Row("POST /trash/{trash_id}/restore", RESTORE, lambda world, _: (f"trash/{world.trash()}/restore", {})),
    Row(
        "POST /trash/purge",
        PURGE,
        lambda world, _: ("trash/purge", {"json": {"trash_id": world.trash(), "expired_only": False}}),
    ),
    _plain("GET /projects/{workspace}/{project}/folders", READ, f"projects/{SECRET}/folders"),
    Row(
        "POST /projects/{workspace}/{project}/folders",
        WRITE,
        lambda _, __: (f"projects/{SECRET}/folders", {"json": {"name": new_cuid()}}),
    ),
    Row(
        "PATCH /projects/{workspace}/{project}/folders/{folder_id}",
        WRITE,
        lambda world, _: (f"projects/{SECRET}/folders/{world.folder()}", {"json": {"name": new_cuid()}}),
    ),
    Row(
        "DELETE /projects/{workspace}/{project}/folders/{folder_id}",
        WRITE,
        lambda world, _: (f"projects/{SECRET}/folders/{world.folder()}", {}),
    ),
    _plain("POST /runs/{workspace}/{project}/{run}/annotations/query", READ, f"runs/{RUN}/annotations/query", {}),
    _plain("POST /runs/{workspace}/{project}/{run}/annotations", WRITE, f"runs/{RUN}/annotations", {"text": "note"}),
    _plain("GET /runs/{workspace}/{project}/{run}/ingestion-keys", WRITE, f"runs/{RUN}/ingestion-keys"),
    _plain(
        "POST /runs/{workspace}/{project}/{run}/ingestion-keys", WRITE, f"runs/{RUN}/ingestion-keys", {"name": "key"}
    ),
    Row(
        "DELETE /runs/{workspace}/{project}/{run}/ingestion-keys/{key_id}",
        WRITE,
        lambda world, _: (f"runs/{RUN}/ingestion-keys/{world.ingestion_key()}", {}),
    ),
    _plain("GET /runs/{workspace}/{project}/{run}/catalog", READ, f"runs/{RUN}/catalog"),
    _plain("GET /models/{workspace}", READ_WORKSPACE, f"models/{LAB}"),
    Row(
        "GET /models/{workspace}/{name}/versions",
        READ_WORKSPACE,
        lambda world, _: (f"models/{LAB}/{world.model()}/versions", {}),
    ),
    Row(
        "POST /models",
        WRITE,
        lambda _, __: ("models", {"json": {"name": new_cuid(), "run": RUN, "artifact": "weights.pt"}}),
    ),
    Row(
        "PATCH /models/{workspace}/{name}/versions/{version}",
        WRITE_WORKSPACE,
        lambda world, _: (f"models/{LAB}/{world.model()}/versions/1", {"json": {"stage": "staging"}}),
    ),
    _plain("GET /admin/users", ADMINISTRATOR, "admin/users"),
    Row("POST /admin/users", ADMINISTRATOR, lambda _, __: ("admin/users", {"json": {"username": new_cuid()}})),
    _plain("GET /admin/workspaces", ADMINISTRATOR, "admin/workspaces"),
    _plain("POST /admin/projects/query", ADMINISTRATOR, "admin/projects/query", {}),
    _plain("GET /admin/usage", ADMINISTRATOR, "admin/usage"),
]

PUBLIC_ROWS = [
    _plain("GET /healthz", ANYONE, "/healthz"),
    _plain("GET /openapi.json", ANYONE, "openapi.json"),
    Row("GET /blobs/{sha256}", ANYONE, lambda world, _: (world.link(f"runs/{RUN}/artifacts"), {})),
    Row(
        "GET /exports/{cuid}",
        ANYONE,
        lambda world, _: (world.link(f"runs/{RUN}/columns/export", json={"key": "loss"}), {}),
    ),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("roles")
    keys = {name: make_key(directory, name) for name in ("boss", *ROLES, "stan", "extra")}
    with running_server(directory) as server:
        made = World(server, keys, revoked="")
        made.make("POST", "workspaces", json={"username": LAB})
        made.make("POST", "projects", json={"workspace": LAB, "name": "secret"})
        for name, role in ROLES.items():
            made.make("PUT", f"workspaces/{LAB}/members/{name}", json={"role": role})
        made.make("POST", "runs", json={"project": SELECTION, "id": "r"})
        blob = made.make("POST", f"projects/{SECRET}/blobs", data=b"weights", headers=OCTETS)
        artifact = {"name": "weights.pt", "sha256": blob["sha256"], "size": 7}
        made.make("POST", f"runs/{RUN}/append", json={"points": POINTS, "artifacts": [artifact]})
        revoked = made.make("POST", "keys", json={})
        made.make("DELETE", f"keys/{revoked['key']['id']}")
        yield attrs.evolve(made, revoked=revoked["secret"])


def _ask(world: World, row: Row, name: str, key: str | None) -> requests.Response:
    path, options = row.request(world, name)
    return world.server.call(row.route.partition(" ")[0], path, key=key, **options)


def _successes(row: Row) -> set[int]:
    method, path = row.route.split(" ")
    (route,) = [r for r in native_routes() if r.method == method and r.path in {path, f"/atlas/v1{path}"}]
    return set(route.statuses)


def test_the_table_has_every_route() -> None:
    told = {f"{route.method} {route.path.removeprefix('/atlas/v1')}": route.public for route in native_routes()}
    assert {row.route for row in ROWS} == {route for route, public in told.items() if not public}
    assert {row.route for row in PUBLIC_ROWS} == {route for route, public in told.items() if public}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route)
def test_without_a_valid_key_nobody_gets_in(world: World, row: Row) -> None:
    for key in (None, "0" * 21, world.revoked):
        answer = _ask(world, row, "olga", key)
        assert answer.status_code == 401, answer.text
        assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route)
def test_everyone_gets_what_the_role_allows(world: World, row: Row, name: str) -> None:
    answer = _ask(world, row, name, world.keys[name])
    wanted = _successes(row) if row.expected[name] == OK else {row.expected[name]}
    assert answer.status_code in wanted, answer.text


@pytest.mark.parametrize("row", PUBLIC_ROWS, ids=lambda row: row.route)
def test_what_is_public_needs_no_key(world: World, row: Row) -> None:
    for key in (None, "0" * 21, world.revoked, world.keys["stan"]):
        assert _ask(world, row, "olga", key).status_code == 200


def test_the_administrator_is_no_spy(world: World) -> None:
    listed = world.make("POST", "admin/projects/query", "boss", json={})
    assert "secret" in {project["name"] for project in listed["items"]}
    assert world.server.call("GET", f"runs/{RUN}", key=world.keys["boss"]).status_code == 404


def test_keys_of_others_are_not_there(world: World) -> None:
    key_id = world.own_key("olga")
    for name in ("vera", "mia", "stan"):
        assert world.server.call("DELETE", f"keys/{key_id}", key=world.keys[name]).status_code == 404
        assert world.server.call("GET", "keys?username=olga", key=world.keys[name]).status_code == 403
        assert world.server.call("POST", "keys", json={"username": "olga"}, key=world.keys[name]).status_code == 403
    assert world.server.call("DELETE", f"keys/{key_id}", key=world.keys["boss"]).status_code == 200


def test_a_public_project_is_read_by_everyone_with_a_key_and_written_by_members_only(world: World) -> None:
    # In a workspace of its own: whoever sees one of its projects sees a workspace.
    world.make("POST", "workspaces", json={"username": "club"})
    for name, role in ROLES.items():
        world.make("PUT", f"workspaces/club/members/{name}", json={"role": role})
    world.make("POST", "projects", json={"workspace": "club", "name": "shown", "visibility": "PUBLIC"})
    world.make("POST", "runs", json={"project": {"workspace": "club", "project": "shown"}, "id": "r"})
    for name in NAMES:
        assert world.server.call("GET", "runs/club/shown/r", key=world.keys[name]).status_code == 200
    for name, status in {"vito": 403, "vera": 403, "mia": 200, "stan": 403}.items():
        answer = world.server.call("POST", "runs/club/shown/r/append", json={"points": POINTS}, key=world.keys[name])
        assert answer.status_code == status, answer.text
    assert world.server.call("GET", "runs/club/shown/r").status_code == 401

"""Every route of the five protocols, asked by everyone."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
from integration.server.roles.chachaml import CHACHAML
from integration.server.roles.law import Law
from integration.server.roles.matyan import MATYAN
from integration.server.roles.native import NATIVE
from integration.server.roles.row import SEE_WORKSPACE, Door, Row
from integration.server.roles.swanlab import SWANLAB
from integration.server.roles.syvain import SYVAIN
from integration.server.roles.world import BARE, LAB, PROJECT, RUN, Request, World, serving
from litestar import Litestar
from litestar.routes import HTTPRoute

from runatlas.server.app import make_app
from runatlas.server.dialects.syvain.dialect import PREFIXES, ROUTES
from runatlas.server.services.services import Services
from runatlas.server.settings import ServerSettings

DOORS = (NATIVE, SWANLAB, SYVAIN, MATYAN, CHACHAML)
TABLE = [(door, row) for door in DOORS for row in door.rows]
WILD = {(method, path) for path in PREFIXES for method in ("GET", "POST", "PUT", "PATCH", "DELETE")}
"""What Syvain's protocol takes as a whole, to say by itself which route it is."""


def _name(door: Door, row: Row) -> str:
    return f"{door.name} {row.route} {row.note}".strip()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serving(tmp_path_factory.mktemp("roles") / "store") as found:
        yield found


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Every method and path that the application answers; a WebSocket's method is ``SOCKET``."""
    services = Services.open(tmp_path_factory.mktemp("routes") / "store")
    app: Any = make_app(services, ServerSettings("unused"))
    services.close()
    while not isinstance(app, Litestar):
        app = inspect.getclosurevars(app).nonlocals["app"]
    found = set()
    for route in app.routes:
        methods = set(route.methods) - {"HEAD"} if isinstance(route, HTTPRoute) else {"SOCKET"}
        found |= {(method, re.sub(r":\w+}", "}", route.path)) for method in methods}
    return found


def test_every_route_is_in_the_table(registered: set[tuple[str, str]]) -> None:
    answered = {item for item in registered if item[0] != "OPTIONS"}
    wild = WILD | {(method, f"{path}/{{rest}}") for method, path in WILD}
    assert wild <= answered
    own = {(route.method, route.path) for route in ROUTES}
    assert {tuple(row.route.split(" ")) for _, row in TABLE} == (answered - wild) | own


def test_no_row_is_there_twice() -> None:
    names = [_name(door, row) for door, row in TABLE]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(("door", "row"), [pytest.param(door, row, id=_name(door, row)) for door, row in TABLE])
def test_everyone_gets_what_the_role_allows(world: World, door: Door, row: Row) -> None:
    broken = Law(world, door, row).broken()
    if broken:
        pytest.fail("\n".join(broken), pytrace=False)


def test_what_no_route_is_at_is_there_for_nobody(world: World) -> None:
    for method, prefix in sorted(WILD):
        request = Request(f"{prefix}/never/ever/anything")
        for name, status in {"nobody": 401, "wrong": 401, "stan": 404, "olga": 404}.items():
            answer = world.send(method, request, SYVAIN.headers(world, name))
            assert (answer.status, SYVAIN.tells(answer)) == (status, True), (method, prefix, name, answer.text)


def test_which_methods_there_are_depends_on_no_name(world: World, registered: set[tuple[str, str]]) -> None:
    names = {"workspace": LAB, "project": PROJECT, "run": RUN, "cuid": world.lab.cuid, "name": "whisper"}
    for path in sorted({path for _, path in registered}):
        private = re.sub(r"{(\w+)}", lambda found: names.get(found[1], "a"), path)
        other = re.sub(r"{\w+}", "b", path)
        if "SOCKET" in {method for method, found in registered if found == path}:
            continue
        for name in ("nobody", "stan", "olga"):
            answers = [world.send("OPTIONS", Request(asked), NATIVE.headers(world, name)) for asked in (private, other)]
            told = [(answer.status, answer.headers.get("allow"), answer.body) for answer in answers]
            assert told[0] == told[1], (path, name, told)
            assert told[0][0] in ({204, 401} if name == "nobody" else {204}), (path, name, told)


@pytest.mark.parametrize(
    ("door", "row"),
    [pytest.param(door, row, id=_name(door, row)) for door, row in TABLE if row.access == SEE_WORKSPACE],
)
def test_a_workspace_of_private_projects_looks_empty_to_a_visitor(world: World, door: Door, row: Row) -> None:
    request = row.make(world, "vito")
    moment = re.compile(r"\d{13}|\d{4}-\d\d-\d\dT[\d:.]+Z?")
    found = [
        moment.sub("", world.send(row.method, asked, door.headers(world, "vito")).body.decode("latin-1"))
        for asked in (request, world.renamed(request, {LAB: BARE}))
    ]
    assert found[0].replace(LAB, BARE) == found[1]


def test_the_administrator_knows_of_projects_but_sees_no_run(world: World) -> None:
    listed = world.make("POST", "admin/projects/query", "boss", json={})
    assert (LAB, PROJECT) in {(project["workspace"], project["name"]) for project in listed["items"]}
    request = Request(f"/atlas/v1/runs/{LAB}/{PROJECT}/{RUN}")
    assert world.send("GET", request, NATIVE.headers(world, "boss")).status == 404


def test_a_public_project_is_read_by_everyone_with_a_key_and_written_by_members_only(world: World) -> None:
    # In a workspace of its own: whoever sees one of its projects sees a workspace.
    world.make("POST", "workspaces", json={"username": "club"})
    for name, role in {"vito": "VISITOR", "vera": "VIEWER", "mia": "MEMBER"}.items():
        world.make("PUT", f"workspaces/club/members/{name}", json={"role": role})
    world.make("POST", "projects", json={"workspace": "club", "name": "shown", "visibility": "PUBLIC"})
    world.make("POST", "runs", json={"project": {"workspace": "club", "project": "shown"}, "id": "r"})
    run = "/atlas/v1/runs/club/shown/r"
    for name, status in {"vito": 403, "vera": 403, "mia": 200, "stan": 403, "boss": 403, "nobody": 401}.items():
        headers = NATIVE.headers(world, name)
        appended = world.send("POST", Request(f"{run}/append", {"json": {}}), headers)
        assert (name, appended.status) == (name, status)
        assert world.send("GET", Request(run), headers).status == (401 if name == "nobody" else 200)

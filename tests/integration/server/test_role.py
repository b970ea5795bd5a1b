"""Every route of the five protocols and of the pages, asked by everyone."""

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
from integration.server.roles.pages import PAGES, SIGN_IN_FIRST
from integration.server.roles.row import BLIND, MANAGE, READ, SEE_WORKSPACE, WRITE, Access, Door, Row
from integration.server.roles.sideways import SIDEWAYS, SLY, settle
from integration.server.roles.swanlab import SWANLAB
from integration.server.roles.syvain import SYVAIN
from integration.server.roles.world import BARE, IDS, LAB, MINGLED, PROJECT, RUN, UNMIXED, Request, World, serving
from litestar import Litestar
from litestar.routes import HTTPRoute

from runatlas.server.app import make_app
from runatlas.server.dialects.syvain.dialect import PREFIXES, ROUTES
from runatlas.server.services.services import Services
from runatlas.server.settings import ServerSettings

DOORS = (NATIVE, SWANLAB, SYVAIN, MATYAN, CHACHAML, PAGES)
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
    there = {f"{method} {path}" for method, path in (answered - wild) | own}
    told = {row.route for _, row in TABLE}
    assert sorted(there - told) == [], "these have no row"
    assert sorted(told - there) == [], "these are no routes"


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


def _told(world: World, door: Door, row: Row, request: Request, name: str) -> str:
    """What somebody is told, without the times and ids in it."""
    answer = world.send(row.method, request, {**door.headers(world, name), "Accept": "application/json"})
    assert row.allows("olga", answer.status), answer.text
    untold = re.compile(rf"\d{{13}}|\d{{4}}-\d\d-\d\dT[\d:.]+Z?|{IDS.pattern}")
    return untold.sub("", answer.body.decode())


LISTING = [pytest.param(door, row, id=_name(door, row)) for door, row in TABLE if row.access == SEE_WORKSPACE]


@pytest.mark.parametrize(("door", "row"), LISTING)
def test_a_workspace_is_told_of_without_its_private_projects(world: World, door: Door, row: Row) -> None:
    request = row.make(world, "olga")
    for name, full, other in (
        ("vito", LAB, BARE),
        ("vito", MINGLED, UNMIXED),
        ("stan", MINGLED, UNMIXED),
        ("boss", MINGLED, UNMIXED),
    ):
        told = [_told(world, door, row, world.renamed(request, {LAB: place}), name) for place in (full, other)]
        assert told[0].replace(full, other) == told[1], name


def _has_roles(row: Row, *those: Access) -> bool:
    names = ("vito", "vera", "mia", "olga", "stan", "boss")
    return any(all(row.access.by_name[name] == found.by_name[name] for name in names) for found in those)


OPEN = [(door, row) for door, row in TABLE if door.blind == BLIND]
READING = [
    pytest.param(door, row, id=_name(door, row))
    for door, row in OPEN
    # A change is asked for by an id of its own, which is of no public project.
    if _has_roles(row, READ) and "{change_id}" not in row.route
]
WRITING = [pytest.param(door, row, id=_name(door, row)) for door, row in OPEN if _has_roles(row, WRITE, MANAGE)]


@pytest.mark.parametrize(("door", "row"), READING)
def test_what_is_public_is_read_by_everyone_with_a_key_and_its_page_by_everyone(
    world: World, door: Door, row: Row
) -> None:
    request = world.shown(row.make(world, "olga"))
    for name in ("vito", "vera", "mia", "olga", "stan", "boss"):
        answer = world.send(row.method, request, door.headers(world, name))
        assert row.allows("olga", answer.status), (name, answer.text)
    nobody = world.send(row.method, request, door.headers(world, "nobody")).status
    refusals = {401, SIGN_IN_FIRST} & {row.access.by_name["nobody"]}
    assert nobody in refusals or (not refusals and row.allows("olga", nobody))


@pytest.mark.parametrize(("door", "row"), WRITING)
def test_what_is_public_is_written_by_members_only(world: World, door: Door, row: Row) -> None:
    request = world.shown(row.make(world, "olga"))
    before = world.keeping.read()
    for name in ("vito", "vera", "stan", "boss"):
        answer = door.send(world, name, request, row.method)
        # Where a private thing was made to be asked for, there is no such public one.
        assert answer.status in {403, 404}, (name, answer.text)
        assert world.keeping.read() == before, (name, answer.text)


def test_the_administrator_knows_of_projects_but_sees_no_run(world: World) -> None:
    listed = world.make("POST", "admin/projects/query", "boss", json={})
    assert (LAB, PROJECT) in {(project["workspace"], project["name"]) for project in listed["items"]}
    request = Request(f"/atlas/v1/runs/{LAB}/{PROJECT}/{RUN}")
    assert world.send("GET", request, NATIVE.headers(world, "boss")).status == 404


@pytest.fixture(scope="module")
def settled(world: World) -> World:
    settle(world)
    return world


@pytest.mark.parametrize("what", SIDEWAYS)
def test_an_id_of_another_s_in_a_body_is_no_way_in(settled: World, what: str) -> None:
    method, make = SIDEWAYS[what]
    request = make(settled)
    before = settled.keeping.read()
    answer = settled.send(method, request, NATIVE.headers(settled, SLY))
    assert settled.keeping.read().within({LAB}) == before.within({LAB})
    said = str(request)
    assert [mark for mark in settled.marks() if mark in answer.text and mark not in said] == []
    ghost, used = settled.ghost(request, sees_workspace=False)
    assert ghost != request
    told = settled.send(method, ghost, NATIVE.headers(settled, SLY)).text
    for fake, real in used.items():
        told = told.replace(fake, real)
    assert told == answer.text


def test_a_key_for_repeated_requests_is_its_caller_s(settled: World) -> None:
    once = {"Idempotency-Key": "same-for-all"}
    request = Request("/atlas/v1/keys", {"json": {}})
    answers = [settled.send("POST", request, {**NATIVE.headers(settled, name), **once}) for name in ("olga", SLY)]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].json()["secret"] != answers[1].json()["secret"]
    assert answers[1].json()["key"]["username"] == SLY


def test_a_cursor_of_another_s_listing_tells_nothing_of_it(settled: World) -> None:
    page = {"limit": 1}
    asked = {"selection": {"workspace": LAB, "project": PROJECT}, "page": page}
    cursor = settled.make("POST", "runs/query", json=asked)["next_cursor"]
    mine = {"selection": {"workspace": SLY}, "page": {**page, "cursor": cursor}}
    answer = settled.send("POST", Request("/atlas/v1/runs/query", {"json": mine}), NATIVE.headers(settled, SLY))
    assert [mark for mark in settled.marks() if mark in answer.text] == []

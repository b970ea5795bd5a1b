"""The first pages, and the addresses that lead to others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from support.server import ServerProcess, make_key, running_server

import runatlas

_LINK = re.compile(r'<th scope="row"><a href="([^"]+)"')
_NEXT = re.compile(r'<a rel="next" href="([^"]+)"')


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    directory = tmp_path_factory.mktemp("home") / "store"
    key = make_key(directory, "ann")
    make_key(directory, "bob")
    with running_server(directory) as server:
        api = runatlas.Api(host=server.origin, api_key=key)
        for number in range(60):
            api.create_project(name=f"p{number:02}").unwrap()
        with runatlas.Run(
            "first", repo=server.origin, api_key=key, experiment="p07", config={"lr": 0.1}, capture_terminal_logs=False
        ) as run:
            run.track(0.5, name="loss", step=0)
        yield server, key


def test_pages_of_projects_have_each_once(served: tuple[ServerProcess, str]) -> None:
    server, key = served
    found: list[str] = []
    address: str | None = "/"
    while address is not None:
        answer = server.call("GET", address, key=key)
        assert answer.status_code == 200
        found += _LINK.findall(answer.text)
        following = _NEXT.search(answer.text)
        address = unescape(following[1]) if following else None
    assert sorted(found) == [f"/@ann/p{number:02}" for number in range(60)]


def test_a_search_finds_projects_and_says_when_there_are_none(served: tuple[ServerProcess, str]) -> None:
    server, key = served
    assert _LINK.findall(server.call("GET", "/?search=P07", key=key).text) == ["/@ann/p07"]
    empty = server.call("GET", "/@ann/p08", key=key).text
    assert f"runatlas login --host {server.origin}" in empty
    assert 'runatlas.init(project="p08")' in empty
    assert "No project has" in server.call("GET", "/?search=<b>nothing", key=key).text
    assert "<b>nothing" not in server.call("GET", "/?search=<b>nothing", key=key).text


def test_runs_of_all_projects_are_listed_and_lead_to_their_pages(served: tuple[ServerProcess, str]) -> None:
    server, key = served
    assert _LINK.findall(server.call("GET", "/runs", key=key).text) == ["/@ann/p07/runs/first"]
    api = runatlas.Api(host=server.origin, api_key=key)
    api.project("ann/p01").update(description="later than the run").unwrap()
    first, second, *_ = _LINK.findall(server.call("GET", "/?search=p0", key=key).text)
    assert (first, second) == ("/@ann/p01", "/@ann/p07")
    api.run("ann/p07/first").update(labels=["late"]).unwrap()
    first, second, *_ = _LINK.findall(server.call("GET", "/?search=p0", key=key).text)
    assert (first, second) == ("/@ann/p07", "/@ann/p01"), "a change of a run is one of its project"
    page = server.call("GET", "/@ann/p07/runs/first", key=key)
    assert (page.status_code, "loss" in page.text, "0.1" in page.text) == (200, True, True)


def test_the_addresses_that_other_clients_hand_out_lead_to_the_run(served: tuple[ServerProcess, str]) -> None:
    server, key = served
    project = runatlas.Api(host=server.origin, api_key=key).project("ann/p07")
    run = project.run("first")
    for address in (
        f"/dashboard/experiments/{run.cuid}",
        f"/runs/{run.cuid}",
        "/runs/first",
        "/runs/first/overview",
        f"/@ann/p07/runs/{run.cuid}/chart",
    ):
        assert server.call("GET", address, key=key).url.startswith(f"{server.origin}/@ann/p07/runs/"), address
    assert server.call("GET", f"/experiments/{project.project_id}", key=key).url == f"{server.origin}/@ann/p07"
    assert run.url.startswith(server.origin)
    assert server.call("GET", run.url.removeprefix(server.origin), key=key).status_code == 200


def test_what_is_not_there_and_what_may_not_be_seen_are_one_page(served: tuple[ServerProcess, str]) -> None:
    server, key = served
    other = make_key(server.directory, "bob")
    for address in ("/nothing", "/@ann/p07", "/@ann/p07/runs/first", "/a/b/c/d", "/runs/first", "/static/x/style.css"):
        answers = {server.call("GET", address, key=by).status_code for by in (other, None)}
        assert answers == {404}, address
    hidden = server.call("GET", "/@ann/p07", key=other).text
    absent = server.call("GET", "/@ann/p77", key=other).text
    assert hidden.replace("p07", "p77") == absent
    assert ("be for others only than bob" in absent, 'href="/account"' in absent, "sign in" in absent) == (
        True,
        True,
        False,
    )
    visited = server.call("GET", "/@ann/p07/runs/first?x=1").text
    assert visited.count('href="/sign-in?next=%2F%40ann%2Fp07%2Fruns%2Ffirst%3Fx%3D1"') == 2
    assert 'href="/account"' not in visited
    refused = server.call("GET", "/administration", key=other)
    assert (refused.status_code, 'href="/account"' in refused.text) == (403, True)
    assert server.call("GET", "/@ann/p07", key=key).status_code == 200


def test_a_link_with_any_letters_is_come_back_to_after_signing_in(served: tuple[ServerProcess, str]) -> None:
    server, key = served
    answer = server.call("GET", "/sign-in?next=/@ann/p07?filter=name%20%3D%3D%20'日本'", key=key, allow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/@ann/p07?filter=name%20==%20'%E6%97%A5%E6%9C%AC'"
    for foreign in ("//evil.example", "https://evil.example", "/\\evil.example", "/a%0d%0aset-cookie:x"):
        answer = server.call("GET", f"/sign-in?next={foreign}", key=key, allow_redirects=False)
        assert answer.headers["location"] == "/", foreign

"""How large pages are: of a store with as much of everything as anybody may record, in letters that take most room."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from browser.world import Place
from support.full_store import MODEL, FullStore, fill_full
from support.server import ServerProcess, running_server

from runatlas.server.pages.routes import READS, VISITED

_BYTES_MAX = 300_000
_ROUTES = [*{page: route for route, page in reversed((VISITED | READS).items())}.values()]
"""One for each page."""
_PROJECT = "/{workspace:str}/{project:str}"
_NEXT = re.compile(r'<a rel="next" href="([^"]+)"')
_FILES = {f"{_PROJECT}/runs/{{run:str}}/record", f"{_PROJECT}/runs.csv", f"{_PROJECT}/runs.parquet"}
"""What is as large as what was recorded, as it is kept and not shown."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, Place]]:
    directory = tmp_path_factory.mktemp("full") / "store"
    place = _place(fill_full(directory))
    with running_server(directory) as server:
        yield server, place


def _place(store: FullStore) -> Place:
    project = store.run.project_path
    names = {"workspace": f"@{project.workspace}", "project": project.project, "experiment": project.project}
    names |= {
        "entry": store.trash_id,
        "key": store.key_id,
        "name": MODEL,
        "username": project.workspace,
        "part": "chart",
    }
    some = ",".join(store.runs)
    queries = {
        "/{workspace}/{project}/curves": f"?runs={store.cuid}&keys=none",
        "/{workspace}/{project}/compare": f"?runs={some}",
    }
    return Place(names, {"run": store.cuid}, queries, {"Authorization": f"Bearer {store.secret}"})


@pytest.mark.parametrize("route", [route for route in _ROUTES if route not in _FILES])
def test_page_and_the_next_one_have_their_most(route: str, served: tuple[ServerProcess, Place]) -> None:
    server, place = served
    addresses = [place.address(route)]
    for address in addresses:
        answer = server.call("GET", address, headers=place.headers)
        assert answer.status_code == 200, answer.text[:2000]
        if answer.headers["content-type"].startswith(("text/html", "application/json")):
            assert len(answer.content) <= _BYTES_MAX
        if address is addresses[0]:
            addresses += [unescape(link) for link in _NEXT.findall(answer.text)]


@pytest.mark.parametrize("group", ["", "state,name"])
def test_page_bears_what_its_address_asks_for(group: str, served: tuple[ServerProcess, Place]) -> None:
    server, place = served
    columns = ",".join(f"config.{number}{'<' * 20}" for number in range(24))
    asked = {"filter": f"name != '{'<' * 1900}'", "columns": columns, "group": group, "curves": ["<" * 900] * 3}
    for address in (place.address(_PROJECT), "/runs"):
        answer = server.call("GET", address, params=asked, headers=place.headers)
        assert (answer.status_code, len(answer.content) <= _BYTES_MAX) == (200, True), len(answer.content)
        refused = server.call("GET", address, params={"filter": "<" * 9000}, headers=place.headers)
        assert "filter: it has 9,000 characters, and a page takes 2,000" in unescape(refused.text)
        assert len(refused.content) <= _BYTES_MAX

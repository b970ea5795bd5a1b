"""Every page in a real browser: with nothing in it, as they are, and full of hostile text; light, dark and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import attrs
import pytest
import requests
from browser.chromium import LOOKS, Look, Visit, Visitor
from browser.world import CONTENTS, Place, fill_many
from support.server import ServerProcess, make_key, running_server

from runatlas.server.pages.routes import READS, VISITED

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.xdist_group("every_page")

_BYTES_MAX = 300_000
_REPORT = "/{workspace:str}/{project:str}/report"
_ROUTES = [*{page: route for route, page in reversed((VISITED | READS).items())}.values(), _REPORT]
"""One for each page."""
_NOT_FOUND = "404 (Not Found)"


_WIDE_FIRST = tuple(LOOKS.values())
_NARROW_FIRST = (LOOKS["narrow"], LOOKS["light"], LOOKS["dark"])


@attrs.frozen
class Site:
    """A server, what it serves, and a window of who owns it, in which one page is shown after the other."""

    server: ServerProcess
    place: Place
    visit: Visit


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[dict[str, Site]]:
    """A server of each content."""
    visitor = Visitor(browser)
    with ExitStack() as stack:
        made = {}
        for content, fill in CONTENTS.items():
            directory = tmp_path_factory.mktemp(content) / "store"
            place = fill(directory)
            server = stack.enter_context(running_server(directory))
            made[content] = Site(server, place, visitor.visit(server.origin, extra_http_headers=place.headers))
        yield made
        visitor.leave()


def _look_at(visit: Visit, address: str, looks: tuple[Look, ...], *expected: str) -> None:
    """Look at a page, which is loaded anew only where the window is narrower than it was loaded in."""
    loaded = 0
    for look in looks:
        visit.look(look)
        if look.width < loaded or not loaded:
            response = visit.go(address)
            loaded = look.width
            assert len(response.body()) <= _BYTES_MAX
        assert visit.page.evaluate("() => document.querySelectorAll('main script').length") == 0
        visit.check(*expected)


def _is_page(site: Site, address: str, route: str) -> bool:
    """Tell pages from what leads to another one, what their scripts read, and what is downloaded."""
    url = f"{site.server.origin}{address}"
    with requests.get(url, headers=site.place.headers, timeout=60, stream=True) as response:
        assert response.status_code == 200, f"{address}: say in Place.queries what {route} has to be asked for"
        return not response.history and response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("route", _ROUTES)
def test_page_is_for_everybody(route: str, content: str, sites: dict[str, Site]) -> None:
    site = sites[content]
    address = site.place.address(route)
    if not _is_page(site, address, route):
        return
    _look_at(site.visit, address, _WIDE_FIRST if content == "ordinary" else _NARROW_FIRST)


def test_page_of_ten_thousand_runs_stays_small(tmp_path_factory: pytest.TempPathFactory, visitor: Visitor) -> None:
    directory = tmp_path_factory.mktemp("many") / "store"
    place = fill_many(directory)
    with running_server(directory) as server:
        visit = visitor.visit(server.origin, extra_http_headers=place.headers)
        response = visit.go(place.address("/{workspace}/{project}"))
        assert len(response.body()) <= _BYTES_MAX
        assert "10,001 runs" in visit.page.inner_text("main")
        visit.check()
        response = visit.go(f"{place.address(_REPORT)}?title=All&limit=10000&columns=name,config.lr,config.seed,loss")
        assert len(response.body()) <= _BYTES_MAX
        assert "of 10,000 rows" in visit.page.inner_text("main")


def test_doors_are_for_everybody(tmp_path_factory: pytest.TempPathFactory, visitor: Visitor) -> None:
    """Whoever is not signed in sees a page too, and who has just come sees one with nothing on it."""
    directory = tmp_path_factory.mktemp("doors") / "store"
    key = make_key(directory, "new")
    with running_server(directory) as server:
        stranger = visitor.visit(server.origin)
        for address in ("/", "/sign-in", "/runs", "/@nobody", "/@no/such/runs/page", "/no such page"):
            _look_at(stranger, address, _NARROW_FIRST, _NOT_FOUND)
        comer = visitor.visit(server.origin, extra_http_headers={"Authorization": f"Bearer {key}"})
        for address in ("/", "/runs", "/@new"):
            _look_at(comer, address, _NARROW_FIRST)

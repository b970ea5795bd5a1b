"""What script adds to the table of runs: keys are completed, and what is ticked stays ticked on other pages."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from browser.chromium import Visit, Visitor
from browser.world import CONTENTS, Place
from support.server import ServerProcess, running_server

pytestmark = pytest.mark.xdist_group("run_table_in_the_browser")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, Place]]:
    directory = tmp_path_factory.mktemp("run_table") / "store"
    place = CONTENTS["ordinary"](directory)
    with running_server(directory) as server:
        yield server, place


def _look(served: tuple[ServerProcess, Place], visitor: Visitor, query: str = "") -> tuple[Visit, str]:
    server, place = served
    visit = visitor.visit(server.origin, extra_http_headers=place.headers)
    address = place.address("/{workspace}/{project}").partition("?")[0]
    visit.go(f"{address}{query}")
    return visit, address


def test_keys_are_completed_with_the_keyboard(served: tuple[ServerProcess, Place], visitor: Visitor) -> None:
    visit, _ = _look(served, visitor)
    box = visit.page.get_by_label("Filter", exact=True)
    box.press_sequentially("state == 'FINISHED' and net.de")
    offered = visit.page.locator('li[role="option"]')
    assert offered.all_inner_texts() == ["config.net.depth"]
    box.press("ArrowDown")
    assert offered.first.get_attribute("aria-selected") == "true"
    visit.check()
    box.press("Enter")
    assert box.input_value() == "state == 'FINISHED' and config.net.depth"
    assert not offered.first.is_visible()
    box.press_sequentially(" == 3")
    with visit.page.expect_navigation(wait_until="load"):
        box.press("Enter")
    assert visit.page.locator("table.runs tbody tr").count() == 5


def test_what_is_ticked_stays_so_on_other_pages_until_it_is_deleted(
    served: tuple[ServerProcess, Place], visitor: Visitor
) -> None:
    visit, address = _look(served, visitor, "?order=name")
    page, boxes = visit.page, visit.page.locator('table.runs tbody input[type="checkbox"]')
    boxes.nth(0).check()
    boxes.nth(1).check()
    assert page.locator("#actions").get_by_text("2 selected").is_visible()
    visit.go(f"{address}?filter=name+%3D%3D+%27nothing+is+called+so%27")
    visit.go(f"{address}?order=-name")
    assert page.locator("#actions").get_by_text("2 selected").is_visible()
    count = boxes.count()
    visit.check()
    visit.follow(page.get_by_role("button", name="Delete …"))
    assert "Delete 2 runs?" in page.locator("h1").inner_text()
    visit.follow(page.get_by_role("button", name="Move to the trash"))
    assert page.locator("#actions").get_by_text("0 selected").is_visible()
    assert boxes.count() == count - 2
    visit.follow(page.get_by_role("button", name="Undo"))
    assert boxes.count() == count


def test_how_curves_are_drawn_goes_along_with_every_link(served: tuple[ServerProcess, Place], visitor: Visitor) -> None:
    visit, _ = _look(served, visitor, "?curves=val_loss&color=config.net.depth")
    visit.page.locator(".chart.drawn").first.wait_for()
    # However many runs there are, each depth is one entry of the legend, which shows and hides all of them.
    assert visit.page.locator(".chart-legend button").all_inner_texts() == ["2", "3", "4"]
    lines = visit.page.locator(".chart-sketch path")
    count = lines.count()
    visit.page.get_by_role("button", name="3", exact=True).click()
    assert count - lines.count() > 1
    visit.page.locator("select[name=x]").select_option("relative")
    visit.page.get_by_label("Logarithmic values").check()
    visit.follow(visit.page.get_by_role("link", name="Run", exact=True))
    asked = parse_qs(urlsplit(visit.page.url).query)
    assert (asked["x"], asked["log"], asked["curves"]) == (["relative"], ["y"], ["val_loss"])
    visit.follow(visit.page.get_by_role("button", name="Show", exact=True))
    asked = parse_qs(urlsplit(visit.page.url).query)
    assert (asked["x"], asked["log"], asked["color"]) == (["relative"], ["y"], ["config.net.depth"])


def test_curves_are_there_before_the_script_that_lets_them_be_zoomed(
    served: tuple[ServerProcess, Place], visitor: Visitor
) -> None:
    visit, address = _look(served, visitor)
    visit.page.route("**/plotly.js", lambda route: route.abort())
    visit.go(f"{address}?curves=val_loss&log=y&band=sd&color=config.net.depth")
    visit.page.locator(".chart.drawn").wait_for()
    drawn = visit.page.locator(".chart-sketch path")
    assert drawn.count() == 2 * visit.page.locator(".chart-legend").get_by_text("n = ").count() > 2
    assert all(each.get_attribute("d") for each in drawn.all())
    said = visit.page.locator(".chart-sketch text")
    assert said.all_text_contents() == ["1", "1.5", "2", "0", "20", "40", "step"]
    edges = [(each.bounding_box() or {"x": -1.0})["x"] for each in (visit.page.locator(".chart"), *said.all())]
    assert min(edges) == edges[0]
    visit.page.locator(".chart-sketch").hover()
    visit.page.get_by_text("cannot be zoomed").wait_for()
    visit.check("net::ERR_FAILED")
    visit.page.unroute("**/plotly.js")
    visit.page.get_by_role("button", name="Try again").click()
    visit.page.locator(".js-plotly-plot").wait_for()
    assert drawn.count() == 0
    assert visit.page.locator(".js-plotly-plot .fills path").count() > 1
    # Plotly offers to send what is drawn to a place of its makers.
    assert visit.page.locator(".modebar-btn").count() > 3
    assert visit.page.locator('[data-title^="Share"]').count() == 0

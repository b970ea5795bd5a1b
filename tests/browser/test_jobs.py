"""What people come to the pages for, done in a real browser as they do it, with script and without."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import attrs
import matplotlib.figure
import numpy as np
import plotly.graph_objects as go
import pytest
from browser.chromium import Visit, Visitor
from browser.world import CONTENTS, Place
from support.server import ServerProcess, running_server

from runatlas import Api, Run
from runatlas.backends.native import NativeBackend
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.run import RunDraft
from runatlas.objects.figure import Figure
from runatlas.objects.text import Text
from runatlas.server.pages.address import run_address

pytestmark = pytest.mark.xdist_group("jobs_in_the_browser")

_PASSWORD = "a password of some length"


@attrs.frozen
class Site:
    """A server with an ordinary store, and how to get in."""

    server: ServerProcess
    place: Place
    key: str

    @property
    def project(self) -> str:
        """The address of the project."""
        return self.place.address("/{workspace}/{project}").partition("?")[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for all of them: no job leaves anything behind that another one counts."""
    directory = tmp_path_factory.mktemp("jobs") / "store"
    place = CONTENTS["ordinary"](directory)
    with running_server(directory) as server:
        yield Site(server, place, place.headers["Authorization"].partition(" ")[2])


def _signed_in(site: Site, visitor: Visitor, address: str, *, script: bool = True) -> Visit:
    """Follow a link without being signed in: sign in, and be where it leads."""
    visit = visitor.visit(site.server.origin, java_script_enabled=script)
    visit.open(address)
    visit.follow(visit.page.get_by_role("link", name="sign in", exact=True).first)
    visit.page.get_by_label("Key").fill(site.key)
    visit.follow(visit.page.get_by_role("button", name="Sign in").first)
    return visit


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_best_run_of_a_sweep_is_found_and_its_link_sent(site: Site, visitor: Visitor, script: bool) -> None:
    visit = _signed_in(site, visitor, site.project, script=script)
    visit.open(site.project)
    visit.page.get_by_label("Filter", exact=True).fill("state == 'FINISHED' and config.net.depth == 3")
    visit.page.get_by_label("Order", exact=True).fill("summary.val_loss")
    visit.follow(visit.page.get_by_role("button", name="Show", exact=True))
    rows = visit.page.locator("table.runs tbody tr")
    best = rows.first.get_by_role("link").first.inner_text()
    assert best == "sweep 1"
    link = visit.page.url
    visit.follow(visit.page.get_by_role("link", name=best, exact=True))
    assert best in visit.page.locator("h1").inner_text()
    if not script:  # the server draws, as the form of the charts says
        visit.page.get_by_label("Logarithmic values").check()
        visit.follow(visit.page.get_by_role("button", name="Show", exact=True))
        picture = visit.page.get_by_role("img", name="The curves of val_loss", exact=True)
        picture.scroll_into_view_if_needed()
        assert "log=y" in (picture.get_attribute("src") or "")
        assert (picture.bounding_box() or {"height": 0})["height"] > 100

    colleague = visitor.visit(site.server.origin, extra_http_headers=site.place.headers)
    colleague.open(link.removeprefix(site.server.origin))
    assert colleague.page.locator("table.runs tbody tr").first.get_by_role("link").first.inner_text() == best
    assert colleague.page.locator("table.runs tbody tr").count() == 5


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_crashed_runs_are_cleaned_up_regretted_and_back(site: Site, visitor: Visitor, script: bool) -> None:
    visit = _signed_in(site, visitor, site.project, script=script)
    page = visit.page
    visit.open(f"{site.project}?filter=state+%3D%3D+%27CRASHED%27")
    crashed = page.locator("table.runs tbody tr").count()
    assert crashed == 2
    page.get_by_label("All 2 runs that fit the filter").check()
    visit.follow(page.get_by_role("button", name="Delete …"))
    assert "Delete 2 runs?" in page.locator("h1").inner_text()
    visit.follow(page.get_by_role("button", name="Move to the trash"))
    assert "No run fits the filter" in page.inner_text("main")
    visit.follow(page.get_by_role("button", name="Undo"))
    assert page.locator("table.runs tbody tr").count() == crashed


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_weekly_report_is_made_downloaded_and_its_link_sent(
    site: Site, visitor: Visitor, script: bool, tmp_path: Path
) -> None:
    visit = _signed_in(site, visitor, site.project, script=script)
    page = visit.page
    visit.open(f"{site.project}?order=summary.val_loss&filter=config.net.depth+%3D%3D+3")
    for row in range(3):
        page.locator("table.runs tbody input[name=run]").nth(row).check()
    visit.follow(page.get_by_role("button", name="Report"))
    names = page.locator(".made tbody th")
    assert names.count() == 3
    visit.follow(page.get_by_role("link", name="Sweeps", exact=True))
    visit.follow(page.get_by_role("link", name="Report", exact=True))
    page.get_by_label("Title").fill("Week 48")
    page.get_by_label("Filter", exact=True).fill("job_type == 'train'")
    page.get_by_label("each group").check()
    page.get_by_label("Group by").fill("config.net.depth")
    page.get_by_label("Metrics").fill("val_loss.min, train/loss.min")
    page.get_by_label("Order", exact=True).fill("val_loss.min")
    page.get_by_label("Metric", exact=True).first.fill("val_loss")
    page.get_by_label("Lines").first.select_option("sd")
    visit.follow(page.get_by_role("button", name="Make the report"))
    assert page.locator(".made h2").inner_text() == "Week 48"
    told = page.locator(".made table").inner_text()
    assert "val_loss.min" in told
    assert page.locator(".made tbody tr").count() == 3
    assert page.locator(".made figure svg").count() == 1
    with page.expect_download() as begun:
        page.get_by_role("link", name="HTML", exact=True).click()
    file = tmp_path / begun.value.suggested_filename
    begun.value.save_as(file)
    assert file.name == "week-48.html"
    assert Api(site.server.origin, api_key=site.key).check_report(file).unwrap().holds

    colleague = visitor.visit(site.server.origin, extra_http_headers=site.place.headers)
    colleague.go(page.url.removeprefix(site.server.origin))
    assert colleague.page.locator(".made table").inner_text() == told
    colleague.check()


def test_password_lets_in_and_a_wrong_one_does_not(site: Site, visitor: Visitor) -> None:
    name = site.place.names["workspace"].removeprefix("@")
    visit = _signed_in(site, visitor, site.project)
    page = visit.page
    visit.open("/account")
    page.get_by_label("New password", exact=True).fill(_PASSWORD)
    page.get_by_label("The same again").fill(_PASSWORD)
    visit.follow(page.get_by_role("button", name="Change the password"))
    assert "Your password was changed" in page.inner_text("main")
    visit.follow(page.get_by_role("button", name="Sign out").first)
    for given, is_in in (("a wrong one", False), (_PASSWORD, True)):
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Password", exact=True).fill(given)
        visit.follow(page.get_by_role("button", name="Sign in").last)
        assert page.get_by_role("alert").count() == (0 if is_in else 1)
    assert page.get_by_role("button", name="Sign out").first.is_visible()


def test_run_is_watched_while_it_trains(site: Site, visitor: Visitor) -> None:
    """Its page shows what comes, also after a network that was away, and that it has ended, without a load."""
    with Run(
        repo=site.server.origin, api_key=site.key, experiment="watched", name="live", capture_terminal_logs=False
    ) as run:
        run.log({"loss": 4.0}, step=0)
        run.flush()
        visit = visitor.visit(site.server.origin, extra_http_headers=site.place.headers)
        visit.go(f"/runs/{run.cuid}")
        visit.page.evaluate("() => { window.stayed = true; }")
        assert "RUNNING" in visit.page.locator("h1").inner_text()
        told = visit.page.locator("#live")
        visit.page.context.set_offline(True)
        told.filter(has_text="cannot be reached").wait_for()
        run.log({"loss": 0.125}, step=1)
        run.flush()
        visit.page.context.set_offline(False)
        visit.page.get_by_role("cell", name="0.125").first.wait_for()
        assert told.is_hidden()
        assert visit.page.evaluate("() => window.stayed")
        visit.go(f"{run_address(RunPath.parse(run.path))}/media")
        visit.page.evaluate("() => { window.stayed = true; }")
        for step, said in enumerate(("a first word", "a second one")):
            run.track(Text(said), name="words", step=step)
            run.flush()
            visit.page.get_by_text(said).wait_for()
        assert visit.page.get_by_role("slider", name="Step").get_attribute("max") == "1"
    visit.page.locator("h1", has_text="FINISHED").wait_for()
    assert visit.page.evaluate("() => window.stayed")
    visit.check("ERR_INTERNET_DISCONNECTED")


def test_figure_is_drawn_as_it_was_given(site: Site, visitor: Visitor) -> None:
    """Also what plotly packs into text, gaps, what the converter from matplotlib does not know, and frames."""
    drawn = matplotlib.figure.Figure()
    drawn.subplots().imshow([[1, 2], [3, 4]])
    moving = go.Figure(go.Scatter(y=np.array([1.0, 2.5, math.nan, 4.0]), mode="markers"))
    moving.frames = [go.Frame(data=[go.Scatter(y=[number])]) for number in range(3)]
    with Run(
        repo=site.server.origin, api_key=site.key, experiment="drawn", name="figures", capture_terminal_logs=False
    ) as run:
        run.log({"moving": Figure(moving), "picture": Figure(drawn)}, step=0)
    visit = visitor.visit(site.server.origin, extra_http_headers=site.place.headers)
    visit.go(f"{run_address(RunPath.parse(run.path))}/media")
    visit.page.locator(".js-plotly-plot").nth(1).wait_for()
    visit.page.locator(".js-plotly-plot image").wait_for()
    assert visit.page.locator(".js-plotly-plot .scatterlayer .point").count() == 3
    frames = "() => [...document.querySelectorAll('.js-plotly-plot')].map(each => each._transitionData._frames.length)"
    assert sorted(visit.page.evaluate(frames)) == [0, 3]
    visit.check()


def test_run_that_is_deleted_while_it_is_shown_says_so(site: Site, visitor: Visitor) -> None:
    """What was shown stays, to be copied; whoever asks for it anew is told that it is in the trash."""
    path = ProjectPath(site.place.names["workspace"].removeprefix("@"), "watched").run("going")
    with closing(NativeBackend(site.server.origin, site.key)) as backend:
        backend.create_run(RunDraft(path.project_path, id=path.run, config={"lr": 0.01}, create_project=True))
    visit = visitor.visit(site.server.origin, extra_http_headers=site.place.headers)
    visit.go(run_address(path))
    Api(host=site.server.origin, api_key=site.key).run(str(path)).delete(commit=True).unwrap()
    visit.page.locator("h1", has_text="GONE").wait_for()
    assert "not there any more" in visit.page.locator("#live").inner_text()
    assert "lr: 0.01" in visit.page.inner_text("main")
    visit.check("404 (Not Found)")
    assert visit.go(run_address(path)).status == 404
    assert "In the trash" in visit.page.inner_text("main")

"""Chromium, which looks at pages as a person does, and what is asked of each page that it shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pytest
from axe_playwright_python.base import AXE_SCRIPT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page, Response

__all__ = ["DONE", "FLAGS", "LOOKS", "PROGRAM", "Look", "Visit", "Visitor", "browser", "visitor"]

PROGRAM = Path(os.environ.get("RUNATLAS_CHROMIUM", "/usr/bin/chromium"))
_MUST_RUN = "RUNATLAS_BROWSER_TESTS" in os.environ
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
_PATIENCE_MS = 60_000
_SERIOUS = {"serious", "critical"}
_AXE = """async (rules) => (await axe.run(
    {resultTypes: ["violations"], ...(rules.length ? {runOnly: rules} : {})})).violations.map(each =>
    [each.impact, each.id, each.help, each.nodes.slice(0, 5).map(node => node.html.slice(0, 300) + " " +
        node.any.concat(node.all, node.none).map(check => check.message).join("; "))])"""
_WIDE = "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
_WIDE_PARTS = """() => [...document.querySelectorAll("body *")].filter(each =>
    each.getBoundingClientRect().right > document.documentElement.clientWidth + 1
    && !each.closest(".wide")).slice(-5).map(each => each.outerHTML.slice(0, 200))"""
DONE = "() => !document.querySelector('[aria-busy=true]')"


@attrs.frozen
class Look:
    """How a page is looked at.

    Attributes:
        rules: What axe asks of it; all that it knows if there are none.
    """

    width: int
    scheme: Literal["light", "dark"]
    rules: tuple[str, ...] = ()


LOOKS = {
    "light": Look(1280, "light"),
    "dark": Look(1280, "dark", ("color-contrast",)),
    "narrow": Look(400, "light", ("scrollable-region-focusable", "target-size")),
}
"""Light as a whole, and of the others what can differ."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser of one module: while it is there, its thread can run no event loop of its own."""
    if not PROGRAM.is_file():
        needed = f"needs Chromium: there is no {PROGRAM}; apt-get install chromium, or say where in RUNATLAS_CHROMIUM"
        pytest.fail(needed) if _MUST_RUN else pytest.skip(needed)
    # Here, as every process that collects tests would import it.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
        yield started
        started.close()


class Visit:
    """One page in a window, and all that it asked for and complained of.

    Attributes:
        page: Playwright's page.
    """

    def __init__(self, page: Page, origin: str, look: Look) -> None:
        self.page = page
        self._origin = origin
        self._look = look
        self._complaints: list[str] = []
        self._foreign: list[str] = []
        page.set_default_timeout(20_000)
        page.on("console", lambda said: self._complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith((f"{self._origin}/", "data:", "blob:")):
            self._foreign.append(url)

    def go(self, address: str) -> Response:
        """Load an address of the server, and wait until nothing on it is on its way."""
        response = self.page.goto(f"{self._origin}{address}", wait_until="load")
        assert response is not None
        self.settle()
        return response

    def open(self, address: str) -> None:
        """Load an address of the server as it is, also without script."""
        self.page.goto(f"{self._origin}{address}", wait_until="load")

    def follow(self, leading: Locator) -> None:
        """Click what leads to another page, and wait until that is loaded, with what its scripts do at first."""
        with self.page.expect_navigation(wait_until="load"):
            leading.click()

    def settle(self) -> None:
        """Wait until nothing on the page is on its way."""
        self.page.wait_for_function(DONE)

    def look(self, look: Look) -> None:
        """Look at it another way, also at what is there already."""
        self._look = look
        self.page.set_viewport_size({"width": look.width, "height": 900})
        self.page.emulate_media(color_scheme=look.scheme)
        self.settle()

    def check(self, *expected: str) -> None:
        """Check what holds for every page.

        Args:
            expected: Parts of what it may complain of.
        """
        said = [each for each in self._complaints if not any(part in each for part in expected)]
        foreign = self._foreign[:]
        # Told once: the window may show another page next.
        self._complaints.clear()
        self._foreign.clear()
        assert not said, f"{self.page.url} complains in the console: {said}"
        assert not foreign, f"{self.page.url} asks elsewhere: {foreign}"
        inner, outer = self.page.evaluate(_WIDE)
        assert inner <= outer, f"{self.page.url} is {inner} wide on {outer}: {self._wide_parts()}"
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        found: list[list[Any]] = self.page.evaluate(_AXE, list(self._look.rules))
        bad = [each for each in found if each[0] in _SERIOUS]
        assert not bad, f"{self.page.url}: {bad}"

    def _wide_parts(self) -> list[str]:
        found: list[str] = self.page.evaluate(_WIDE_PARTS)
        return found


class Visitor:
    """Opens windows that know nothing of each other; all are closed at the end of a test."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    def visit(self, origin: str, look: Look = LOOKS["light"], **options: Any) -> Visit:
        """Open a window.

        Args:
            origin: The server.
            look: How it is looked at.
            options: As Playwright's ``new_context`` takes them.
        """
        context = self._browser.new_context(
            viewport={"width": look.width, "height": 900}, color_scheme=look.scheme, **options
        )
        self._contexts.append(context)
        return Visit(context.new_page(), origin, look)

    def leave(self) -> None:
        """Close all of them."""
        for context in self._contexts:
            context.close()


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """One who opens windows."""
    made = Visitor(browser)
    yield made
    made.leave()

"""How fast pages are in a real browser: ``python tests/benchmarks/pages.py DIRECTORY``.

What they show is made once in the directory. Curves are shown when those in sight are drawn as plain lines; a page is
usable when nothing on it is on its way any more. Plotly's script is not among that: it is loaded when somebody points
at a chart, and how long a chart takes from there to where it can be zoomed is measured by itself.

Then many look at one run that goes on, as its page does: every two seconds each asks what changed, while it logs. What
the answers say differs with every read, so that as many were read as there are different ones.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import requests
from arro3.core import Array, DataType
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.chromium import DONE, FLAGS, PROGRAM

from runatlas.backends.local import LocalBackend
from runatlas.backends.native import NativeBackend
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.project import ProjectDraft
from runatlas.model.run import RunDraft
from runatlas.model.run_import import ImportedSeries, RunImport
from runatlas.model.series import SeriesPoints
from runatlas.server.pages.address import run_address

__all__ = ["PAGES", "build", "main", "measure", "watch"]

_RUNS, _METRICS, _CURVES, _POINTS, _ROUNDS = 10_000, 100, 20, 100_000, 7
_VIEWERS, _WATCH_S, _LOOK_S = (1, 50, 200, 50), 20.0, 2.0
_TEAM = "bench"
_SHOWN = """() => {
    const figures = [...document.querySelectorAll("[data-chart]")];
    const isDrawn = (each) => each.classList.contains("drawn");
    return !figures.length || (figures.some(isDrawn) && figures.every(each => isDrawn(each) || !each.ariaBusy));
}"""
_MANY, _LONG, _WATCHED = (ProjectPath(_TEAM, name) for name in ("many", "long", "watched"))
_ANNOUNCED = re.compile(r"\bat (http://\S+)$")
_START = 1_790_000_000_000
_WIDE = "/@bench/long/runs/wide"

PAGES = {
    "projects": "/",
    "10,000 runs": "/@bench/many",
    "10,000 runs by their last value": "/@bench/many?order=-summary.loss",
    "10,000 runs through a filter": "/@bench/many?filter=config.lr+%3C+0.05+and+summary.loss+%3C+0.5",
    "a run of 100 metrics of 100,000 points": _WIDE,
    "20 curves of 100,000 points": "/@bench/long?filter=name+!%3D+%27wide%27&curves=loss",
    "the mean of 20 curves of 100,000 points": "/@bench/long?filter=name+!%3D+%27wide%27&curves=loss&band=minmax",
}
"""What is measured, by what it shows."""


def build(directory: Path) -> None:
    """Make what pages show, unless it is there."""
    if directory.exists():
        return
    backend = LocalBackend(directory, create=True)
    backend.create_workspace(_TEAM)
    backend.create_project(ProjectDraft(_LONG.project, _TEAM))
    chance = random.Random(1)
    for first in range(0, _RUNS, 1000):
        backend.import_runs(tuple(_plain(number, chance) for number in range(first, first + 1000)))
    steps, times = range(_POINTS), range(_START, _START + _POINTS * 1000, 1000)
    longs = [Array(list(each), DataType.int64()) for each in (steps, times)]
    wanted = {"wide": [f"part{place % 10}/metric{place}" for place in range(_METRICS)]}
    wanted |= {f"curve-{place}": ["loss"] for place in range(_CURVES)}
    for name, keys in wanted.items():
        backend.create_run(RunDraft(_LONG, id=name, name=name, state="FINISHED"))
        for key in keys:
            values = Array([chance.gauss(1 / (1 + step / 5000), 0.05) for step in steps], DataType.float64())
            backend.append(Batch(_LONG.run(name), points=(SeriesPoints(key, longs[0], values, longs[1]),)))
    backend.close()


def _plain(number: int, chance: random.Random) -> RunImport:
    config = {"lr": chance.choice((0.1, 0.01, 0.001)), "seed": number, "model": chance.choice(("mlp", "vit"))}
    draft = RunDraft(_MANY, id=f"run-{number}", state="FINISHED", config=config, create_project=True)
    series = tuple(ImportedSeries(key, (0, 1), (1.0, chance.random())) for key in ("loss", "acc", "grad_norm"))
    return RunImport(draft, series, time_ms=_START)


@contextmanager
def _served(directory: Path) -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "runatlas", "serve", "--dir", str(directory), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        origin = next(found[1] for line in process.stderr if (found := _ANNOUNCED.search(line.rstrip())))
        yield origin, process.pid
        process.terminate()


def measure(browser: Browser, origin: str, address: str) -> tuple[float, float, float, int, int]:
    """Open a page anew a few times.

    Returns:
        The median time to its answer, until its curves were shown, and until it was usable, in seconds; its bytes, and
        all that was fetched for it but scripts and styles, as they crossed the wire.
    """
    answered, shown, usable = [], [], []
    size = len(requests.get(f"{origin}{address}", timeout=60).content)
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        requests.get(f"{origin}{address}", timeout=60).raise_for_status()
        answered.append(time.perf_counter() - begun)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    fetched = 0
    for _ in range(_ROUNDS):
        page = context.new_page()
        begun = time.perf_counter()
        page.goto(f"{origin}{address}", wait_until="load")
        page.wait_for_function(_SHOWN)
        shown.append(time.perf_counter() - begun)
        page.wait_for_function(DONE)
        usable.append(time.perf_counter() - begun)
        fetched = page.evaluate(
            """() => performance.getEntriesByType("resource").filter(each => each.initiatorType === "fetch")
                .reduce((sum, each) => sum + each.transferSize, 0)"""
        )
        page.close()
    context.close()
    return statistics.median(answered), statistics.median(shown), statistics.median(usable), size, fetched


def watch(origin: str, viewers: int) -> tuple[int, int]:
    """Have a run looked at while it logs.

    Args:
        origin: The server.
        viewers: How many look at it at once.

    Returns:
        How many answers they got, and how many of them were read and not shared.
    """
    run = _WATCHED.run(f"by-{viewers}-{time.time_ns()}")
    end = time.monotonic() + _WATCH_S
    answers: list[str] = []

    def look(place: int) -> None:
        with requests.Session() as session:
            time.sleep(place / viewers * _LOOK_S)
            while time.monotonic() < end:
                found = session.get(f"{origin}{run_address(run)}/state", timeout=60)
                found.raise_for_status()
                answers.append(str(found.json()["metrics"]))
                time.sleep(_LOOK_S)

    with closing(NativeBackend(origin)) as backend, ThreadPoolExecutor(viewers) as pool:
        backend.create_run(RunDraft(_WATCHED, id=run.run, create_project=True))
        looking = [pool.submit(look, place) for place in range(viewers)]
        step = 0
        while time.monotonic() < end:
            one = Array([step], DataType.int64())
            backend.append(Batch(run, points=(SeriesPoints("loss", one, Array([step], DataType.float64()), one),)))
            step += 1
            time.sleep(0.05)
        for each in looking:
            each.result()
    return len(answers), len(set(answers))


def _memory_mb(pid: int) -> float:
    """Return what a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _zoomable(browser: Browser, origin: str, address: str) -> float:
    """Point at a chart, and return how long it takes until it can be zoomed."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(f"{origin}{address}", wait_until="load")
    page.wait_for_function(DONE)
    page.locator(".chart-plot").first.scroll_into_view_if_needed()
    page.locator(".chart-sketch").first.wait_for()
    begun = time.perf_counter()
    page.locator(".chart-plot").first.hover()
    page.locator(".js-plotly-plot").first.wait_for()
    took = time.perf_counter() - begun
    page.context.close()
    return took


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    directory: Path = parser.parse_args(arguments).directory
    build(directory)
    print("| page | answers in | curves shown in | usable in | page | fetched by its scripts |")
    print("| --- | --- | --- | --- | --- | --- |")
    with _served(directory) as (origin, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
        for name, address in PAGES.items():
            answered, shown, usable, size, fetched = measure(browser, origin, address)
            times = f"{answered * 1000:.0f} ms | {shown:.2f} s | {usable:.2f} s"
            print(f"| {name} | {times} | {size / 1000:.0f} kB | {fetched / 1000:.0f} kB |", flush=True)
        print(f"\nA chart can be zoomed {_zoomable(browser, origin, _WIDE):.2f} s after somebody pointed at it.\n")
        browser.close()
    print("| viewers of a run that goes on | answers | read for them | the server holds |")
    print("| --- | --- | --- | --- |")
    with _served(directory) as (origin, pid):
        for viewers in _VIEWERS:
            answers, reads = watch(origin, viewers)
            print(f"| {viewers} | {answers:,} | {reads} | {_memory_mb(pid):.0f} MB |", flush=True)


if __name__ == "__main__":
    main()

"""How fast pages are in a real browser: ``python tests/benchmarks/pages.py DIRECTORY``.

What they show is made once in the directory. A page is usable when it was loaded and nothing on it is on its way any
more: the charts in sight are drawn. They are shown before that, as plain lines, while plotly's script is read.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests
from arro3.core import Array, DataType
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.chromium import DONE, FLAGS, PROGRAM

from runatlas.backends.local import LocalBackend
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.project import ProjectDraft
from runatlas.model.run import RunDraft
from runatlas.model.run_import import ImportedSeries, RunImport
from runatlas.model.series import SeriesPoints

__all__ = ["PAGES", "build", "main", "measure"]

_RUNS, _METRICS, _CURVES, _POINTS, _ROUNDS = 10_000, 100, 20, 100_000, 7
_TEAM = "bench"
_SHOWN = """() => {
    const figures = [...document.querySelectorAll("[data-chart]")];
    const isDrawn = (each) => each.classList.contains("drawn");
    return !figures.length || (figures.some(isDrawn) && figures.every(each => isDrawn(each) || !each.ariaBusy));
}"""
_MANY, _LONG = ProjectPath(_TEAM, "many"), ProjectPath(_TEAM, "long")
_ANNOUNCED = re.compile(r"\bat (http://\S+)$")
_START = 1_790_000_000_000

PAGES = {
    "projects": "/",
    "10,000 runs": "/@bench/many",
    "10,000 runs by their last value": "/@bench/many?order=-summary.loss",
    "10,000 runs through a filter": "/@bench/many?filter=config.lr+%3C+0.05+and+summary.loss+%3C+0.5",
    "a run of 100 metrics of 100,000 points": "/@bench/long/runs/wide",
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
def _served(directory: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "runatlas", "serve", "--dir", str(directory), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        yield next(found[1] for line in process.stderr if (found := _ANNOUNCED.search(line.rstrip())))
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    directory: Path = parser.parse_args(arguments).directory
    build(directory)
    print("| page | answers in | curves shown in | usable in | page | fetched by its scripts |")
    print("| --- | --- | --- | --- | --- | --- |")
    with _served(directory) as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
        for name, address in PAGES.items():
            answered, shown, usable, size, fetched = measure(browser, origin, address)
            times = f"{answered * 1000:.0f} ms | {shown:.2f} s | {usable:.2f} s"
            print(f"| {name} | {times} | {size / 1000:.0f} kB | {fetched / 1000:.0f} kB |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()

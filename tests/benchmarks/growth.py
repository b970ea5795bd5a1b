"""How everyday reads grow with the number of runs: ``python tests/benchmarks/growth.py DIRECTORY``.

Each size is built once into the directory, by imports, and read in a fresh process from then on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft
from runatlas.model.run_import import ImportedSeries, RunImport

__all__ = ["READS", "build", "main", "measure"]

_SIZES = (1_000, 10_000, 100_000)
_MODELS, _RATES = ("resnet", "vit", "mlp", "rnn", "gcn"), (0.1, 0.03, 0.01, 0.003, 0.001)
_STEPS = tuple(range(10))

_COLUMNS = (
    *("name", "state", "created_at", "duration", "config.model", "config.lr", "config.seed"),
    *(f"config.p{place}" for place in range(7)),
    *("loss.min", "loss.last", "accuracy.max", "grad_norm.avg", "lr.last", "tokens_per_s.avg"),
)

READS: dict[str, Callable[[Api, str], object]] = {
    "the first page of 100 runs": lambda api, path: list(api.runs(path, limit=100)),
    "how many runs there are": lambda api, path: api.runs(path).total,
    "one run by its id, with its last values": lambda api, path: api.run(f"{path}/run-500").summary().unwrap(),
    "10 points of one metric of one run": lambda api, path: api.run(f"{path}/run-500").metrics(["loss"]).unwrap(),
    "how many runs a filter by a config value finds": lambda api, path: api.runs(path, "config.p3 < 0.5").total,
    "the first page of a filter by a config value and a last value": lambda api, path: list(
        api.runs(path, "config.model == 'vit' and summary.loss < 0.2", limit=100)
    ),
    "the 10 best by a last value": lambda api, path: list(api.runs(path, order="summary.loss", limit=10)),
    "groups by one config value, counted": lambda api, path: len(api.runs(path).groups("config.model")),
    "groups by two config values, counted": lambda api, path: len(api.runs(path).groups("config.model", "config.lr")),
    "three metrics of the groups by two config values, with intervals": lambda api, path: (
        api.runs(path)
        .aggregate(["loss.min", "accuracy.max", "grad_norm.avg"], by=["config.model", "config.lr"])
        .unwrap()
    ),
    "a report of 20 columns on up to 10,000 runs, by a lowest value, as a page": lambda api, path: (
        api.runs(path).report(columns=_COLUMNS, sort="loss.min", limit=10_000).unwrap().to_html()
    ),
    "the project with its counts by state": lambda api, path: api.project(path).count,
}


def build(directory: Path, size: int) -> None:
    """Make a store of so many runs of 20 config values and 5 metrics of 10 points each."""
    numbers = random.Random(size)
    backend = LocalBackend(directory, create=True)
    project = ProjectPath(backend.get_workspace().username, "growth")
    if not backend.get_usage().runs:
        for at in range(0, size, 1000):
            backend.import_runs(tuple(_run(project, number, numbers) for number in range(at, min(at + 1000, size))))
    backend.close()


def _run(project: ProjectPath, number: int, numbers: random.Random) -> RunImport:
    config = {"model": numbers.choice(_MODELS), "lr": numbers.choice(_RATES), "seed": number % 5}
    config |= {f"p{place}": numbers.random() for place in range(17)}
    draft = RunDraft(project, id=f"run-{number}", state="FINISHED", config=config, create_project=True)
    keys = ("loss", "accuracy", "lr", "grad_norm", "tokens_per_s")
    series = (ImportedSeries(key, _STEPS, tuple(numbers.random() for _ in _STEPS)) for key in keys)
    return RunImport(draft, tuple(series), time_ms=1_767_225_600_000)


def measure(directory: Path, name: str, rounds: int = 5) -> tuple[float, float]:
    """Return the best seconds and CPU seconds of a read, each time by a new ``Api``; the store is open and warm."""
    with Api(directory) as api:
        path = f"{api.workspace().username}/growth"
        READS[name](api, path)
    found = []
    for _ in range(rounds):
        with Api(directory) as api:
            api.runs(path).first()
            began, cpu = time.perf_counter(), time.process_time()
            READS[name](api, path)
            found.append((time.perf_counter() - began, time.process_time() - cpu))
    return min(seconds for seconds, _ in found), min(cpu for _, cpu in found)


def _rows(directory: Path, sizes: tuple[int, ...]) -> Iterator[list[str]]:
    context = multiprocessing.get_context("spawn")
    for name in READS:
        with context.Pool(1, maxtasksperchild=1) as pool:
            found = [pool.apply(measure, (directory / str(size), name)) for size in sizes]
        yield [name, *(f"{1000 * seconds:.3g} ({1000 * cpu:.3g})" for seconds, cpu in found)]


def main() -> None:
    """Build what is missing, and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sizes", type=json.loads, default=list(_SIZES), help="a JSON list of numbers of runs")
    options = parser.parse_args()
    sizes = tuple(options.sizes)
    for size in sizes:
        build(options.directory / str(size), size)
    head = ["milliseconds (of the process's CPU time)", *(f"{size:,} runs" for size in sizes)]
    for cells in (head, ["---"] * len(head), *_rows(options.directory, sizes)):
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

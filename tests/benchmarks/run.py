"""Measure RunAtlas beside its peers: ``python tests/benchmarks/run.py --help``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run as a file: its own directory is on the path, its package's parent must be
    sys.path[0] = str(Path(__file__).parents[1])

from benchmarks.beside import read_beside
from benchmarks.environment import machine
from benchmarks.report import BESIDE, IMPORT, SCRIPT, render
from benchmarks.runner import Runner, say
from benchmarks.system import CLIENTS, SYSTEMS
from benchmarks.work import WORKS

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for, and print the tables.

    Args:
        arguments: The command line, without the program's name.

    Returns:
        1 if something failed or answered wrongly, else 0.
    """
    options = _options(arguments)
    options.cache.mkdir(parents=True, exist_ok=True)
    runner = Runner(
        options.cache.resolve(),
        [*options.peers, *(CLIENTS if BESIDE in options.work else ())],
        scale=options.scale,
        timeout_s=options.timeout,
        profiles=options.profiles and options.profiles.resolve(),
    )
    runner.prepare()
    document = _read(options.results) | {"machine": machine()}
    document.setdefault("versions", {}).update(runner.versions())
    failed = False
    if BESIDE in options.work:
        document[BESIDE] = read_beside(runner, options.reads)
        failed |= any("error" in found for row in document[BESIDE].values() for found in row.values())
        _write(options.results, document)
    for name, system in _series(options):
        found = runner.run(name, system)
        if found is not None:
            failed |= "error" in found
            say(f"{name} {system}: {found.get('error', '')[-800:] or found}")
            row = document.setdefault("results", {}).setdefault(name, {})
            row[system] = _better(row.get(system), found) if options.repeat > 1 else found
            _write(options.results, document)
    results, beside = document.get("results", {}), document.get(BESIDE, {})
    print(render(results, beside, machine=document["machine"], versions=document["versions"]))
    return 1 if failed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    add = parser.add_argument
    add("--peers", type=_names(SYSTEMS), default=list(SYSTEMS), metavar="A,B", help=", ".join(SYSTEMS))
    works = [*WORKS, IMPORT, SCRIPT, BESIDE]
    add("--work", type=_names(works), default=works, metavar="A,B", help=", ".join(works))
    add("--scale", type=float, default=1.0, help="multiplies all counts; the titles say what 1 is")
    add("--repeat", type=int, default=1, help="rounds over everything; the best of each is kept")
    add("--reads", type=int, default=5, help=f"how often each read of {BESIDE!r} is timed; the median counts")
    add("--timeout", type=float, default=1800.0, metavar="SECONDS", help="for one piece of work")
    add("--cache", type=Path, default=Path("~/.cache/runatlas-benchmarks").expanduser(), help="environments, stores")
    add("--results", type=Path, help="a JSON file to keep results in, and to take earlier ones from")
    add("--profiles", type=Path, help="a directory for cProfile's output of each first call")
    return parser.parse_args(arguments)


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are: {', '.join(known)}")
        return names

    return parse


def _series(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield the systems of one piece of work next to each other, so that a busy machine is busy for all of them."""
    for _ in range(options.repeat):
        for name in (work for work in options.work if work != BESIDE):
            for system in options.peers:
                yield name, system


def _better(before: dict[str, Any] | None, after: dict[str, Any]) -> dict[str, Any]:
    """Keep the shortest time of each call: what else the machine does only ever adds."""
    if before is None or before.keys() != after.keys():
        return after
    return after | {
        field: [min(pair) for pair in zip(before[field], found, strict=True)]
        if isinstance(found, list)
        else min(before[field], found)
        for field, found in after.items()
    }


def _read(path: Path | None) -> dict[str, Any]:
    if path is None or not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _write(path: Path | None, document: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    sys.exit(main())

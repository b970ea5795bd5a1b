"""One piece of work by one adapter in a process of its own; the runner starts it inside the adapter's environment."""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import tracking
from benchmarks.dataset import Shape
from benchmarks.meter import Reading, RequestCounter, measure
from benchmarks.system import CLIENTS, SYSTEMS
from benchmarks.work import READS, STORES, WORKS, Work

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says and write the result, as JSON, to ``--out``."""
    options = _options(arguments)
    adapter: Any = {**SYSTEMS, **CLIENTS}[options.system].load()(options.directory)
    shape = Shape(options.scale)
    if options.mode == "methods":
        result: dict[str, Any] = {"methods": dir(adapter)}
    elif options.mode == "store":
        result = _make_store(adapter, shape, options.name)
    elif options.mode == "writer":
        adapter.attach(options.url)
        result = tracking.write(adapter, WORKS[options.name], shape, options)
    elif options.mode == "read":
        adapter.attach(options.url)
        result = _read(adapter, READS[options.name], shape)
    else:
        result = _work(adapter, WORKS[options.name], shape, options)
    options.out.write_text(json.dumps(result))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.child")
    parser.add_argument("mode", choices=["methods", "work", "store", "writer", "read"])
    parser.add_argument("name")
    parser.add_argument("--system", required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--index", type=int, default=0)
    parser.add_argument("--url")
    parser.add_argument("--profile", type=Path)
    return parser.parse_args(arguments)


def _make_store(adapter: Any, shape: Shape, name: Any) -> dict[str, Any]:
    adapter.create()
    adapter.open()
    adapter.build(STORES[name](shape))
    adapter.settle()
    adapter.stop()
    return {}


def _work(adapter: Any, work: Work, shape: Shape, options: argparse.Namespace) -> dict[str, Any]:
    if work.store == "empty":
        adapter.create()
    counter = RequestCounter()
    counter.install()
    adapter.start()
    try:
        if work.method.startswith("tracker"):
            return tracking.track(adapter, work, shape, counter, options)
        return _call(adapter, work, shape, counter, options.profile)
    finally:
        adapter.stop()


def _read(adapter: Any, work: Work, shape: Shape) -> dict[str, Any]:
    """Measure a client that is new, in a process that is new."""
    job = work.prepare(adapter, shape)
    gc.collect()
    reading = measure(lambda: getattr(adapter, work.method)(*job.arguments), RequestCounter())
    work.check(adapter, job.expected, adapter.plain(work.method, reading.answer))
    return {"seconds": reading.seconds, "cpu_seconds": reading.cpu_seconds, "memory_mb": reading.memory_mb}


def _call(adapter: Any, work: Work, shape: Shape, counter: RequestCounter, profile: Path | None) -> dict[str, Any]:
    """Measure the calls; opening the store counts as part of the first, unless the store is being written."""
    if work.changes:
        adapter.open()
    job = work.prepare(adapter, shape)

    def again() -> Any:
        return getattr(adapter, work.method)(*job.arguments)

    def cold() -> Any:
        if not work.changes:
            adapter.open()
        return again()

    readings: list[Reading] = []
    for call in (_profiled(cold, profile), again)[: work.calls]:
        gc.collect()
        reading = measure(call, counter)
        if work.changes:
            adapter.settle()
        work.check(adapter, job.expected, reading.answer)
        reading.answer = None
        readings.append(reading)
    return {
        "seconds": [reading.seconds for reading in readings],
        "cpu_seconds": [reading.cpu_seconds for reading in readings],
        "memory_mb": max(reading.memory_mb for reading in readings),
        "requests": readings[0].requests,
    }


def _profiled(call: Callable[[], Any], profile: Path | None) -> Callable[[], Any]:
    if profile is None:
        return call

    def profiled() -> Any:
        with cProfile.Profile() as recorder:
            answer = call()
        recorder.dump_stats(profile)
        return answer

    return profiled


if __name__ == "__main__":
    main()

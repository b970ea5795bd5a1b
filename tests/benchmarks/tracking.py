"""Tracking as a training loop sees it, by one process or by many at once."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.adapters.base import Tracker
from benchmarks.dataset import Shape
from benchmarks.meter import RequestCounter, measure, percentile
from benchmarks.work import Work

__all__ = ["track", "write"]


def track(
    adapter: Any, work: Work, shape: Shape, counter: RequestCounter, options: argparse.Namespace
) -> dict[str, Any]:
    """Measure one call a step, and how long until everything is durable; the run is made before the clock starts."""
    adapter.open()
    job = work.prepare(adapter, shape)
    result = _write_together(adapter, work, options) if work.writers > 1 else _write_alone(adapter, work, job, counter)
    adapter.settle()
    work.check(adapter, job.expected, None)
    calls_ns = result.pop("calls_ns")
    result["mean_us"] = sum(calls_ns) / len(calls_ns) / 1000
    result["p99_us"] = percentile(calls_ns, 0.99) / 1000
    return result


def write(adapter: Any, work: Work, shape: Shape, options: argparse.Namespace) -> dict[str, Any]:
    """Be one of many writers: make the run, say so, wait for the word, write."""
    adapter.open()
    job = work.prepare(adapter, shape)
    tracker = getattr(adapter, work.method)(f"writer-{options.index}")
    _ready(options.out).touch()
    sys.stdin.readline()
    result = _measured(tracker, job, RequestCounter())
    return result | {"ended": time.perf_counter()}


def _write_alone(adapter: Any, work: Work, job: Any, counter: RequestCounter) -> dict[str, Any]:
    return _measured(getattr(adapter, work.method)("writer-0"), job, counter)


def _measured(tracker: Tracker, job: Any, counter: RequestCounter) -> dict[str, Any]:
    calls_ns: list[int] = []
    reading = measure(lambda: _log(tracker, job.arguments[0], calls_ns), counter)
    return {
        "seconds": [reading.seconds],
        "cpu_seconds": [reading.cpu_seconds],
        "memory_mb": reading.memory_mb,
        "requests": reading.requests,
        "calls_ns": calls_ns,
    }


def _log(tracker: Tracker, rows: list[dict[str, float]], calls_ns: list[int]) -> None:
    clock, log = time.perf_counter_ns, tracker.log
    for step, row in enumerate(rows):
        started = clock()
        log(row, step)
        calls_ns.append(clock() - started)
    tracker.close()


def _write_together(adapter: Any, work: Work, options: argparse.Namespace) -> dict[str, Any]:
    outs = [options.out.with_suffix(f".{index}.json") for index in range(work.writers)]
    processes = [_start_writer(adapter, options, index, out) for index, out in enumerate(outs)]
    try:
        while not all(_ready(out).exists() for out in outs):
            _expect_alive(processes)
            time.sleep(0.02)
        started = time.perf_counter()  # CLOCK_MONOTONIC: the same in every process
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            process.wait()
    finally:
        for process in processes:
            process.kill()
    results = [json.loads(out.read_text()) for out in outs]
    return {
        "seconds": [max(result["ended"] for result in results) - started],
        "cpu_seconds": [sum(result["cpu_seconds"][0] for result in results)],
        "memory_mb": max(result["memory_mb"] for result in results),
        "requests": sum(result["requests"] for result in results),
        "calls_ns": [ns for result in results for ns in result["calls_ns"]],
    }


def _start_writer(adapter: Any, options: argparse.Namespace, index: int, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.child", "writer", options.name, "--system", options.system]
    command += ["--directory", str(options.directory), "--scale", str(options.scale)]
    command += ["--index", str(index), "--out", str(out)]
    if adapter.url is not None:
        command += ["--url", adapter.url]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def _expect_alive(processes: list[subprocess.Popen[str]]) -> None:
    ended = [process.returncode for process in processes if process.poll() is not None]
    if ended:
        raise AssertionError(f"writers ended before they began: {ended}")


def _ready(out: Path) -> Path:
    return out.with_suffix(".ready")

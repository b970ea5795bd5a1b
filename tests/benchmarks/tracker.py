"""The tracker alone, quickly: ``python tests/benchmarks/tracker.py [REPEATS]``, without the peers.

One call a step of 10 names, 10,000 steps: what the training loop sees, and when everything is durable; in a directory,
over HTTP, and with the server away. The comparison with the peers is in ``tracking.py``.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.server import running_server

KEYS = [f"metric{number}" for number in range(10)]
STEPS = 10_000


def measure(place: str) -> dict[str, float]:
    """Record once and tell what it took: microseconds a call, and seconds from the first call to durable."""
    from runatlas import Run  # the environment is set first

    run = Run(repo=place, experiment="bench", capture_terminal_logs=False)
    rows = [{key: step * 0.1 + number for number, key in enumerate(KEYS)} for step in range(STEPS)]
    run.log(rows[0], step=-1)
    run.flush(0.5)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gc.collect()
    taken = []
    begun = time.perf_counter()
    for step, row in enumerate(rows):
        called = time.perf_counter_ns()
        run.log(row, step=step)
        taken.append(time.perf_counter_ns() - called)
    looped = time.perf_counter()
    where = run.flush(0.0 if place.endswith(":1") else None).where
    ended = time.perf_counter()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    run.close(0.0)
    taken.sort()
    assert where == ("spool" if place.endswith(":1") else "store")
    return {
        "mean us": sum(taken) / STEPS / 1000,
        "p50 us": taken[STEPS // 2] / 1000,
        "p99 us": taken[STEPS * 99 // 100] / 1000,
        "max us": taken[-1] / 1000,
        "loop s": looped - begun,
        "durable s": ended - begun,
        "memory MiB": memory / 1024,
    }


def main() -> None:
    """Measure each place, every repeat in a process of its own, and print the medians."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as base:
        environment = os.environ | {"RUNATLAS_DIR": f"{base}/own", "RUNATLAS_SILENT": "1"}
        with running_server(Path(base) / "served") as server:
            for title, place in (
                ("directory", f"{base}/store"),
                ("over HTTP", server.origin),
                ("server away", "http://127.0.0.1:1"),
            ):
                found = [_measure_apart(place, environment) for _ in range(repeats)]
                medians = {name: median(item[name] for item in found) for name in found[0]}
                print(f"{title:12}", "  ".join(f"{name} {value:8.3f}" for name, value in medians.items()))


def _measure_apart(place: str, environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, __file__, "--once", place]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    names, values = done.stdout.splitlines()
    return dict(zip(names.split("\t"), map(float, values.split("\t")), strict=True))


if __name__ == "__main__":
    if "--once" in sys.argv:
        result = measure(sys.argv[-1])
        print("\t".join(result))
        print("\t".join(map(str, result.values())))
    else:
        main()

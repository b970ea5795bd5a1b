"""Programs that record, as processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.program import Program
from support.run_content import points

from runatlas import Api, Experiment

__all__ = ["check_values", "find_run", "finish", "read_flushed", "training"]

_PROGRAM = Path(__file__).with_name("training_program.py")


@contextmanager
def training(
    repo: str,
    run_id: str,
    writer: str,
    *,
    count: int = 0,
    flush_every: int = 100,
    mode: str | None = None,
    processes: int | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A program that records ``count`` values (0: until it is killed); it is gone at the end.

    Args:
        repo: Where to.
        run_id: The run.
        writer: The key.
        count: How many values.
        flush_every: How many values between two flushes.
        mode: What ``repo`` is, if left out.
        processes: How many to fork, each with a run of its own.
    """
    mode = mode or ("online" if "://" in repo else "local")
    command = [sys.executable, str(_PROGRAM), repo, run_id, writer, str(count), str(flush_every), mode]
    command += [] if processes is None else [str(processes)]
    with Program(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def finish(process: subprocess.Popen[str]) -> int:
    """Wait for a program's end, and return its exit code."""
    process.communicate()
    return process.returncode


def read_flushed(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the next flush of a program: how many values were durable, and where."""
    assert process.stdout is not None
    _, count, where = process.stdout.readline().split()
    return int(count), where


def find_run(place: str, run_id: str) -> Experiment:
    """The program's run."""
    api = Api(place, cache=False)
    return api.run(f"{api.workspace().username}/program/{run_id}").unwrap()


def check_values(run: Experiment, writer: str, *, at_least: int) -> int:
    """Check that the values ``0, 1, 2, …`` are there without a gap, each once, and return how many."""
    found = points(run, writer)
    assert found == [(step, float(step)) for step in range(len(found))]
    assert len(found) >= at_least
    return len(found)

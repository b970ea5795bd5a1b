"""What is drawn bit by bit, such as a progress bar, is seen while it is drawn, as one line."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.forked import command
from support.program import Program

from runatlas import Api, Experiment, Run
from runatlas.model.batch import Batch
from runatlas.model.log import LogDraft
from runatlas.tracking.entry import body_of
from runatlas.tracking.spool import find_spools
from runatlas.tracking.spool_frame import Frame

PROGRAM = """
import os, signal, sys
from runatlas import Run
run = Run("bar", repo=sys.argv[1])
print("begun", flush=True)
for text in iter(sys.stdin.readline, ""):
    print(eval(text), end="", file=sys.stderr, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def drawing(place: str) -> subprocess.Popen[str]:
    return Program([sys.executable, "-c", PROGRAM, place], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def draw(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(repr(text) + "\n")
    process.stdin.flush()


def wait_for(lines: Callable[[], list[str]], wanted: list[str]) -> None:
    """Read until that is what is there: the limit of the test is the limit."""
    while lines() != wanted:
        time.sleep(0.05)


def find(place: str, run: str = "bar") -> Experiment:
    return Api(place, cache=False).workspace().unwrap().project("default").run(run)


def test_a_bar_is_one_line_that_is_seen_while_it_moves_and_when_its_process_is_killed(place: str) -> None:
    def lines() -> list[str]:
        found = find(place).logs()
        return [line.message for line in found.unwrap()] if found.ok else []

    Run(repo=place, capture_terminal_logs=False).close()
    with drawing(place) as process:
        draw(process, "\r 10%")
        wait_for(lines, ["begun", " 10%"])
        draw(process, "\r 20%\r 30%")
        wait_for(lines, ["begun", " 30%"])
        draw(process, "\r100%\nsecond\r  1%")
        wait_for(lines, ["begun", "100%", "  1%nd"])
        process.communicate(timeout=60)
    assert lines() == ["begun", "100%", "  1%nd"]


def test_a_bar_that_nobody_can_read_yet_is_spooled_now_and_then_and_synced_as_one_line(tmp_path: Path) -> None:
    with Run("bar", repo=tmp_path, mode="offline") as run:
        for number in range(3):
            print(f"\r{number:3}%", end="", file=sys.stderr, flush=True)
            run.flush()
        assert [(line.message, line.is_open) for line in spooled(tmp_path)] == [("  0%", True)]
        print("\r100%", file=sys.stderr, flush=True)
    first, last = spooled(tmp_path)
    assert (last.message, last.is_open, last.key) == ("100%", False, first.key)

    command("sync", tmp_path).check_returncode()
    assert [line.message for line in find(str(tmp_path)).logs().unwrap()] == ["100%"]


@pytest.mark.parametrize("names", [["stdout"], ["stdout", "stderr"]], ids=["one", "both"])
def test_lines_of_the_streams_keep_their_order_and_each_its_own_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.StringIO())
    run = Run("both", repo=tmp_path)
    run.log({"loss": 1.0})
    run.flush()
    written = []
    for number in range(8):
        print(f"line {number}", file=getattr(sys, names[number // 2 % len(names)]))
        written.append(time.time())
        while time.time() < written[-1] + 0.002:
            continue
    run.close()

    lines = find(str(tmp_path), "both").logs().unwrap().lines
    assert [line.message for line in lines] == [f"line {number}" for number in range(8)]
    told = [line.time.timestamp() for line in lines if line.time is not None]
    assert [after >= each for each, after in zip(told, written, strict=True)] == [True] * 8
    assert told == sorted(set(told))


FORKED = """
import os, signal, sys
from runatlas import Run

def draw(text):
    sys.stderr.write(text)
    sys.stderr.flush()

run = Run("bars", repo=sys.argv[1])
draw("\\rparent  10%")
ear, mouth = os.pipe()
if not (child := os.fork()):
    for part in range(0, 101, 5):
        draw(f"\\rchild {part:3}%")
        if part % 20 == 0:
            run.flush()
            os.write(mouth, b".")
    draw("\\n")
    run.flush()
    os._exit(0)
os.close(mouth)
part = 10
while os.read(ear, 1):
    part += 10
    draw(f"\\rparent {part:3}%")
    run.flush()
os.waitpid(child, 0)
draw("\\rparent 100%\\n")
run.close()
"""


def test_bars_of_a_process_and_of_its_forked_child_are_a_line_each(place: str) -> None:
    # From Python 3.12 on it warns, on the terminal that is recorded, of forks where there are threads.
    command = [sys.executable, "-Wignore::DeprecationWarning", "-c", FORKED, place]
    subprocess.run(command, check=True, capture_output=True)
    assert sorted(line.message for line in find(place, "bars").logs().unwrap()) == ["child 100%", "parent 100%"]


def spooled(directory: Path) -> list[LogDraft]:
    """What the one spool in a directory has of lines."""
    (left,) = find_spools(directory / "spool")
    bodies = [body_of(item) for item in left.frames() if isinstance(item, Frame) and item.kind == "batch"]
    return [line for body in bodies if isinstance(body, Batch) for line in body.logs]

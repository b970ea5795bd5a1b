"""Forked children of a process that records to a server, over SQLite and over PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.database import new_schema
from support.run_content import points
from support.server import running_server

from runatlas import Api, Experiment

_PROGRAM = """
import multiprocessing, os, random, sys, threading
from runatlas import Run

place = sys.argv[1]

def record(run, key, count, over=None):
    # A flush that says where it is has acknowledged all before it.
    for step in range(count):
        run.log({key: step}, step=step)
        if step % 4 == 3:
            assert run.flush().where == "store"
        if over is not None and over.is_set():
            return step + 1
    return count

def task(number):
    made.log({"pool": number}, step=number)
    assert made.flush().where == "store"

def take(run):
    global made
    made = run

run = Run("r", repo=place, experiment="p", capture_terminal_logs=False)
run.log({"a": 0})
over, counts = threading.Event(), [0, 0]

def work(number):
    counts[number] = record(run, f"thread{number}", 100_000, over)

threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
for thread in threads:
    thread.start()
random_ = random.Random(5)
children = []
for number in range(12):
    over.wait(random_.random() * 0.03)
    if not (child := os.fork()):
        record(run, f"child{number}", 6)
        if number % 3 == 0:
            run.close()
            os._exit(run.health.dropped)
        if number % 3 == 1:
            sys.exit(0)
        os._exit(0 if run.flush() else 1)
    children.append(child)
ends = {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
with multiprocessing.get_context("fork").Pool(2, take, (run,)) as pool:
    pool.map(task, range(10))
over.set()
for thread in threads:
    thread.join()
run.close()
assert ends == {0} and not run.health.dropped, (ends, run.health)
print(*counts)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    database = None if request.param == "sqlite" else new_schema(request.getfixturevalue("postgresql"))
    with running_server(tmp_path / "served", database=database) as server:
        yield server.origin


def find(origin: str, run_id: str = "r") -> Experiment:
    return Api(origin, cache=False).workspace().unwrap().project("p").run(run_id).unwrap()


def test_children_of_a_process_that_records_to_a_server_lose_nothing_and_double_nothing(origin: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM, origin],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    counts = [int(word) for word in done.stdout.split()]
    seen = find(origin)
    wanted = {f"child{number}": 6 for number in range(12)} | {"thread0": counts[0], "thread1": counts[1], "pool": 10}
    assert {key: points(seen, key) for key in wanted} == {
        key: [(step, float(step)) for step in range(count)] for key, count in wanted.items()
    }
    assert seen.state == "FINISHED"

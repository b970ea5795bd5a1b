"""A signal in the midst of the tracker's own work: what it holds then is let go before the process ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.run_content import points

from runatlas import Api, Experiment
from runatlas.tracking.sync import sync

_PROGRAM = """
import json, mmap, os, random, resource, signal, struct, sys, time
import runatlas.backends.local, runatlas.backends.native, runatlas.backends.store_process
from runatlas import Run

place, seed = sys.argv[1:]
FORM = struct.Struct("@lll")
given = random.Random(seed)

def record(number, told):
    # What is noted has happened: runs that are closed, and of the next one what was logged and what was flushed.
    verb, closed = ("close", "flush", "spool", "log")[number % 4], 0
    while True:
        run = Run(f"r{number}-{closed}", repo=place, experiment="p", capture_terminal_logs=False)
        FORM.pack_into(told, 0, closed, 0, 0)
        os.write(ready, b".")
        logged = flushed = 0
        while not logged or verb != "close" or logged % 5:
            run.log({"a": logged}, step=logged)
            logged += 1
            FORM.pack_into(told, 0, closed, logged, flushed)
            if verb == "flush" and run.flush() or verb == "spool" and run.flush(0.0):
                flushed = logged
                FORM.pack_into(told, 0, closed, logged, flushed)
        run.close()
        closed += 1
        FORM.pack_into(told, 0, closed, 0, 0)

def end(number):
    name = given.choice(("SIGTERM", "SIGTERM", "SIGHUP"))
    told, (ear, mouth) = mmap.mmap(-1, FORM.size), os.pipe()
    pid = os.fork()
    if not pid:
        global ready
        ready = mouth
        os.close(ear)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        record(number, told)
    os.close(mouth)
    os.read(ear, 1)
    time.sleep(given.random() * 0.1)
    os.kill(pid, getattr(signal, name))
    return pid, number, name, told, ear

def ended(pid, number, name, told, ear):
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    closed, logged, flushed = FORM.unpack(told)
    print(json.dumps({"number": number, "name": name, "code": code, "closed": closed, "logged": logged,
                      "flushed": flushed}), flush=True)

for first in range(0, 16, 8):
    for child in [end(number) for number in range(first, first + 8)]:
        ended(*child)
"""


def test_a_signal_at_any_moment_of_the_trackers_work_loses_nothing(place: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, place, "7"], capture_output=True, text=True, timeout=500, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    ends: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(ends) == 16
    spools = Path(place if "://" not in place else os.environ["RUNATLAS_DIR"])
    assert [report.problem for report in sync(spools) if not report.is_done] == []

    project = Api(place, cache=False).workspace().unwrap().project("p")
    for end in ends:
        assert end["code"] == -getattr(signal, end["name"]), end
        for closed in range(end["closed"]):
            run = project.run(f"r{end['number']}-{closed}").unwrap()
            assert (run.state, len(points(run, "a"))) == ("FINISHED", 5), end
        last = project.run(f"r{end['number']}-{end['closed']}")
        if last.ok:
            check_last(last.unwrap(), end)
        else:
            assert end["logged"] == 0, end


def check_last(run: Experiment, end: dict[str, Any]) -> None:
    found = points(run, "a")
    assert found == [(step, float(step)) for step in range(len(found))], end
    # The call that was interrupted may have recorded one more.
    assert end["logged"] <= len(found) <= end["logged"] + 1, (len(found), end)
    assert run.state in ({"ABORTED", "FINISHED"} if end["logged"] == 5 else {"ABORTED"}), (run.state, end)
    if run.state == "ABORTED":
        assert run.crash_message == f"ended by {end['name']}"

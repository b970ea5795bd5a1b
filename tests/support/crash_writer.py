"""A program that records and says what was acknowledged, for tests that kill it, stop it or pull the plug.

    python crash_writer.py REPO RUN_ID SEED FORKS SCRATCH

Records points (``value = step``), lines and files until its stdin ends, then closes the run. With ``FORKS`` it forks
that many children in between, each of which records in the same run and ends in one of several ways. What each of them
records bears its name: ``v`` for the program, ``c0``, ``c1``, … for its children. It prints

- ``acked WHO POINTS LINES FILES`` after a flush that says durable: how many of each there were by then,
- ``lost WHO RECORDS`` after one that says that so many were lost,
- ``closed WHO POINTS LINES FILES DROPPED`` at the end, with what its health says.
"""

from __future__ import annotations

import os
import random
import select
import sys
from pathlib import Path

import attrs

import runatlas

CHILD_TURNS = 4


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


@attrs.define
class Recording:
    """What one process records."""

    run: runatlas.Run
    who: str
    scratch: Path
    points: int = 0
    lines: int = 0
    files: int = 0

    def record(self, points: int, lines: int, files: int, *, timeout: float | None) -> None:
        for step in range(self.points, self.points + points):
            self.run.log({self.who: float(step)}, step=step)
        for number in range(self.lines, self.lines + lines):
            self.run.log_info(f"{self.who} {number}")
        for number in range(self.files, self.files + files):
            path = self.scratch / f"{self.run.hash}-{self.who}-{number}"
            path.write_text(f"{self.run.hash} {self.who} {number}\n" * 300)
            self.run.log_artifact(path, f"{self.who}/{number}.txt")
            path.unlink()
        self.points, self.lines, self.files = self.points + points, self.lines + lines, self.files + files
        flushed = self.run.flush(timeout)
        if flushed.dropped:
            say("lost", self.who, flushed.dropped)
        if flushed.durable:
            say("acked", self.who, self.points, self.lines, self.files)

    def close(self) -> None:
        self.run.close(20)
        say("closed", self.who, self.points, self.lines, self.files, self.run.health.dropped)


def be_a_child(recording: Recording, chance: random.Random) -> None:
    for _ in range(CHILD_TURNS):
        recording.record(20, 2, 1, timeout=20)
    if chance.random() < 0.5:
        recording.record(20, 2, 1, timeout=0.0)
        recording.close()
    os._exit(0)


def main(repo: str, run_id: str, seed: str, forks: str, scratch: str) -> None:
    chance = random.Random(int(seed))
    run = runatlas.Run(run_id, repo=repo, experiment="crash", capture_terminal_logs=False)
    recording = Recording(run, "v", Path(scratch))
    say("opened", run.hash)
    children: list[int] = []
    while not select.select([sys.stdin], [], [], chance.random() / 50)[0]:
        if len(children) < int(forks) and chance.random() < 0.2:
            child = os.fork()
            if not child:
                be_a_child(Recording(run, f"c{len(children)}", Path(scratch)), chance)
            children.append(child)
        if chance.random() < 0.1:
            # Many small chunks, so that there is something to merge.
            for _ in range(40):
                recording.record(1, 0, 0, timeout=1.0)
        files = int(chance.random() < 0.2)
        recording.record(chance.choice([1, 7, 300]), chance.choice([0, 3]), files, timeout=chance.choice([0, 1.0, 5.0]))
    for number, child in enumerate(children):
        say("ended", f"c{number}", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    recording.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

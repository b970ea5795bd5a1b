"""A program that records and says what was acknowledged, for tests that kill it, stop it or pull the plug.

    python crash_writer.py REPO RUN_ID SEED FORKS

Records ``value = step`` under ``v`` until its stdin ends, then closes the run. After each flush that says durable it
prints ``acked KEY COUNT WHERE``; at the end ``closed RECORDED DROPPED``. With ``FORKS`` it forks that many children in
between, each of which records under a key of its own in the same run and ends in one of several ways.
"""

from __future__ import annotations

import os
import random
import select
import sys

import runatlas

CHILD_POINTS = 60


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def record(run: runatlas.Run, key: str, start: int, count: int, *, timeout: float | None) -> None:
    for step in range(start, start + count):
        run.log({key: float(step)}, step=step)
    flushed = run.flush(timeout)
    if flushed.durable:
        say("acked", key, start + count, flushed.where)


def be_a_child(run: runatlas.Run, key: str, chance: random.Random) -> None:
    for start in range(0, CHILD_POINTS, 20):
        record(run, key, start, 20, timeout=20)
    if chance.random() < 0.5:
        os._exit(0)
    run.close(20)
    os._exit(0)


def main(repo: str, run_id: str, seed: str, forks: str) -> None:
    chance = random.Random(int(seed))
    run = runatlas.Run(run_id, repo=repo, experiment="crash", capture_terminal_logs=False)
    say("opened", run.hash)
    recorded, left = 0, int(forks)
    while not select.select([sys.stdin], [], [], chance.random() / 50)[0]:
        if left and chance.random() < 0.2:
            left -= 1
            child = os.fork()
            if not child:
                be_a_child(run, f"c{left}", chance)
        count = chance.choice([1, 7, 300])
        record(run, "v", recorded, count, timeout=chance.choice([0.0, 1.0, 5.0]))
        recorded += count
    for _ in range(int(forks) - left):
        os.wait()
    run.close(20)
    say("closed", recorded, run.health.dropped, run.health.spooled)


if __name__ == "__main__":
    main(*sys.argv[1:])

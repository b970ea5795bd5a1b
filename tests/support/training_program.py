"""A program that trains nothing and records it, for tests that kill it or run many of it at once.

    python training_program.py REPO RUN_ID WRITER COUNT FLUSH_EVERY MODE [PROCESSES]

Records ``value = step`` under the key ``WRITER``, ``COUNT`` times (0: until it is killed), and prints ``flushed N
WHERE`` after each flush. With ``PROCESSES`` it forks that many, each of which records to a run of its own.
"""

from __future__ import annotations

import itertools
import os
import sys

import runatlas.backends.local
import runatlas.backends.native  # noqa: F401 - as above
from runatlas import Run


def main(repo: str, run_id: str, writer: str, count: str, flush_every: str, mode: str) -> None:
    run = Run(run_id, repo=repo, experiment="program", mode=mode, capture_terminal_logs=False)
    steps = range(int(count)) if int(count) else itertools.count()
    for step in steps:
        run.log({writer: step}, step=step)
        if (step + 1) % int(flush_every) == 0:
            print("flushed", step + 1, run.flush().where, flush=True)
    run.close()


def fork(processes: int, repo: str, run_id: str, *rest: str) -> None:
    children = []
    for number in range(processes):
        child = os.fork()
        if not child:
            main(repo, f"{run_id}-{number}", *rest)
            os._exit(0)
        children.append(child)
    codes = [os.waitpid(child, 0)[1] for child in children]
    sys.exit(max(codes))


if __name__ == "__main__":
    if len(sys.argv) == 8:
        fork(int(sys.argv[7]), *sys.argv[1:7])
    main(*sys.argv[1:])

"""Many writers on one run, each by a connection of its own; and what a terminal shows."""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any

from matyan_client import Repo, Run
from support.patience import eventually

NAME, TERMINAL = "9" * 32, "8" * 32
WRITERS = 4


def write(url: str, rank: int, started: Any) -> None:
    """Be one process of a distributed training."""
    run = Run(NAME, repo=url, force_resume=True, capture_terminal_logs=False)
    started.wait()
    for step in range(200):
        run.track(float(step * rank), name="loss", step=step, context={"rank": rank})
        run.track(float(rank), name="shared", step=step * WRITERS + rank)
    run[f"worker.{rank}"] = {"rank": rank}
    run.add_tag("distributed")
    run.add_tag(f"rank {rank}")
    run.log_info(f"worker {rank}")
    run.close()


def _together(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    started = context.Barrier(WRITERS)
    workers = [context.Process(target=write, args=(url, rank, started)) for rank in range(WRITERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0


def _show(url: str) -> None:
    run = Run(TERMINAL, repo=url, capture_terminal_logs=True)
    print("first line")
    print("in \x1b[31mred\x1b[0m")
    sys.stdout.write("10%\r50%\r100%\n")
    print("error", file=sys.stderr)
    print("two\nlines")
    sys.stdout.write("no newline")
    run.close()
    print("after the end")


def main(argument: dict[str, Any]) -> Any:
    url = argument["url"]
    _together(url)
    _show(url)
    repo = Repo(url)
    eventually(lambda: not any(repo.get_run(name).props["active"] for name in (NAME, TERMINAL)))
    found = repo.get_run(NAME)
    asked = [{"name": "loss", "context": {"rank": rank}} for rank in range(WRITERS)]
    asked.append({"name": "shared", "context": {}})
    lines = repo.get_run(TERMINAL)._http.get_run_logs(TERMINAL)
    return {
        "batches": found._http.post(f"/api/v1/rest/runs/{NAME}/metric/get-batch/?record_density=0", asked),
        "params": found["worker"],
        "tags": sorted(found.tags),
        "records": sorted(record["message"] for _, record in found._http.get_run_log_records(NAME)[1]),
        "lines": [text for _, text in lines if "ws" not in text],
        "some": [text for _, text in repo._http.get_run_logs(TERMINAL, record_range="0:2")],
    }

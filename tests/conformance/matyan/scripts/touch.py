"""Resume a run that our own tracker wrote, and change it."""

from __future__ import annotations

from typing import Any

from matyan_client import Repo, Run
from support.patience import eventually


def main(argument: dict[str, Any]) -> None:
    url, name = argument["url"], argument["run"]
    run = Run(name, repo=url, force_resume=True, capture_terminal_logs=False)
    run.name = "renamed"
    run.experiment = "moved"
    run.archived = True
    run["seed"] = 8
    run.add_tag("touched")
    run.track(-1.0, name="acc", step=0)
    run.track(5.0, name="acc", step=100)
    run.close()
    repo = Repo(url)
    eventually(lambda: not repo.get_run(name).props["active"])

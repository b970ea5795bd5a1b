"""Archive, resume, move and delete runs."""

from __future__ import annotations

from typing import Any

from matyan_client import Repo, Run
from support.patience import eventually

NAME = "b" * 32


def _open(url: str, name: str, **options: Any) -> Run:
    return Run(name, repo=url, capture_terminal_logs=False, **options)


def _resume(url: str, repo: Repo) -> dict[str, Any]:
    run = _open(url, NAME, force_resume=True)
    run.track(9.0, name="x")
    run.experiment = "second"
    found = repo.get_run(NAME)
    eventually(lambda: found.props["active"] and found.props["experiment"]["name"] == "second")
    (batch,) = found._http.get_run_metric_batch(NAME, [{"name": "x", "context": {}}])
    props = found.props
    run.close()
    return {
        "active": props["active"],
        "experiment": props["experiment"]["name"],
        "value": batch["values"],
        "name": props["name"],
    }


def main(argument: dict[str, Any]) -> Any:
    url = argument["url"]
    repo = Repo(url)
    run = _open(url, NAME, experiment="one")
    run.name = "kept"
    run.track(0.0, name="x")
    run.track(1.0, name="x")
    run.archived = True
    run.close()
    eventually(lambda: not repo.get_run(NAME).props["active"])
    query = f'run.hash == "{NAME}"'
    archived = [
        [found["hash"] for found in repo.query_runs(text)] for text in (query, f"{query} and run.archived == True")
    ]
    repo.get_run(NAME)._http.update_run(NAME, archived=False)
    resumed = _resume(url, repo)
    experiments = {item["name"]: item["id"] for item in repo._http.list_experiments()}
    repo.delete_experiment(experiments["second"])
    unset = repo.get_run(NAME).props["experiment"]["name"]
    writer = _open(url, NAME)
    eventually(lambda: repo.get_run(NAME).props["active"])
    deleted = [repo.delete_run(NAME), repo.delete_run(NAME)]
    after = repo.run_exists(NAME)
    writer.track(5.0, name="x")
    writer.close()
    late = repo.run_exists(NAME)
    repo._http.clear_run_tombstone(NAME)
    _open(url, NAME).close()
    again = eventually(lambda: repo.run_exists(NAME))
    many = repo.delete_runs([NAME])
    return {
        "archived": archived,
        "resumed": resumed,
        "unset": unset,
        "deleted": deleted,
        "after": after,
        "late": late,
        "again": again,
        "many": list(many),
    }

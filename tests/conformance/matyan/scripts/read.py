"""Read a run that another client wrote."""

from __future__ import annotations

from typing import Any

from matyan_client import Repo


def main(argument: dict[str, Any]) -> Any:
    repo, name = Repo(argument["url"]), argument["run"]
    run = repo.get_run(name)
    texts = repo.query_texts(f'run.hash == "{name}"')
    (batch,) = run._http.get_run_metric_batch(name, [{"name": "acc", "context": {}}])
    return {
        "experiment": run.props["experiment"]["name"],
        "tags": run.tags,
        "lr": run["hparams.lr"],
        "values": batch["values"],
        "texts": [_first(_first(_first(found["traces"])["values"]))["data"] for found in texts],
        "records": [record["message"] for _, record in run._http.get_run_log_records(name)[1]],
    }


def _first(held: Any) -> Any:
    return held[0] if isinstance(held, list) else next(iter(held.values()))

"""Writes whose first answers are lost on the way; the client repeats them."""

from __future__ import annotations

import threading
from typing import Any

import niquests
from syvain_metrics_api_client import SyvainMetricsApiClient


def _at_once(given: dict[str, Any]) -> list[str]:
    """Make one folder in eight threads by one idempotency key, as repeated requests of one call can overtake it."""
    barrier = threading.Barrier(8)
    made: list[str] = []

    def request(method: str, url: str, **options: Any) -> Any:
        options["headers"]["idempotency-key"] = "syvain-metrics-api-client-race"
        barrier.wait()
        return niquests.request(method, url, **options)

    def make() -> None:
        client = SyvainMetricsApiClient(given["key"], host=given["host"], request=request)
        made.append(client.create_folder("race").folder.folder_id)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


def main(given: dict[str, Any]) -> dict[str, Any]:
    client = SyvainMetricsApiClient(given["key"], host=given["proxy"])
    folder = client.create_folder("lost").folder
    experiment = client.create_experiment("lost", metadata={"n": 1}, folder_id=folder.folder_id).experiment
    status = client.update_experiment_status(experiment.id, "running").experiment.status
    renamed = client.rename_folder(folder.folder_id, "found").folder.name
    client.create_annotation(experiment.id, "once")
    metric = {"client_event_id": "e", "name": "loss", "value": 0.5, "step": 1}
    client.ingest_metrics(experiment.id, [metric])
    return {"id": experiment.id, "status": status, "renamed": renamed, "race": _at_once(given)}

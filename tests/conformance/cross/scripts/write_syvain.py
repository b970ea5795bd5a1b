"""Write the runs with Syvain's client."""

from __future__ import annotations

import math
from typing import Any

from syvain_metrics_api_client import SyvainMetricsApiClient


def _write(client: Any, content: dict[str, Any]) -> str:
    made = client.create_experiment(
        content["id"], description=content["description"], metadata=content["config"]
    ).experiment
    client.update_experiment_status(made.id, "running")
    metrics = [
        {"client_event_id": f"{number}/{place}", "name": name, "value": value, "step": step, "metadata": context}
        for number, (name, context, rows) in enumerate(content["series"])
        for place, (step, value) in enumerate(rows)
        # It takes finite values only, names in ASCII, and steps from 0 on.
        if math.isfinite(value) and name.isascii() and step >= 0
    ]
    client.ingest_metrics(made.id, metrics)
    for text, metadata in content["notes"]:
        client.create_annotation(made.id, text, metadata=metadata)
    return str(made.id)


def main(given: dict[str, Any]) -> None:
    client = SyvainMetricsApiClient(given["key"], host=given["host"])
    client.update_experiment_status(_write(client, given["whole"]), "done")
    failed = _write(client, given["failed"])
    name, _, detail = given["failed"]["error"].partition(": ")
    client.update_experiment_status(failed, "error", error={"name": name, "detail": detail})

"""Read runs with Syvain's client."""

from __future__ import annotations

import json
from typing import Any

from syvain_metrics_api_client import SyvainMetricsApiClient

_STATES = {"created": "RUNNING", "running": "RUNNING", "done": "FINISHED", "error": "CRASHED"}


def _label(name: str, context: dict[str, str]) -> str:
    return f"{name} {json.dumps(context, separators=(',', ':'))}" if context else name


def _columns(client: Any, experiment_id: str, stream: bool) -> dict[str, Any]:
    chosen, order = [{"experiment_id": experiment_id}], {"axis": "step", "direction": "asc"}
    found = client.query_metric_series(chosen, order=order, stream=stream)
    columns = {_label(item.metric_name, item.metadata): item.data for item in found}
    return {
        label: [
            [int(step), value, int(time)]
            for step, value, time in zip(data.steps, data.value, data.timestamp, strict=True)
        ]
        for label, data in columns.items()
    }


def _read(client: Any, slug: str) -> dict[str, Any]:
    (listed,) = client.list_experiments(slug=slug).experiments
    found = client.get_experiment(listed.id).experiment
    columns = _columns(client, found.id, stream=False)
    assert columns == _columns(client, found.id, stream=True)
    return {
        "description": found.description,
        "state": _STATES[found.status],
        "error": ": ".join(part for part in (found.error_name, found.error_detail) if part),
        "config": found.metadata,
        "series": columns,
        "notes": [[note.annotation, note.metadata] for note in client.list_annotations(found.id).annotations],
        "created": found.created_at_ms,
        "ended": found.done_at_ms,
    }


def main(given: dict[str, Any]) -> dict[str, Any]:
    client = SyvainMetricsApiClient(given["key"], host=given["host"])
    return {
        "runs": {name: _read(client, path.split("/")[2]) for name, path in given["runs"].items()},
        "listed": [item.slug for item in client.list_experiments().experiments],
    }

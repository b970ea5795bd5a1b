"""Read, and change, what our own interface made."""

from __future__ import annotations

from typing import Any

from syvain_metrics_api_client import SyvainMetricsApiClient


def _columns(client: Any, experiment_id: str, stream: bool) -> list[Any]:
    chosen, order = [{"experiment_id": experiment_id}], {"axis": "step", "direction": "asc"}
    found = client.query_metric_series(chosen, order=order, stream=stream)
    return sorted([[item.metric_name, item.metadata, item.data.steps, item.data.value] for item in found], key=str)


def _metrics(client: Any, experiment_id: str) -> dict[str, Any]:
    if hasattr(client, "list_metrics"):
        rows = client.list_metrics(experiment_id, sort_by=["step"]).rows
        metric = client.inspect_metric_catalog_values(experiment_id, "val/ü loss").metadata
        return {
            "rows": sorted([[row.metric_name, row.step, row.metric_value, row.event_metadata_json] for row in rows]),
            "catalog": [
                [item.metric_name, item.metadata_keys] for item in client.list_metric_catalog(experiment_id).metrics
            ],
            "values": {key.key: key.values for key in metric.keys},
        }
    return {
        "columns": _columns(client, experiment_id, stream=False),
        "streamed": _columns(client, experiment_id, stream=True) == _columns(client, experiment_id, stream=False),
        "catalog": [[item.metric_name, item.metadata_keys] for item in client.query_metrics_catalog([experiment_id])],
    }


def main(given: dict[str, Any]) -> dict[str, Any]:
    client = SyvainMetricsApiClient(given["key"], host=given["host"])
    experiment = client.get_experiment(given["run"]).experiment
    contents = client.get_folder(given["folder"])
    (key,) = client.list_ingestion_keys(given["run"]).keys
    # An experiment of any project takes what this client writes.
    client.ingest_metrics(given["run"], [{"client_event_id": given["tag"], "name": "late", "value": 3, "step": 7}])
    client.create_annotation(given["run"], given["tag"])
    return {
        "experiment": [
            experiment.slug,
            experiment.description,
            experiment.metadata,
            experiment.status,
            experiment.folder.path_name,
        ],
        "folders": [folder.path_name for folder in client.list_folders().folders],
        "contents": [contents.folder.path_name, [item.slug for item in contents.experiments]],
        "listed": [item.slug for item in client.list_experiments().experiments],
        "notes": [[note.annotation, note.metadata] for note in client.list_annotations(given["run"]).annotations],
        "key": [key.name, key.expires_at_ms - key.created_at_ms],
        "revoked": client.revoke_ingestion_key(given["run"], key.id).key.revoked_at_ms is not None,
        "metrics": _metrics(client, given["run"]),
    }

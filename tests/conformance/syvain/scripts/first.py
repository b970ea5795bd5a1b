"""A tour through what client 0.0.62, the document's, offers beside the newer one."""

from __future__ import annotations

from typing import Any

from syvain_metrics_api_client import ComparisonMetricSeries, MetricsApiRequestError, SyvainMetricsApiClient


def _refusal(function: Any, *arguments: Any, **options: Any) -> list[Any]:
    try:
        function(*arguments, **options)
    except MetricsApiRequestError as error:
        return [error.status_code, error.error_code]
    raise AssertionError("it was not refused")


def _document(client: Any) -> dict[str, Any]:
    """Do what document 000 shows."""
    experiment = client.create_experiment(
        "mamba-run-001", description="Baseline mamba training run", metadata={"model": "mamba"}
    ).experiment
    ingested = client.ingest_metrics(
        experiment.id,
        [
            {
                "client_event_id": "mamba-run-001/loss/1",
                "name": "loss",
                "value": 0.42,
                "step": 1,
                "metadata": {"split": "train"},
            }
        ],
        sync=True,
    )
    rows = client.compare_metrics(
        [
            ComparisonMetricSeries(
                experiment_id=experiment.id, metric_name="loss", metadata_key="split", metadata_value="train"
            )
        ],
        limit=500,
    ).rows
    return {"id": experiment.id, "mode": ingested.mode, "rows": [row.model_dump() for row in rows]}


def _listing(client: Any) -> dict[str, Any]:
    folder = client.create_folder("box").folder
    made = client.create_experiment("listed", folder_id=folder.folder_id).experiment
    client.update_experiment_status(made.id, "done")
    late = client.ingest_metrics(made.id, [{"client_event_id": "late", "name": "loss", "value": 1, "step": 0}])
    return {
        "late": late.mode,
        "done": [item.slug for item in client.list_experiments(status="done").experiments],
        "created": [item.slug for item in client.list_experiments(status="created").experiments],
        "from": len(client.list_experiments(from_ms=made.created_at_ms).experiments),
        "to": len(client.list_experiments(to_ms=0).experiments),
        "in_folder": [item.description for item in client.get_folder(folder.folder_id).experiments],
        "moved": client.move_experiment(made.id, None).experiment.folder,
    }


def _rows(client: Any) -> dict[str, Any]:
    experiment_id = client.create_experiment("rows", description="old", metadata={"v": 1}).experiment.id
    other = client.create_experiment("others").experiment.id

    def metric(index: int, step: int | None, name: str = "train/ü loss", **metadata: Any) -> dict[str, Any]:
        event = {"client_event_id": f"{name}/{index}", "name": name, "value": index, "step": step}
        return {**event, "metadata": metadata, "timestamp_ms": 1000 - index}

    deep: dict[str, Any] = {
        "split": "train",
        "n": 3,
        "shape": {"b": [1, None], "a": 2.5},
        "on": True,
        "none": None,
        "text": "json:x",
    }
    client.ingest_metrics(experiment_id, [metric(1, 5, **deep), metric(2, 3, **deep), metric(3, None, n="3")])
    client.ingest_metrics(other, [metric(1, 4, **deep)])
    client.create_experiment("rows", description="new", metadata={"v": 2})
    client.ingest_metrics(experiment_id, [metric(4, 9), metric(2, 77, **deep)], sync=True)
    long: dict[str, Any] = {"text": "x" * 9000, "n": 1}
    client.ingest_metrics(experiment_id, [metric(5, 1, name="long", **long), metric(6, 2, name="long", **long)])

    def found(**options: Any) -> list[Any]:
        options.setdefault("metric_name", "train/ü loss")
        rows = client.list_metrics(experiment_id, **options).rows
        return [[row.metric_value, row.step] for row in rows]

    def compared(*series: dict[str, Any], **options: Any) -> list[Any]:
        return [[row.experiment_slug, row.metric_value] for row in client.compare_metrics(series, **options).rows]

    both = [{"experiment_id": name, "metric_name": "train/ü loss"} for name in (experiment_id, other)]
    as_of = client.list_metrics(
        experiment_id, metric_name="train/ü loss", sort_by=["client_timestamp"], include_experiment_meta_as_of=True
    ).rows
    catalog = client.list_metric_catalog(experiment_id).metrics
    values = client.inspect_metric_catalog_values(experiment_id, "train/ü loss", limit=1).metadata
    chosen = client.inspect_metric_catalog_values(experiment_id, "train/ü loss", key=["n", "none"]).metadata
    return {
        "by_step": found(sort_by=["step"]),
        "descending": found(sort_by=["step"], sort_direction="desc", limit=2),
        "by_time": found(sort_by=["client_timestamp"]),
        "step": found(step=3),
        "steps": found(from_step=3, to_step=5, sort_by=["step"]),
        "times": found(from_time=997, to_time=998, sort_by=["client_timestamp"]),
        "number": found(metadata_key="n", metadata_value_json="3", sort_by=["step"]),
        "text": found(metadata_key="n", metadata_value="3"),
        "object": found(metadata_key="shape", metadata_value_json='{"a":2.5,"b":[1,null]}', sort_by=["step"]),
        "present": found(metadata_key="on", sort_by=["step"]),
        "long": found(metric_name="long", metadata_key="text", metadata_value="x" * 9000, sort_by=["step"]),
        "long_metadata": client.list_metrics(experiment_id, metric_name="long").rows[0].event_metadata_json,
        "all": len(client.list_metrics(experiment_id, limit=10**9).rows),
        "row": as_of[-1].model_dump(),
        "as_of": [[row.experiment_description, row.experiment_metadata_json] for row in as_of],
        "merged": compared(*both, sort_by=["series", "step"], limit=4),
        "merged_bounds": compared(*both, from_step=4, to_step=5, sort_by=["step"]),
        "catalog": [[item.metric_name, item.metadata_keys] for item in catalog],
        "values": [values.scanned_event_count, {key.key: [key.values, key.value_count] for key in values.keys}],
        "chosen": {key.key: key.values for key in chosen.keys},
        "nothing": client.inspect_metric_catalog_values(experiment_id, "none").metadata.scanned_event_count,
        "two_values": _refusal(
            client.list_metrics, experiment_id, metadata_key="n", metadata_value="3", metadata_value_json="3"
        ),
        "no_key": _refusal(client.list_metrics, experiment_id, metadata_value="3"),
        "bad_json": _refusal(client.list_metrics, experiment_id, metadata_key="n", metadata_value_json="{"),
        "bad_sort": _refusal(client.list_metrics, experiment_id, sort_by=["series"]),
        "no_series": _refusal(client.compare_metrics, []),
    }


def main(given: dict[str, Any]) -> dict[str, Any]:
    client = SyvainMetricsApiClient(given["key"], host=given["host"])
    document = _document(client)
    note = client.create_annotation(document["id"], "saved", metadata={"step": 1})
    ours = client.list_metrics(given["foreign"], metric_name="loss", sort_by=["client_timestamp"]).rows
    return {
        "auth": client.auth_status().auth.kind,
        "document": document,
        "note": [note.annotation.annotation, note.experiment.slug],
        "listing": _listing(client),
        "rows": _rows(client),
        "foreign": [[row.metric_value, row.step, row.event_metadata_json] for row in ours],
    }

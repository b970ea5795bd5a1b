"""A tour through everything that client 0.0.349 offers."""

from __future__ import annotations

from typing import Any

from syvain_metrics_api_client import MetricsApiRequestError, SyvainMetricsApiClient


def _refusal(function: Any, *arguments: Any, **options: Any) -> list[Any]:
    try:
        function(*arguments, **options)
    except MetricsApiRequestError as error:
        return [error.status_code, error.error_code]
    raise AssertionError("it was not refused")


def _folders(client: Any) -> dict[str, Any]:
    outer = client.create_folder("outer").folder
    inner = client.create_folder("inner", parent_id=outer.folder_id).folder
    renamed = client.rename_folder(outer.folder_id, "top").folder
    moved = client.get_folder(inner.folder_id).folder
    return {
        "outer": outer.folder_id,
        "inner": inner.folder_id,
        "paths": [outer.path_name, inner.path_name, renamed.path_name, moved.path_name],
        "ancestors": moved.parent_id_path == [outer.folder_id],
        "listed": [folder.path_name for folder in client.list_folders().folders],
        "by_path": [folder.folder_id for folder in client.list_folders(path="/top/inner").folders] == [inner.folder_id],
        "nowhere": client.list_folders(path="/nowhere").folders,
        "children": [folder.name for folder in client.get_folder(outer.folder_id).folders],
        "cycle": _refusal(client.move_folder, outer.folder_id, inner.folder_id),
        "to_the_top": client.move_folder(inner.folder_id, None).folder.path_name,
        "back": client.move_folder(inner.folder_id, outer.folder_id).folder.path_name,
        "unknown": _refusal(client.get_folder, "none"),
    }


def _experiments(client: Any, folders: dict[str, Any], metadata: Any) -> dict[str, Any]:
    made = client.create_experiment("mamba-1", description="first", metadata=metadata).experiment
    again = client.create_experiment("mamba-1", description="second", metadata=metadata).experiment
    odd = client.create_experiment("a/b: 50% ü?", folder_id=folders["inner"]).experiment
    running = client.update_experiment_status(made.id, "running", timestamp_ms=1_700_000_000_000).experiment
    failed = client.update_experiment_status(
        made.id, "error", error={"name": "ValueError", "detail": "nan: loss"}, timestamp_ms=1_700_000_001_000
    ).experiment
    resumed = client.update_experiment_status(made.id, "running").experiment
    done = client.update_experiment_status(made.id, "done", timestamp_ms=1_700_000_002_000).experiment
    moved = client.move_experiment(made.id, folders["inner"]).experiment
    shown = client.get_folder(folders["inner"]).experiments
    return {
        "id": made.id,
        "same": again.id == made.id,
        "metadata": client.get_experiment(made.id).experiment.metadata,
        "description": client.get_experiment(made.id).experiment.description,
        "created": [made.status, made.started_at_ms, made.done_at_ms],
        "odd": [odd.id, odd.slug, odd.folder.path_name],
        "running": [running.status, running.started_at_ms, running.done_at_ms],
        "failed": [failed.status, failed.error_name, failed.error_detail, failed.done_at_ms],
        "resumed": [resumed.status, resumed.started_at_ms, resumed.done_at_ms, resumed.error_name],
        "done": [done.status, done.done_at_ms],
        "moved": moved.folder.path_name,
        "in_folder": sorted(item.slug for item in shown),
        "out": client.move_experiment(made.id, None).experiment.folder,
        "by_slug": [item.id for item in client.list_experiments(slug="a/b: 50% ü?").experiments] == [odd.id],
        "search": [item.slug for item in client.list_experiments(search="MAMBA").experiments],
        "limited": len(client.list_experiments(limit=1).experiments),
        "unknown": _refusal(client.get_experiment, "none"),
        "unknown_folder": _refusal(client.create_experiment, "lost", folder_id="none"),
        "not_made": client.list_experiments(slug="lost").experiments,
    }


def _metrics(client: Any, experiment_id: str) -> dict[str, Any]:
    def metric(name: str, index: int, step: int | None, **more: Any) -> dict[str, Any]:
        return {"client_event_id": f"{name}/{index}", "name": name, "value": index / 4, "step": step, **more}

    train = {"split": "train"}
    batch = [metric("train/loss", i, 10 - i, metadata=train, timestamp_ms=1000 + i) for i in range(4)]
    client.prepare_ingestion(experiment_id)
    first = client.ingest_metrics(experiment_id, batch)
    client.ingest_metrics(experiment_id, [*batch, metric("train/loss", 4, None, metadata=train, timestamp_ms=2000)])
    client.ingest_metrics(experiment_id, [metric("acc", 1, 1), metric("acc", 1, 1), metric("a cc%", 2, 2)])
    client.ingest_metrics(experiment_id, [])
    client.ingest_metrics(experiment_id, [metric("many", i, i) for i in range(1000)])
    wide = {f"{number:02d}": "x" * 120 for number in range(30)}
    client.ingest_metrics(experiment_id, [metric("wide", 1, 1, metadata=wide)])

    def series(order: dict[str, str], *chosen: dict[str, Any], stream: bool = False) -> list[Any]:
        chosen = tuple({"experiment_id": experiment_id, **item} for item in chosen)
        found = client.query_metric_series(chosen, order=order, stream=stream)
        return [
            [batch.metric_name, batch.metadata, batch.data.steps, batch.data.timestamp, batch.data.value]
            for batch in found
        ]

    step, back = {"axis": "step", "direction": "asc"}, {"axis": "timestamp", "direction": "desc"}
    loss = {"metric_name": "train/loss"}
    return {
        "mode": first.mode,
        "by_step": series(step, loss),
        "by_time": series(back, {**loss, "metadata_filter": [{"key": "split", "value": "train"}]}),
        "has_split": [item[0] for item in series(step, {"metadata_filter": [{"key": "split"}]})],
        "other_split": series(step, {**loss, "metadata_filter": [{"key": "split", "value": "valid"}]}),
        "overlapping": len(series(step, loss, loss)),
        "all": [[item[0], len(item[4])] for item in series(step, {})],
        "streamed": series(step, {}, stream=True) == series(step, {}),
        "nothing_streamed": series(step, {"metric_name": "none"}, stream=True),
        "wide": series(step, {"metric_name": "wide"})[0][1] == wide,
        "catalog": [
            [item.experiment_id == experiment_id, item.metric_name, len(item.metadata_keys)]
            for item in client.query_metrics_catalog([experiment_id, experiment_id])
        ],
    }


def _writing(client: Any, experiment_id: str) -> dict[str, Any]:
    note = client.create_annotation(experiment_id, "saved", metadata={"path": "a.pt", "deep": {"x": [None]}}).annotation
    client.create_annotation(experiment_id, "saved")
    made = client.create_ingestion_key(experiment_id, name="mine", ttl_ms=60_000)
    revoked = client.revoke_ingestion_key(experiment_id, made.key.id).key
    again = client.revoke_ingestion_key(experiment_id, made.key.id).key
    keys = {key.name: key for key in client.list_ingestion_keys(experiment_id).keys}
    own = keys["SDK ingestion key"]
    client.revoke_ingestion_key(experiment_id, own.id)
    # Its key is gone: the client makes another one by itself.
    client.create_annotation(experiment_id, "after")
    notes = client.list_annotations(experiment_id).annotations
    return {
        "note": [note.annotation, note.metadata, note.experiment_id == experiment_id],
        "notes": [item.annotation for item in notes],
        "later": client.list_annotations(experiment_id, from_ms=notes[-1].created_at_ms + 1).annotations,
        "until": len(client.list_annotations(experiment_id, to_ms=notes[-1].created_at_ms).annotations),
        "limited": len(client.list_annotations(experiment_id, limit=1).annotations),
        "life": made.key.expires_at_ms - made.key.created_at_ms,
        "used": own.last_used_at_ms is not None,
        "revoked": revoked.revoked_at_ms is not None and again.revoked_at_ms == revoked.revoked_at_ms,
        "keys": len(client.list_ingestion_keys(experiment_id).keys),
        "unknown_key": _refusal(client.revoke_ingestion_key, experiment_id, "none"),
        "foreign_key": made.token,
    }


def main(given: dict[str, Any]) -> dict[str, Any]:
    client = SyvainMetricsApiClient(given["key"], host=given["host"])
    status = client.auth_status()
    folders = _folders(client)
    experiments = _experiments(client, folders, given["metadata"])
    seen = [
        [batch.metric_name, batch.metadata, batch.data.steps, batch.data.value]
        for batch in client.query_metric_series(
            [{"experiment_id": given["foreign"]}], order={"axis": "step", "direction": "asc"}
        )
    ]
    wrong = SyvainMetricsApiClient("ak_org_wrong", host=given["host"])
    return {
        "auth": [status.auth.kind, status.organization.id],
        "folders": folders,
        "experiments": experiments,
        "metrics": _metrics(client, experiments["id"]),
        "writing": _writing(client, experiments["id"]),
        "foreign": [client.get_experiment(given["foreign"]).experiment.slug, seen],
        "wrong_key": _refusal(wrong.auth_status),
        "stranger": _refusal(
            SyvainMetricsApiClient(given["stranger"], host=given["host"]).get_experiment, experiments["id"]
        ),
    }

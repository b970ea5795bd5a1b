"""A tour through what both API clients offer alike: the document's list of calls, logins, hosts and errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import syvain_metrics_api_client as package
from syvain_metrics_api_client import MetricsApiAuthError, MetricsApiRequestError
from syvain_metrics_api_client import SyvainMetricsApiClient as Client


def _refusal(function: Any, *arguments: Any, **options: Any) -> list[Any]:
    try:
        function(*arguments, **options)
    except MetricsApiRequestError as error:
        return [error.status_code, error.error_code, error.retryable]
    raise AssertionError("it was not refused")


def _auth_refusal(function: Any, *arguments: Any, **options: Any) -> str:
    try:
        function(*arguments, **options)
    except MetricsApiAuthError as error:
        return str(error).partition(" at /")[0].partition(": /")[0]
    raise AssertionError("it was not refused")


def _logins(given: dict[str, Any]) -> dict[str, Any]:
    """Log in by the file that Syvain's command line writes, and by all constructors."""
    host = given["host"]
    missing = _auth_refusal(Client, "local")
    file = Path.home() / ".config" / "syvain-metrics" / "auth.json"
    development = file.parents[1] / "syvain-metrics-dev" / "auth.json"
    for path in (file, development):
        path.parent.mkdir(parents=True)
    file.write_text("{", encoding="utf-8")
    broken = _auth_refusal(Client, "local")
    file.write_text(json.dumps({"apiKey": given["key"], "host": host, "orgId": "ann", "loginAt": 5}), encoding="utf-8")
    development.write_text(json.dumps({"apiKey": given["key"]}), encoding="utf-8")
    clients = [
        Client(),
        Client("local"),
        Client.from_local(),
        Client.from_local_dev(host=host),
        Client.from_api_key(given["key"], host=f"{host}/"),
        Client(package.ClientCredentials(given["key"], host)),
        Client(given["key"], host=host, timeout=10.0, ingest_timeout=60.0),
    ]
    return {
        "missing": missing,
        "broken": broken,
        "empty": _auth_refusal(Client, " ", host=host),
        "path": _auth_refusal(Client, given["key"], host=f"{host}/api"),
        "who": [client.auth_status().organization.id for client in clients],
        "local": [clients[1].auth_source, clients[1].org_id, clients[1].login_at],
    }


def _folders(client: Any) -> dict[str, Any]:
    def paths() -> list[str]:
        return [folder.path_name for folder in client.list_folders().folders]

    one = client.create_folder("one").folder
    two = client.create_folder("two", parent_id=one.folder_id).folder
    three = client.create_folder("three", parent_id=two.folder_id).folder
    made = paths()
    patched = client.patch_folder(three.folder_id, name="3", parent_id=None).folder
    renamed = client.rename_folder(one.folder_id, "1").folder
    moved = client.move_folder(two.folder_id, three.folder_id).folder
    contents = client.get_folder(three.folder_id)
    return {
        "id": three.folder_id,
        "made": made,
        "by_path": [folder.name for folder in client.list_folders(path="3/two").folders],
        "patched": [patched.name, patched.path_name, patched.parent_id_path],
        "renamed": [renamed.name, renamed.path_name],
        "moved": [moved.path_name, moved.parent_id_path == [three.folder_id]],
        "contents": [contents.folder.name, [folder.name for folder in contents.folders], contents.experiments],
        "now": paths(),
        "into_itself": _refusal(client.move_folder, three.folder_id, two.folder_id),
        "twin": _refusal(client.create_folder, "1"),
        "no_parent": _refusal(client.create_folder, "x", parent_id="none"),
        "unknown": _refusal(client.rename_folder, "none", "x"),
    }


def _experiments(client: Any, folder_id: str) -> dict[str, Any]:
    made = client.create_experiment("surface", description="d", metadata={"a": None}, folder_id=folder_id).experiment
    read = client.get_experiment(made.id).experiment
    failed = client.update_experiment_status(made.id, "error", error={}).experiment
    running = client.update_experiment_status(made.id, "running").experiment
    return {
        "id": made.id,
        "same": read == made,
        "read": [read.slug, read.description, read.metadata, read.folder.path_name, read.url.endswith(read.id)],
        "failed": [failed.status, failed.error_name, failed.error_detail],
        "running": [running.status, running.error_name, running.started_at_ms is not None],
        "listed": [
            [item.slug for item in client.list_experiments(**options).experiments]
            for options in ({"slug": "surface"}, {"search": "URFA"}, {"search": "nothing"}, {"limit": 1})
        ],
        "held": [item.slug for item in client.get_folder(folder_id).experiments],
        "unfiled": client.move_experiment(made.id, None).experiment.folder,
        "filed": client.move_experiment(made.id, folder_id).experiment.folder.name,
        "unknown": _refusal(client.update_experiment_status, "none", "done"),
        "no_folder": _refusal(client.move_experiment, made.id, "none"),
    }


def _keys(client: Any, host: str, experiment_id: str) -> dict[str, Any]:
    def names() -> list[str]:
        return sorted(key.name for key in client.list_ingestion_keys(experiment_id).keys)

    metric = {"client_event_id": "k", "name": "loss", "value": 1, "step": 1}
    made = client.create_ingestion_key(experiment_id, name="mine", ttl_ms=3_600_000)
    before = made.key.last_used_at_ms
    token = Client(made.token, host=host)
    client.ingest_metrics(experiment_id, [metric])
    client.ingest_metrics(experiment_id, [metric])
    cached = names()
    client.forget_ingestion_credential(experiment_id)
    client.ingest_metrics(experiment_id, [metric])
    forgotten = names()
    kind = token.auth_status().auth.kind
    scope = _refusal(token.get_experiment, experiment_id)
    revoked = client.revoke_ingestion_key(experiment_id, made.key.id).key
    expired = client.create_ingestion_key(experiment_id, name="short", ttl_ms=1)
    return {
        "before": before,
        "life": made.key.expires_at_ms - made.key.created_at_ms,
        "cached": cached,
        "forgotten": forgotten,
        "kind": kind,
        "scope": scope,
        "revoked": [revoked.id == made.key.id, revoked.revoked_at_ms is not None],
        "refused": _refusal(token.auth_status),
        "expired": _refusal(Client(expired.token, host=host).auth_status),
        "used": {key.name: key.last_used_at_ms is not None for key in client.list_ingestion_keys(experiment_id).keys},
        "unknown": _refusal(client.list_ingestion_keys, "none"),
    }


def _notes(client: Any, experiment_id: str) -> dict[str, Any]:
    made = [client.create_annotation(experiment_id, text, metadata={"n": len(text)}).annotation for text in ("a", "bb")]
    first, last = made[0].created_at_ms, made[1].created_at_ms

    def texts(**options: Any) -> list[str]:
        return [note.annotation for note in client.list_annotations(experiment_id, **options).annotations]

    return {
        "all": texts(),
        "within": texts(from_ms=first, to_ms=last),
        "one": texts(limit=1),
        "after": texts(from_ms=last + 1),
        "metadata": [note.metadata for note in made],
        "unknown": _refusal(client.create_annotation, "none", "x"),
    }


def main(given: dict[str, Any]) -> dict[str, Any]:
    host = given["host"]
    client = Client(given["key"], host=host)
    folders = _folders(client)
    experiments = _experiments(client, folders["id"])
    return {
        "logins": _logins(given),
        "folders": folders,
        "experiments": experiments,
        "keys": _keys(client, host, experiments["id"]),
        "notes": _notes(client, experiments["id"]),
        "one_base": issubclass(MetricsApiRequestError, package.MetricsApiError)
        and issubclass(package.MetricsApiResponseError, package.MetricsApiError),
        "unreachable": _refusal(Client(given["key"], host="http://127.0.0.1:9").auth_status),
        "stranger": _refusal(Client(given["stranger"], host=host).get_folder, folders["id"]),
    }

"""Read runs with matyan's client."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

from matyan_client import Repo

_LEVELS = {"WARNING": "WARN"}


def _all(held: Any) -> list[Any]:
    return list(held.values()) if isinstance(held, dict) else held


def _floats(array: dict[str, Any]) -> list[float]:
    return [value for (value,) in struct.iter_unpack("<d", array["blob"])] if array["blob"] else []


def _label(trace: dict[str, Any]) -> str:
    context = trace.get("context")
    return f"{trace['name']} {json.dumps(context, separators=(',', ':'))}" if context else str(trace["name"])


def _metrics(repo: Any, run: Any) -> dict[str, Any]:
    found = repo.query_metrics(f'run.hash == "{run.hash}"')
    traces = [trace for item in found for trace in _all(item["traces"])]
    return {
        "series": {_label(trace): _rows(trace) for trace in traces},
        "last": {_label(t): run.get_metric(t["name"], t.get("context") or {})["last_value"] for t in traces},
    }


def _rows(trace: dict[str, Any]) -> list[list[Any]]:
    columns = (_floats(trace[name]) for name in ("iters", "values", "timestamps"))
    return [[int(step), value, round(time * 1000)] for step, value, time in zip(*columns, strict=True)]


def _objects(found: list[Any]) -> dict[str, list[tuple[int, Any]]]:
    """The one object of each step, by the label of its sequence."""
    return {
        _label(trace): [
            (step, value if "data" in value else _all(value)[0])
            for step, value in zip(_all(trace["iters"]), _all(trace["values"]), strict=True)
        ]
        for item in found
        for trace in _all(item["traces"])
    }


def _digests(repo: Any, kind: str, objects: dict[str, Any]) -> dict[str, Any]:
    blobs = repo._http.get_blob_batch(kind, [item["blob_uri"] for held in objects.values() for _, item in held])
    return {
        label: [[step, item["caption"], hashlib.sha256(blobs[item["blob_uri"]]).hexdigest()] for step, item in held]
        for label, held in objects.items()
    }


def _read(repo: Any, run_hash: str) -> dict[str, Any]:
    run, own = repo.get_run(run_hash), f'run.hash == "{run_hash}"'
    props = run.props
    return {
        "project": props["experiment"]["name"],
        "name": props["name"],
        "description": props["description"],
        "state": "RUNNING" if props["active"] else "FINISHED",
        "tags": sorted(run.tags),
        "config": run._http.get_run_info(run_hash)["params"],
        "created": round(props["creation_time"] * 1000),
        "ended": round(props["end_time"] * 1000),
        **_metrics(repo, run),
        "texts": {
            label: [[step, item["data"]] for step, item in held]
            for label, held in _objects(repo.query_texts(own)).items()
        },
        "images": _digests(repo, "images", _objects(repo.query_images(own))),
        "audios": _digests(repo, "audios", _objects(repo.query_audios(own))),
        "figures": {
            label: [[step, json.loads(item["data"])] for step, item in held]
            for label, held in _objects(repo.query_figure_objects(own)).items()
        },
        "distributions": {
            label: [
                [step, {"bin_count": item["bin_count"], "range": _all(item["range"]), "data": _floats(item["data"])}]
                for step, item in held
            ]
            for label, held in _objects(repo.query_distributions(own)).items()
        },
        "artifacts": {item["path"]: run.get_artifact(item["path"]).decode() for item in run.artifacts},
        "lines": [text for _, text in run._http.get_run_logs(run_hash) if text.startswith("say")],
        "records": [
            [_LEVELS.get(record["log_level"], record["log_level"]), record["message"]]
            for _, record in run._http.get_run_log_records(run_hash)[1]
        ],
    }


def main(given: dict[str, Any]) -> dict[str, Any]:
    repo = Repo(given["url"])
    return {
        "runs": {name: _read(repo, path.split("/")[2]) for name, path in given["runs"].items()},
        "listed": repo.list_all_runs(),
    }

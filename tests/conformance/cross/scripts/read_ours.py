"""Read runs with our own Api."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from runatlas import Api


def _label(series: Any) -> str:
    context = series.context
    return f"{series.key} {json.dumps(context, separators=(',', ':'))}" if context else str(series.key)


def _series(run: Any, keys: list[str]) -> dict[str, Any]:
    found = list(run.metrics(keys, all=True).unwrap().values())
    return {
        "series": {
            _label(item): [[point["step"], point["value"], point["timestamp"]] for point in item] for item in found
        },
        "last": {_label(item): item.latest["value"] for item in found},
    }


def _media(run: Any, keys: list[str]) -> dict[str, Any]:
    held = run.medias(keys, all=True).unwrap() if keys else {}
    return {
        _label(held[key]): [(step.step, item.caption, item.read().unwrap()) for step in held[key] for item in step]
        for key in held
    }


def _digests(media: dict[str, Any]) -> dict[str, Any]:
    return {
        label: [[step, caption, hashlib.sha256(data).hexdigest()] for step, caption, data in held]
        for label, held in media.items()
    }


def _documents(media: dict[str, Any]) -> dict[str, Any]:
    return {label: [[step, json.loads(data)] for step, _, data in held] for label, held in media.items()}


def _read(api: Api, path: str) -> dict[str, Any]:
    run = api.run(path)
    ended = run.finalized_at
    assert ended is not None
    keys: dict[str, list[str]] = {}
    for column in run.columns(column_class="CUSTOM", all=True):
        keys.setdefault(column.column_type, []).append(column.key)
    media = {kind: _media(run, keys.get(kind, [])) for kind in ("TEXT", "IMAGE", "AUDIO", "FIGURE", "DISTRIBUTION")}
    lines = run.logs(level="DEBUG", all=True).unwrap()
    return {
        "project": api.project(path.rpartition("/")[0]).title or run.project,
        "name": run.name,
        "description": run.description,
        "state": run.state,
        "error": run.crash_message,
        "tags": sorted(run.labels),
        "config": run.config,
        "created": round(run.created.timestamp() * 1000),
        "ended": round(ended.timestamp() * 1000),
        **_series(run, keys.get("FLOAT", [])),
        "texts": {label: [[step, data.decode()] for step, _, data in held] for label, held in media["TEXT"].items()},
        "images": _digests(media["IMAGE"]),
        "audios": _digests(media["AUDIO"]),
        "figures": _documents(media["FIGURE"]),
        "distributions": _documents(media["DISTRIBUTION"]),
        "artifacts": {file.name: file.read().unwrap().decode() for file in run.artifacts()},
        "lines": [line.message for line in lines if not line.tag and line.message.startswith("say")],
        "records": [[line.level, line.message] for line in lines if line.tag == "record"],
        "notes": [[note.text, note.metadata] for note in run.annotations()],
    }


def main(given: dict[str, Any]) -> dict[str, Any]:
    with Api(host=given["host"], api_key=given["key"]) as api:
        return {
            "runs": {name: _read(api, path) for name, path in given["runs"].items()},
            "listed": [run.id for project in api.projects() for run in project.runs()],
        }

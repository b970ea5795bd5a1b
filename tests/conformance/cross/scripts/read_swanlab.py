"""Read runs with SwanLab's Api."""

from __future__ import annotations

import hashlib
import json
import random
import urllib.request
from datetime import datetime
from typing import Any

import swanlab

# After each page the client waits for that part of a second.
random.random = lambda: 0.0


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        return bytes(answer.read())


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def _series(run: Any, keys: list[str]) -> dict[str, Any]:
    found = run.metrics(keys=keys, all=True)["list"]
    summary = run.summary()
    return {
        "series": {item["key"]: [_point(point) for point in item["metrics"]] for item in found},
        "last": {key: float(summary[key]["value"]) for key in keys},
    }


def _point(point: dict[str, Any]) -> list[Any]:
    return [point.get("index", point.get("step")), point.get("data", point.get("value")), point["timestamp"]]


def _media(run: Any, keys: list[str]) -> dict[str, list[tuple[int, str, bytes]]]:
    if not keys:
        return {}
    return {
        item["key"]: [
            (step["index"], media.get("caption") or "", _fetch(media["url"]))
            for step in item["metrics"]
            for media in step["items"]
        ]
        for item in run.medias(keys=keys, all=True)["list"]
    }


def _digests(media: dict[str, Any]) -> dict[str, Any]:
    return {
        key: [[step, caption, hashlib.sha256(data).hexdigest()] for step, caption, data in held]
        for key, held in media.items()
    }


def _documents(media: dict[str, Any]) -> dict[str, Any]:
    return {key: [[step, json.loads(data)] for step, _, data in held] for key, held in media.items()}


def _read(api: Any, path: str) -> dict[str, Any]:
    run = api.run(path=path)
    shown = run.json()
    own = [column for column in run.columns(all=True) if column.column_class == "CUSTOM"]
    keys: dict[str, list[str]] = {}
    for column in own:
        keys.setdefault(column.column_type, []).append(column.key)
    media = {kind: _media(run, keys.get(kind, [])) for kind in ("TEXT", "IMAGE", "AUDIO", "FIGURE", "DISTRIBUTION")}
    lines = run.logs(level="DEBUG")["logs"]
    return {
        "project": path.split("/")[1],
        "name": shown["name"],
        "description": shown["description"],
        "state": shown["state"],
        "tags": sorted(label["name"] for label in shown["labels"]),
        "config": {key: item["value"] for key, item in run.profile["config"].items()},
        "created": _ms(shown["created_at"]),
        "ended": _ms(shown["finished_at"]),
        **_series(run, keys.get("FLOAT", [])),
        "texts": {key: [[step, data.decode()] for step, _, data in held] for key, held in media["TEXT"].items()},
        "images": _digests(media["IMAGE"]),
        "audios": _digests(media["AUDIO"]),
        "figures": _documents(media["FIGURE"]),
        "distributions": _documents(media["DISTRIBUTION"]),
        "lines": [line["message"] for line in lines if not line["tag"] and line["message"].startswith("say")],
        "records": [[line["level"], line["message"]] for line in lines if line["tag"] == "record"],
    }


def main(given: dict[str, Any]) -> dict[str, Any]:
    api = swanlab.Api(api_key=given["key"], host=given["host"])
    projects = [project.path for project in api.projects(path=given["username"])]
    return {
        "runs": {name: _read(api, path) for name, path in given["runs"].items()},
        "listed": [run.url.split("/")[-2] for path in projects for run in api.runs(path=path)],
    }

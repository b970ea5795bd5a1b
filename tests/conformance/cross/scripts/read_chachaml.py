"""Read runs by requests, as document 003 has them."""

from __future__ import annotations

import json
from typing import Any

import requests

_STATES = {"running": "RUNNING", "completed": "FINISHED", "failed": "CRASHED"}


def _label(item: dict[str, Any]) -> str:
    context = item.get("context")
    return f"{item['key']} {json.dumps(context, separators=(',', ':'))}" if context else str(item["key"])


def _read(session: requests.Session, base: str, run: str) -> dict[str, Any]:
    def get(path: str) -> requests.Response:
        answer = session.get(f"{base}/{path}", timeout=30)
        answer.raise_for_status()
        return answer

    found = get(f"runs/{run}").json()
    series: dict[str, list[Any]] = {}
    for item in found["metrics"]:
        series.setdefault(_label(item), []).append([item["step"], float(item["value"]), item["timestamp"]])
    compared = get(f"compare?ids={run},{run}").json()["runs"][0]
    assert compared["params"] == found["params"]
    return {
        "project": found["experiment"],
        "name": found["name"],
        "description": found["note"] or "",
        "state": _STATES[found["status"]],
        "error": found["error"] or "",
        "tags": sorted(f"{name}={value}" if value else name for name, value in found["tags"].items()),
        "config": found["params"],
        "created": found["start-time"],
        "ended": found["end-time"],
        "series": series,
        "last": {label: float(value) for label, value in compared["metrics"].items()},
        "artifacts": {item["name"]: get(f"artifacts/{item['id']}/download").text for item in found["artifacts"]},
    }


def main(given: dict[str, Any]) -> dict[str, Any]:
    with requests.Session() as session:
        session.auth = ("", given["key"])
        base = f"{given['host']}/api"
        return {
            "runs": {name: _read(session, base, path.split("/")[2]) for name, path in given["runs"].items()},
            "listed": [run["id"] for run in session.get(f"{base}/runs", timeout=30).json()],
        }

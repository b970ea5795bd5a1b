"""Collect on after someone revoked the token."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from syvain_metrics_collector import Collector


def _call(given: dict[str, Any], method: str, path: str) -> Any:
    headers = {"Authorization": f"Bearer {given['key']}"}
    asked = urllib.request.Request(f"{given['host']}/api/v1/{path}", method=method, headers=headers)
    with urllib.request.urlopen(asked) as answer:
        return json.load(answer)["data"]


def main(given: dict[str, Any]) -> list[Any]:
    collector = Collector(given["key"], host=given["host"], flush_delay_seconds=0.05)
    experiment = collector.experiment("revoked")
    experiment.metric("loss", 1.0, 0)
    experiment.flush_or_raise()
    keys = f"experiments/{experiment.id}/ingestion-keys"
    held = _call(given, "GET", keys)["keys"]
    assert held
    for key in held:
        _call(given, "DELETE", f"{keys}/{key['id']}")
    experiment.metric("loss", 2.0, 1)
    done = experiment.flush_or_raise()
    return [done.ok, done.dropped]

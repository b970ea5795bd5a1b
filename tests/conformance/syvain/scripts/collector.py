"""A tour through collector 0.0.352."""

from __future__ import annotations

import os
from typing import Any

from syvain_metrics_collector import Collector, MetricsCollectorError


def _wrong(given: dict[str, Any], **options: Any) -> bool:
    try:
        Collector(**{"api_key": given["key"], "host": given["host"], **options})
    except MetricsCollectorError:
        return True
    return False


def main(given: dict[str, Any]) -> dict[str, Any]:
    collector = Collector(given["key"], host=given["host"], folder_id=given["folder"], max_batch_items=200)
    done = collector.experiment("collected", description="by COL", meta={"lr": 0.1, "deep": {"x": [1]}})
    with done.run():
        for step in range(1000):
            done.metric("train/loss", 1 / (step + 1), step, {"split": "train"}, timestamp=1_700_000_000 + step)
        done.annotation("saved", {"path": "a.pt"}, step=5)
        flushed = done.flush_or_raise()
    failed = collector.experiment("failed")
    try:
        with failed.run():
            failed.metric("loss", 1.0, 1)
            raise ValueError("nan: loss")
    except ValueError:
        pass
    idle = collector.experiment("idle")
    idle.flush_or_raise()
    odd = collector.experiment("an odd/slug: 50%")
    odd.metric("loss", 2.0, 2)
    odd.flush_or_raise()
    # Its key comes from the environment, and finds the experiment of that slug again.
    os.environ["SYVAIN_METRICS_API_KEY"] = given["key"]
    second = Collector(host=given["host"])
    again = second.experiment("collected")
    again.metric("train/loss", 5.0, 1000, {"split": "train"})
    total = again.flush_or_raise()
    return {
        "ids": {item.slug: item.id for item in (done, failed, idle, odd)},
        "again": again.id == done.id,
        "ok": [flushed.ok, flushed.dropped, total.ok],
        "wrong_key": _wrong(given, api_key="wrong"),
        "wrong_folder": _wrong(given, folder_id="00000000-0000-4000-8000-000000000000"),
    }

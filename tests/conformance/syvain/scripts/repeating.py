"""Collect over a line that loses answers."""

from __future__ import annotations

from typing import Any

from syvain_metrics_collector import Collector


def main(given: dict[str, Any]) -> list[Any]:
    collector = Collector(given["key"], host=given["host"], max_batch_items=500, flush_delay_seconds=0.05)
    experiment = collector.experiment("repeated")
    with experiment.run():
        for step in range(300):
            experiment.metric("loss", 1.0, step)
        experiment.annotation("saved")
    done = experiment.flush_or_raise()
    return [done.ok, done.dropped]

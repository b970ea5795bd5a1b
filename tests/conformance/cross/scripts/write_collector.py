"""Write the runs with Syvain's collector."""

from __future__ import annotations

import math
from typing import Any

from syvain_metrics_collector import Collector


def _measure(experiment: Any, content: dict[str, Any]) -> None:
    for name, context, rows in content["series"]:
        for step, value in rows:
            # It takes finite values only, names in ASCII, and steps from 0 on.
            if math.isfinite(value) and name.isascii() and step >= 0:
                experiment.metric(name, value, step, context)


def main(given: dict[str, Any]) -> None:
    collector = Collector(given["key"], host=given["host"])
    whole, failed = (
        collector.experiment(content["id"], description=content["description"], meta=content["config"])
        for content in (given["whole"], given["failed"])
    )
    with whole.run():
        _measure(whole, given["whole"])
        for text, metadata in given["whole"]["notes"]:
            whole.annotation(text, metadata)
        whole.flush_or_raise()
    try:
        with failed.run():
            _measure(failed, given["failed"])
            raise ValueError(given["failed"]["error"].removeprefix("ValueError: "))
    except ValueError:
        failed.flush_or_raise()

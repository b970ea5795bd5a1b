"""All that a run of our own tracker holds, and every way to ask for metrics, with swanlab 0.8 and 0.10."""

from __future__ import annotations

import random
import urllib.request
from typing import Any

import swanlab
from swanlab.api.typings.common import RangeQuery

# After each page the older client waits for that part of a second.
random.random = lambda: 0.0


def fetch(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode("latin-1"))


def points(found: dict[str, Any]) -> dict[str, list[list[Any]]]:
    """The points of each key; whole series have other names than sampled ones. What is no number is text."""
    return {
        series["key"]: [
            [point.get("index", point.get("step")), str(point.get("data", point.get("value"))), point.get("timestamp")]
            for point in series["metrics"]
        ]
        for series in found["list"]
    }


def steps(found: dict[str, Any]) -> dict[str, list[int]]:
    return {key: [point[0] for point in series] for key, series in points(found).items()}


def read_media(run: Any, keys: list[str]) -> dict[str, Any]:
    every = run.medias(keys=keys, all=True)
    found = {
        series["key"]: [
            [step["index"], [[item.get("caption", ""), fetch(item["url"])] for item in step["items"]]]
            for step in series["metrics"]
        ]
        for series in every["list"]
    }
    latest = {series["key"]: series["metrics"] for series in run.medias(keys=keys, step=None)["list"]}
    return {
        "all": found,
        "latest": {key: len(metrics[0]["items"]) if metrics else 0 for key, metrics in latest.items()},
        "first": [len(series["metrics"]) for series in run.medias(keys=["pic", "note"])["list"]],
        "nothing": run.medias(keys=["pic"], step=77)["list"][0]["metrics"],
        "unknown": run.medias(keys=["never"], all=True)["list"],
    }


def read_lines(run: Any) -> dict[str, Any]:
    first = run.logs()
    rest = run.logs(offset=first["logs"][-1]["epoch"], level="INFO")
    return {
        "first": [line["message"] for line in first["logs"]],
        "rest": [line["message"] for line in rest["logs"]],
        "levels": {
            level: [line["message"] for line in run.logs(level=level)["logs"] if "line" not in line["message"]]
            for level in ("DEBUG", "INFO", "WARN", "ERROR")
        },
        "fields": sorted(first["logs"][0]),
        "bare": sorted(run.logs(ignore_timestamp=True)["logs"][0]),
        "export": fetch(run.export_logs().data["url"]),
        "part": fetch(run.export_logs(start=1000, rows=3).data["url"]),
        "none": fetch(run.export_logs(start=100_000, rows=3).data["url"]),
    }


def refused(run: Any, wanted: dict[str, Any]) -> bool:
    try:
        run.metrics(keys=["loss"], range_query=wanted)
    except ValueError:
        return True
    return False


def read_ranges(run: Any, now_ms: int) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "from": {"start": 1990},
        "to": {"type": "step", "end": 4},
        "both": RangeQuery(type="step", start=10, end=12),
        "head": RangeQuery(head=3),
        "tail": RangeQuery(tail=3),
        "head of": {"start": 100, "end": 500, "head": 2},
        "tail of": {"start": 100, "end": 500, "tail": 2},
        "nothing": {"start": 5000},
        "times": {"type": "timestamp", "start": now_ms, "end": now_ms + 7_200_000},
        # Fewer than thirteen digits are filled up.
        "seconds": {"type": "timestamp", "start": now_ms // 1000 - 1, "end": now_ms // 1000 + 7200},
        "tail of times": {"type": "timestamp", "start": now_ms - 3_600_000, "tail": 2},
        "last": {"last": 86_400_000},
        "head of last": {"last": 86_400_000, "head": 2},
    }
    wrong: list[dict[str, Any]] = [
        {"head": 1, "tail": 1},
        {"start": 3, "end": 1},
        {"type": "epoch", "start": 1},
        {"last": 1, "start": 1},
    ]
    return {
        "ranges": {name: steps(run.metrics(keys=["loss"], range_query=rq))["loss"] for name, rq in wanted.items()},
        "sparse": steps(run.metrics(keys=["sparse", "loss"], range_query={"start": 1, "end": 7})),
        "refused": [refused(run, rq) for rq in wrong],
        "bare": run.metrics(keys=["loss"], range_query={"end": 0}, ignore_timestamp=True)["list"][0]["metrics"],
        "bare all": run.metrics(keys=["few"], all=True, ignore_timestamp=True)["list"][0]["metrics"],
        "many": points(run.metrics(keys=[f"many/{number}" for number in range(40)])),
        "all many": points(run.metrics(keys=[f"many/{number}" for number in range(40)], all=True)),
        "capped": len(run.metrics(keys=["loss"], sample=5000)["list"][0]["metrics"]),
        "one": steps(run.metrics(keys=["loss"], sample=1))["loss"],
    }


def main(given: dict[str, Any]) -> dict[str, Any]:
    swanlab.login(api_key=given["key"], host=given["host"])
    api = swanlab.Api()
    run = api.run(path=given["run"])
    columns = list(run.columns(all=True, size=10))
    return {
        "run": {name: getattr(run, name) for name in ("name", "description", "state", "group", "job_type")},
        "labels": [label["name"] for label in run.labels],
        "config": {key: item["value"] for key, item in run.profile["config"].items()},
        "profile": run.profile,
        "columns": [[column.key, column.column_class, column.column_type] for column in columns],
        "sampled": points(run.metrics(keys=given["keys"])),
        "all": points(run.metrics(keys=given["keys"], all=True)),
        "summary": run.summary(keys=given["keys"]),
        "every": sorted(run.summary()),
        "media": read_media(run, given["media"]),
        "lines": read_lines(run),
        "ranges": read_ranges(run, given["now_ms"]),
        "found": [found.name for found in api.runs(path=given["run"].rpartition("/")[0], filters=given["filters"])],
    }

"""What only swanlab 0.10 has: keys as series, axes, and series that have a context."""

from __future__ import annotations

import urllib.request
from typing import Any

import swanlab


def fetch(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode())


def main(given: dict[str, Any]) -> dict[str, Any]:
    api = swanlab.Api(api_key=given["key"], host=given["host"])
    run = api.run(path=f"{given['team']}/my-project/run_id_3")
    series = run.series()
    named = {key.key: key for key in series}
    (media,) = run.series(metric_type="MEDIA")
    in_context = run.metrics(keys=['val {"subset":"val"}'])["list"][0]["metrics"]
    custom = run.metrics(keys=['val {"subset":"val"}'], x_axis="epoch")["list"][0]["metrics"]
    timed = run.metrics(keys=["epoch"], x_axis="time")["list"][0]["metrics"]
    relative = run.metrics(keys=["epoch"], x_axis="relative_time")["list"][0]["metrics"]
    path = f"{given['team']}/my-project/run_id_3"
    system = [[key.key, key.key_class] for key in api.series(path=path, metric_class="SYSTEM")]
    whole = named["epoch"].metric(all=True)["metrics"]
    against = named["val"].metric(x_axis="epoch")["metrics"]
    by_key = media.metric(media_step=0)["metrics"][0]["items"][0]
    note = run.medias(keys=["note"], step=0)["list"][0]["metrics"][0]["items"][0]
    return {
        "keys": list(named),
        "media keys": [media.key],
        "metric": named["val"].metric(),
        "available": series.availability(["val", "zz"]),
        "found": [key.key for key in run.series(search="EPO")],
        "with context": [point["data"] for point in in_context],
        "custom axis": [[point["index"], point["data"]] for point in custom],
        "time axis": [point["index"] for point in timed],
        "relative axis": [point["index"] for point in relative],
        "csv": named["epoch"].export_csv().ok,
        "note": fetch(note["url"]),
        "note by key": fetch(by_key["url"]),
        "no csv": not media.export_csv().ok,
        "system keys": system,
        "total": series.total,
        "whole": [[point["step"], point["value"]] for point in whole],
        "against epoch": [[point["index"], point["data"]] for point in against],
        "cuid": run.run_id,
    }

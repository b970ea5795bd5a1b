"""Read a run that another tracker wrote, and go on with it with SwanLab's own."""

from __future__ import annotations

import random
import urllib.request
from typing import Any

import swanlab

# After each page the older client waits for that part of a second.
random.random = lambda: 0.0


def fetch(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode("latin-1"))


def go_on(given: dict[str, Any]) -> None:
    swanlab.login(api_key=given["key"], host=given["host"])
    run = swanlab.init(project=given["project"], workspace=given["workspace"], id=given["run"], resume="must")
    run.log({"loss": 9.0})
    swanlab.finish()


def main(given: dict[str, Any]) -> dict[str, Any]:
    go_on(given)
    run = swanlab.Api(api_key=given["key"], host=given["host"]).run(
        path=f"{given['workspace']}/{given['project']}/{given['run']}"
    )
    shown = run.json()
    (loss,) = run.metrics(keys=["loss"], all=True)["list"]
    medias = run.medias(keys=["note", "pic"], all=True)["list"]
    return {
        "run": [shown["name"], shown["state"], [label["name"] for label in shown["labels"]]],
        "config": {key: item["value"] for key, item in run.profile["config"].items()},
        "loss": [
            [point.get("index", point.get("step")), point.get("data", point.get("value"))] for point in loss["metrics"]
        ],
        "media": {
            item["key"]: [
                [step["index"], media.get("caption") or "", fetch(media["url"])]
                for step in item["metrics"]
                for media in step["items"]
            ]
            for item in medias
        },
        "lines": [[line["level"], line["message"]] for line in run.logs(level="DEBUG")["logs"]],
        "columns": sorted(column.name for column in run.columns(all=True) if column.column_class == "CUSTOM"),
    }

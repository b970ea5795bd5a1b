"""Ask by MatyanQL."""

from __future__ import annotations

import json
import struct
import time
from typing import Any

from matyan_client import Repo


def _all(held: Any) -> list[Any]:
    return list(held.values()) if isinstance(held, dict) else held


def _floats(array: dict[str, Any]) -> list[float]:
    return [value for (value,) in struct.iter_unpack("<d", array["blob"])] if array["blob"] else []


def main(argument: dict[str, Any]) -> Any:
    repo, name = Repo(argument["url"]), argument["run"]
    own = f'run.hash == "{name}"'

    def hashes(query: str) -> list[str]:
        return [run["hash"] for run in repo.query_runs(query)]

    (metric,) = [run for run in repo.query_metrics(f'{own} and metric.name == "loss"') if run["hash"] == name]
    (trace,) = _all(metric["traces"])
    (images,) = repo.query_images(f"{own} and images.name == 'pictures'")
    (figures,) = repo.query_figure_objects(own)
    (distributions,) = repo.query_distributions(own)
    (texts,) = repo.query_texts(f"{own} and texts.context.subset == 'val'")
    (audios,) = repo.query_audios(own)
    figure = _all(_all(figures["traces"])[0]["values"])[0]
    weights = _all(_all(distributions["traces"])[0]["values"])[0]
    audio = _all(_all(_all(audios["traces"])[0]["values"])[0])[0]
    return {
        "none": hashes('run.hash == "nothing"'),
        "bad": hashes("run.hparams.lr <"),
        "hash": hashes(own),
        "experiment": hashes('run.experiment == "baseline"'),
        "config": hashes("run.hparams.lr < 0.1 and run.seed == 7"),
        "tag": hashes('"best" in run.tags'),
        "metric_last": hashes('run.metrics["loss", {"subset": "train"}].last < 0.1'),
        "created": hashes(f'run.created_at < {time.time() + 60} and run.experiment == "baseline"'),
        "select": hashes(f"SELECT run if {own}"),
        "traces": [[trace["name"], trace["context"], trace["values"]["shape"], _floats(trace["values"])[-1]]],
        "images": {
            item["name"]: [_all(step)[0]["caption"] for step in _all(item["values"])] for item in _all(images["traces"])
        },
        "figure": json.loads(figure["data"]),
        "distribution": [weights["bin_count"], _floats(weights["data"])],
        "text": _all(_all(_all(texts["traces"])[0]["values"])[0])[0]["data"],
        "audio": [audio["caption"], audio["format"]],
        "pages": [len(page) for page in repo.query_runs(own, paginated=True, limit=1)],
    }

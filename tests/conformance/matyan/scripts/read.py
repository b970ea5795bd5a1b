"""Read a run that our own tracker wrote."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

from matyan_client import Repo


def _floats(array: dict[str, Any]) -> list[float]:
    return [value for (value,) in struct.iter_unpack("<d", array["blob"])]


def _of(found: list[dict[str, Any]], name: str) -> list[Any]:
    """The values of a sequence of one run."""
    (run,) = found
    (trace,) = [trace for trace in run["traces"].values() if trace["name"] == name]
    return [[step, value] for step, value in zip(trace["iters"].values(), trace["values"].values(), strict=True)]


def _digests(repo: Repo, kind: str, steps: list[Any]) -> list[Any]:
    items = [[step, item] for step, held in steps for item in held.values()]
    blobs = repo._http.get_blob_batch(kind, [item["blob_uri"] for _, item in items])
    return [
        [step, item["caption"], item["format"].lower(), hashlib.sha256(blobs[item["blob_uri"]]).hexdigest()]
        for step, item in items
    ]


def main(argument: dict[str, Any]) -> Any:
    repo, name = Repo(argument["url"]), argument["run"]
    run, own = repo.get_run(name), f'run.hash == "{name}"'
    asked = [{"name": "acc", "context": {}}, {"name": "acc", "context": {"subset": "val", "fold": 1}}]
    (loss,) = repo.query_metrics(f"{own} and metric.context.subset == 'val'")
    run.download_artifact("dir/weights.bin", "weights.bin")
    distributions = _of(repo.query_distributions(own), "weights")
    return {
        "props": {key: run.props[key] for key in ("name", "description", "active", "archived")},
        "experiment": run.props["experiment"]["name"],
        "tags": run.tags,
        "params": {key: run[key] for key in ("hparams", "seed")},
        "traces": {
            kind: sorted(trace["name"] for trace in traces) for kind, traces in run.collect_sequence_info().items()
        },
        "values": [[batch["iters"], batch["values"]] for batch in run._http.get_run_metric_batch(name, asked)],
        "epochs": _floats(loss["traces"][0]["epochs"]),
        "images": _digests(repo, "images", _of(repo.query_images(own), "pictures")),
        "audios": _digests(repo, "audios", _of(repo.query_audios(own), "sounds")),
        "texts": [[step, item[0]["data"]] for step, item in _of(repo.query_texts(own), "said")],
        "figures": [[step, json.loads(item["data"])] for step, item in _of(repo.query_figure_objects(own), "figures")],
        "distributions": [[step, _floats(item["data"]), list(item["range"].values())] for step, item in distributions],
        "artifacts": sorted(item["path"] for item in run.artifacts),
        "weights": Path("weights.bin").read_bytes().decode(),
        "lines": [text for _, text in run._http.get_run_logs(name)],
        "records": [
            [record["message"], record["log_level"], record["args"]]
            for _, record in run._http.get_run_log_records(name)[1]
        ],
        "found": [item["hash"] == name for item in repo.query_runs(f"{own} and run.metrics['acc'].last == 8")],
    }

"""Everything of document 001 that writes, by the published client; what it read back is the answer."""

from __future__ import annotations

import math
import wave
from pathlib import Path
from typing import Any

import numpy as np
from matyan_client import Repo, Run
from matyan_client.objects import Audio, Distribution, Figure, Image, Text
from support.patience import eventually


def _train(url: str) -> Run:
    run = Run("a" * 32, repo=url, experiment="baseline", capture_terminal_logs=True)
    run["hparams"] = {"lr": 0.01, "batch_size": 32, "layers": [16, 8], "optimizer": {"name": "adam"}}
    run["hparams.lr"] = 0.02
    run.set("seed", 7)
    run.name = "first"
    run.description = "as the document has it"
    for step in range(100):
        run.track(1 / (step + 1), name="loss", step=step, epoch=step // 10, context={"subset": "train"})
    for value in (0.5, math.nan, math.inf, 0.25):
        run.track(value, name="odd")
    run.add_tag("best")
    run.add_tag("old")
    run.remove_tag("old")
    print("printed by the training")
    run.log_info("started", lr=0.01)
    run.log_warning("slow")
    run.log_error("failed", reason="disk")
    run.log_debug("detail")
    return run


def _track_objects(run: Run) -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    run.track(Image(pixels, caption="black"), name="pictures", step=0)
    run.track(Image(b"no picture at all", format_="jpeg"), name="pictures", step=1)
    with wave.open("tone.wav", "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\x00\x01" * 80)
    run.track(Audio("tone.wav", caption="tone"), name="sounds", step=0)
    run.track(Text("prediction: cat"), name="texts/out", step=3, context={"subset": "val"})
    run.track(Distribution([1.0, 2.0, 2.0, 3.0], bin_count=3), name="weights", step=0)
    run.track(Figure({"data": [{"y": [1, 2]}], "layout": {"title": "t"}}), name="figures", step=0)


def _keep_files(run: Run) -> None:
    Path("model.bin").write_bytes(b"weights" * 1000)
    odd = Path("folder") / "sub dir"
    odd.mkdir(parents=True)
    (odd / "ümlaut #1%?.txt").write_text("odd name", encoding="utf-8")
    (Path("folder") / "plain.txt").write_text("plain", encoding="utf-8")
    run.log_artifact("model.bin", name="models/last.bin")
    run.log_artifacts("folder", name="all")


def main(argument: dict[str, Any]) -> Any:
    url = argument["url"]
    run = _train(url)
    _track_objects(run)
    _keep_files(run)
    run.close()

    repo = Repo(url)
    eventually(lambda: repo.run_exists(run.hash))
    found = repo.get_run(run.hash)
    eventually(lambda: not found.props["active"])
    eventually(lambda: len(found.artifacts) == 3)
    found.download_artifact("models/last.bin", "back.bin")
    unpacked = found.download_artifacts("unpacked")
    sequences = found.collect_sequence_info(("metric", "images", "texts", "audios", "figures", "distributions"))
    images = repo.query_images(f'run.hash == "{run.hash}"')
    uris = (
        [
            value["blob_uri"]
            for trace in images[0]["traces"].values()
            for step in trace["values"].values()
            for value in step.values()
        ]
        if images and isinstance(images[0]["traces"], dict)
        else []
    )
    blobs = repo._http.get_blob_batch("images", uris)
    return {
        "props": found.props,
        "tags": found.tags,
        "lr": found["hparams.lr"],
        "params": repo.collect_params_info()[run.hash],
        "sequences": {kind: sorted(item["name"] for item in items) for kind, items in sequences.items()},
        "metrics": [item["name"] for item in found.metrics()],
        "metric": found.get_metric("loss", {"subset": "train"}),
        "artifacts": sorted(item["path"] for item in found.artifacts),
        "model": len(Path("back.bin").read_bytes()),
        "odd": found.get_artifact("all/sub dir/ümlaut #1%?.txt").decode(),
        "unpacked": sorted(path.name for path in unpacked),
        "images": len([data for data in blobs.values() if data]),
        "lines": found._http.get_run_logs(run.hash),
        "records": found._http.get_run_log_records(run.hash),
        "active": repo.list_active_runs(),
        "all": repo.list_all_runs(),
        "count": repo.total_runs_count(),
        "exists": [repo.run_exists(run.hash), repo.run_exists("f" * 32)],
        "batch": found._http.get_run_metric_batch(
            run.hash, [{"name": "odd", "context": {}}, {"name": "loss", "context": {"subset": "train"}}]
        ),
    }

"""Every object of document 001, made in every way that it can be; what is read of each is the answer."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import plotly.graph_objects
from matyan_client import Repo, Run
from matyan_client.objects import Audio, Distribution, Figure, Image, Text
from support.patience import eventually

NAME = "e" * 32


def _images(run: Run) -> list[Any]:
    picture = PIL.Image.new("RGB", (5, 3), "red")
    picture.save("picture.png")
    made = [
        Image(picture, caption="pil"),
        Image(np.zeros((4, 6, 3), np.uint8), format_="JPEG", quality=50, optimize=True),
        Image("picture.png", "path"),
        Image(Path("picture.png").read_bytes(), format_="webp"),
    ]
    for step, image in enumerate(made):
        run.track(image, name="images", step=step, epoch=1)
    return [[image.caption, image.format, image.width, image.height, _digest(_bytes(image))] for image in made]


def _sounds(run: Run) -> list[Any]:
    made = [
        Audio(np.linspace(-1, 1, 100), rate=8000, caption="numpy"),
        Audio(np.zeros((100, 2), np.int16), format_="wav"),
        Audio(io.BytesIO(b"stream"), format_="mp3"),
        Audio(b"bytes"),
    ]
    for step, sound in enumerate(made):
        run.track(sound, name="sounds", step=step)
    return [[sound.caption, sound.format, _digest(_bytes(sound))] for sound in made]


def _values(run: Run) -> dict[str, Any]:
    distributions = [
        Distribution([1.0, 2.0, 2.0, 3.0], bin_count=3),
        Distribution.from_samples([1, 2, 3]),
        Distribution(hist=[1, 2], bin_range=(0.0, 1.0)),
        Distribution.from_histogram([0.5, 1.5, 2.5], (-1.0, 2.0)),
    ]
    for step, distribution in enumerate(distributions):
        run.track(distribution, name="weights", step=step)
    figure = Figure(plotly.graph_objects.Figure(data=[{"type": "scatter", "y": [1, 2]}]))
    run.track(figure, name="figures", step=0)
    run.track(Figure({"data": [], "layout": {"title": "t"}}), name="figures", step=1)
    for step, text in enumerate(("hello", "", "line\n" * 1000, "ü✓")):
        run.track(Text(text), name="texts", step=step)
    return {
        "distributions": [[item.bin_count, list(item.range), list(map(float, item.weights))] for item in distributions],
        "figure": figure.data,
    }


def _bytes(made: Any) -> bytes:
    return base64.b64decode(made.json()["data"])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _trace(found: list[dict[str, Any]]) -> dict[str, Any]:
    ((trace,),) = [list(run["traces"].values()) for run in found]
    return dict(trace)


def _steps(found: list[dict[str, Any]]) -> list[Any]:
    trace = _trace(found)
    assert list(trace["iters"].values()) == list(range(len(trace["values"])))
    return list(trace["values"].values())


def _floats(array: dict[str, Any]) -> list[float]:
    return [value for (value,) in struct.iter_unpack("<d", array["blob"])]


def _seen(repo: Repo) -> dict[str, Any]:
    own = f'run.hash == "{NAME}"'

    def digests(kind: str, items: list[Any]) -> list[str]:
        blobs = repo._http.get_blob_batch(kind, [item["blob_uri"] for item in items])
        return [_digest(blobs[item["blob_uri"]]) for item in items]

    images = [step[0] for step in _steps(repo.query_images(own))]
    sounds = [step[0] for step in _steps(repo.query_audios(own))]
    shown = zip(images, digests("images", images), strict=True)
    heard = zip(sounds, digests("audios", sounds), strict=True)
    distributions = _steps(repo.query_distributions(own))
    ranged = []
    for bounds, most in (("1:3", 50), (":2", 50), ("2:", 50), ("", 2)):
        found = repo._http.search_sequence("texts", query=own, record_range=bounds, record_density=most)
        ranged.append(list(_trace(found)["iters"].values()))
    return {
        "ranged": ranged,
        "images": [[item["caption"], item["format"], item["width"], item["height"], blob] for item, blob in shown],
        "sounds": [[item["caption"], item["format"], blob] for item, blob in heard],
        "distributions": [
            [item["bin_count"], list(item["range"].values()), _floats(item["data"])] for item in distributions
        ],
        "figures": [json.loads(item["data"]) for item in _steps(repo.query_figure_objects(own))],
        "texts": [step[0]["data"] for step in _steps(repo.query_texts(own))],
    }


def main(argument: dict[str, Any]) -> Any:
    run = Run(NAME, repo=argument["url"], experiment="objects", capture_terminal_logs=False)
    made = {"images": _images(run), "sounds": _sounds(run), **_values(run)}
    run.close()
    repo = Repo(argument["url"])
    eventually(lambda: not repo.get_run(NAME).props["active"])
    return {"made": made, "seen": _seen(repo)}

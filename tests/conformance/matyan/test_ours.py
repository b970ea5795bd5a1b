"""A run of our own tracker, as matyan's client reads it, backs it up and restores it."""

from __future__ import annotations

import hashlib
import math
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.run_content import points
from support.server import ServerProcess, running_server
from support.world import make_png

import runatlas
from runatlas import Api, Experiment
from runatlas.objects.audio import Audio
from runatlas.objects.distribution import Distribution
from runatlas.objects.figure import Figure
from runatlas.objects.image import Image
from runatlas.objects.text import Text

pytestmark = pytest.mark.xdist_group("conformance-matyan")

PICTURE = make_png((255, 0, 0))
VAL = {"subset": "val", "fold": 1}


@attrs.frozen
class Ours:
    """A run that we wrote, the bytes of its sound, and what the client read."""

    run: str
    sound: bytes
    seen: Any


def _sound(path: Path) -> bytes:
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\x00\x01" * 80)
    return path.read_bytes()


def _find(origin: str, name: str) -> Experiment:
    return next(run for project in Api(host=origin).projects() for run in project.runs() if run.id == name)


@pytest.fixture(scope="module")
def ours(client: Any, server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Ours:
    directory = tmp_path_factory.mktemp("ours")
    sound = _sound(directory / "tone.wav")
    (directory / "weights.bin").write_bytes(b"weights")
    with runatlas.Run(repo=server.origin, experiment="ours", name="first", tags=["native"]) as run:
        run.description = "by us"
        run["hparams"] = {"lr": 0.5, "layers": [1, None]}
        run["seed"] = 7
        for step in range(5):
            run.track(step * 2.0, name="acc", step=step)
        for step, value in enumerate((0.5, math.nan, math.inf)):
            run.track(value, name="acc", step=step, epoch=step // 2, context=VAL)
        run.track(Image(PICTURE, caption="red"), name="pictures", step=1)
        run.track([Image(PICTURE, caption="a"), Image(PICTURE, caption="b")], name="pictures", step=2)
        run.track(Audio(str(directory / "tone.wav"), caption="tone"), name="sounds", step=0)
        run.track(Text("hello"), name="said", step=1)
        run.track(Distribution([1.0, 2.0, 2.0, 3.0], bin_count=3), name="weights", step=4)
        run.track(Figure({"data": [{"y": [1, 2]}]}), name="figures", step=0)
        run.log_artifact(str(directory / "weights.bin"), name="dir/weights.bin")
        run.log_info("told", a=1)
        run.log_error("failed")
        print("printed")
    return Ours(run.hash, sound, client.call("read", run=run.hash))


def test_its_properties_are_read(ours: Ours) -> None:
    seen = ours.seen
    assert seen["props"] == {"name": "first", "description": "by us", "active": False, "archived": False}
    assert (seen["experiment"], seen["tags"]) == ("ours", ["native"])
    assert seen["params"] == {"hparams": {"lr": 0.5, "layers": [1, None]}, "seed": 7}
    assert seen["found"] == [True]


def test_its_sequences_are_read(ours: Ours) -> None:
    seen = ours.seen
    assert seen["traces"] == {
        "metric": ["acc", "acc"],
        "images": ["pictures"],
        "audios": ["sounds"],
        "texts": ["said"],
        "distributions": ["weights"],
        "figures": ["figures"],
    }
    plain, val = seen["values"]
    assert plain == [[0, 1, 2, 3, 4], [0.0, 2.0, 4.0, 6.0, 8.0]]
    assert val[0] == [0, 1, 2]
    assert [val[1][0], math.isnan(val[1][1]), val[1][2]] == [0.5, True, math.inf]
    assert seen["epochs"] == [0.0, 0.0, 1.0]


def test_its_objects_are_read(ours: Ours) -> None:
    seen, picture = ours.seen, hashlib.sha256(PICTURE).hexdigest()
    assert seen["images"] == [[1, "red", "png", picture], [2, "a", "png", picture], [2, "b", "png", picture]]
    assert seen["audios"] == [[0, "tone", "wav", hashlib.sha256(ours.sound).hexdigest()]]
    assert seen["texts"] == [[1, "hello"]]
    assert seen["figures"] == [[0, {"data": [{"y": [1, 2]}]}]]
    assert seen["distributions"] == [[4, [1.0, 2.0, 1.0], [1.0, 3.0]]]


def test_its_files_and_lines_are_read(ours: Ours) -> None:
    seen = ours.seen
    assert (seen["artifacts"], seen["weights"]) == (["dir/weights.bin"], "weights")
    assert "printed" in seen["lines"]
    assert seen["records"] == [["told", "INFO", {"a": 1}], ["failed", "ERROR", None]]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("other") / "store") as found:
        yield found


def test_it_is_backed_up_and_restored(ours: Ours, client: Any, other: ServerProcess, tmp_path: Path) -> None:
    options = ("--runs", ours.run, "--compress", "--no-blobs")
    assert "Backup location" in client.command("backup", tmp_path, *options)
    (archive,) = tmp_path.rglob("*.tar.gz")
    where = ("--backend-url", other.origin, "--frontier-url", other.origin)
    printed = client.command("restore-reingest", archive, *where)
    assert "Restored: 1 run(s)" in printed
    assert "Server returned error" not in printed
    found = _find(other.origin, ours.run)
    assert (found.name, found.description, found.state) == ("first", "by us", "FINISHED")
    assert found.config["hparams"] == {"lr": 0.5, "layers": [1, None]}
    assert points(found, "acc") == [(step, step * 2.0) for step in range(5)]
    values = [value for _, value in points(found, "acc", VAL)]
    assert [values[0], math.isnan(values[1]), values[2]] == [0.5, True, math.inf]


def test_what_the_client_changes_of_it_we_see(ours: Ours, client: Any, server: ServerProcess) -> None:
    client.call("touch", run=ours.run)
    found = _find(server.origin, ours.run)
    assert (found.name, found.state, found.archived) == ("renamed", "FINISHED", True)
    assert sorted(found.labels) == ["native", "touched"]
    assert found.project_path.project == "moved"
    # All points of a step are kept; the last one counts.
    assert points(found, "acc")[:2] == [(0, 0.0), (0, -1.0)]
    assert points(found, "acc")[-1] == (100, 5.0)
    assert found.config["seed"] == 8

"""What our own tracker writes, with everything it can write, SwanLab's ``Api`` reads."""

from __future__ import annotations

import io
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from support.swanlab_site import TEAM, Site
from support.world import START, make_png

from runatlas import Run
from runatlas.backends.native import NativeBackend
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.series import ColumnDraft, ColumnType
from runatlas.objects import Audio, Distribution, Figure, Image, Text

pytestmark = pytest.mark.xdist_group("conformance-swanlab")

CONFIG = {
    "lr": 0.01,
    "net": {"depth": 18, "layers": [1, {"kind": "conv", "bias": None}], "name": "été ✓"},
    "empty": {},
    "none": None,
    "flag": True,
    "big": 2**60,
}
RED, GREEN = make_png((255, 0, 0)), make_png((0, 255, 0))
OTHERS: dict[ColumnType, tuple[str, bytes]] = {
    "VIDEO": ("mp4", b"\x00\x00\x00\x18ftypmp42"),
    "OBJECT3D": ("glb", b"glTF\x02"),
    "MOLECULE": ("pdb", b"ATOM      1"),
    "ECHARTS": ("json", b'{"series": []}'),
    "TABLE": ("json", b'{"columns": []}'),
    "HTML": ("html", b"<p>hello</p>"),
}
SCALARS = ["loss", 'loss {"fold":1,"subset":"val"}', "odd", "flag", "sparse", "späte/größe €", "few"]
MEDIA = ["pic", "sound", "note", "spread", "figure", *(f"as {kind.lower()}" for kind in OTHERS)]


def record(repo: str, key: str, file: Path) -> str:
    """Write a run with our tracker."""
    run = Run(
        repo=repo,
        api_key=key,
        workspace=TEAM,
        experiment="ours",
        name="our own",
        description="written by RunAtlas",
        config=CONFIG,
        tags=["a", "b"],
        group="g1",
        job_type="train",
        log_system_params=True,
        strict=True,
    )
    for step in range(2000):
        run.track(1 / (step + 1), name="loss", step=step)
    for step in range(3):
        run.track(10.0 + step, name="loss", step=step, epoch=step, context={"subset": "val", "fold": 1})
    for step, value in enumerate([1.0, math.nan, math.inf, -math.inf, 2.0]):
        run.track(value, name="odd", step=step)
    for step in (6, 0, 3):
        run.track(step, name="sparse", step=step)
    run.track({"few": 1.5, "flag": True}, step=0)
    run.track(1.0, name="späte/größe €", step=0)
    run.log({"many": {str(number): float(number) for number in range(40)}}, step=2)
    run.track(Image(RED, caption="one red"), name="pic", step=0)
    run.track([Image(RED), Image(GREEN, caption="green")], name="pic", step=5)
    run.track(Audio(b"RIFF\x00\x00\x00\x00WAVE", caption="a sound"), name="sound", step=1)
    run.track(Text("hello ✓"), name="note", step=2)
    run.track(Distribution.from_histogram([3, 1], (0.0, 2.0)), name="spread", step=0)
    run.track(Figure({"data": [{"y": [1, 2]}], "layout": {}}), name="figure", step=0)
    run.log_debug("debugging")
    run.log_warning("warned")
    run.log_error("went wrong")
    for number in range(1200):
        run.log_info(f"line {number}")
    run.log_artifact(file)
    run.close()
    assert not run.health.dropped
    return str(run.path)


def add_others(site: Site, path: str) -> None:
    """Add columns of the types that our tracker has no object for."""
    backend = NativeBackend(site.server.origin, site.keys["ann"])
    project = ProjectPath(*path.split("/")[:2])
    media = []
    for kind, (suffix, content) in OTHERS.items():
        blob = backend.put_blob(project, io.BytesIO(content))
        item = MediaItem(f"media/{kind.lower()}/000.{suffix}", sha256=blob.sha256, size=blob.size)
        media.append(MediaDraft(f"as {kind.lower()}", 0, (item,), kind, time_ms=START))
    columns = (ColumnDraft("words", "STRING"),)
    backend.append(Batch(project.run(path.split("/")[2]), media=tuple(media), columns=columns))
    backend.close()


@pytest.fixture(scope="module")
def path(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("recorded") / "weights.bin"
    file.write_bytes(b"weights")
    found = record(site.server.origin, site.keys["ann"], file)
    add_others(site, found)
    return found


@pytest.fixture(scope="module")
def told(site: Site, version: str, path: str) -> Any:
    """What the client read."""
    given = {"run": path, "keys": SCALARS, "media": MEDIA, "now_ms": int(time.time() * 1000) - 3_600_000}
    filters = [
        {"key": "net.depth", "type": "CONFIG", "op": "GTE", "value": [18]},
        {"key": "loss", "type": "SCALAR", "op": "LTE", "value": [0.001]},
        {"key": "labels", "type": "STABLE", "op": "IN", "value": ["b"]},
    ]
    return site.call(version, "recorded.py", {**given, "filters": filters})


def test_a_run_has_what_it_was_made_with(told: Any) -> None:
    assert told["run"] == {
        "name": "our own",
        "description": "written by RunAtlas",
        "state": "FINISHED",
        "group": "g1",
        "job_type": "train",
    }
    assert told["labels"] == ["a", "b"]
    assert told["config"] == CONFIG
    assert told["profile"]["metadata"]
    assert "swanlab" not in told["profile"]["requirements"]
    assert "pytest" in told["profile"]["requirements"]
    assert told["found"] == ["our own"]


def test_columns_of_all_types_are_listed(told: Any) -> None:
    found = {key: (column_class, kind) for key, column_class, kind in told["columns"]}
    types = {"note": "TEXT", "pic": "IMAGE", "sound": "AUDIO", "spread": "DISTRIBUTION", "figure": "FIGURE"}
    types |= {f"as {kind.lower()}": kind for kind in OTHERS}
    types |= dict.fromkeys(SCALARS, "FLOAT") | {"flag": "BOOLEAN", "words": "STRING"}
    types |= {f"many/{number}": "FLOAT" for number in range(40)}
    assert {key: kind for key, (column_class, kind) in found.items() if column_class == "CUSTOM"} == types
    assert len(told["columns"]) == len(found)


def test_whole_series_are_read(told: Any) -> None:
    found = {key: [(step, float(value)) for step, value, _ in series] for key, series in told["all"].items()}
    assert found["loss"] == [(step, 1 / (step + 1)) for step in range(2000)]
    assert found[SCALARS[1]] == [(0, 10.0), (1, 11.0), (2, 12.0)]
    assert repr([value for _, value in found["odd"]]) == "[1.0, nan, inf, -inf, 2.0]"
    assert found["sparse"] == [(0, 0.0), (3, 3.0), (6, 6.0)]
    assert (found["flag"], found["few"], found["späte/größe €"]) == ([(0, 1.0)], [(0, 1.5)], [(0, 1.0)])
    now_ms = time.time() * 1000
    assert all(now_ms - 3_600_000 < stamp <= now_ms for series in told["all"].values() for _, _, stamp in series)


def test_sampled_series_are_read(told: Any) -> None:
    sampled, whole = told["sampled"], told["all"]
    assert len(sampled["loss"]) == 1500
    kept = {step: float(value) for step, value, _ in sampled["loss"]}
    assert all(value == 1 / (step + 1) for step, value in kept.items())
    for key in SCALARS[1:]:
        texts = [[(step, repr(float(value))) for step, value, _ in found[key]] for found in (sampled, whole)]
        assert texts[0] == texts[1]


def test_summaries_are_read(told: Any) -> None:
    summary = told["summary"]
    assert set(summary) == set(SCALARS)
    assert (summary["loss"]["step"], summary["loss"]["value"]) == (1999, 1 / 2000)
    assert summary["loss"]["min"] == {"index": 1999, "data": 1 / 2000}
    assert summary["loss"]["max"] == {"index": 0, "data": 1.0}
    assert summary[SCALARS[1]]["avg"] == 11.0
    assert summary[SCALARS[1]]["median"] == 11.0
    assert summary["sparse"]["value"] == 6.0
    assert (summary["odd"]["step"], summary["odd"]["value"]) == (4, 2.0)
    assert set(SCALARS) | {f"many/{number}" for number in range(40)} <= set(told["every"])


def test_media_of_all_types_are_fetched(told: Any) -> None:
    media = told["media"]
    found = {
        key: [(step, [(caption, text.encode("latin-1")) for caption, text in items]) for step, items in steps]
        for key, steps in media["all"].items()
    }
    assert found["pic"] == [(0, [("one red", RED)]), (5, [("", RED), ("green", GREEN)])]
    assert found["sound"] == [(1, [("a sound", b"RIFF\x00\x00\x00\x00WAVE")])]
    assert found["note"] == [(2, [("", "hello ✓".encode())])]
    assert json.loads(found["figure"][0][1][0][1])["data"] == [{"y": [1, 2]}]
    assert json.loads(found["spread"][0][1][0][1])["bin_count"] == 2
    for kind, (_, content) in OTHERS.items():
        assert found[f"as {kind.lower()}"] == [(0, [("", content)])]
    assert media["latest"] == dict.fromkeys(MEDIA, 1) | {"pic": 2}
    # Of step 0, unless another is asked for.
    assert media["first"] == [1, 0]
    assert media["nothing"] == []
    assert [series["metrics"] for series in media["unknown"]] == [[]]


def test_lines_are_read_on_and_exported(told: Any) -> None:
    lines = told["lines"]
    ours = [f"line {number}" for number in range(1200)]
    read = lines["first"] + lines["rest"]
    assert len(lines["first"]) == 1000
    assert [line for line in read if line.startswith("line ")] == ours
    levels = {level: set(found) for level, found in lines["levels"].items()}
    assert {"debugging", "warned", "went wrong"} <= levels["DEBUG"]
    assert "debugging" not in levels["INFO"]
    assert {"warned", "went wrong"} <= levels["INFO"]
    assert (levels["WARN"], levels["ERROR"]) == ({"warned", "went wrong"}, {"went wrong"})
    assert set(lines["fields"]) - set(lines["bare"]) == {"timestamp"}
    exported = lines["export"].splitlines()
    assert [line for line in exported if line.startswith("line ")] == ours
    assert lines["part"].splitlines() == exported[1000:1003]
    assert lines["none"] == ""


def test_ranges_are_read(told: Any, version: str) -> None:
    found = told["ranges"]
    assert found["ranges"] == {
        "from": list(range(1990, 2000)),
        "to": [0, 1, 2, 3, 4],
        "both": [10, 11, 12],
        "head": [0, 1, 2],
        "tail": [1997, 1998, 1999],
        "head of": [100, 101],
        "tail of": [499, 500],
        "nothing": [],
        "times": list(range(2000)),
        "seconds": list(range(2000)),
        "tail of times": [1998, 1999],
        "last": list(range(2000)),
        "head of last": [0, 1],
    }
    assert found["sparse"] == {"sparse": [3, 6], "loss": [1, 2, 3, 4, 5, 6, 7]}
    # The older client knows no ``last``.
    assert found["refused"] == [True, True, True, version == "0.10.3"]
    assert found["bare"] == [{"step": 0, "value": 1.0}]
    assert found["bare all"] == [{"step": 0, "value": 1.5}]


def test_many_keys_are_read_at_once(told: Any) -> None:
    found = told["ranges"]
    expected = {f"many/{number}": [(2, float(number))] for number in range(40)}
    for name in ("many", "all many"):
        read = {key: [(step, float(value)) for step, value, _ in series] for key, series in found[name].items()}
        assert read == expected
    assert found["capped"] == 1500
    assert len(found["one"]) == 1

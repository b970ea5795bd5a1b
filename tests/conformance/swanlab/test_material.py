"""Media of all kinds and files of all sizes that SwanLab's tracker sends, as our own client sees them."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from support.run_content import points
from support.swanlab_site import Site

from runatlas import Experiment

pytestmark = pytest.mark.xdist_group("conformance-swanlab")

LARGE = 100 * 1024 * 1024 + 1
"""One more than goes in one piece."""

KINDS = {
    "image/file": "IMAGE",
    "image/array": "IMAGE",
    "image/jpeg": "IMAGE",
    "image/some": "IMAGE",
    "nested/image": "IMAGE",
    "audio/array": "AUDIO",
    "audio/logged": "AUDIO",
    "video": "VIDEO",
    "text": "TEXT",
    "object3d/points": "OBJECT3D",
    "object3d/dict": "OBJECT3D",
    "object3d/file": "OBJECT3D",
    "molecule": "MOLECULE",
    "chart/any": "ECHARTS",
    "chart/bar": "ECHARTS",
    "chart/table": "ECHARTS",
}
Steps = list[tuple[int, list[tuple[str, str, bytes]]]]


@pytest.fixture(scope="module")
def team(version: str, site: Site) -> str:
    return site.add_team("material", version)


@pytest.fixture(scope="module")
def told(site: Site, version: str, team: str) -> Any:
    return site.call(version, "material.py", {"team": team, "large": LARGE})


@pytest.fixture(scope="module")
def run(site: Site, team: str, told: Any) -> Experiment:
    """The run with media."""
    return site.api().run(f"{team}/material/media").unwrap()


def read_media(run: Experiment) -> dict[str, Steps]:
    """Steps by key, each with caption, media type and content of its items."""
    keys = [column.key for column in run.columns() if column.column_type != "FLOAT"]
    found = run.medias(keys, all=True).unwrap()
    return {
        key: [(step.step, [(i.caption, i.mime_type, i.read().unwrap()) for i in step]) for step in found[key]]
        for key in keys
    }


@pytest.fixture(scope="module")
def media(run: Experiment) -> Mapping[str, Steps]:
    return read_media(run)


def test_columns_have_the_type_of_their_media(run: Experiment, version: str) -> None:
    newer = {"html": "HTML", "video": "IMAGE"} if version == "0.10.3" else {}
    found = {column.key: column.column_type for column in run.columns()}
    assert {key: kind for key, kind in found.items() if kind != "FLOAT"} == {**KINDS, **newer}


def test_pictures_come_as_they_were_sent(media: Mapping[str, Steps], told: Any) -> None:
    assert media["image/file"] == [(0, [("a file", "image/png", base64.b64decode(told["kept"]["ten"]))])]
    ((step, ((caption, mime_type, content),)),) = media["image/jpeg"]
    assert (step, caption, mime_type, content[:3]) == (3, "shrunk", "image/jpeg", b"\xff\xd8\xff")
    ((step, some),) = media["image/some"]
    # The client tells the captions that there are, not which of the pictures they belong to.
    assert (step, len(some), [caption for caption, _, _ in some]) == (1000, 3, ["second", "", ""])
    assert len({content for _, _, content in some}) == 3
    ((step, nested),) = media["nested/image"]
    assert (step, nested[0][2][:4]) == (2, b"\x89PNG")


def test_sounds_and_films_come_as_they_were_sent(media: Mapping[str, Steps], told: Any) -> None:
    ((_, ((caption, mime_type, content),)),) = media["audio/array"]
    assert (caption, content[:4], content[8:12]) == ("a tone", b"RIFF", b"WAVE")
    assert mime_type in {"audio/wav", "audio/x-wav"}
    ((step, ((_, _, other),)),) = media["audio/logged"]
    assert step == 1
    assert other != content
    (first, second) = media["video"]
    assert first == (0, [("a film", "image/gif", base64.b64decode(told["kept"]["film"]))])
    assert (second[0], second[1][0][2][:6]) == (1, b"GIF87a")


def test_texts_come_as_they_were_sent(media: Mapping[str, Steps], version: str) -> None:
    found = [(step, [(caption, content.decode()) for caption, _, content in items]) for step, items in media["text"]]
    assert found == [
        (0, [("lines", "one\ntwo ✓")]),
        (1, [("first", "a"), ("second", "b")]),
        (2, [("", "")]),
        (3, [("", "x" * 100_000)]),
    ]
    pages = [(0, [("a page", "text/html", b"<b>page</b>")]), (1, [("", "text/html", "<i>raw ✓</i>".encode())])]
    assert media.get("html") == (pages if version == "0.10.3" else None)


def test_shapes_and_charts_come_as_they_were_sent(media: Mapping[str, Steps]) -> None:
    def only(key: str, place: int = 0) -> tuple[str, bytes]:
        ((caption, _, content),) = media[key][place][1]
        return caption, content

    caption, content = only("object3d/points")
    cloud = json.loads(content)
    assert (caption, len(cloud["points"]), cloud["points"][1][:3]) == ("points", 4, [3.0, 4.0, 5.0])
    assert only("object3d/dict")[1] == content
    assert only("object3d/file") == ("", b"glTF\x02\x00\x00\x00\x0c\x00\x00\x00")
    caption, content = only("molecule")
    assert (caption, content[:6]) == ("carbon", b"HETATM")
    assert only("molecule", 1)[1].count(b"HETATM") == 2
    caption, content = only("chart/any")
    assert (caption, json.loads(content)) == ("a chart", {"series": [1, 2]})
    assert json.loads(only("chart/bar")[1])["series"][0]["data"] == [3, 4]
    assert json.loads(only("chart/table")[1])["_swanLab"] == "table"


def test_numbers_of_all_kinds(run: Experiment, version: str) -> None:
    found = {key: points(run, f"number/{key}") for key in ("numpy", "int", "bool", "special", "word")}
    assert (found["numpy"], found["int"], found["bool"]) == ([(0, 0.5)], [(0, 3.0)], [(0, 1.0)])
    steps, values = zip(*found["special"], strict=True)
    # The client writes infinity as NaN.
    assert (steps, values[2:]) == ((0, 1, 2, 3), (1e308, 0.0))
    assert all(math.isnan(value) for value in values[:2])
    assert found["word"] == []
    assert points(run, "k" * 500) == [(0, 1.0)]
    assert points(run, "späte/größe €") == [(0, 2.0)]
    assert points(run, "later") == [(7, 4.0), (8, 5.0)]
    if version == "0.10.3":
        assert points(run, "curve/y") == [(0, 0.0), (1, 0.5), (2, 1.0)]
        assert points(run, "epoch") == [(0, 0.0), (1, 10.0), (2, 20.0)]


@pytest.mark.parametrize("version", ["0.10.3"], indirect=True, scope="module")
def test_a_run_without_a_copy_on_the_disk_sends_the_same(media: Mapping[str, Steps], site: Site, team: str) -> None:
    run = site.api().run(f"{team}/material/unstored")
    found = read_media(run)
    # How a molecule lies in space is guessed anew.
    assert {**found, "molecule": found["molecule"][:1]} == {**media, "molecule": media["molecule"][:1]}
    assert points(run, "later") == [(7, 4.0), (8, 5.0)]


def test_files_of_all_sizes_are_kept(site: Site, team: str, told: Any) -> None:
    assert told["files"] == {"small": ["deep/größe/a b.txt"], "empty": ["empty.txt"], "nothing": []}
    files = {file.name: file for file in site.api().run(f"{team}/material/files").artifacts()}
    many = {f"{number:03}.bin" for number in range(150)}
    assert set(files) == many | {"deep/größe/a b.txt", "empty.txt", "changed.txt", "large.bin"}
    assert files["deep/größe/a b.txt"].read().unwrap() == b"deep"
    assert files["empty.txt"].read().unwrap() == b""
    # What waits for the end has the content that it has then.
    assert files["changed.txt"].read().unwrap() == b"second, and longer"
    digests = {name: hashlib.sha256(bytes([number]) * number).hexdigest() for number, name in enumerate(sorted(many))}
    assert {name: files[name].sha256 for name in many} == digests
    assert files["large.bin"].size == LARGE
    digest = hashlib.sha256(b"begin")
    digest.update(bytes(LARGE - 8))
    digest.update(b"end")
    assert files["large.bin"].sha256 == digest.hexdigest()


@pytest.mark.usefixtures("told")
def test_a_file_in_many_parts_is_put_together_in_order(site: Site, team: str) -> None:
    (file,) = site.api().run(f"{team}/material/parts").artifacts()
    assert file.name == "parts.bin"
    assert file.read().unwrap() == b"".join(number.to_bytes(2, "big") for number in range(1234))

"""What document 001 lists of ``Run``, ``Repo`` and the objects, by the published client."""

from __future__ import annotations

from typing import Any

import pytest
from support.server import ServerProcess

from runatlas import Api

pytestmark = pytest.mark.xdist_group("conformance-matyan")

KINDS = ["metric", "images", "figures", "texts", "audios", "distributions"]


@pytest.fixture(scope="module")
def found(client: Any) -> Any:
    return client.call("surface")


@pytest.fixture(scope="module")
def objects(client: Any) -> Any:
    return client.call("objects")


def test_a_run_knows_itself(found: Any) -> None:
    name = "d" * 32
    fresh = {"created": True, "open": [True, None, None, None], "repr": f"Run(hash={name!r}, experiment='surface')"}
    assert found["fresh"] == {**fresh, "own": [None, None, "surface", False]}
    assert found["changed"] == {**fresh, "own": ["named", "described", "surface", True]}
    assert found["ended"] == [False, True, True]
    assert found["props"] == {"name": "named", "description": "described", "active": False, "archived": False}
    assert found["times"]
    assert found["measured"]
    assert found["files"] == [["plain.txt"]] * 2
    assert found["forgotten"]


def test_attributes(found: Any) -> None:
    attributes, refusals = found["written"]
    assert attributes == {"cached": [0.2, True, "default", "KeyError"], "cleared": None}
    assert refusals == {"nameless": "ValueError", "text": "ValueError"}
    params = dict(found["seen"]["params"])
    system = params.pop("__system_params")
    assert {"executable", "arguments", "packages", "env_variables"} <= set(system)
    assert params == {"hparams": {"lr": 0.2, "deep": {"x": [1, None, "ü"]}}, "flag": True, "dropped": 1}
    assert found["seen"]["read"] == [[1, None, "ü"], 0, "KeyError"]


def test_sequences(found: Any) -> None:
    seen = found["seen"]
    assert sorted(seen["all"]) == sorted(KINDS)
    assert (seen["one"], seen["two"], seen["collected"]) == (["metric"], ["images", "texts"], ["images", "metric"])
    assert seen["metrics"] == [
        ["a", {"subset": "val"}, True],
        ["auto", {}, True],
        ["auto", {"n": 1, "deep": "x"}, True],
        ["b", {"subset": "val"}, True],
        ["odd steps", {}, True],
    ]
    assert seen["get_metric"] == [1.0, None, None]
    assert seen["batches"] == [[[0, 1], [5.0, 6.0]], [[0], [1.0]], [[-2, 7, 100], [1.0, 3.0, 2.0]]]


def test_a_repo(found: Any) -> None:
    seen = found["seen"]
    assert seen["read_only"] == ["RuntimeError", "RuntimeError", [None, None, None]]
    assert seen["tags"] == ["a"]
    assert seen["of_repo"] == [[True], True, True, False, KINDS, True]
    assert seen["defaults"] == [True, True]
    assert seen["some_gone"] == [False, ["f" * 32]]


def test_objects_come_back_as_they_were_made(objects: Any) -> None:
    made, seen = objects["made"], objects["seen"]
    assert [item[:4] for item in made["images"]] == [
        ["pil", "PNG", 5, 3],
        ["", "JPEG", 6, 4],
        ["path", "PNG", None, None],
        ["", "webp", None, None],
    ]
    assert seen["images"] == made["images"]
    assert seen["sounds"] == made["sounds"]
    assert [item[0] for item in made["distributions"]] == [3, 64, 2, 3]
    assert seen["distributions"] == made["distributions"]
    assert seen["figures"] == [made["figure"], {"data": [], "layout": {"title": "t"}}]
    assert seen["texts"] == ["hello", "", "line\n" * 1000, "ü✓"]
    assert seen["ranged"] == [[1, 2], [0, 1], [2, 3], [0, 3]]


def test_our_api_sees_the_objects(objects: Any, server: ServerProcess) -> None:
    run = next(project for project in Api(host=server.origin).projects() if project.name == "objects").run("e" * 32)
    kinds = {column.key: column.column_type for column in run.columns()}
    assert kinds == {
        "images": "IMAGE",
        "sounds": "AUDIO",
        "weights": "DISTRIBUTION",
        "figures": "FIGURE",
        "texts": "TEXT",
    }
    pictures = run.medias(["images"], all=True).unwrap()["images"]
    files = [file for step in pictures for file in step]
    assert [file.caption for file in files] == ["pil", "", "path", ""]
    assert [len(file.read().unwrap()) > 0 for file in files] == [True] * 4

"""The published client 0.0.349, unmodified, and what our own interface then sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.client_environment import client_environment

pytestmark = pytest.mark.xdist_group("conformance-syvain")

METADATA = {"lr": 0.1, "layers": [1, {"width": None}], "имя": "ü✓", "n": 10**20, "": {}, "a.b": True}


@pytest.fixture(scope="module")
def seen(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    client = client_environment("syvain-0.0.349", "syvain-metrics-api-client==0.0.349")
    given = {
        "host": lab.origin,
        "key": lab.key,
        "stranger": lab.stranger,
        "foreign": lab.run,
        "metadata": METADATA,
    }
    script = Path(__file__).parent / "scripts" / "current.py"
    return client.call(script, given, home=tmp_path_factory.mktemp("current"))


def test_who_it_is(seen: Any) -> None:
    assert seen["auth"] == ["api_key", "ann"]
    assert seen["wrong_key"] == [401, "unauthorized"]
    assert seen["stranger"] == [404, "not_found"]


def test_folders_are_a_tree(seen: Any) -> None:
    folders = dict(seen["folders"])
    assert len(folders.pop("outer")) == len(folders.pop("inner")) == 36
    assert folders == {
        "paths": ["/outer", "/outer/inner", "/top", "/top/inner"],
        "ancestors": True,
        "listed": ["/top", "/top/inner"],
        "by_path": True,
        "nowhere": [],
        "children": ["inner"],
        "cycle": [409, "conflict"],
        "to_the_top": "/inner",
        "back": "/top/inner",
        "unknown": [404, "not_found"],
    }


def test_experiments_live(seen: Any) -> None:
    found = seen["experiments"]
    assert found["same"]
    assert found["metadata"] == METADATA
    assert found["description"] == "second"
    assert found["created"] == ["created", None, None]
    assert found["odd"][1:] == ["a/b: 50% ü?", "/top/inner"]
    assert found["running"] == ["running", 1_700_000_000_000, None]
    assert found["failed"] == ["error", "ValueError", "nan: loss", 1_700_000_001_000]
    assert found["resumed"] == ["running", 1_700_000_000_000, None, None]
    assert found["done"] == ["done", 1_700_000_002_000]
    assert found["moved"] == "/top/inner"
    assert found["in_folder"] == ["a/b: 50% ü?", "mamba-1"]
    assert found["out"] is None
    assert found["by_slug"]
    assert found["search"] == ["mamba-1"]
    assert found["limited"] == 1
    assert found["unknown"] == found["unknown_folder"] == [404, "not_found"]
    assert found["not_made"] == []


def test_metrics_come_back_in_columns(seen: Any) -> None:
    found = seen["metrics"]
    train = {"split": "train"}
    assert found["mode"] == "queued"
    steps = [7, 8, 9, 10, None]
    assert found["by_step"] == [
        ["train/loss", train, steps, [1003, 1002, 1001, 1000, 2000], [0.75, 0.5, 0.25, 0.0, 1.0]]
    ]
    assert found["by_time"][0][3] == [2000, 1003, 1002, 1001, 1000]
    assert found["has_split"] == ["train/loss"]
    assert found["other_split"] == found["nothing_streamed"] == []
    assert found["overlapping"] == 1
    assert found["all"] == [["a cc%", 1], ["acc", 1], ["many", 1000], ["train/loss", 5], ["wide", 1]]
    assert found["streamed"]
    assert found["wide"]
    assert found["catalog"] == [
        [True, "a cc%", 0],
        [True, "acc", 0],
        [True, "many", 0],
        [True, "train/loss", 1],
        [True, "wide", 30],
    ]


def test_annotations_and_keys(seen: Any) -> None:
    found = dict(seen["writing"])
    found.pop("foreign_key")
    assert found == {
        "note": ["saved", {"path": "a.pt", "deep": {"x": [None]}}, True],
        "notes": ["saved", "saved", "after"],
        "later": [],
        "until": 3,
        "limited": 1,
        "life": 60_000,
        "used": True,
        "revoked": True,
        "keys": 3,
        "unknown_key": [404, "not_found"],
    }


def test_it_reads_what_we_wrote(seen: Any) -> None:
    assert seen["foreign"] == [
        "by-us",
        [["loss", {}, [1, 2, 3], [1.0, 0.5, 0.25]], ["loss", {"subset": "val"}, [1], [2.0]]],
    ]


def test_we_read_what_it_wrote(seen: Any, lab: Any) -> None:
    run = lab.api.run("ann/metrics/mamba-1")
    assert run.cuid == seen["experiments"]["id"]
    assert run.config == METADATA
    assert (run.state, run.description) == ("FINISHED", "second")
    table = run.metrics(["many"], all=True).unwrap()
    assert table["many"].steps.to_pylist() == list(range(1000))
    assert [note.text for note in run.annotations()] == ["saved", "saved", "after"]
    assert {entry.key for entry in run.catalog().unwrap()} == {"a cc%", "acc", "many", "train/loss", "wide"}
    odd = lab.api.run(f"ann/metrics/{seen['experiments']['odd'][0]}")
    assert odd.name == "a/b: 50% ü?"

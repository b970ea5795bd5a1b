"""What document 000 lists of its client, call by call, with the document's client and with its newest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.client_environment import client_environment

pytestmark = pytest.mark.xdist_group("conformance-syvain")


@pytest.fixture(scope="module", params=["0.0.62", "0.0.349"])
def seen(lab: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    client = client_environment(f"syvain-{request.param}", f"syvain-metrics-api-client=={request.param}")
    key = lab.another(f"user{request.param.rpartition('.')[2]}")
    given = {"host": lab.origin, "key": key, "stranger": lab.stranger}
    script = Path(__file__).parent / "scripts" / "surface.py"
    return client.call(script, given, home=tmp_path_factory.mktemp("surface"))


def test_logins(seen: Any) -> None:
    found = seen["logins"]
    assert found["missing"] == "Metrics CLI auth file was not found"
    assert found["broken"] == "Metrics CLI auth file is not valid JSON"
    assert found["empty"] == "Metrics API key must not be empty."
    assert found["path"] == "Metrics API host must not include a path, query, or fragment."
    assert len(found["who"]) == 7
    assert len(set(found["who"])) == 1
    assert found["local"] == ["local", "ann", 5]


def test_folders(seen: Any) -> None:
    found = dict(seen["folders"])
    found.pop("id")
    assert found == {
        "made": ["/one", "/one/two", "/one/two/three"],
        "by_path": ["two"],
        "patched": ["3", "/3", []],
        "renamed": ["1", "/1"],
        "moved": ["/3/two", True],
        "contents": ["3", ["two"], []],
        "now": ["/1", "/3", "/3/two"],
        "into_itself": [409, "conflict", False],
        "twin": [409, "conflict", False],
        "no_parent": [404, "not_found", False],
        "unknown": [404, "not_found", False],
    }


def test_experiments(seen: Any) -> None:
    found = dict(seen["experiments"])
    found.pop("id")
    assert found == {
        "same": True,
        "read": ["surface", "d", {"a": None}, "/3", True],
        "failed": ["error", "Error", ""],
        "running": ["running", None, True],
        "listed": [["surface"], ["surface"], [], ["surface"]],
        "held": ["surface"],
        "unfiled": None,
        "filed": "3",
        "unknown": [404, "not_found", False],
        "no_folder": [404, "not_found", False],
    }


def test_ingestion_keys(seen: Any) -> None:
    assert seen["keys"] == {
        "before": None,
        "life": 3_600_000,
        "cached": ["SDK ingestion key", "mine"],
        "forgotten": ["SDK ingestion key", "SDK ingestion key", "mine"],
        "kind": "ingestion_key",
        "scope": [403, "forbidden", False],
        "revoked": [True, True],
        "refused": [401, "unauthorized", False],
        "expired": [401, "unauthorized", False],
        "used": {"SDK ingestion key": True, "mine": True, "short": False},
        "unknown": [404, "not_found", False],
    }


def test_annotations(seen: Any) -> None:
    assert seen["notes"] == {
        "all": ["a", "bb"],
        "within": ["a", "bb"],
        "one": ["a"],
        "after": [],
        "metadata": [{"n": 1}, {"n": 2}],
        "unknown": [404, "not_found", False],
    }


def test_errors_have_types(seen: Any) -> None:
    assert seen["one_base"]
    assert seen["unreachable"] == [None, None, True]
    assert seen["stranger"] == [404, "not_found", False]

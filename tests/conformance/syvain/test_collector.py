"""The published collector 0.0.352, unmodified, and what our own interface then sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from support.client_environment import client_environment

pytestmark = pytest.mark.xdist_group("conformance-syvain")


def _call(lab: Any, method: str, path: str, **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {lab.key}"}
    answer = requests.request(method, f"{lab.origin}/api/v1/{path}", headers=headers, timeout=60, **options)
    assert answer.ok, answer.text
    return answer.json()["data"]


@pytest.fixture(scope="module")
def seen(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    client = client_environment("syvain-collector-0.0.352", "syvain-metrics-collector==0.0.352")
    outer = _call(lab, "POST", "folders", json={"name": "outer", "parent_id": None})["folder"]
    inner = _call(lab, "POST", "folders", json={"name": "in", "parent_id": outer["folder_id"]})["folder"]
    given = {"host": lab.origin, "key": lab.key, "folder": inner["folder_id"]}
    script = Path(__file__).parent / "scripts" / "collector.py"
    return client.call(script, given, home=tmp_path_factory.mktemp("collector"))


def test_everything_was_delivered(seen: Any) -> None:
    assert seen["ok"] == [True, 0, True]
    assert seen["again"]
    assert seen["wrong_key"]
    assert seen["wrong_folder"]


def test_the_experiments(seen: Any, lab: Any) -> None:
    found = {item["slug"]: item for item in _call(lab, "GET", "experiments")["experiments"]}
    assert {slug: found[slug]["status"] for slug in seen["ids"]} == {
        "collected": "done",
        "failed": "error",
        "idle": "created",
        "an odd/slug: 50%": "created",
    }
    assert {found[slug]["folder"]["path_name"] for slug in seen["ids"]} == {"/outer/in"}
    assert (found["failed"]["error_name"], found["failed"]["error_detail"]) == ("ValueError", "nan: loss")
    # The second one to open it gave neither: what the first one gave stays.
    assert found["collected"]["metadata"] == {"lr": 0.1, "deep": {"x": [1]}}
    assert found["collected"]["description"] == "by COL"


def test_we_read_what_it_wrote(seen: Any, lab: Any) -> None:
    run = lab.api.run("ann/metrics/collected")
    assert run.cuid == seen["ids"]["collected"]
    (entry,) = run.catalog().unwrap()
    assert (entry.key, entry.contexts, entry.points) == ("train/loss", ((("split", "train"),),), 1001)
    notes = [(note.text, note.metadata) for note in run.annotations()]
    assert ("saved", {"path": "a.pt", "step": 5}) in notes
    assert [text for text, _ in notes].count("experiment opened") == 2
    assert run.state == "FINISHED"
    assert lab.api.run("ann/metrics/failed").state == "CRASHED"

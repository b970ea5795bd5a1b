"""Document 000 and its client 0.0.62, unmodified, and what our own interface then sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.client_environment import client_environment

pytestmark = pytest.mark.xdist_group("conformance-syvain")


@pytest.fixture(scope="module")
def seen(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    client = client_environment("syvain-0.0.62", "syvain-metrics-api-client==0.0.62")
    given = {"host": lab.origin, "key": lab.key, "foreign": lab.run}
    script = Path(__file__).parent / "scripts" / "first.py"
    return client.call(script, given, home=tmp_path_factory.mktemp("first"))


def test_the_document(seen: Any) -> None:
    assert seen["auth"] == "api_key"
    assert seen["document"]["mode"] == "sync"
    (row,) = seen["document"]["rows"]
    assert row["event_id"] == "mamba-run-001/loss/1"
    assert (row["experiment_slug"], row["metric_name"], row["metric_value"]) == ("mamba-run-001", "loss", 0.42)
    assert (row["step"], json.loads(row["event_metadata_json"])) == (1, {"split": "train"})
    assert seen["note"] == ["saved", "mamba-run-001"]


def test_listing(seen: Any) -> None:
    assert seen["listing"] == {
        "late": "queued",
        "done": ["listed"],
        "created": ["mamba-run-001"],
        "from": 1,
        "to": 0,
        "in_folder": [""],
        "moved": None,
    }


def test_rows(seen: Any) -> None:
    found = seen["rows"]
    assert found["by_step"] == [[3.0, None], [2.0, 3], [1.0, 5], [4.0, 9]]
    assert found["descending"] == [[4.0, 9], [1.0, 5]]
    assert found["by_time"] == [[4.0, 9], [3.0, None], [2.0, 3], [1.0, 5]]
    assert found["step"] == [[2.0, 3]]
    assert found["steps"] == [[2.0, 3], [1.0, 5]]
    assert found["times"] == [[3.0, None], [2.0, 3]]
    assert found["all"] == 6


def test_metadata_is_compared_by_type(seen: Any) -> None:
    found = seen["rows"]
    for name in ("number", "object", "present"):
        assert found[name] == [[2.0, 3], [1.0, 5]]
    assert found["text"] == [[3.0, None]]
    assert found["long"] == [[5.0, 1], [6.0, 2]]
    assert json.loads(found["long_metadata"]) == {"text": "x" * 9000, "n": 1}


def test_a_row_is_what_was_sent(seen: Any) -> None:
    row = seen["rows"]["row"]
    deep = {"split": "train", "n": 3, "shape": {"b": [1, None], "a": 2.5}, "on": True, "none": None, "text": "json:x"}
    assert row["event_id"] == "train/ü loss/1"
    assert row["client_timestamp_ms"] == 999
    assert row["server_timestamp_ms"] > 1_700_000_000_000
    assert json.loads(row["event_metadata_json"]) == deep


def test_rows_tell_what_the_experiment_said_when_they_arrived(seen: Any) -> None:
    assert seen["rows"]["as_of"] == [["new", '{"v":2}'], *[["old", '{"v":1}']] * 3]


def test_comparing(seen: Any) -> None:
    found = seen["rows"]
    assert found["merged"] == [["rows", 3.0], ["rows", 2.0], ["rows", 1.0], ["rows", 4.0]]
    assert found["merged_bounds"] == [["others", 1.0], ["rows", 1.0]]


def test_the_catalog(seen: Any) -> None:
    found = seen["rows"]
    keys = ["n", "none", "on", "shape", "split", "text"]
    assert found["catalog"] == [["long", ["n", "text"]], ["train/ü loss", keys]]
    count, values = found["values"]
    assert count == 4
    assert sorted(values) == keys
    assert values["n"][1] == 2
    assert values["shape"] == [[{"a": 2.5, "b": [1, None]}], 1]
    assert {key: sorted(map(str, held)) for key, held in found["chosen"].items()} == {"n": ["3", "3"], "none": ["None"]}
    assert found["nothing"] == 0


def test_bad_queries(seen: Any) -> None:
    for name in ("two_values", "no_key", "bad_json", "bad_sort", "no_series"):
        assert seen["rows"][name] == [400, "bad_request"], name


def test_it_reads_what_we_wrote(seen: Any) -> None:
    assert seen["foreign"] == [[1.0, 1, "{}"], [2.0, 1, '{"subset":"val"}'], [0.5, 2, "{}"], [0.25, 3, "{}"]]


def test_we_read_what_it_wrote(seen: Any, lab: Any) -> None:
    run = lab.api.run("ann/metrics/mamba-run-001")
    assert run.cuid == seen["document"]["id"]
    assert (run.config, run.description) == ({"model": "mamba"}, "Baseline mamba training run")
    assert [note.metadata for note in run.annotations()] == [{"step": 1}]
    (entry,) = run.catalog().unwrap()
    assert (entry.key, entry.contexts) == ("loss", ((("split", "train"),),))

"""A run written by the published client, as it reads it back and as our own Api sees it; and ours, as it reads them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from support.server import ServerProcess

from runatlas import Api

pytestmark = pytest.mark.xdist_group("conformance-matyan")

HASH = "a" * 32
HPARAMS = {"lr": 0.02, "batch_size": 32, "layers": [16, 8], "optimizer": {"name": "adam"}}


def test_the_client_reads_back_what_it_wrote(written: Any) -> None:
    props = written["props"]
    assert (props["name"], props["description"]) == ("first", "as the document has it")
    assert (props["active"], props["archived"], props["experiment"]["name"]) == (False, False, "baseline")
    assert props["end_time"] >= props["creation_time"]
    assert written["tags"] == ["best"]
    assert written["params"]["hparams"] == HPARAMS
    assert (written["lr"], written["params"]["seed"]) == (0.02, 7)
    assert sorted(written["metrics"]) == ["loss", "odd"]
    assert written["metric"]["last_value"] == 0.01
    assert written["sequences"] == {
        "metric": ["loss", "odd"],
        "images": ["pictures"],
        "texts": ["texts/out"],
        "audios": ["sounds"],
        "figures": ["figures"],
        "distributions": ["weights"],
    }
    assert written["exists"] == [True, False]
    assert (written["all"], written["count"], written["active"]) == ([HASH], 1, [])


def test_files_and_blobs_come_back_byte_by_byte(written: Any) -> None:
    assert written["artifacts"] == ["all/plain.txt", "all/sub dir/ümlaut #1%?.txt", "models/last.bin"]
    assert written["model"] == 7000
    assert written["odd"] == "odd name"
    assert written["images"] == 2
    assert written["unpacked"] == ["last.bin", "plain.txt", "ümlaut #1%?.txt"]


def test_lines_and_records_come_back(written: Any) -> None:
    assert "printed by the training" in [text for _, text in written["lines"]]
    count, records = written["records"]
    assert count == 4
    levels = {record["message"]: record["log_level"] for _, record in records}
    assert levels == {"started": "INFO", "slow": "WARNING", "failed": "ERROR", "detail": "DEBUG"}
    assert records[2][1]["args"] == {"reason": "disk"}


def test_points_come_back_thinned_evenly_and_as_they_are(written: Any) -> None:
    odd, loss = written["batch"]
    assert odd["iters"] == [0, 1, 2, 3]
    assert [odd["values"][0], math.isnan(odd["values"][1]), odd["values"][2]] == [0.5, True, math.inf]
    assert len(loss["iters"]) == 50
    assert (loss["iters"][0], loss["iters"][-1]) == (0, 99)


def test_our_api_sees_the_same_run(written: Any, server: ServerProcess) -> None:
    assert written
    run = next(project for project in Api(host=server.origin).projects() if project.name == "baseline").run(HASH)
    assert (run.name, run.state, run.labels) == ("first", "FINISHED", ["best"])
    assert run.config["hparams"] == HPARAMS
    assert {artifact.name: artifact.size for artifact in run.artifacts().unwrap()}["models/last.bin"] == 7000
    kinds = {column.key: column.column_type for column in run.columns()}
    assert kinds["pictures"] == "IMAGE"
    assert kinds["weights"] == "DISTRIBUTION"


def test_queries_find_what_they_ask_for(written: Any, client: Any) -> None:
    assert written
    found = client.call("query", run=HASH)
    assert found["none"] == []
    assert found["bad"] == []
    for name in ("hash", "experiment", "config", "tag", "metric_last", "created", "select"):
        assert found[name] == [HASH], name
    assert found["traces"] == [["loss", {"subset": "train"}, 50, 0.01]]
    assert found["images"] == {"pictures": ["black", ""]}
    assert found["figure"] == {"data": [{"y": [1, 2]}], "layout": {"title": "t"}}
    assert found["distribution"] == [3, [1.0, 2.0, 1.0]]
    assert found["text"] == "prediction: cat"
    assert found["audio"] == ["tone", "wav"]
    assert found["pages"] == [1]


def test_runs_are_archived_resumed_moved_and_deleted(client: Any) -> None:
    found = client.call("change")
    assert found["archived"] == [[], ["b" * 32]]
    assert found["resumed"] == {"active": True, "experiment": "second", "value": [9.0, 1.0], "name": "kept"}
    assert found["unset"] is None
    assert found["deleted"] == [True, False]
    assert found["after"] is False
    assert found["late"] is False
    assert found["again"] is True
    assert found["many"] == [True, []]

"""What our tracker and our Api make, as the published clients of document 000 read and change it."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
import requests
from support.client_environment import client_environment

import runatlas
from runatlas import Experiment
from runatlas.objects.distribution import Distribution
from runatlas.objects.text import Text

pytestmark = pytest.mark.xdist_group("conformance-syvain")


@attrs.frozen
class Ours:
    """A run that we wrote, what a client saw of it, and the secret of its ingestion key."""

    version: str
    run: Experiment
    seen: Any
    secret: str


def _record(lab: Any, key: str) -> None:
    run = runatlas.Run("ours", repo=lab.origin, api_key=key, experiment="metrics", description="by us", mode="online")
    run["hparams"] = {"lr": 0.5, "layers": [1, None]}
    for step, value in enumerate((0.5, math.nan, math.inf, 0.25)):
        run.track(value, name="loss", step=step, context={"subset": "train"})
    run.track(1.5, name="val/ü loss", step=2, context={"subset": "val", "n": 3})
    run.track(Text("hello"), name="said", step=0)
    run.track(Distribution([1.0, 2.0], bin_count=2), name="weights", step=0)
    run.log_info("a line")
    run.close()


@pytest.fixture(scope="module", params=["0.0.62", "0.0.349"])
def ours(lab: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ours:
    name = f"ours{request.param.rpartition('.')[2]}"
    key = lab.another(name)
    _record(lab, key)
    api = runatlas.Api(host=lab.origin, api_key=key)
    project = api.project(f"{name}/metrics")
    outer = project.folders().create("sweeps").unwrap()
    inner = outer.create("lr").unwrap()
    inner.rename("rates").unwrap()
    project.folders().create("gone").unwrap().delete().unwrap()
    run = project.run("ours")
    run.move(inner).unwrap()
    run.annotate("noted", {"by": ["us", None]}).unwrap()
    made = run.create_ingestion_key("ours", life=timedelta(hours=1)).unwrap()
    given = {"host": lab.origin, "key": key, "run": run.cuid, "folder": inner.id, "tag": "by the client"}
    client = client_environment(f"syvain-{request.param}", f"syvain-metrics-api-client=={request.param}")
    script = Path(__file__).parent / "scripts" / "read.py"
    assert _ingest(lab, run.cuid, str(made.secret)) == 200
    seen = client.call(script, given, home=tmp_path_factory.mktemp("read"))
    return Ours(request.param, api.run(run.path), seen, str(made.secret))


def _ingest(lab: Any, experiment: str, secret: str) -> int:
    url = f"{lab.origin}/api/v1/experiments/{experiment}/ingest"
    headers = {"Authorization": f"Bearer {secret}"}
    return requests.post(url, json={"data": []}, headers=headers, timeout=30).status_code


def test_it_reads_our_run_in_its_folder(ours: Ours) -> None:
    seen = ours.seen
    config = {"hparams": {"lr": 0.5, "layers": [1, None]}}
    assert seen["experiment"] == ["ours", "by us", config, "done", "/sweeps/rates"]
    assert seen["folders"] == ["/sweeps", "/sweeps/rates"]
    assert seen["contents"] == ["/sweeps/rates", ["ours"]]
    assert seen["listed"] == ["ours"]
    assert seen["notes"] == [["noted", {"by": ["us", None]}], ["by the client", {}]]


def test_it_reads_our_numbers_and_nothing_it_cannot_take(ours: Ours) -> None:
    found = ours.seen["metrics"]
    train = [[0, 0.5], [3, 0.25]]
    if ours.version == "0.0.62":
        assert [row[:3] for row in found["rows"]] == [
            ["late", 7, 3.0],
            *[["loss", step, value] for step, value in train],
            ["val/ü loss", 2, 1.5],
        ]
        assert found["catalog"] == [["late", []], ["loss", ["subset"]], ["val/ü loss", ["n", "subset"]]]
        assert found["values"] == {"n": [3], "subset": ["val"]}
    else:
        # Its newest version takes names of plain letters only: one other would fail all.
        assert found["columns"] == [
            ["late", {}, [7], [3.0]],
            ["loss", {"subset": "train"}, [0, 3], [0.5, 0.25]],
        ]
        assert found["streamed"]
        assert found["catalog"] == [["late", []], ["loss", ["subset"]]]


def test_we_see_what_it_changed(ours: Ours, lab: Any) -> None:
    assert ours.seen["key"] == ["ours", 3_600_000]
    assert ours.seen["revoked"]
    keys = {key.name: key for key in ours.run.ingestion_keys()}
    assert keys["ours"].revoked_at is not None
    assert keys["SDK ingestion key"].revoked_at is None
    assert keys["SDK ingestion key"].last_used_at is not None
    assert [note.text for note in ours.run.annotations()] == ["noted", "by the client"]
    assert ours.run.metrics(["late"], all=True).unwrap()["late"].values.to_pylist() == [3.0]
    assert _ingest(lab, ours.run.cuid, ours.secret) == 401

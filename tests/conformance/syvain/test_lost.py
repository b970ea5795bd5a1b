"""Answers that get lost on the way to the published clients: what is written twice is there once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.client_environment import client_environment
from support.database import new_schema
from support.faulty_server import faulty_server, relayed, reply
from support.server import running_server

from runatlas import Api

pytestmark = pytest.mark.xdist_group("conformance-syvain")

SCRIPTS = Path(__file__).parent / "scripts"
COLLECTOR = ("syvain-collector-0.0.352", "syvain-metrics-collector==0.0.352")


@pytest.mark.parametrize("version", ["0.0.62", "0.0.349"])
def test_writes_of_the_api_clients_happen_once(lab: Any, version: str, tmp_path: Path) -> None:
    client = client_environment(f"syvain-{version}", f"syvain-metrics-api-client=={version}")
    name = f"lost{version.rpartition('.')[2]}"
    key = lab.another(name)
    lost, passed = relayed(lab.origin, cut=0), relayed(lab.origin)
    # The sixth request makes an ingestion key, which has no idempotency key.
    faults = [lost, passed, lost, passed, lost, reply(b"{}", 503), passed, lost, passed, passed, lost, passed, lost]
    with faulty_server(*faults, passed) as proxy:
        given = {"host": lab.origin, "proxy": proxy.url, "key": key}
        made = client.call(SCRIPTS / "lost.py", given, home=tmp_path)
    assert (made["status"], made["renamed"]) == ("running", "found")
    assert len(proxy.seen) == len(faults) + 1
    assert len(made["race"]) == 8
    assert len(set(made["race"])) == 1

    api = Api(host=lab.origin, api_key=key)
    run = api.run(f"{name}/metrics/lost")
    assert (run.cuid, run.state) == (made["id"], "RUNNING")
    assert [note.text for note in run.annotations()] == ["once"]
    assert run.metrics(["loss"], all=True).unwrap()["loss"].values.to_pylist() == [0.5]
    assert sorted(folder.path for folder in api.project(f"{name}/metrics").folders()) == ["/found", "/race"]
    assert len(list(run.ingestion_keys())) == 1


def test_writes_happen_once_on_postgresql_too(postgresql: str, tmp_path: Path) -> None:
    client = client_environment("syvain-0.0.349", "syvain-metrics-api-client==0.0.349")
    with running_server(tmp_path / "blobs", database=new_schema(postgresql)) as server:
        given = {"host": server.origin, "proxy": server.origin, "key": "any"}
        made = client.call(SCRIPTS / "lost.py", given, home=tmp_path / "home")
        folders = server.call("GET", "/api/v1/folders").json()["data"]["folders"]
    assert len(made["race"]) == 8
    assert len(set(made["race"])) == 1
    assert sorted(folder["path_name"] for folder in folders) == ["/found", "/race"]


def test_the_collector_repeats_what_was_not_answered(lab: Any, tmp_path: Path) -> None:
    client = client_environment(*COLLECTOR)
    key = lab.another("colin")
    lost, passed = relayed(lab.origin, cut=0), relayed(lab.origin)
    busy = reply(b"busy", 503)
    # The start-up probe, the opening, then batches of events.
    faults = [passed, busy, lost, passed, lost, busy]
    with faulty_server(*faults, passed) as proxy:
        given = {"host": proxy.url, "key": key}
        done = client.call(SCRIPTS / "repeating.py", given, home=tmp_path)
    assert done == [True, 0]
    assert len(proxy.seen) > len(faults)
    run = Api(host=lab.origin, api_key=key).run("colin/metrics/repeated")
    assert run.state == "FINISHED"
    table = run.metrics(["loss"], all=True).unwrap()
    assert table["loss"].steps.to_pylist() == list(range(300))
    assert [note.text for note in run.annotations()].count("saved") == 1


def test_the_collector_gets_a_new_token_when_its_token_is_revoked(lab: Any, tmp_path: Path) -> None:
    client = client_environment(*COLLECTOR)
    key = lab.another("tess")
    assert client.call(SCRIPTS / "revoked.py", {"host": lab.origin, "key": key}, home=tmp_path) == [True, 0]
    run = Api(host=lab.origin, api_key=key).run("tess/metrics/revoked")
    assert run.metrics(["loss"], all=True).unwrap()["loss"].steps.to_pylist() == [0, 1]

"""What Syvain's protocol applies once, how its tokens end, and names that need quoting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import attrs
import pytest
import requests
from support.server import ServerProcess, make_key, running_server

from runatlas.model.ids import new_cuid

LAB = {"workspace": "lab", "project": "secret"}


@attrs.frozen
class World:
    """A server with a project of a workspace, and in it two runs."""

    server: ServerProcess
    key: str
    run: str
    other: str

    def ask(self, method: str, path: str, key: str | None, **options: Any) -> requests.Response:
        """Make a request below ``/api``."""
        return self.server.call(method, f"/api/{path}", key=key, **options)

    def token(self, **options: Any) -> dict[str, Any]:
        """Make an ingestion key of the run."""
        body = {"name": "k", **options}
        answer = self.ask("POST", f"v1/experiments/{self.run}/ingestion-keys", self.key, json=body)
        assert answer.ok, answer.text
        return dict(answer.json()["data"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("refusal") / "store"
    key = make_key(directory, "olga")
    with running_server(directory) as server:

        def make(method: str, path: str, body: Any) -> Any:
            answer = server.call(method, path, key=key, json=body)
            assert answer.ok, answer.text
            return answer.json() if answer.content else None

        make("POST", "workspaces", {"username": "lab"})
        make("POST", "projects", {"workspace": "lab", "name": "secret"})
        runs = [make("POST", "runs", {"project": LAB, "id": name})["run"]["cuid"] for name in ("r", "s")]
        yield World(server, key, runs[0], runs[1])


def _event(event: str, **data: Any) -> dict[str, Any]:
    return {"event": f"syvain.v2.{event}", "messageId": new_cuid(), "data": data}


def _metric() -> dict[str, Any]:
    return {"client_event_id": new_cuid(), "name": "loss", "value": 1, "step": 1}


SERIES = {"order": {"axis": "step", "direction": "asc"}, "stream": False}


def _told(answer: requests.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["data"] is None
    assert body["error"]["message"]
    assert body["error"]["details"] == f"code={code}"


def test_tokens_end(world: World) -> None:
    path = f"v1/experiments/{world.run}/ingest"
    expired = world.token(ttl_ms=1)["token"]
    _told(world.ask("POST", path, expired, json={"data": []}), 401, "unauthorized")
    made = world.token()
    assert world.ask("POST", path, made["token"], json={"data": []}).json()["data"] == {"ok": True, "mode": "queued"}
    keys = f"v1/experiments/{world.run}/ingestion-keys"
    assert world.ask("DELETE", f"{keys}/{made['key']['id']}", world.key).ok
    _told(world.ask("POST", path, made["token"], json={"data": []}), 401, "unauthorized")
    _told(
        world.ask("DELETE", f"v1/experiments/{world.other}/ingestion-keys/{made['key']['id']}", world.key),
        404,
        "not_found",
    )


def test_a_collectors_token_is_revoked_and_refreshed(world: World) -> None:
    key = world.key

    def reply(event: str, **data: Any) -> dict[str, Any]:
        (found,) = world.ask("POST", "v2/events", key, json=[_event(event, **data)]).json()
        return dict(found)

    opened = reply("experiment.open", slug="v2", description="", meta={})["data"]
    again = reply("experiment.open", slug="v2", description="", meta={})["data"]
    assert opened["experimentId"] == again["experimentId"]
    assert opened["experimentToken"] != again["experimentToken"]
    path = f"v2/experiments/{opened['experimentId']}/events"
    refreshed = reply("experiment.tokenRefresh", **{name: opened[name] for name in ("experimentId", "experimentToken")})
    assert refreshed["event"] == "syvain.v2.experiment.tokenRefreshed"
    (revoked,) = world.ask("POST", path, opened["experimentToken"], json=[_event("experiment.tokenRevoke")]).json()
    assert revoked["event"] == "syvain.v2.experiment.tokenRevoked"
    _told(world.ask("POST", path, opened["experimentToken"], json=[]), 401, "unauthorized")
    for token in (again["experimentToken"], refreshed["data"]["experimentToken"]):
        assert world.ask("POST", path, token, json=[]).json() == []
    # What is refused here makes the collector open its slug again.
    for token, status in ((opened["experimentToken"], 409), ("unknown", 404)):
        refusal = reply("experiment.tokenRefresh", experimentId=opened["experimentId"], experimentToken=token)
        assert (refusal["event"], refusal["data"]["status"]) == ("syvain.v2.error", status)


def test_messages_are_applied_once(world: World) -> None:
    key = world.key
    (opened,) = world.ask("POST", "v2/events", key, json=[_event("experiment.open", slug="once")]).json()
    cuid, token = opened["data"]["experimentId"], opened["data"]["experimentToken"]
    metric = {"metricName": "loss", "metricValue": 1, "step": 1, "meta": {}, "timestampMs": 5}
    good = [
        _event("experiment.start"),
        _event("experiment.metric", **metric),
        _event("experiment.annotate", annotation="x"),
        _event("experiment.done"),
    ]
    bad = [_event("experiment.metric", **{**metric, "metricValue": "1"}), _event("experiment.unknown")]
    path = f"v2/experiments/{cuid}/events"
    for messages in (good[:3], [*good, good[1], *bad], [good[0]]):
        replies = world.ask("POST", path, token, json=messages).json()
        told = {reply["correlationId"]: reply for reply in replies}
        assert len(replies) == len(messages)
        for message in messages:
            refused = told[message["messageId"]]["event"] == "syvain.v2.error"
            assert refused == (message in bad)
    (row,) = world.ask("GET", f"v1/experiments/{cuid}/metrics", key).json()["data"]["rows"]
    assert row["event_id"] == good[1]["messageId"]
    assert len(world.ask("GET", f"v1/experiments/{cuid}/annotations", key).json()["data"]["annotations"]) == 1
    assert world.ask("GET", f"v1/experiments/{cuid}", key).json()["data"]["experiment"]["status"] == "done"


def test_a_repeated_request_is_done_once(world: World) -> None:
    key = world.key
    headers = {"Idempotency-Key": new_cuid()}
    first = world.ask("POST", "v1/folders", key, data='{"name":"once","parent_id":null}', headers=headers)
    again = world.ask("POST", "v1/folders", key, data='{ "parent_id": null, "name": "\\u006fnce" }', headers=headers)
    assert first.json() == again.json()
    _told(world.ask("POST", "v1/folders", key, json={"name": "twice"}, headers=headers), 409, "idempotency_key_reused")
    other = {"Idempotency-Key": new_cuid()}
    # A refused request leaves nothing: neither its effect nor its answer.
    refused = {"slug": "half", "folder_id": "none"}
    _told(world.ask("POST", "v1/experiments", key, json=refused, headers=other), 404, "not_found")
    assert world.ask("GET", "v1/experiments?slug=half", key).json()["data"]["experiments"] == []
    assert world.ask("POST", "v1/experiments", key, json={"slug": "half"}, headers=other).ok


def test_requests_at_once_are_done_once(world: World) -> None:
    key, headers = world.key, {"Idempotency-Key": new_cuid()}
    token = world.token()["token"]
    events = [{**_metric(), "client_event_id": f"race {i}", "name": "race"} for i in range(50)]

    def annotate(_: int) -> requests.Response:
        return world.ask(
            "POST", f"v1/experiments/{world.other}/annotations", key, json={"annotation": "!"}, headers=headers
        )

    def ingest(_: int) -> requests.Response:
        return world.ask("POST", f"v1/experiments/{world.run}/ingest", token, json={"data": events})

    with ThreadPoolExecutor(8) as pool:
        notes, ingested = list(pool.map(annotate, range(8))), list(pool.map(ingest, range(8)))
    assert len({answer.text for answer in notes}) == 1
    assert {answer.status_code for answer in (*notes, *ingested)} == {200}
    listed = world.ask("GET", f"v1/experiments/{world.other}/annotations", key).json()["data"]["annotations"]
    assert len(listed) == 1
    rows = world.ask("GET", f"v1/experiments/{world.run}/metrics?metric_name=race", key).json()["data"]["rows"]
    assert sorted(row["event_id"] for row in rows) == sorted(event["client_event_id"] for event in events)


ITEM = {"client_event_id": "e", "name": "n", "value": 1, "step": None}


def test_metric_names_with_slashes(world: World) -> None:
    key, path = world.key, f"v1/experiments/{world.run}"
    names = ["train/loss", "../x", "100%", "a b+c", ".."]
    events = [{**ITEM, "client_event_id": f"odd {name}", "name": name} for name in names]
    assert world.ask("POST", f"{path}/ingest", key, json={"data": events}).ok
    for name in names[:4]:
        quoted = quote(name, safe="")
        told = world.ask("GET", f"{path}/catalog/{quoted}", key).json()["data"]["metadata"]
        assert (told["metric_name"], told["scanned_event_count"]) == (name, 1)


def test_an_experiment_tells_when_its_last_event_was(world: World) -> None:
    path = f"v1/experiments/{world.other}"

    def told() -> Any:
        return world.ask("GET", path, world.key).json()["data"]["experiment"]["last_event_at_ms"]

    assert told() is None
    token = world.ask("POST", f"{path}/ingestion-keys", world.key, json={"name": "k"}).json()["data"]["token"]
    events = [{**_metric(), "timestamp_ms": stamp} for stamp in (1_700_000_002_000, 1_700_000_001_000)]
    answer = world.ask("POST", f"{path}/ingest", token, json={"data": events})
    assert answer.ok, answer.text
    assert told() == 1_700_000_002_000


def test_a_message_whose_id_no_engine_holds_is_refused_alone(world: World) -> None:
    path = f"v2/experiments/{world.run}/events"
    ids = ["be", "be\0gun", "\0", "done"]
    messages = [{"event": "syvain.v2.experiment.start", "messageId": name, "data": {}} for name in ids]
    for _ in range(2):
        answer = world.ask("POST", path, world.token()["token"], data=json.dumps(messages))
        assert answer.ok, answer.text
        assert [reply["event"].rpartition(".")[2] for reply in answer.json()] == ["start", "error", "error", "start"]

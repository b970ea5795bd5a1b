"""What a server may do wrong: each time the typed error, nothing kept, and right again at the next question."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import responses
from support.clock import Clock

from runatlas import Api
from runatlas.backends.native import NativeBackend
from runatlas.errors import (
    ApiStatusError,
    AuthenticationError,
    ConflictError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    RateLimitedError,
    RequestError,
    ResponseFormatError,
    RunAtlasError,
    ServerError,
    ValidationError,
)

HOST = "http://atlas.test"
RUN = f"{HOST}/atlas/v1/runs/ann/demo/abc"
QUERY = f"{HOST}/atlas/v1/runs/query"
ANYTHING = re.compile(f"{HOST}/.*")
RECORD = {"workspace": "ann", "project": "demo", "id": "abc", "cuid": "c" * 21, "name": "found", "config": {"lr": 1}}


@pytest.fixture
def api() -> Api:
    """An ``Api`` whose waiting takes no time."""
    return Api(backend=NativeBackend(HOST, policy=Clock().policy(), cache=False))


def refuse(status: int, body: str | None = None) -> None:
    """Let every request be answered with an error."""
    text = body if body is not None else json.dumps({"error": {"status": status, "type": "X", "message": "no"}})
    for method in (responses.GET, responses.POST, responses.PATCH, responses.DELETE):
        responses.add(method, ANYTHING, body=text, status=status, content_type="application/json")


STATUSES: list[tuple[int, type[RunAtlasError]]] = [
    (400, ValidationError),
    (401, AuthenticationError),
    (403, PermissionDeniedError),
    (404, NotFoundError),
    (409, ConflictError),
    (413, ValidationError),
    (418, ApiStatusError),
    (422, ValidationError),
    (429, RateLimitedError),
    (500, ServerError),
    (501, NotSupportedError),
    (502, ServerError),
    (503, ServerError),
    (504, ServerError),
]

ACTIONS: dict[str, Callable[[Api], Any]] = {
    "metrics": lambda api: api.run("ann/demo/abc").metrics(["loss"]),
    "summary": lambda api: api.run("ann/demo/abc").summary(),
    "medias": lambda api: api.run("ann/demo/abc").medias(["image"]),
    "logs": lambda api: api.run("ann/demo/abc").logs(),
    "export_logs": lambda api: api.run("ann/demo/abc").export_logs(),
    "update": lambda api: api.run("ann/demo/abc").update(name="x"),
    "delete": lambda api: api.run("ann/demo/abc").delete(commit=True),
    "plan": lambda api: api.runs("ann/demo", "state == 'CRASHED'").delete(),
    "update of many": lambda api: api.runs("ann/demo").update(group="x"),
    "table": lambda api: api.runs("ann/demo").table(),
    "metrics of many": lambda api: api.project("ann/demo").metrics(["loss"]),
    "column metric": lambda api: api.run("ann/demo/abc").column("loss").metric(),
    "export_csv": lambda api: api.run("ann/demo/abc").column("loss").export_csv(),
    "create_project": lambda api: api.create_project("ann", "demo"),
    "create_workspace": lambda api: api.create_workspace("lab"),
    "delete project": lambda api: api.project("ann/demo").delete(commit=True),
    "create_user": lambda api: api.self_hosted().create_user("eve", "secret"),
    "usage": lambda api: api.self_hosted().get_usage_summary(),
    "restore": lambda api: api.restore("abc"),
    "purge": lambda api: api.purge(commit=True),
    "keys": lambda api: api.user().keys(),
}


@pytest.mark.parametrize(("status", "kind"), STATUSES)
@responses.activate
def test_a_status_is_the_typed_error_everywhere(api: Api, status: int, kind: type[RunAtlasError]) -> None:
    refuse(status)
    run, runs, answer = api.run("ann/demo/abc"), api.runs("ann/demo"), api.run("ann/demo/abc").summary()
    for holder in (run, runs, answer):
        assert (holder.ok, holder.code, holder.data) == (False, status, None)
        assert holder.errmsg.startswith("no")
        assert type(holder.error) is kind
        with pytest.raises(kind):
            holder.unwrap()
    for use in (lambda: run.name, run.json, lambda: list(runs), lambda: len(runs), lambda: answer["loss"]):
        with pytest.raises(kind):
            use()


@pytest.mark.parametrize("action", ACTIONS)
@responses.activate
def test_no_action_raises_for_what_the_server_did(api: Api, action: str) -> None:
    refuse(503)
    answer = ACTIONS[action](api)
    assert (answer.ok, answer.code, answer.data) == (False, 503, None)
    assert type(answer.error) is ServerError


@pytest.mark.parametrize("action", ACTIONS)
@responses.activate
def test_no_action_raises_for_an_answer_that_is_none(api: Api, action: str) -> None:
    for method in (responses.GET, responses.POST, responses.DELETE):
        responses.add(method, ANYTHING, body="<html>Welcome</html>", status=200, content_type="text/html")
    answer = ACTIONS[action](api)
    assert not answer.ok
    assert isinstance(answer.error, ResponseFormatError)


@pytest.mark.parametrize(
    "body",
    ["{", '{"workspace": "ann"', "[]", "null", '"text"', '{"workspace": 5}', '{"workspace": "ann", "id": []}'],
)
@responses.activate
def test_a_body_that_does_not_decode_names_the_place(api: Api, body: str) -> None:
    responses.add(responses.GET, RUN, body=body, content_type="application/json")
    run = api.run("ann/demo/abc")
    with pytest.raises(ResponseFormatError):
        _ = run.name
    assert isinstance(run.error, ResponseFormatError)


@responses.activate
def test_a_server_that_is_down_is_a_request_error(api: Api) -> None:
    run, runs = api.run("ann/demo/abc"), api.runs("ann/demo")
    assert run.summary().code == 0
    assert isinstance(run.error, RequestError)
    assert isinstance(runs.error, RequestError)
    assert runs.code == 0


@responses.activate
def test_after_a_failure_everything_works_again(api: Api) -> None:
    responses.add(responses.GET, RUN, status=401, json={"error": {"status": 401, "type": "X", "message": "no"}})
    responses.add(responses.GET, RUN, json=RECORD)
    run = api.run("ann/demo/abc")
    with pytest.raises(AuthenticationError):
        _ = run.name
    assert run.name == "found"
    assert run.config == {"lr": 1}
    assert run.ok


@responses.activate
def test_refresh_asks_the_server_and_not_the_memory() -> None:
    finished = {**RECORD, "state": "FINISHED"}
    responses.add(responses.GET, RUN, json=finished)
    responses.add(responses.GET, RUN, json={**finished, "name": "renamed"})
    responses.add(responses.POST, QUERY, json={"items": [finished], "next_cursor": None, "total": None})
    responses.add(responses.POST, QUERY, json={"items": [], "next_cursor": None, "total": None})
    with Api(backend=NativeBackend(HOST)) as keeping:
        assert keeping.run("ann/demo/abc").name == "found"
        assert keeping.run("ann/demo/abc").name == "found"
        assert len(responses.calls) == 1
        assert keeping.run("ann/demo/abc").refresh().name == "renamed"
        runs = keeping.runs("ann/demo")
        assert runs.ok
        assert len(list(keeping.runs("ann/demo").refresh())) == 0


@responses.activate
def test_half_a_listing_is_told(api: Api) -> None:
    items = [{**RECORD, "id": f"r{index}", "cuid": f"{index:021d}"} for index in range(100)]
    responses.add(responses.POST, QUERY, json={"items": items, "next_cursor": "more", "total": None})
    responses.add(responses.POST, QUERY, status=403, json={"error": {"status": 403, "type": "X", "message": "no"}})
    responses.add(responses.POST, QUERY, json={"items": items[:1], "next_cursor": None, "total": None})
    seen: list[str] = []
    runs = api.runs("ann/demo")
    with pytest.raises(PermissionDeniedError):
        seen.extend(run.id for run in runs)
    assert len(seen) == 100
    assert len(list(api.runs("ann/demo", limit=1))) == 1


@responses.activate
def test_a_deletion_that_fails_is_an_answer(api: Api) -> None:
    responses.add(
        responses.POST,
        f"{HOST}/atlas/v1/deletions/runs",
        status=404,
        json={"error": {"status": 404, "type": "NotFoundError", "message": "abc is not there"}},
    )
    answer = api.project("ann/demo").delete_runs(["abc"], commit=True)
    assert (answer.ok, answer.code, answer.errmsg) == (False, 404, "abc is not there")

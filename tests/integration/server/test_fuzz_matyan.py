"""Whatever is sent to matyan's routes and its socket, the server never fails, and every frame is acknowledged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.odd_value import odd_values
from support.server import ServerProcess
from websockets.sync.client import ClientConnection, connect

from runatlas.server.dialects.matyan.dialect import PREFIX, ROUTES

EXAMPLES = examples(150)
NOW = "2026-01-02T03:04:05+00:00"

values = odd_values("image", "text", "1.5", NOW, "seq/a/1.png", "run.x", "", with_infinite=True)


def _mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What is taken three times of four, so that messages get past the first check."""
    return st.one_of(good, good, good, values)


names = _mostly(st.sampled_from(["loss", "acc", "img", "a/b", "x" * 1500]) | st.text(max_size=10))
objects = st.fixed_dictionaries(
    {"type": _mostly(st.sampled_from(["image", "audio", "text", "distribution", "figure"]))},
    optional={
        "data": _mostly(st.text(max_size=10) | st.lists(st.floats(), max_size=4) | st.just("00" * 16)),
        "range": _mostly(st.lists(st.floats(), min_size=2, max_size=2)),
        "bin_count": _mostly(st.integers(0, 5)),
        "format": _mostly(st.sampled_from(["PNG", "../x", "\x00", ""])),
        "caption": _mostly(st.text(max_size=5)),
    },
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": names,
    "value": st.one_of(_mostly(st.floats()), objects, st.dictionaries(st.text(max_size=6), values, max_size=3)),
    "step": st.none() | _mostly(st.integers(-10, 10)),
    "epoch": st.none() | _mostly(st.integers(-10, 10)),
    "context": st.none() | _mostly(st.dictionaries(st.text(max_size=5), values, max_size=3)),
    "dtype": _mostly(st.sampled_from(["float", "image", "text"])),
    "client_datetime": _mostly(st.just(NOW)),
    "description": _mostly(st.text(max_size=10)),
    "archived": _mostly(st.booleans()),
    "experiment": _mostly(st.text(max_size=10)),
    "tag_name": _mostly(st.text(max_size=10)),
    "line": _mostly(st.text(max_size=20)),
    "message": _mostly(st.text(max_size=20)),
    "level": _mostly(st.integers(0, 60)),
    "timestamp": _mostly(st.floats()),
    "logger_info": values,
    "extra_args": st.none() | _mostly(st.dictionaries(st.text(max_size=5), values, max_size=3)),
    "s3_key": st.text(max_size=5),
    "artifact_path": _mostly(st.sampled_from(["a", "seq/img/1.png", "../x", ""])),
    "content_type": values,
    "content": _mostly(st.text(max_size=10)),
    "color": _mostly(st.text(max_size=10)),
}
KINDS = [
    "create_run",
    "log_metric",
    "log_custom_object",
    "log_hparams",
    "set_run_property",
    "add_tag",
    "remove_tag",
    "log_terminal_line",
    "log_record",
    "blob_ref",
    "finish_run",
]
messages = st.fixed_dictionaries({"type": _mostly(st.sampled_from(KINDS))}, optional=FIELDS)
frames = st.one_of(messages, st.lists(_mostly(messages), max_size=6), values)


def _damaged() -> st.SearchStrategy[str | bytes]:
    """Messages of which one character is another, or the rest is missing."""
    texts = messages.map(json.dumps)
    places = st.tuples(texts, st.floats(0, 1), st.text(max_size=1))
    return places.map(lambda it: it[0][: int(len(it[0]) * it[1])] + it[2] + it[0][int(len(it[0]) * it[1]) + 1 :])


@pytest.fixture(scope="module")
def socket(server: ServerProcess) -> Iterator[ClientConnection]:
    """One socket for all frames: none of them may end it."""
    url = f"{server.origin.replace('http', 'ws', 1)}/api/v1/ws/runs/fuzzed"
    # Pings are drawn from ``random`` in a thread of their own, which looks as if a strategy had used it.
    with connect(url, proxy=None, ping_interval=None) as found:
        yield found


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(frame=frames)
def test_every_frame_is_acknowledged(socket: ClientConnection, frame: Any) -> None:
    socket.send(json.dumps(frame))
    answer = json.loads(socket.recv(timeout=60))
    assert (answer["status"] == "ok") == (answer["error"] is None)


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(frame=st.binary(max_size=60) | st.text(max_size=60) | _damaged())
def test_every_frame_that_is_no_message_is_acknowledged(socket: ClientConnection, frame: str | bytes) -> None:
    socket.send(frame)
    answer = json.loads(socket.recv(timeout=60))
    assert (answer["status"] == "ok") == (answer["error"] is None)


bodies = st.one_of(
    values,
    st.lists(values, max_size=4),
    st.fixed_dictionaries({}, optional={**FIELDS, "run_id": st.just("fuzzed"), "active": _mostly(st.booleans())}),
    st.lists(st.fixed_dictionaries({"name": names}, optional={"context": FIELDS["context"]}), max_size=3),
)
queries = st.fixed_dictionaries(
    {},
    optional={
        "q": st.text(max_size=20)
        | st.sampled_from(
            ['run.x["a"] > 1', "metric.last > 0", "run.active", "not run", "images.name == 'a'", "1 if 2"]
        ),
        "limit": st.text(max_size=4) | st.integers(-3, 3).map(str),
        "offset": st.just("fuzzed") | st.text(max_size=5),
        "record_range": st.sampled_from([":", "1:", ":9", "-5:2", "x:", "99999999999999999999:"]),
        "record_density": st.integers(-3, 3).map(str) | st.text(max_size=3),
        "p": st.integers(-3, 3).map(str),
        "path": st.text(max_size=10),
        "archive": st.sampled_from(["true", "false", "x"]),
        "sequence": st.sampled_from(["metric", "images", "x"]),
    },
)
ids = st.sampled_from(["fuzzed", "nothing", "a b", "\x00", "..", "ü"]) | st.text(min_size=1, max_size=5)


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(route=st.sampled_from(list(ROUTES)), name=ids, body=bodies, query=queries)
def test_no_request_makes_the_server_fail(
    server: ServerProcess, socket: ClientConnection, route: tuple[str, str], name: str, body: Any, query: dict[str, str]
) -> None:
    assert socket is not None
    method, path = route
    part = quote(name.encode("utf-8", "replace"), safe="")
    for field in ("run", "tag", "experiment", "note"):
        path = path.replace(f"{{{field}:str}}", part)
    sent: dict[str, Any] = {} if method == "GET" else {"data": json.dumps(body).encode()}
    told = {key: value.encode("utf-8", "replace") for key, value in query.items()}
    answer = server.call(method, PREFIX + path, params=told, **sent)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()["detail"] == answer.json()["error"]["message"]


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(route=st.sampled_from([route for route in ROUTES if route[0] != "GET"]), body=st.binary(max_size=60))
def test_no_body_that_is_no_json_makes_the_server_fail(
    server: ServerProcess, route: tuple[str, str], body: bytes
) -> None:
    path = re.sub(r"{\w+:str}", "fuzzed", route[1])
    answer = server.call(route[0], PREFIX + path, data=body)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()["detail"] == answer.json()["error"]["message"]


def test_the_server_reported_nothing(server: ServerProcess) -> None:
    assert not [line for line in server.log if "incident" in line]

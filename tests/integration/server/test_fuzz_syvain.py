"""Whatever is sent to Syvain's routes, the server never fails, and answers in the protocol's own form."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.odd_value import odd_values
from support.server import ServerProcess

from runatlas.server.dialects.syvain.dialect import ROUTES

EXAMPLES = examples(100)
WRITES = [route for route in ROUTES if route.method in {"POST", "PATCH"}]
READS = [route for route in ROUTES if route.method in {"GET", "DELETE"}]

values = odd_values("step", "asc", "running", "error", "true", "json:[")


def _mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What a route takes three times of four, so that bodies get past the first check."""
    return st.one_of(good, good, good, values)


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": _mostly(st.text(min_size=1, max_size=20)),
    "parent_id": st.none() | values,
    "slug": _mostly(st.text(min_size=1, max_size=30)),
    "description": _mostly(st.text(max_size=30)),
    "metadata": _mostly(st.dictionaries(st.text(max_size=8), values, max_size=4)),
    "folder_id": st.none() | values,
    "status": _mostly(st.sampled_from(["running", "done", "error"])),
    "error": _mostly(st.fixed_dictionaries({}, optional={"name": st.text(), "detail": st.text()})),
    "timestamp_ms": _mostly(st.integers(0, 2**53)),
    "ttl_ms": _mostly(st.integers(1, 10**6)),
    "annotation": _mostly(st.text(min_size=1, max_size=30)),
    "experimentIds": _mostly(st.lists(st.just("RUN"), min_size=1, max_size=3)),
    "stream": _mostly(st.booleans()),
    "order": _mostly(st.just({"axis": "step", "direction": "desc"})),
    "data": _mostly(
        st.lists(
            st.fixed_dictionaries(
                {
                    "client_event_id": st.text(min_size=1, max_size=5),
                    "name": st.text(min_size=1, max_size=8),
                    "value": _mostly(st.floats(allow_nan=False, allow_infinity=False)),
                },
                optional={
                    "step": st.none() | _mostly(st.integers(0, 2**53 - 1)),
                    "metadata": _mostly(st.dictionaries(st.text(max_size=8), values, max_size=3)),
                    "timestamp_ms": _mostly(st.integers(0, 2**53 - 1)),
                },
            ),
            max_size=4,
        )
    ),
    "series": _mostly(
        st.lists(
            st.fixed_dictionaries(
                {"experimentId": st.just("RUN")},
                optional={
                    "metricName": _mostly(st.text(min_size=1, max_size=8)),
                    "metadataFilter": st.lists(
                        st.fixed_dictionaries({"key": st.text(min_size=1, max_size=3)}), max_size=2
                    ),
                },
            ),
            min_size=1,
            max_size=3,
        )
    ),
}
TAKEN = {
    "POST /api/v1/folders": "name parent_id",
    "PATCH /api/v1/folders/{folder}": "name parent_id",
    "POST /api/v1/experiments": "slug description metadata folder_id",
    "POST /api/v1/experiments/{experiment}": "status error timestamp_ms",
    "PATCH /api/v1/experiments/{experiment}": "folder_id",
    "POST /api/v1/experiments/{experiment}/ingestion-keys": "name ttl_ms",
    "POST /api/v1/experiments/{experiment}/ingest": "data",
    "POST /api/v1/experiments/{experiment}/annotations": "annotation metadata",
    "POST /api/v1/query/metric-catalog": "experimentIds",
    "POST /api/v1/query/series": "series order stream",
}
"""Which fields a route takes: with others all bodies would be refused for the same reason."""


def _bodies(route: Any) -> st.SearchStrategy[Any]:
    taken = TAKEN.get(f"{route.method} {route.path}")
    if taken is None:
        return _mostly(messages)
    names = taken.split()
    if names[0] == "series":
        return _mostly(st.fixed_dictionaries({name: FIELDS[name] for name in names}))
    first = {names[0]: FIELDS[names[0]]}
    return _mostly(st.fixed_dictionaries(first, optional={name: FIELDS[name] for name in names[1:]}))


EVENTS = [
    *("foldertree.read", "experiment.open", "folderexperiment.move", "experiment.tokenRefresh", "experiment.start"),
    *("experiment.done", "experiment.error", "experiment.metric", "experiment.annotate", "experiment.tokenRevoke"),
]
messages = st.lists(
    st.fixed_dictionaries(
        {
            "event": st.sampled_from([*EVENTS, "odd"]).map("syvain.v2.{}".format),
            "messageId": st.text(min_size=1, max_size=8),
            "data": st.fixed_dictionaries(
                {},
                optional={
                    "slug": _mostly(st.text(min_size=1, max_size=8)),
                    "description": _mostly(st.text(max_size=8)),
                    "meta": _mostly(st.dictionaries(st.text(max_size=8), values, max_size=3)),
                    "experimentId": _mostly(st.just("RUN")),
                    "experimentToken": values,
                    "toFolderId": values,
                    "metricName": _mostly(st.text(min_size=1, max_size=8)),
                    "metricValue": _mostly(st.floats(allow_nan=False, allow_infinity=False)),
                    "step": _mostly(st.integers(0, 2**53 - 1)),
                    "timestampMs": _mostly(st.integers(0, 2**53 - 1)),
                    "annotation": _mostly(st.text(min_size=1, max_size=8)),
                    "error": values,
                },
            ),
        }
    ),
    max_size=5,
)
QUERY = [
    *("path", "slug", "search", "limit", "status", "from", "to", "metric_name", "metadata_key", "metadata_value"),
    *("metadata_value_json", "step", "from_step", "to_time", "sort_by", "sort_direction", "series", "key"),
    "include_experiment_meta_as_of",
]
words = st.text(max_size=10) | st.sampled_from(
    [
        "1",
        "-1",
        "9" * 30,
        "step",
        "series,step",
        "desc",
        "true",
        "loss",
        "{}",
        '{"experiment_id":"RUN","metric_name":"l"}',
    ]
)


@pytest.fixture(scope="module")
def run(server: ServerProcess) -> str:
    made = server.call("POST", "/api/v1/experiments", json={"slug": "fuzzed"}).json()["data"]["experiment"]
    return str(made["id"])


def _path(path: str, run: str, name: str) -> str:
    return path.format(
        experiment=run, folder=quote(name, safe=""), key=quote(name, safe=""), metric=quote(name, safe="")
    )


def _check(answer: Any) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()["data"] is None
        assert answer.json()["error"]["details"].startswith("code=")


names = st.text(min_size=1, max_size=8)
bounded = settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@bounded
@given(asked=st.sampled_from(WRITES).flatmap(lambda route: st.tuples(st.just(route), _bodies(route))), name=names)
def test_bodies(server: ServerProcess, run: str, asked: Any, name: str) -> None:
    route, body = asked
    data = json.dumps(body).replace('"RUN"', json.dumps(run))
    name = name.encode("utf-8", "replace").decode()
    _check(server.call(route.method, _path(route.path, run, name), data=data))


@bounded
@given(route=st.sampled_from([r for r in WRITES if r.path.startswith("/api/v2")]), body=messages)
def test_messages(server: ServerProcess, run: str, route: Any, body: Any) -> None:
    data = json.dumps(body).replace('"RUN"', json.dumps(run))
    answer = server.call(route.method, _path(route.path, run, "x"), data=data)
    _check(answer)
    if answer.ok:
        assert sorted(reply["correlationId"] for reply in answer.json()) == sorted(m["messageId"] for m in body)


@bounded
@given(route=st.sampled_from(READS), query=st.lists(st.tuples(st.sampled_from(QUERY), words), max_size=4))
def test_queries(server: ServerProcess, run: str, route: Any, query: Any) -> None:
    known = [(name, word.replace("RUN", run).encode("utf-8", "replace").decode()) for name, word in query]
    _check(server.call(route.method, _path(route.path, run, "loss"), params=known))


def test_the_server_reported_nothing(server: ServerProcess) -> None:
    assert not [line for line in server.log if "incident" in line]

"""Whatever is sent to SwanLab's routes, the server never fails, and answers in the protocol's own form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import attrs
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.odd_value import odd_values
from support.server import ServerProcess, make_key, running_server

from runatlas.server.dialects.swanlab.dialect import ROUTES, SwanlabRoute

EXAMPLES = examples(100)
WRITES = [route for route in ROUTES if route.method in {"POST", "PUT"}]
READS = [route for route in ROUTES if route.method in {"GET", "DELETE"}]
FIXED = {"workspace": "ann", "username": "ann", "project": "fuzzed", "kind": "scalar", "path": "a/b"}

values = odd_values("scalar", "nan", "FLOAT", "RUNNING", "2026-01-02T03:04:05Z")


def _mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What a route takes, but for one time of sixteen: bodies are to get past the first checks."""
    return st.integers(0, 15).flatmap(lambda n: values if n == 15 else good)


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional={name: _mostly(strategy) for name, strategy in fields.items()})


def _whole(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({name: _mostly(strategy) for name, strategy in fields.items()})


words = st.text("ab-_1é", min_size=1, max_size=8) | st.text(min_size=1, max_size=8)
keys = st.sampled_from(["loss", "acc", 'loss {"s":1}', "pic"]) | words
times = st.sampled_from(["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456789+00:00", "9999-12-31T23:59:59Z"]) | words
points = st.fixed_dictionaries(
    {"key": keys, "index": _mostly(st.integers(-5, 2**63 - 1))},
    optional={
        "data": _mostly(st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(["nan", "INF", "1e999"])),
        "create_time": _mostly(times),
        "more": values,
    },
)
media = st.fixed_dictionaries(
    {"key": keys, "index": _mostly(st.integers(0, 9)), "data": _mostly(st.lists(words, max_size=3))},
    optional={"more": _mostly(st.lists(st.none() | _whole(caption=words), max_size=3)), "create_time": _mostly(times)},
)
lines = st.fixed_dictionaries(
    {"message": _mostly(st.text()), "epoch": _mostly(st.integers(1, 2**63))},
    optional={"level": _mostly(st.sampled_from(["INFO", "ERROR", "odd"])), "create_time": _mostly(times)},
)
columns = st.lists(
    st.fixed_dictionaries({"experimentId": _mostly(st.just("RUN")), "key": keys}, optional={"experimentName": words}),
    max_size=4,
)
experiments = st.lists(st.fixed_dictionaries({"experimentId": _mostly(st.just("RUN"))}), max_size=3)
rules = st.lists(
    _whole(
        key=st.sampled_from(["state", "createdAt", "labels", "lr", "pin"]) | words,
        type=st.sampled_from(["STABLE", "CONFIG", "SCALAR"]),
        op=st.sampled_from(["EQ", "NEQ", "GTE", "IN", "NOT IN", "CONTAIN"]),
        value=st.lists(values, min_size=1, max_size=1),
    ),
    max_size=3,
)
orders = st.lists(
    _whole(
        key=st.sampled_from(["state", "createdAt", "loss"]),
        type=st.sampled_from(["STABLE", "CONFIG", "SCALAR"]),
        order=st.sampled_from(["ASC", "DESC"]),
    ),
    max_size=2,
)
groups = st.lists(_whole(key=st.sampled_from(["state", "lr"]), type=st.sampled_from(["STABLE", "CONFIG"])), max_size=2)
files = st.lists(
    _whole(
        path=words,
        size=st.integers(0, 9),
        count=st.integers(1, 3),
        state=st.just("UPLOADED"),
        uploadId=words,
        mimeType=words,
        parts=st.lists(_whole(partNumber=st.integers(1, 3), etag=words), max_size=3),
    ),
    max_size=3,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": words,
    "username": st.sampled_from(["ann", "never"]) | words,
    "visibility": st.sampled_from(["PUBLIC", "PRIVATE"]),
    "description": st.text(max_size=9),
    "cuid": words,
    "labels": st.lists(_whole(name=words), max_size=2),
    "colors": st.lists(words, max_size=2),
    "createdAt": times,
    "finishedAt": times,
    "job": words,
    "cluster": words,
    "state": st.sampled_from(["FINISHED", "CRASHED", "RUNNING"]),
    "config": st.dictionaries(words, _some(value=values, sort=st.integers(), desc=st.just("")), max_size=3),
    "metadata": st.dictionaries(words, values, max_size=3),
    "requirements": st.text(max_size=9),
    "conda": st.text(max_size=9),
    "cuids": st.lists(words, max_size=3),
    "filters": rules,
    "sorts": orders,
    "groups": groups,
    "users": st.lists(_whole(username=words, password=words), max_size=2),
    "series": st.lists(_whole(key=keys, type=words), max_size=3),
    "columns": columns,
    "experiments": experiments,
    "keys": st.lists(keys, max_size=3),
    "num": st.integers(1, 2000),
    "xType": st.sampled_from(["step", "time", "relative_time", "timestamp"]),
    "xKey": st.sampled_from(["", "acc"]),
    "step": st.integers(0, 9),
    "limit": st.integers(1, 2000),
    "cursor": words,
    "start": st.integers(0, 9),
    "rows": st.integers(1, 500_000),
    "experimentId": st.just("RUN"),
    "prefix": st.just("p/RUN"),
    "paths": st.lists(words, max_size=3),
    "files": files,
    "flagId": words,
}
TAKEN = {
    "/experiment": "name description createdAt colors labels job cluster cuid",
    "/shows": "filters sorts groups",
    "/del": "cuids",
    "/profile": "config metadata requirements conda",
    "/state": "state finishedAt",
    "/heartbeat": "flagId",
    "/series": "series",
    "/scalar": "columns num xType xKey",
    "/value": "columns num xType",
    "/log/export": "experimentId start rows",
    "/export": "columns",
    "/summaries": "experiments keys",
    "/media": "columns step",
    "/f_media": "columns",
    "/keys": "experiments limit cursor",
    "/availability": "experiments keys",
    "/put": "experimentId paths",
    "/get": "prefix paths",
    "/users": "users",
    "/project": "name username visibility description",
    "{workspace:str}": "name visibility",
}
"""Which fields a route takes, by the end of its path; routes of files take ``files``."""


def _bodies(route: SwanlabRoute) -> st.SearchStrategy[Any]:
    if route.path == "/api/house/metrics":
        records = {"scalar": points, "media": media, "log": lines}
        return st.sampled_from(list(records)).flatmap(
            lambda kind: st.fixed_dictionaries(
                {
                    "type": st.just(kind),
                    "experimentId": _mostly(st.just("RUN")),
                    "metrics": _mostly(st.lists(records[kind], max_size=5)),
                }
            )
        )
    if route.path.endswith("/columns"):
        return _mostly(
            st.lists(_some(key=keys, type=st.sampled_from(["FLOAT", "IMAGE", "ODD"]), name=words), max_size=4)
        )
    names = "files"
    if "/files/" not in route.path or route.path.endswith("presigned/get"):
        names = next((taken for end, taken in TAKEN.items() if route.path.endswith(end)), "files")
    first, *others = names.split()
    more = {name: _mostly(FIELDS[name]) for name in others}
    return _mostly(st.fixed_dictionaries({first: _mostly(FIELDS[first])}, optional=more))


@attrs.frozen
class Target:
    """A server that needs a key, since users are made here, and a run with points."""

    server: ServerProcess
    key: str
    cuid: str

    def ask(self, route: SwanlabRoute, name: str | None, *, query: str = "", data: Any = None) -> requests.Response:
        """Ask a route, with an odd name at every place of its path."""
        return self.server.call(route.method, self._path(route, name) + query, key=self.key, data=data)

    def _path(self, route: SwanlabRoute, name: str | None) -> str:
        named = {**FIXED, "cuid": self.cuid, "run": self.cuid}
        path = route.path
        for part, value in named.items():
            for kind in ("str", "path"):
                path = path.replace(f"{{{part}:{kind}}}", quote(value if name is None else name, safe=""))
        return path


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    directory = tmp_path_factory.mktemp("fuzz") / "store"
    key = make_key(directory, "ann")
    with running_server(directory) as server:

        def make(path: str, body: Any) -> Any:
            answer = server.call("POST", f"/api/{path}", key=key, json=body)
            assert answer.ok, answer.text
            return answer.json()

        make("project", {"name": "fuzzed"})
        cuid = make("project/ann/fuzzed/experiment", {"name": "n", "cuid": "fuzzed"})["cuid"]
        scalar = [{"key": key, "index": step, "data": 0.5} for key in ("loss", "acc") for step in range(5)]
        make("house/metrics", {"type": "scalar", "experimentId": cuid, "metrics": scalar})
        yield Target(server, key, cuid)


def _check(answer: Any) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert "message" in answer.json() or answer.status_code == 409, answer.text


odd_names = st.text(min_size=1, max_size=8).map(lambda text: text.encode("utf-8", "replace").decode())
names = st.integers(0, 7).flatmap(lambda n: odd_names if n == 7 else st.none())
bounded = settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@bounded
@given(asked=st.sampled_from(WRITES).flatmap(lambda route: st.tuples(st.just(route), _bodies(route))), name=names)
def test_bodies(target: Target, asked: Any, name: str | None) -> None:
    route, body = asked
    _check(target.ask(route, name, data=json.dumps(body).replace('RUN"', f'{target.cuid}"')))


@bounded
@given(route=st.sampled_from(WRITES), data=st.binary(max_size=60), name=names)
def test_bodies_that_are_no_json(target: Target, route: SwanlabRoute, data: bytes, name: str | None) -> None:
    _check(target.ask(route, name, data=data))


queries = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from(["1", "0", "-1", "9" * 30, "True", "create", "RUN", "TEAM", "CUSTOM", "loss"]) | odd_names
        for name in (
            *("page", "size", "search", "sort", "detail", "all", "class", "type", "key", "epoch", "level", "state"),
            *("experimentId", "creator", "group", "expires", "signature"),
        )
    },
)


@bounded
@given(route=st.sampled_from(READS), query=queries, name=names)
def test_queries(target: Target, route: SwanlabRoute, query: dict[str, str], name: str | None) -> None:
    # Deleting what the other tests need would leave them nothing to fail on.
    named = "never" if route.method == "DELETE" and name is None else name
    asked = {key: target.cuid if value == "RUN" else value for key, value in query.items()}
    _check(target.ask(route, named, query=f"?{urlencode(asked)}"))

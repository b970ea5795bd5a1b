"""Whatever is sent to chachaml's routes, the server never fails, and answers in the protocol's own form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import attrs
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.odd_value import odd_values
from support.server import ServerProcess, make_key, running_server

from runatlas.server.dialects.chachaml.dialect import READS, WRITES

EXAMPLES = examples(100)
UPLOAD = "/api/w/runs/{run:str}/artifacts"
JSON = "application/json"
OCTETS = "application/octet-stream"

values = odd_values("fuzzed", "production", "completed", "weights", "x" * 3000)


def _mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What a route takes, but for one time of eight: bodies are to get past the first checks."""
    return st.integers(0, 7).flatmap(lambda n: values if n == 7 else good)


words = st.text("ab-_./=1é", min_size=1, max_size=8) | st.text(max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**64), 2**64)
BODIES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "/api/w/runs": {
        "experiment": words,
        "name": words,
        "tags": st.dictionaries(words, st.text(max_size=5) | numbers | st.booleans(), max_size=3),
        "parent_run_id": words,
        "created_by": words,
    },
    "/api/w/runs/{run:str}/params": {"lr": values, "a.b": values, "": values, "$float": values},
    "/api/w/runs/{run:str}/metrics": {
        "loss": numbers,
        "metrics": st.dictionaries(words, numbers, max_size=3),
        "step": st.integers(-(2**63), 2**63 - 1),
    },
    "/api/w/runs/{run:str}/end": {"status": st.sampled_from(["completed", "failed"]), "error": words},
    UPLOAD: {"name": words, "value": values, "format": words},
    "/api/w/models": {
        "name": words,
        "model_name": words,
        "run_id": st.just("RUN"),
        "artifact": st.just("weights"),
        "stage": st.sampled_from(["none", "staging", ":production", "archived"]),
        "description": words,
    },
    "/api/tags/{run:str}": {"key": words, "value": words | numbers},
    "/api/note/{run:str}": {"note": words},
}
"""Which fields a route takes."""

QUERY: dict[str, st.SearchStrategy[str]] = {
    "experiment": st.sampled_from(["fuzzed", "none", "../x"]) | words,
    "status": st.sampled_from(["running", "completed", "odd", ""]),
    "limit": st.integers(-3, 3).map(str) | st.sampled_from(["9" * 30, "1.5", "", "\u0661"]),
    "ids": st.lists(st.just("RUN") | words, max_size=4).map(",".join),
    "metric_key": st.sampled_from(["loss", "", "none"]) | words,
    "op": st.sampled_from([">", "<", ">=", "<=", "=", "~", ""]),
    "metric_value": st.floats().map(str) | st.sampled_from(["1e999", "", "x", "0x1"]),
    "name": words,
}
queries = st.lists(st.sampled_from(list(QUERY)).flatmap(lambda name: st.tuples(st.just(name), QUERY[name])), max_size=4)
# A part of dots never leaves the client: it makes another path of it.
parts = st.sampled_from(["RUN", "RUN", "classifier", "1", "2", "Li46Li4vLi4", "../x", "\x00", "é"]) | st.text(
    min_size=1, max_size=8
).filter(lambda text: text not in {".", ".."})


@attrs.frozen
class Target:
    """A server, and a run with points and an artifact that is a model's version."""

    server: ServerProcess
    key: str
    run: str
    artifact: str

    def ask(self, method: str, path: str, part: str, query: Any = (), **options: Any) -> requests.Response:
        """Ask a route, with the same part at every place of its path."""
        told = _text(part.replace("RUN", self.artifact if "{artifact" in path else self.run))
        for name in ("run", "name", "first", "second", "artifact"):
            path = path.replace(f"{{{name}:str}}", quote(told, safe=""))
        pairs = [(name, _text(value.replace("RUN", self.run))) for name, value in query]
        return self.server.call(method, f"{path}?{urlencode(pairs)}", key=self.key, allow_redirects=False, **options)

    def send(self, path: str, part: str, body: Any, kind: str = JSON, query: Any = ()) -> requests.Response:
        """Post a body: bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).replace('"RUN"', json.dumps(self.run)).encode()
        return self.ask("POST", path, part, query, data=data, headers={"Content-Type": kind})


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    directory = tmp_path_factory.mktemp("fuzz") / "store"
    key = make_key(directory, "ann")
    with running_server(directory) as server:

        def make(path: str, **options: Any) -> Any:
            answer = server.call("POST", f"/api/w/{path}", key=key, **options)
            assert answer.ok, answer.text
            return answer.json()

        run = make("runs", json={"experiment": "fuzzed"})["id"]
        make(f"runs/{run}/metrics", json={"loss": 0.5, "step": 1})
        make(f"runs/{run}/artifacts?name=weights", data=b"bytes", headers={"Content-Type": OCTETS})
        for _ in range(2):
            make("models", json={"name": "classifier", "run_id": run, "artifact": "weights"})
        (artifact,) = server.call("GET", f"/api/runs/{run}", key=key).json()["artifacts"]
        yield Target(server, key, run, artifact["id"])


def _check(answer: requests.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        told = answer.json()
        assert list(told) == ["error"], told
        assert told["error"]


bounded = settings(max_examples=EXAMPLES)


def _bodies(path: str) -> st.SearchStrategy[Any]:
    fields = {name: _mostly(strategy) for name, strategy in BODIES[path].items()}
    return _mostly(st.fixed_dictionaries({}, optional=fields))


def test_every_route_that_takes_a_body_has_fields() -> None:
    assert set(BODIES) == {*WRITES, UPLOAD}


@bounded
@given(asked=st.sampled_from(list(BODIES)).flatmap(lambda path: st.tuples(st.just(path), _bodies(path))), part=parts)
def test_bodies(target: Target, asked: Any, part: str) -> None:
    # A run that has ended would refuse all that the other examples say of it.
    part = "none" if asked[0].endswith("/end") and part == "RUN" else part
    _check(target.send(asked[0], part, asked[1]))


@bounded
@given(body=_bodies("/api/w/runs/{run:str}/end"))
def test_ends(target: Target, body: Any) -> None:
    run = target.send("/api/w/runs", "", {"experiment": "ended"}).json()["id"]
    _check(target.send("/api/w/runs/{run:str}/end", run, body))


@bounded
@given(
    path=st.sampled_from(list(BODIES)),
    body=st.binary(max_size=60),
    kind=st.sampled_from(
        [JSON, OCTETS, "text/plain", "multipart/form-data; boundary=b", "application/json; charset=x"]
    ),
    query=queries,
)
def test_bodies_that_are_no_json(target: Target, path: str, body: bytes, kind: str, query: Any) -> None:
    _check(target.send(path, "none" if path.endswith("/end") else "RUN", body, kind, query))


@bounded
@given(path=st.sampled_from(list(READS)), part=parts, query=queries)
def test_queries(target: Target, path: str, part: str, query: Any) -> None:
    _check(target.ask("GET", path, part, query))


def test_the_run_is_still_read_and_the_server_reported_nothing(target: Target) -> None:
    found = target.ask("GET", "/api/runs/{run:str}", "RUN").json()
    assert (found["id"], found["status"]) == (target.run, "running")
    assert not [line for line in target.server.log if "incident" in line]

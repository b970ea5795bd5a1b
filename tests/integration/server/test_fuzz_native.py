"""Whatever comes as a batch of points, the server never fails; what it takes it takes whole.

JSON bodies of all routes are drawn from the OpenAPI document (``test_schema``), single damaged bytes elsewhere
(``test_bulk``): here streams are well-formed, and what they say is odd.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import requests
from arro3.core import Array, DataType, Field, RecordBatch, Schema
from arro3.io import write_ipc_stream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.odd_value import odd_values
from support.server import ServerProcess, make_key, running_server

from runatlas.model.arrow import MEDIA_TYPE

EXAMPLES = examples(150)
WHOLE = st.integers(-(2**63), 2**63 - 1)
TYPES: dict[str, tuple[DataType, st.SearchStrategy[Any]]] = {
    "whole": (DataType.int64(), WHOLE),
    "real": (DataType.float64(), st.floats()),
    "short": (DataType.int32(), st.integers(-(2**31), 2**31 - 1)),
    "single": (DataType.float32(), st.floats(width=32)),
    "flag": (DataType.bool(), st.booleans()),
    "text": (DataType.utf8(), st.text(max_size=5)),
}
GOOD = ["step", "value", "time_ms"]
COLUMNS = {"step": "whole", "value": "real", "time_ms": "whole", "epoch": "whole"}

values = odd_values("FLOAT", "IMAGE", "x" * 3000)


def _mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What a batch has, but for one time of sixteen."""
    return st.integers(0, 15).flatmap(lambda n: values if n == 11 else good)


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional={name: _mostly(strategy) for name, strategy in fields.items()})


def _whole(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({name: _mostly(strategy) for name, strategy in fields.items()})


words = st.sampled_from(["loss", "acc"]) | st.text("ab/é ", min_size=1, max_size=4)
contexts = st.lists(st.tuples(words, st.text(max_size=3) | st.integers(0, 3)).map(list), max_size=2)
media = _whole(key=words, step=WHOLE, items=st.lists(_whole(path=words), max_size=2), column_type=st.just("TEXT"))
heads = _some(
    media=st.lists(media, max_size=1),
    logs=st.lists(_whole(message=st.text(max_size=9), level=st.sampled_from(["INFO", "WARN"])), max_size=2),
    columns=st.lists(_whole(key=words, column_type=st.sampled_from(["FLOAT", "TEXT"])), max_size=1),
    artifacts=st.lists(_whole(name=words, sha256=st.just("f" * 64), size=WHOLE), max_size=1),
    once_per_step=st.booleans(),
    new_values_only=st.booleans(),
)
writers: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.fixed_dictionaries(
    {"writer": _mostly(words), "sequence": _mostly(WHOLE)}
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Draw a well-formed Arrow stream: rows of some series, and a head that speaks of them, or nearly."""
    rows = draw(st.integers(0, 6))
    names = draw(st.sampled_from([GOOD] * 9 + [list(COLUMNS)] * 4 + [["step", "value"], ["value"]]))
    odd = draw(st.integers(0, 15))
    kinds = [draw(st.sampled_from(list(TYPES))) if odd == 3 else COLUMNS[name] for name in names]
    arrays, fields = [], []
    for name, kind in zip(names, kinds, strict=True):
        data_type, values = TYPES[kind]
        if name == "epoch" or odd == 5:
            values = st.none() | values
        arrays.append(Array(draw(st.lists(values, min_size=rows, max_size=rows)), data_type))
        fields.append(Field(name, data_type, nullable=True))
    cut = draw(st.integers(0, rows))
    series = [draw(_series(length)) for length in (cut, rows - cut)]
    head = {**draw(heads), **draw(writers), "series": draw(_mostly(st.just(series)))}
    schema = Schema(fields, metadata={"runatlas": json.dumps(head)})
    out = io.BytesIO()
    write_ipc_stream(RecordBatch.from_arrays(arrays, schema=schema), out, compression=None)
    return out.getvalue()


def _series(length: int) -> st.SearchStrategy[dict[str, Any]]:
    ids = st.lists(st.text(min_size=1, max_size=4), min_size=length, max_size=length)
    return st.fixed_dictionaries(
        {"key": _mostly(words), "length": _mostly(st.just(length))},
        optional={
            "context": _mostly(contexts),
            "epochs": _mostly(st.booleans()),
            "event_ids": _mostly(ids),
            "column_class": _mostly(st.sampled_from(["CUSTOM", "SYSTEM"])),
            "column_type": _mostly(st.sampled_from(["FLOAT", "BOOLEAN", "IMAGE"])),
        },
    )


@attrs.frozen
class Target:
    """A server and a run."""

    server: ServerProcess
    key: str

    def append(self, data: bytes, **headers: str) -> requests.Response:
        """Send a batch."""
        sent = {"Content-Type": MEDIA_TYPE, **headers}
        return self.server.call("POST", "runs/ann/fuzzed/r/append", key=self.key, data=data, headers=sent)

    def points(self) -> int:
        """Count what the run has."""
        body = {"selection": {"workspace": "ann", "project": "fuzzed"}}
        answer = self.server.call("POST", "summaries/query", key=self.key, json=body)
        assert answer.ok, answer.text
        return sum(item["count"] for item in answer.json()["items"])


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    directory = tmp_path_factory.mktemp("fuzz") / "store"
    key = make_key(directory, "ann")
    with running_server(directory) as server:
        draft = {"project": {"workspace": "ann", "project": "fuzzed"}, "id": "r", "create_project": True}
        assert server.call("POST", "runs", key=key, json=draft).ok
        yield Target(server, key)


def _check(answer: requests.Response) -> None:
    assert answer.status_code in {200, 400, 422}, answer.text
    if answer.status_code != 200:
        told = answer.json()["error"]
        assert (told["status"], told["type"]) == (answer.status_code, "ValidationError")
        assert told["message"]


bounded = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@bounded
@given(data=streams())
def test_streams_that_say_odd_things(target: Target, data: bytes) -> None:
    answer = target.append(data)
    _check(answer)


@bounded
@given(data=streams(), cut=st.floats(0, 1), more=st.binary(max_size=3))
def test_streams_that_break_off(target: Target, data: bytes, cut: float, more: bytes) -> None:
    before = target.points()
    packed = gzip.compress(data[: int(len(data) * cut)] + more)
    answer = target.append(packed, **{"Content-Encoding": "gzip"})
    _check(answer)
    assert target.points() == before + (answer.json()["points"] if answer.ok else 0)


def test_the_server_reported_nothing_and_goes_on(target: Target) -> None:
    assert target.points() > EXAMPLES / 10
    series = [{"key": "after all", "steps": [1], "values": [1], "times_ms": [1]}]
    done = target.append(json.dumps({"points": series}).encode(), **{"Content-Type": "application/json"})
    assert done.json()["points"] == 1
    assert not [line for line in target.server.log if "incident" in line]

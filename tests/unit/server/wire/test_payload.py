from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.errors import ValidationError
from runatlas.model import codec
from runatlas.model.account import UserPatch, UserRef, WorkspaceRecord
from runatlas.model.codec import encode_json
from runatlas.model.filters import And, Comparison, Field, Not
from runatlas.model.page import Page
from runatlas.model.run import Profile, RunQuery, RunRecord, RunSelection
from runatlas.model.run_import import RunImport
from runatlas.model.series import Statistic, SummaryRecord
from runatlas.server.wire.payload import DEPTH_MAX, decode_payload, parse_json

TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
FREE = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
OBJECTS = st.dictionaries(TEXTS, FREE, max_size=4)
RUNS = st.builds(
    RunRecord,
    workspace=TEXTS,
    project=TEXTS,
    id=TEXTS,
    cuid=TEXTS,
    labels=st.lists(TEXTS, max_size=2).map(tuple),
    user=st.none() | st.builds(UserRef, TEXTS),
    finished_at_ms=st.none() | st.integers(0, 2**60),
    config=st.none() | OBJECTS,
    summary=st.none() | st.dictionaries(TEXTS, st.floats(), max_size=4),
    profile=st.none() | st.builds(Profile, metadata=OBJECTS),
)
STATISTICS = st.builds(Statistic, st.floats(), st.none() | st.integers(0, 99))
SUMMARIES = st.builds(
    SummaryRecord,
    *(TEXTS, TEXTS, st.just((("split", "val"),)), st.integers(0, 9), st.just("CUSTOM"), st.just("FLOAT")),
    *(st.integers(0, 9), st.integers(0, 9), STATISTICS, st.none() | STATISTICS, st.none() | STATISTICS),
    *(st.none() | st.floats(), st.none() | st.floats()),
)
WORKSPACES = st.builds(WorkspaceRecord, TEXTS, profile=OBJECTS)
PAGES = st.builds(Page, st.lists(RUNS | SUMMARIES | WORKSPACES, max_size=3).map(tuple), st.none() | TEXTS)


@given(RUNS | SUMMARIES | WORKSPACES | PAGES | FREE)
def test_records_are_written_as_the_codec_writes_them(value: Any) -> None:
    assert json.loads(encode_json(value)) == json.loads(codec.dumps(codec.encode(value)))


@given(st.lists(RUNS, max_size=3).map(tuple))
def test_what_is_written_is_read_back_by_the_codec(runs: tuple[RunRecord, ...]) -> None:
    read = codec.decode(codec.loads(encode_json(Page(runs))), Page[RunRecord])
    assert repr(read.items) == repr(runs)


def test_a_filter_keeps_its_kinds() -> None:
    selection = RunSelection("ann", filter=And((Not(Comparison(Field("CONFIG", "lr"), "EQ", 1)),)))
    assert codec.decode(codec.loads(encode_json(selection)), RunSelection) == selection


@given(FREE)
def test_json_text_of_the_codec_is_parsed(value: Any) -> None:
    assert repr(parse_json(codec.dumps(value).encode())) == repr(codec.loads(codec.dumps(value)))


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"  \n", b"{", b"NaN", b'{"a": Infinity}', b'{"$float": NaN}', b"[1,]", b"{} {}"),
        *(b'"\xff"', b'"\\ud800"', b"\x1f\x8b"),
    ],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_json(text)
    assert caught.value.code == 400


@given(st.integers(DEPTH_MAX - 3, DEPTH_MAX + 3), st.booleans())
def test_the_depth_is_bounded(depth: int, lists: bool) -> None:
    opening, closing = (b"[", b"]") if lists else (b'{"a":', b"}")
    text = opening * depth + b"1" + closing * depth
    if depth <= DEPTH_MAX:
        parse_json(text)
    else:
        with pytest.raises(ValidationError, match="nests deeper"):
            parse_json(text)


def test_no_depth_takes_the_process_down() -> None:
    with pytest.raises(ValidationError, match="nests deeper"):
        parse_json(b"[" * 1_000_000)


def test_many_shallow_lists_are_not_deep() -> None:
    assert parse_json(b"[" + b"[1]," * 500 + b"[1]]")[-1] == [1]


def test_special_floats_in_free_json_come_back() -> None:
    assert math.isnan(parse_json(b'{"lr": {"$float": "NaN"}}')["lr"])


@pytest.mark.parametrize(
    ("text", "kind", "where"),
    [
        (b'{"nme": "Ann"}', UserPatch, "nme"),
        (b'{"name": 5}', UserPatch, "UserPatch.name"),
        (b"[]", UserPatch, "UserPatch"),
        (b"null", UserPatch, "UserPatch"),
        (b'{"selection": {"workspace": "ann", "projct": "demo"}}', RunQuery, "projct"),
        (b'{"selection": {"workspace": "ann", "ids": "abc"}}', RunQuery, "RunQuery.selection.ids"),
        (b'{"selection": {"workspace": "ann"}, "page": {"limit": 1e3}}', RunQuery, "RunQuery.page.limit"),
        (b'{"selection": {"workspace": "ann"}, "page": {"limit": 9223372036854775808}}', RunQuery, "limit"),
        (b'{"selection": {"workspace": "ann"}, "page": {"limit": true}}', RunQuery, "RunQuery.page.limit"),
        (b'{"selection": {}}', RunQuery, "RunQuery.selection.workspace"),
        (b'{"selection": {"workspace": "ann", "filter": {"kind": "xor"}}}', RunQuery, "RunQuery.selection.filter"),
    ],
)
def test_a_document_that_does_not_fit_is_refused_with_its_path(text: bytes, kind: type, where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        decode_payload(text, kind)
    assert caught.value.code == 422
    assert where in caught.value.message


_RUN: dict[str, Any] = {
    "draft": {"project": {"workspace": "ann", "project": "demo"}, "config": {"lr": 1, "net": {"depth": 2}}},
    "series": [{"key": "loss", "steps": [0, 1], "values": [0.5, 2]}],
    "time_ms": 5,
}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((), {}),
        (("time_ms",), 1 << 63),
        (("time_ms",), 1.0),
        (("times",), 1),
        (("series", 0, "steps"), [0, -(1 << 63) - 1]),
        (("series", 0, "steps"), {"0": 1}),
        (("series", 0, "values"), [True, 1]),
        (("series", 0, "values"), ["NaN", "Infinity"]),
        (("series", 0, "unit"), "m"),
        (("draft", "labels"), "ab"),
        (("draft", "profile"), {"metadata": {"x": {"$float": "NaN"}}}),
        (("draft", "profile"), {"metadata": {}, "pip": ""}),
        (("draft", "created_at_ms"), None),
        (("draft", "state"), "DONE"),
        (("draft", "config"), json.loads('{"a":' * 60 + "1" + "}" * 60)),
        (("draft", "config"), json.loads('{"a":' * 70 + "1" + "}" * 70)),
    ],
)
def test_a_large_document_is_read_as_a_small_one_is(place: tuple[Any, ...], value: Any) -> None:
    run = copy.deepcopy(_RUN)
    inner: Any = run
    for name in place[:-1]:
        inner = inner[name]
    if place:
        inner[place[-1]] = value
    text = json.dumps([run]).encode()
    small, large = (_outcome(data) for data in (text, text + b" " * (1 << 16)))
    assert repr(large) == repr(small)


def _outcome(data: bytes) -> Any:
    try:
        return decode_payload(data, tuple[RunImport, ...])
    except ValidationError as error:
        return str(error), error.code

"""Records to JSON and back."""

from __future__ import annotations

import json
import math
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.errors import ResponseFormatError
from runatlas.model.account import KeyRecord, NewKeyRecord, ServerRecord, UserRef, WorkspaceRecord
from runatlas.model.codec import (
    context_text,
    decode,
    decode_json,
    dumps,
    encode,
    encode_json,
    loads,
    make_context,
)
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Or, Sort
from runatlas.model.ids import ProjectPath
from runatlas.model.page import Page, PageRequest
from runatlas.model.project import ProjectCountRecord, ProjectRecord
from runatlas.model.ranges import RangeQuery
from runatlas.model.run import Profile, RunDraft, RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.model.series import PointQuery, Statistic, SummaryRecord
from runatlas.model.trash import DeletionPlanRecord, PlannedItem

T = TypeVar("T")

NESTED = And(
    (Comparison(Field("CONFIG", "a"), "EQ", 1), Not(Or((Comparison(Field("SCALAR", "m", "min"), "GT", 2.5),))))
)

RECORDS = [
    WorkspaceRecord("ann", profile={"bio": "x", "n": [1, None]}, role="OWNER"),
    NewKeyRecord(KeyRecord("k1", "ann", "abcd", 5), "secret"),
    ServerRecord("runatlas", "0.1.0", plan="commercial"),
    ProjectRecord("c1", "ann", "demo", labels=("a", "b"), count=ProjectCountRecord(experiments=3)),
    ProjectRecord("c1", "ann", "demo"),
    RunRecord(
        "ann", "demo", "r1", "c1", labels=("x",), user=UserRef("ann"), config={"a": {"b": [1]}}, summary={"l": 1.0}
    ),
    RunRecord("ann", "demo", "r1", "c1", summary={"nan": math.inf}, profile=Profile(metadata={"gpu": None})),
    RunDraft(ProjectPath("ann", "demo"), config={"a": 1}, if_exists="keep"),
    RunPatch(labels=(), config={}, config_removed=("a.b",)),
    RunQuery(RunSelection("ann", ids=(), filter=NESTED), sorts=(Sort(Field("CONFIG", "a"), "ASC"),), parts=()),
    RunSelection("ann", "demo", filter=Comparison(Field("CONFIG", "a"), "IN", (1, "x", None, True, 2.5))),
    PointQuery(RunSelection("ann"), keys=("a",), context=(("split", "val"),), range=RangeQuery(last=5)),
    SummaryRecord(
        "c1", "m", (("n", 2),), 3, "CUSTOM", "FLOAT", 0, 2, Statistic(-math.inf, 2, 5), None, None, None, 0.5
    ),
    DeletionPlanRecord("runs", (PlannedItem("ann/demo/r1", "c1", "r1", "FINISHED", 5),), missing=("r2",), points=3),
]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_survives_the_wire(record: Any, strict: bool) -> None:
    text = json.dumps(encode(record), allow_nan=False)
    assert decode(json.loads(text), type(record), strict=strict) == record


@pytest.mark.parametrize("strict", [True, False])
def test_a_page_of_records_survives_the_wire(strict: bool) -> None:
    page: Page[ProjectRecord] = Page((ProjectRecord("c1", "ann", "demo"),), next_cursor="x", total=7)
    assert decode(loads(dumps(encode(page))), Page[ProjectRecord], strict=strict) == page


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_is_written_and_read_in_one_go_as_by_steps(record: Any) -> None:
    page: Page[Any] = Page((record,), total=1)
    text = encode_json(page)
    assert json.loads(text) == json.loads(dumps(encode(page)))
    kind: Any = Page
    found = decode_json(text, kind[type(record)])
    assert found == page
    assert type(found.items[0]) is type(record)


_SUMMARIES = st.dictionaries(st.text(max_size=3), st.floats(), max_size=3)


@given(_SUMMARIES, _SUMMARIES)
def test_special_floats_survive_being_read_in_one_go(summary: dict[str, float], config: dict[str, Any]) -> None:
    run = RunRecord("ann", "demo", "r1", "c1", config=config, summary=summary)
    assert repr(decode_json(encode_json([run]), list[RunRecord])) == repr([run])
    page: Page[RunRecord] = Page((run, RunRecord("ann", "demo", "r2", "c2"), run), "next")
    text = encode_json(page)
    assert json.loads(text) == json.loads(dumps(encode(page)))
    assert repr(decode_json(text, Page[RunRecord])) == repr(page)


def test_what_is_wrong_in_a_page_with_special_floats_is_named_too() -> None:
    value = {"items": [encode(RunRecord("ann", "demo", "r1", "c1", summary={"l": math.nan})), {"workspace": 5}]}
    with pytest.raises(ResponseFormatError) as by_steps:
        decode(value, Page[RunRecord])
    with pytest.raises(ResponseFormatError) as in_one_go:
        decode_json(json.dumps(value).encode(), Page[RunRecord])
    assert in_one_go.value.message == by_steps.value.message
    assert "items[1]" in in_one_go.value.message


def test_a_number_that_is_none_survives_the_wire() -> None:
    found = decode(loads(dumps(encode(Statistic(math.nan, 1)))), Statistic)
    assert math.isnan(found.value)


_LITERALS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=5)
)
_FIELDS = st.builds(
    Field,
    type=st.sampled_from(["STABLE", "CONFIG", "SCALAR"]),
    key=st.text(min_size=1, max_size=5),
    stat=st.sampled_from(["last", "min"]),
    context=st.dictionaries(st.text(max_size=3), _LITERALS, max_size=2).map(make_context),
)
_COMPARISONS = st.one_of(
    st.builds(Comparison, _FIELDS, st.sampled_from(["EQ", "LT", "CONTAIN"]), _LITERALS, st.booleans()),
    st.builds(Comparison, _FIELDS, st.sampled_from(["IN", "NOT IN"]), st.lists(_LITERALS, max_size=3).map(tuple)),
)
_FILTERS: st.SearchStrategy[Filter] = st.recursive(
    _COMPARISONS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(_FILTERS)
def test_every_filter_survives_the_wire(condition: Filter) -> None:
    selection = RunSelection("ann", filter=condition)
    found = decode(loads(dumps(encode(selection))), RunSelection, strict=True)
    assert found == selection
    assert repr(found) == repr(selection)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(_JSON)
def test_free_json_survives_as_text(value: Any) -> None:
    text = dumps(value)
    assert json.dumps(json.loads(text), allow_nan=False)
    assert loads(text) == loads(text.encode()) == value


def test_numbers_that_json_lacks_are_marked() -> None:
    assert dumps({"a": [math.inf, -math.inf]}) == '{"a":[{"$float":"Infinity"},{"$float":"-Infinity"}]}'
    assert math.isnan(loads(dumps(math.nan)))
    assert loads('{"$float":"x"}') == {"$float": "x"}
    assert loads('{"$float":[1],"b":2}') == {"$float": [1], "b": 2}


@pytest.mark.parametrize("value", [{1, 2}, object(), b"x", {"a": {1}}, [math.nan, object()]])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        dumps(value)


@pytest.mark.parametrize("text", ["", "{", "nul", "[" * 100_000])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any text of the reader's
        loads(text)
    with pytest.raises(ValueError):  # noqa: PT011 - any text of the reader's
        decode_json(text.encode(), RunRecord)


@pytest.mark.parametrize(
    ("value", "kind", "where"),
    [
        ({"items": "x"}, DeletionPlanRecord, "$"),
        ({"kind": "runs", "items": [{"path": 5}]}, DeletionPlanRecord, "items[0]"),
        ({"kind": "runs", "items": [], "missing": "ab"}, DeletionPlanRecord, "expected a list @"),
        ({"kind": "runs", "items": [], "missing": {"ab": 1}}, DeletionPlanRecord, "expected a list @"),
        ({"value": "x"}, Statistic, "value"),
        ({"value": True}, Statistic, "value"),
        ({"value": 1, "step": 1.5}, Statistic, "step"),
        ({"value": 1, "step": 2**63}, Statistic, "step"),
        ({"workspace": "a", "filter": {"kind": "nope"}}, RunSelection, "filter"),
        ({"workspace": "a", "filter": {"kind": ["and"]}}, RunSelection, "filter"),
        ({"workspace": "a", "filter": {"kind": "and", "items": [5]}}, RunSelection, "filter"),
        ({"workspace": "a", "filter": 5}, RunSelection, "filter"),
        ([], PageRequest, "PageRequest"),
        ("x", PageRequest, "PageRequest"),
        (None, PageRequest, "PageRequest"),
        ({"workspace": "a", "project": "b", "id": "c", "cuid": "d", "state": "GONE"}, RunRecord, "state"),
        ({"workspace": "a", "project": "b", "id": "c", "cuid": "d", "config": []}, RunRecord, "config"),
    ],
)
def test_what_does_not_fit_names_its_place(value: Any, kind: type[Any], where: str) -> None:
    with pytest.raises(ResponseFormatError) as caught:
        decode(value, kind)
    assert where.strip("$") in caught.value.message
    if value != {"value": 1, "step": 2**63}:  # read in one go, whole numbers may be larger
        with pytest.raises(ResponseFormatError) as in_one_go:
            decode_json(json.dumps(value).encode(), kind)
        assert in_one_go.value.message == caught.value.message


def test_a_client_passes_over_what_it_does_not_know_and_a_server_does_not() -> None:
    value = {"limit": 5, "colour": "red"}
    assert decode(value, PageRequest) == PageRequest(limit=5)
    with pytest.raises(ResponseFormatError, match="colour"):
        decode(value, PageRequest, strict=True)
    with pytest.raises(ResponseFormatError, match="ids"):
        decode({"workspace": "ann", "ids": "abc"}, RunSelection, strict=True)


@given(st.dictionaries(st.text(max_size=4), _LITERALS, max_size=4))
def test_a_context_has_one_form(value: dict[str, Any]) -> None:
    context = make_context(value)
    assert context == make_context(dict(reversed(value.items())))
    assert dict(context) == value
    assert (loads(context_text(context)) if value else context_text(context)) == (value or "")


@pytest.mark.parametrize("value", [{"a": [1]}, {"a": {}}, {1: "x"}, ["a"], "a"])
def test_a_context_is_flat(value: Any) -> None:
    with pytest.raises(TypeError, match="context: "):
        make_context(value)

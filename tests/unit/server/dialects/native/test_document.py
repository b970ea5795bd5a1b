from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.model import codec
from runatlas.model.filters import And, Comparison, Field, Not, Or, Sort
from runatlas.model.page import Page, PageRequest
from runatlas.model.run import Profile, RunQuery, RunRecord, RunSelection
from runatlas.model.series import Statistic, SummaryRecord
from runatlas.model.trash import DeletionPlanRecord, PlannedItem
from runatlas.server.dialects.native.dialect import native_document, native_routes

DOCUMENT = native_document()
JSON = "application/json"

TEXTS = st.text(st.characters(codec="utf-8"), max_size=4)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | TEXTS
FREE = st.dictionaries(TEXTS, SCALARS | st.lists(SCALARS, max_size=2), max_size=3)
FIELDS = st.builds(
    Field,
    st.sampled_from(["STABLE", "CONFIG", "SCALAR"]),
    TEXTS,
    st.sampled_from(["last", "min"]),
    st.lists(st.tuples(TEXTS, SCALARS), max_size=2).map(tuple),
)
COMPARISONS = st.builds(
    Comparison, FIELDS, st.sampled_from(["EQ", "NOT IN"]), SCALARS | st.lists(SCALARS, max_size=2).map(tuple)
)
FILTERS = st.recursive(
    COMPARISONS,
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: And(tuple(items)))
        | st.lists(inner, max_size=2).map(lambda items: Or(tuple(items)))
        | inner.map(Not)
    ),
    max_leaves=4,
)
QUERIES = st.builds(
    RunQuery,
    st.builds(RunSelection, TEXTS, st.none() | TEXTS, st.none() | st.lists(TEXTS).map(tuple), st.none() | FILTERS),
    st.lists(st.builds(Sort, FIELDS, st.sampled_from(["ASC", "DESC"])), max_size=2).map(tuple),
    st.lists(FIELDS, max_size=1).map(tuple),
    st.lists(st.sampled_from(["config", "summary", "profile"]), max_size=3).map(tuple),
    st.builds(PageRequest, st.integers(1, 1000), st.none() | TEXTS, st.integers(0, 99), st.booleans()),
)
RUNS = st.builds(
    RunRecord,
    *(TEXTS, TEXTS, TEXTS, TEXTS),
    config=st.none() | FREE,
    summary=st.none() | st.dictionaries(TEXTS, st.floats(), max_size=2),
    profile=st.none() | st.builds(Profile, metadata=FREE),
)
STATISTICS = st.builds(Statistic, st.floats(), st.none() | st.integers(0, 9))
SUMMARIES = st.builds(
    SummaryRecord,
    *(TEXTS, TEXTS, st.lists(st.tuples(TEXTS, SCALARS), max_size=1).map(tuple), st.integers(0, 9)),
    *(st.just("SYSTEM"), st.just("FLOAT"), st.integers(0, 9), st.integers(0, 9), STATISTICS),
    *(st.none() | STATISTICS, st.none() | STATISTICS, st.none() | st.floats(), st.none() | st.floats()),
)
PLANS = st.builds(
    DeletionPlanRecord,
    st.sampled_from(["runs", "project"]),
    st.lists(st.builds(PlannedItem, TEXTS, TEXTS, TEXTS, TEXTS, st.integers(0, 9)), max_size=2).map(tuple),
)


def _operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _checker(schema: dict[str, Any]) -> Any:
    return jsonschema_rs.validator_for({**schema, "components": DOCUMENT["components"]})


def _answer(method: str, path: str, status: str = "200") -> Any:
    responses = DOCUMENT["paths"][path][method.lower()]["responses"]
    return _checker(responses[status]["content"][JSON]["schema"])


def _body(method: str, path: str) -> Any:
    return _checker(DOCUMENT["paths"][path][method.lower()]["requestBody"]["content"][JSON]["schema"])


def _wire(record: Any) -> Any:
    return json.loads(codec.dumps(codec.encode(record)))


@given(st.lists(RUNS, max_size=2))
def test_every_run_that_is_answered_fits(runs: list[RunRecord]) -> None:
    _answer("POST", "/atlas/v1/runs/query").validate(_wire(Page(tuple(runs), None, 5)))


@given(st.lists(SUMMARIES, max_size=2))
def test_every_summary_that_is_answered_fits(summaries: list[SummaryRecord]) -> None:
    _answer("POST", "/atlas/v1/summaries/query").validate(_wire(Page(tuple(summaries))))


@given(QUERIES)
def test_every_query_that_a_client_makes_fits(query: RunQuery) -> None:
    _body("POST", "/atlas/v1/runs/query").validate(_wire(query))


@given(PLANS)
def test_a_plan_that_was_answered_may_be_sent_back(plan: DeletionPlanRecord) -> None:
    _answer("POST", "/atlas/v1/deletions/plan").validate(_wire(plan))
    _body("POST", "/atlas/v1/deletions").validate(_wire(plan))


def test_a_body_with_an_unknown_name_does_not_fit() -> None:
    body = _body("POST", "/atlas/v1/runs/query")
    assert body.is_valid({"selection": {"workspace": "ann"}})
    assert not body.is_valid({"selection": {"workspace": "ann", "projct": "demo"}})
    assert not body.is_valid({"selection": {}})
    assert not body.is_valid({"selection": {"workspace": "ann"}, "page": {"limit": 1001}})


def test_every_route_is_told_and_nothing_else() -> None:
    told = {(method, path) for method, path, _ in _operations()}
    assert told == {(route.method, route.path) for route in native_routes()}
    assert all(path.startswith("/atlas/v1/") or path == "/healthz" for _, path in told)


def test_every_operation_has_its_own_name_and_a_summary() -> None:
    names = [operation["operationId"] for _, _, operation in _operations()]
    assert len(names) == len(set(names))
    assert all(operation["summary"].endswith(".") for _, _, operation in _operations())


def test_every_operation_that_needs_a_key_tells_so() -> None:
    assert DOCUMENT["security"] == [{"bearer": []}, {"basic": []}]
    for route in native_routes():
        operation = DOCUMENT["paths"][route.path][route.method.lower()]
        assert ("401" in operation["responses"]) is not route.public
        assert operation.get("security") == ([] if route.public else None)


def test_every_write_tells_of_its_idempotency_key() -> None:
    for route in native_routes():
        operation = DOCUMENT["paths"][route.path][route.method.lower()]
        names = {parameter["name"] for parameter in operation["parameters"]}
        assert ("Idempotency-Key" in names) is route.write
        assert not route.write or route.method == "POST"


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_every_schema_is_one_and_says_what_it_is(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    _checker(schema)
    assert schema["description"]
    assert "``" not in schema["description"]


def test_every_reference_leads_somewhere() -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    for reference in set(references(DOCUMENT)):
        _, _, group, name = reference.split("/")
        assert name in DOCUMENT["components"][group]

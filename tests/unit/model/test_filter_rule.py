"""Filters, orders and groups as dicts."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

from runatlas.model.filter_rule import from_rules, groups_from_rules, sorts_from_rules
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Or, Sort

NAME = Field("STABLE", "name")
LABELS = Field("STABLE", "labels")


def rule(key: str, type: str, op: str, *value: Any, **more: Any) -> dict[str, Any]:
    return {"key": key, "type": type, "op": op, "value": list(value), **more}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (rule("state", "STABLE", "EQ", "FINISHED"), Comparison(Field("STABLE", "state"), "EQ", "FINISHED")),
        (rule("name", "STABLE", "CONTAIN", "v2"), Comparison(NAME, "CONTAIN", "v2")),
        (rule("name", "STABLE", "EQ", 7), Comparison(NAME, "EQ", "7")),
        (rule("cluster", "STABLE", "EQ", None), Comparison(Field("STABLE", "group"), "EQ", "")),
        (rule("labels", "STABLE", "NEQ", None), Not(Comparison(Field("STABLE", "labels"), "EQ", None))),
        (rule("x", "CONFIG", "EQ", [64, [1]]), Comparison(Field("CONFIG", "x"), "EQ", (64, (1,)), lenient=True)),
        (rule("x", "CONFIG", "IN", [64], 1), Comparison(Field("CONFIG", "x"), "IN", ((64,), 1), lenient=True)),
        (rule("loss", "SCALAR", "EQ", str(2**53 + 1)), Comparison(Field("SCALAR", "loss"), "EQ", 2**53 + 1)),
        (rule("name", "STABLE", "NEQ", None), Comparison(NAME, "NEQ", None)),
        (rule("name", "STABLE", "NOT IN"), Comparison(NAME, "NOT IN", ())),
        (rule("cluster", "STABLE", "EQ", "a"), Comparison(Field("STABLE", "group"), "EQ", "a")),
        (rule("job", "STABLE", "EQ", "a"), Comparison(Field("STABLE", "job_type"), "EQ", "a")),
        (rule("job_type", "STABLE", "EQ", "a"), Comparison(Field("STABLE", "job_type"), "EQ", "a")),
        (
            rule("createdAt", "STABLE", "GTE", "2026-01-02T00:00:00Z"),
            Comparison(Field("STABLE", "created_at"), "GTE", 1767312000000),
        ),
        (
            rule("updatedAt", "STABLE", "LTE", 1767312000000),
            Comparison(Field("STABLE", "updated_at"), "LTE", 1767312000000),
        ),
        (rule("finishedAt", "STABLE", "EQ", None), Comparison(Field("STABLE", "finished_at"), "EQ", None)),
        (rule("pinnedAt", "STABLE", "NEQ", None), Comparison(Field("STABLE", "pinned_at"), "NEQ", None)),
        (rule("show", "STABLE", "EQ", "true"), Comparison(Field("STABLE", "show"), "EQ", True)),
        (rule("pin", "STABLE", "EQ", 0), Comparison(Field("STABLE", "pin"), "EQ", False)),
        (rule("baseline", "STABLE", "IN", True, "false"), Comparison(Field("STABLE", "baseline"), "IN", (True, False))),
        (rule("labels", "STABLE", "CONTAIN", "a"), Comparison(LABELS, "CONTAIN", "a")),
        (rule("labels", "STABLE", "EQ", "a"), Comparison(LABELS, "CONTAIN", "a")),
        (rule("labels", "STABLE", "NEQ", "a"), Not(Comparison(LABELS, "CONTAIN", "a"))),
        (
            rule("labels", "STABLE", "IN", "a", "b"),
            Or((Comparison(LABELS, "CONTAIN", "a"), Comparison(LABELS, "CONTAIN", "b"))),
        ),
        (rule("labels", "STABLE", "NOT IN"), Not(Or(()))),
        (rule("lr", "CONFIG", "LTE", "1e-3"), Comparison(Field("CONFIG", "lr"), "LTE", "1e-3", lenient=True)),
        (rule("a.b", "CONFIG", "IN", 1, "x"), Comparison(Field("CONFIG", "a.b"), "IN", (1, "x"), lenient=True)),
        (rule("flag", "CONFIG", "EQ", True), Comparison(Field("CONFIG", "flag"), "EQ", True, lenient=True)),
        (rule("loss", "SCALAR", "GTE", 0.5), Comparison(Field("SCALAR", "loss"), "GTE", 0.5)),
        (rule("loss", "SCALAR", "GTE", "0.5"), Comparison(Field("SCALAR", "loss"), "GTE", 0.5)),
        (rule("loss", "SCALAR", "LTE", "-inf"), Comparison(Field("SCALAR", "loss"), "LTE", -math.inf)),
        (rule("n", "CONFIG", "EQ", np.int64(3)), Comparison(Field("CONFIG", "n"), "EQ", 3, lenient=True)),
        (rule("n", "CONFIG", "EQ", np.float32(0.5)), Comparison(Field("CONFIG", "n"), "EQ", 0.5, lenient=True)),
        (rule("n", "CONFIG", "EQ", 2**70), Comparison(Field("CONFIG", "n"), "EQ", 2**70, lenient=True)),
        (rule("state", "STABLE", "EQ", "X", active=True), Comparison(Field("STABLE", "state"), "EQ", "X")),
        (rule("state", "STABLE", "EQ", "X", active=False), And(())),
    ],
)
def test_a_rule_becomes_a_comparison(given: dict[str, Any], expected: Filter) -> None:
    before = copy.deepcopy(given)
    found = from_rules([given])
    assert repr(found) == repr(expected)
    assert given == before


def test_all_rules_must_hold() -> None:
    rules = [rule("a", "CONFIG", "EQ", 1), rule("loss", "SCALAR", "LTE", 2)]
    assert from_rules(rules) == And((from_rules(rules[:1]), from_rules(rules[1:])))
    assert from_rules([]) == And(())
    assert from_rules(tuple(rules)) == from_rules(rules)


GOOD: dict[Any, Any] = rule("state", "STABLE", "EQ", "FINISHED")


@pytest.mark.parametrize(
    ("rules", "kind", "message"),
    [
        ("state == 'x'", TypeError, "filters: expected a list of dicts, got str"),
        (GOOD, TypeError, "filters: expected a list of dicts, got dict"),
        (5, TypeError, "filters: expected a list of dicts, got int"),
        ([GOOD, "x"], TypeError, "filters[1]: expected a dict, got str"),
        ([{"key": "a"}], ValueError, "filters[0]: 'op' is missing; a rule has exactly key, op, type, value"),
        ([{**GOOD, "extra": 1}], ValueError, "filters[0]: 'extra' is unknown"),
        ([dict([*GOOD.items(), (5, 1)])], ValueError, "filters[0]: '5' is unknown"),
        ([{**GOOD, "active": 1}], TypeError, "filters[0].active: expected True or False, got 1"),
        ([{**GOOD, "type": "stable"}], ValueError, "filters[0].type: 'stable' is none of STABLE, CONFIG, SCALAR"),
        ([{**GOOD, "type": None}], TypeError, "filters[0].type: expected a string, got NoneType"),
        (
            [GOOD, {**GOOD, "op": "GT"}],
            ValueError,
            "filters[1].op: 'GT' is none of EQ, NEQ, GTE, LTE, IN, NOT IN, CONTAIN",
        ),
        ([{**GOOD, "op": ["EQ"]}], TypeError, "filters[0].op: expected a string, got list"),
        ([{**GOOD, "key": "stat"}], ValueError, "filters[0].key: a run has no field 'stat', did you mean 'state'?"),
        ([{**GOOD, "key": "zzzzzz"}], ValueError, "filters[0].key: a run has no field 'zzzzzz'; it has id, cuid,"),
        ([{**GOOD, "key": ""}], ValueError, "filters[0].key: it is empty"),
        ([{**GOOD, "key": 3}], TypeError, "filters[0].key: expected a string, got int"),
        ([{**GOOD, "value": "FINISHED"}], TypeError, "filters[0].value: expected a list, got str; write ['FINISHED']"),
        ([{**GOOD, "value": {"a": 1}}], TypeError, "filters[0].value: expected a list, got dict"),
        ([{**GOOD, "value": []}], ValueError, "filters[0].value: EQ takes one value in its list, got 0"),
        ([{**GOOD, "value": ["a", "b"]}], ValueError, "filters[0].value: EQ takes one value in its list, got 2; IN"),
        ([{**GOOD, "value": [["a"]]}], TypeError, "filters[0].value[0]: a list is compared with a config value by"),
        ([{**GOOD, "value": [True]}], TypeError, "filters[0].value[0]: expected text, got True"),
        ([rule("show", "STABLE", "EQ", "maybe")], ValueError, "filters[0].value[0]: 'maybe' is neither True nor False"),
        ([rule("show", "STABLE", "GTE", True)], ValueError, "filters[0].op: GTE needs values that have an order"),
        ([rule("show", "STABLE", "CONTAIN", "t")], ValueError, "filters[0].value[0]: CONTAIN looks into text"),
        ([rule("createdAt", "STABLE", "GTE", "soon")], ValueError, "filters[0].value[0]: 'soon' is no time"),
        ([rule("createdAt", "STABLE", "GTE", 5)], ValueError, "filters[0].value[0]: 5 is no time in Unix milliseconds"),
        ([rule("createdAt", "STABLE", "GTE", None)], ValueError, "filters[0].value[0]: None is only for EQ and NEQ"),
        ([rule("createdAt", "STABLE", "EQ", True)], TypeError, "filters[0].value[0]: expected a time, got True"),
        ([rule("labels", "STABLE", "GTE", "a")], ValueError, "filters[0].op: GTE has no meaning for labels"),
        ([rule("labels", "STABLE", "IN", None)], ValueError, "filters[0].value[0]: None is only for EQ and NEQ"),
        (
            [rule("x", "CONFIG", "GTE", [1])],
            TypeError,
            "filters[0].value[0]: a list is compared with a config value by",
        ),
        ([rule("x", "CONFIG", "GTE", math.nan)], ValueError, "filters[0].op: GTE needs values that have an order"),
        ([rule("x", "CONFIG", "EQ", b"x")], TypeError, "filters[0].value[0]: expected text, a number, True, False"),
        ([rule("loss", "SCALAR", "GTE", "low")], ValueError, "filters[0].value[0]: 'low' is no number"),
        ([rule("loss", "SCALAR", "GTE", True)], TypeError, "filters[0].value[0]: expected a number, got True"),
        ([rule("loss", "SCALAR", "IN", 1, None)], ValueError, "filters[0].value[1]: None is only for EQ and NEQ"),
        ([rule("x", "CONFIG", "CONTAIN", None)], TypeError, "filters[0].value[0]: expected text, got None"),
    ],
)
def test_a_mistake_names_its_place(rules: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        from_rules(rules)
    assert str(caught.value).startswith(message)


def test_orders_and_groups() -> None:
    assert sorts_from_rules(
        [
            {"key": "createdAt", "type": "STABLE", "order": "DESC", "active": True},
            {"key": "loss", "type": "SCALAR", "order": "ASC"},
            {"key": "lr", "type": "CONFIG", "order": "ASC", "active": False},
        ]
    ) == (Sort(Field("STABLE", "created_at"), "DESC"), Sort(Field("SCALAR", "loss"), "ASC"))
    assert groups_from_rules([{"key": "cluster", "type": "STABLE"}, {"key": "lr", "type": "CONFIG"}]) == (
        Field("STABLE", "group"),
        Field("CONFIG", "lr"),
    )


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{"key": "lr", "type": "CONFIG"}], "sorts[0]: 'order' is missing; a rule has exactly key, order, type"),
        ([{"key": "lr", "type": "CONFIG", "order": "desc"}], "sorts[0].order: 'desc' is none of ASC, DESC"),
        ([{"key": "labels", "type": "STABLE", "order": "ASC"}], "sorts[0].key: runs cannot be ordered by their labels"),
    ],
)
def test_a_wrong_order_names_its_place(rules: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared whole
        sorts_from_rules(rules)
    assert str(caught.value) == message

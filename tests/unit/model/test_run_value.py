"""What filters and orders see of a run, in Python: the same as they mean."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from support.filter_meaning import Fact, statistics
from support.filter_strategies import SERIES, VALUES, filters

from runatlas.model.account import UserRef
from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filter_rule import from_rules, to_rule
from runatlas.model.filters import Comparison, Field, Filter, Sort
from runatlas.model.run import RunRecord
from runatlas.model.run_check import simplify
from runatlas.model.run_value import arrange, matches, value_of

runs = st.builds(
    RunRecord,
    workspace=st.just("ann"),
    project=st.just("demo"),
    id=st.sampled_from(["run 1", "run 2"]),
    cuid=st.just("c" * 21),
    name=st.sampled_from([str(value) for value in VALUES]),
    state=st.sampled_from(["RUNNING", "FINISHED"]),
    labels=st.sampled_from([(), ("x", "Y"), ("5",)]),
    colors=st.sampled_from([(), ("#fff", "#000")]),
    group=st.sampled_from(["", "g1"]),
    user=st.none() | st.just(UserRef("ann", "Ann")),
    created_at_ms=st.just(1_700_000_000_000),
    finished_at_ms=st.none() | st.just(1_700_000_003_000),
    config=st.dictionaries(
        st.sampled_from(["a", "b"]), st.sampled_from(VALUES) | st.just({"c": 5}) | st.just([1, "adam"])
    ),
)


@attrs.frozen
class _Seen:
    """A run and its series, as the store sums them up."""

    run: RunRecord
    values: list[float]

    def read(self, field: Field) -> Any:
        if field.type != "SCALAR":
            return value_of(self.run, field)
        return None if field.key != "loss" or field.context else statistics(self.values)[field.stat]

    def fact(self) -> Fact:
        stable = {key: value_of(self.run, Field("STABLE", key)) for key in STABLE_FIELDS}
        return Fact(stable, self.run.config or {}, {("loss", ()): self.values})


@given(filters, runs, st.sampled_from(SERIES).map(lambda values: [float(value) for value in values]))
def test_a_filter_matches_what_it_means(wanted: Filter, run: RunRecord, values: list[float]) -> None:
    seen = _Seen(run, values)
    assert matches(wanted, seen.read) is seen.fact().matches(wanted)
    assert matches(simplify(wanted), seen.read) is matches(wanted, seen.read)


@given(filters)
def test_a_rule_says_exactly_the_filter_it_was_made_of(wanted: Filter) -> None:
    rule = to_rule(wanted)
    assert rule is None or from_rules([rule]) == wanted


def test_what_document_004_shows_can_be_written_as_rules() -> None:
    shown: list[dict[str, Any]] = [
        {"key": "state", "type": "STABLE", "op": "EQ", "value": ["FINISHED"]},
        {"key": "lr", "type": "CONFIG", "op": "GTE", "value": [0.1]},
        {"key": "loss", "type": "SCALAR", "op": "LTE", "value": [0.5]},
        {"key": "labels", "type": "STABLE", "op": "CONTAIN", "value": ["best"]},
        {"key": "createdAt", "type": "STABLE", "op": "GTE", "value": ["2026-01-02T00:00:00.000Z"]},
        {"key": "name", "type": "STABLE", "op": "NOT IN", "value": ["a", "b"]},
    ]
    assert [to_rule(from_rules([rule])) for rule in shown] == shown
    assert to_rule(Comparison(Field("CONFIG", "lr"), "GTE", 0.1)) is None, "a strict comparison is no rule"
    assert to_rule(Comparison(Field("STABLE", "duration"), "GTE", 1)) is None


def test_runs_without_a_value_come_last_either_way_and_equal_ones_stay_in_order() -> None:
    listed = [
        RunRecord("ann", "demo", name, name, config=config)
        for name, config in (
            ("none", {}),
            ("b", {"x": "b"}),
            ("two", {"x": 2}),
            ("same", {"x": 2.0}),
            ("nan", {"x": float("nan")}),
        )
    ]
    field = Field("CONFIG", "x")
    assert [run.id for run in arrange(listed, [Sort(field, "ASC")], value_of)] == ["two", "same", "b", "none", "nan"]
    assert [run.id for run in arrange(listed, [Sort(field, "DESC")], value_of)] == ["b", "two", "same", "none", "nan"]

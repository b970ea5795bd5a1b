"""What a report is asked for is read whole, or every mistake in it is told with its key."""

from __future__ import annotations

import pickle
from inspect import signature
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.odd_value import odd_values

from runatlas import all_but
from runatlas.entities.report_spec import ReportColumn, ReportSpec, ReportSpecError, parse_spec, read_spec
from runatlas.entities.run_plot import PlotOptions, RunPlots
from runatlas.model.ids import plain_path

FULL = b"""
title = "Rates"
text = "Two seeds each."
project = "team/vision"
filter = "config.lr < 1"
group_by = ["config.lr", { field = "config.model", label = "model" }]
stats = [
  "val_loss.min",
  { metric = "val_acc.max", label = "accuracy", digits = 3, unit = "%", goal = "max" },
]
over = "config.seed"
center = "median"
spread = "quartiles"
states = "all"
duplicates = "newest"
sort = ["-val_acc.max", "config.lr"]
limit = 10

[[charts]]
kind = "plot"
keys = "val_loss"
color = "config.lr"

[[charts]]
kind = "parallel"
title = "All of it"
keys = ["config.lr", "config.model"]
result = "val_loss.min"
"""


def test_a_file_says_all_of_a_report_and_its_plain_values_say_it_again() -> None:
    spec = parse_spec(FULL, source="rates.toml")
    assert spec.stats[1] == ReportColumn("val_acc.max", "accuracy", 3, "%", "max")
    assert spec.group_by[1] == ReportColumn("config.model", "model")  # type: ignore[index]
    assert (spec.states, spec.limit, spec.sort) == (None, 10, ("-val_acc.max", "config.lr"))
    assert [chart.options["keys"] for chart in spec.charts] == [["val_loss"], ["config.lr", "config.model"]]
    assert read_spec(spec.plain()) == spec
    assert read_spec({"stats": "loss.min", "group_by": all_but("seed")}).plain() == {
        "stats": ["loss.min"],
        "group_by": {"all_but": ["seed"]},
    }


def test_charts_take_what_the_methods_of_runs_take() -> None:
    files = {"ax", "path"}
    for kind, made in (("plot", {"keys", *PlotOptions.__annotations__}), ("scatter", None), ("parallel", None)):
        known = made or set(signature(getattr(RunPlots, kind)).parameters) - {"self"}
        with pytest.raises(ReportSpecError) as caught:
            read_spec({"columns": ["name"], "charts": [{"kind": kind, "zzzzzzzz": 1}]})
        assert set(str(caught.value).partition("there are ")[2].split(", ")) == known - files


def test_a_project_may_be_called_by_its_title() -> None:
    named = {"columns": ["name"], "project": "team/My project é"}
    assert read_spec(named).project == plain_path("team/My project é") != named["project"]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"colums": ["name"]}, "there is no 'colums', did you mean 'columns'?"),
    "neither": ({}, "columns: say either columns, for one row a run, or stats"),
    "both": ({"columns": ["name"], "stats": ["loss"]}, "this has both"),
    "column": ({"columns": [5]}, "columns[0]: expected a name or a table"),
    "field": ({"columns": ["name", "config["]}, "columns[1]: "),
    "key": ({"columns": [{"field": "name", "lable": "x"}]}, "columns[0]: there is no 'lable', did you mean 'label'?"),
    "no field": ({"columns": [{"label": "x"}]}, "columns[0]: it has no field"),
    "digits": ({"columns": [{"field": "loss", "digits": "3"}]}, "columns[0].digits: expected a whole number"),
    "goal": ({"stats": [{"metric": "loss", "goal": "low"}]}, "stats[0].goal: 'low' is not one of 'min', 'max'"),
    "median": ({"stats": ["loss.median"]}, "stats[0]: 'loss.median': the median of a series is not kept"),
    "twice": ({"columns": ["name", "name"]}, "columns[1]: 'name' is there already"),
    "filter": ({"columns": ["name"], "filter": "lr <"}, "filter: "),
    "project": ({"columns": ["name"], "project": "x"}, "project: "),
    "center": ({"stats": ["loss"], "center": "mode"}, "center: 'mode' is not one of 'mean', 'median', 'iqm'"),
    "apart": ({"stats": ["loss"], "center": "median", "spread": "sd"}, "spread: 'sd' is the standard deviation"),
    "of stats": ({"columns": ["name"], "over": "config.seed"}, "over: it belongs to stats"),
    "states": ({"stats": ["loss"], "states": ["DONE"]}, "states: 'DONE' is not one of"),
    "sort": ({"stats": ["loss"], "sort": "acc"}, "sort[0]: groups can be ordered by runs, loss, not 'acc'"),
    "limit": ({"columns": ["name"], "limit": 0}, "limit: must be from 1 to 1000000, got 0"),
    "kind": ({"columns": ["name"], "charts": [{"kind": "pie"}]}, "charts[0].kind: 'pie' is not one of"),
    "option": ({"columns": ["name"], "charts": [{"keys": ["x"], "path": "/x"}]}, "charts[0]: a plot has no 'path'"),
    "needed": ({"columns": ["name"], "charts": [{"kind": "scatter", "x": "a"}]}, "charts[0]: a scatter needs y"),
    "length": ({"columns": ["name"], "title": "x" * 201}, "title: up to 200 characters, not 201"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_key(name: str) -> None:
    given, told = MISTAKES[name]
    with pytest.raises(ReportSpecError) as caught:
        read_spec(given, source="rates.toml")
    assert told in str(caught.value)
    assert str(caught.value).startswith("rates.toml: ")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ReportSpecError) as caught:
        read_spec({"columns": ["config[", {"field": "loss", "digits": 99}], "limit": "many", "titel": "x"})
    assert [mistake.partition(":")[0] for mistake in caught.value.mistakes] == [
        "there is no 'titel', did you mean 'title'?",
        "columns[0]",
        "columns[1].digits",
        "limit",
    ]


@pytest.mark.parametrize(
    ("data", "told"), [(b"title = ", "this is no TOML"), (b"\xff", "no UTF-8"), (b"#" * 1_000_001, "too many")]
)
def test_what_is_no_toml_is_told(data: bytes, told: str) -> None:
    with pytest.raises(ReportSpecError, match=told):
        parse_spec(data, source="rates.toml")


KEYS = st.sampled_from([*(field.name for field in attrs.fields(ReportSpec)), "nonsense"])
WORDS = ("name", "loss.min", "config.lr", "kind", "plot", "keys", "field", "metric", "all_but", "all", "mean")


@settings(max_examples=examples(150), deadline=None)
@given(st.dictionaries(KEYS, odd_values(*WORDS, with_infinite=True), max_size=4))
def test_anything_is_a_report_or_mistakes(given: dict[str, Any]) -> None:
    try:
        spec = read_spec(given)
    except ReportSpecError:
        return
    assert read_spec(spec.plain()) == spec

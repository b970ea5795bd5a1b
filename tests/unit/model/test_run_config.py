"""Configs change key by key, and their rows say what the config says."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.errors import ValidationError
from runatlas.model.config_name import named_values, number_of, time_of
from runatlas.model.run_config import change_config, find_value, merge_config, remove_key, set_key
from runatlas.server.store.config import flatten

names = st.text("abc", min_size=1, max_size=2)
leaves = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text("xy", max_size=2), st.lists(st.integers()))
configs = st.dictionaries(
    names, st.recursive(leaves, lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=6), max_size=4
)
keys = st.lists(names, min_size=1, max_size=3).map(".".join)


def _leaves(config: dict[str, Any]) -> list[Any]:
    """The rows of a config, but for its sections, which change with what is in them."""
    return [row for row in flatten(config) if row[1] != "sect"]


def _get(config: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(config, dict) or part not in config:
            return ...
        config = config[part]
    return config


@given(configs, keys, leaves)
def test_what_is_set_is_there_and_the_rest_stays(config: dict[str, Any], key: str, value: Any) -> None:
    before = copy.deepcopy(config)
    set_key(config, key, value)
    assert _get(config, key) == value
    for other, *row in _leaves(before):
        if not (f"{other}.".startswith(f"{key}.") or f"{key}.".startswith(f"{other}.")):
            assert [other, *row] in [list(kept) for kept in _leaves(config)]


@given(configs, keys)
def test_what_is_removed_is_gone_and_the_rest_stays(config: dict[str, Any], key: str) -> None:
    before = copy.deepcopy(config)
    remove_key(config, key)
    assert _get(config, key) is ...
    stayed = [row for row in _leaves(before) if not f"{row[0]}.".startswith(f"{key}.")]
    assert [row for row in _leaves(config) if row not in stayed] == []
    assert [row for row in stayed if row not in _leaves(config)] == []


@given(configs, configs)
def test_merging_twice_is_merging_once(config: dict[str, Any], given_config: dict[str, Any]) -> None:
    once = merge_config(config, given_config)
    assert merge_config(once, given_config) == once
    for key, *_ in _leaves(given_config):
        assert _get(once, key) == _get(given_config, key) or _get(given_config, key) == {}


def test_values_are_found_by_dotted_keys() -> None:
    config = {"a": {"b": {"c": 1}}, "a.b": {"d": 2}, "x.y": 3}

    assert (find_value(config, "a.b.c"), find_value(config, "a.b.d"), find_value(config, "x.y")) == (1, 2, 3)
    assert find_value(config, "a.b") == {"d": 2}
    for missing in ("b", "a.c", "x", "a.b.c.d"):
        with pytest.raises(KeyError):
            find_value(config, missing)


def test_what_is_given_is_copied() -> None:
    given_config = {"a": {"b": [1]}}
    made = change_config({}, given_config, ())
    made["a"]["b"].append(2)

    assert given_config == {"a": {"b": [1]}}


def test_a_key_with_dots_of_its_own_counts_as_it_was_written() -> None:
    config = {"a.b": 1, "a": {"b": 2}}
    set_key(config, "a.b", 3)
    assert config == {"a.b": 3, "a": {"b": 2}}
    remove_key(config, "a.b")
    assert config == {"a": {"b": 2}}
    remove_key(config, "a.b")
    assert config == {}


@pytest.mark.parametrize(
    ("value", "row"),
    [
        (0.5, ("num", 0.5, "0.5")),
        (3, ("num", 3.0, "3")),
        (10**400, ("num", math.inf, str(10**400))),
        (-math.inf, ("num", -math.inf, "-Infinity")),
        (math.nan, ("nan", None, "NaN")),
        (True, ("bool", 1.0, "true")),
        (None, ("null", None, None)),
        ("adam", ("str", None, "adam")),
        ("1e-3", ("nstr", 0.001, "1e-3")),
        ("007", ("str", None, "007")),
        ("2024-05-01", ("date", 1714521600000.0, "2024-05-01")),
        ("2024-05-01T00:00:00+01:00", ("date", 1714518000000.0, "2024-05-01T00:00:00+01:00")),
        ("2024-05-99", ("str", None, "2024-05-99")),
        ("a\x00b", ("str", None, "a\ufffdb")),
        ([1, "é", None, {"b": True, "a": [2.0]}], ("json", 4.0, '[\n1\n"é"\nnull\n{"a":[2],"b":1}\n]')),
        ({}, ("sect", 0.0, None)),
    ],
)
def test_a_leaf_has_a_row(value: Any, row: tuple[Any, ...]) -> None:
    assert flatten({"key": value}) == [("key", *row)]


def test_a_section_has_a_row_and_what_is_in_it_too() -> None:
    rows = [("opt", "sect", 2.0, None), ("opt.lr", "num", 0.1, "0.1"), ("opt.none", "sect", 0.0, None)]
    assert flatten({"opt": {"lr": 0.1, "none": {}}}) == rows


def test_names_that_collide_are_told_apart_and_nothing_is_lost() -> None:
    config = {"x": {"y": 2, "z.w": 5, "z": {"w": 6}}, "x.y": 1, "x.y#2": 3}
    found = dict(named_values(config))
    assert {name: value for name, value in found.items() if not isinstance(value, dict)} == {
        "x.y": 1,
        "x.y#2": 3,
        "x.y#3": 2,
        "x.z.w": 5,
        "x.z.w#2": 6,
    }
    assert dict(named_values(json.loads(json.dumps(config, sort_keys=True)))) == found


def test_long_keys_have_no_row() -> None:
    assert [key for key, *_ in flatten({"k" * 1000: 1, "k" * 1001: 2, "é" * 501: 3})] == ["k" * 1000]


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValidationError, match="not text"):
        flatten({"a": {1: 2}})


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_the_json_form_of_a_number_reads_as_it(number: float) -> None:
    assert number_of(json.dumps(number)) == number


@given(st.text(max_size=8))
def test_a_text_reads_as_a_number_only_if_it_is_one_in_json(text: str) -> None:
    try:
        expected = json.loads(text) if text.isascii() else None
    except ValueError:
        expected = None
    is_number = isinstance(expected, (int, float)) and not isinstance(expected, bool) and math.isfinite(expected)
    assert (number_of(text) is not None) == is_number


def test_no_other_text_reads_as_a_time() -> None:
    for text in (
        "",
        "2024",
        "2024-05",
        "20240501",
        "2024-W01-1",
        "\u0662\u0660\u0662\u0664-05-01",
        "2024-05-01 25:00",
        "x2024-05-01",
    ):
        assert time_of(text) is None

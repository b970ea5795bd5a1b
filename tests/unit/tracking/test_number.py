from __future__ import annotations

import argparse
import enum
import math
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np
import pytest

from runatlas.tracking.number import as_context, as_name, as_number, as_whole, clean_text, flatten
from runatlas.tracking.param import as_key, as_param, as_params, find_param


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        (True, True),
        (0.5, 0.5),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int8(-3), -3),
        (np.array([[2.5]]), 2.5),
        (Decimal("0.25"), 0.25),
        (Fraction(1, 4), 0.25),
    ],
)
def test_numbers_of_any_library(value: Any, expected: float) -> None:
    found = as_number(value, "x")
    assert found == expected
    assert type(found) in {int, float, bool}


@pytest.mark.parametrize("value", ["1", None, object(), [1], np.zeros(2), np.array("a"), 1j, {"a": 1}])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^x: "):
        as_number(value, "x")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (5, 5), (np.int64(-2), -2), (2**63 - 1, 2**63 - 1), (-(2**63) + 1, -(2**63) + 1)],
)
def test_steps(value: Any, expected: int | None) -> None:
    assert as_whole(value, "step") == expected


@pytest.mark.parametrize(
    ("value", "error"),
    [(1.0, TypeError), (True, TypeError), ("1", TypeError), (2**63, ValueError), (-(2**63), ValueError)],
)
def test_what_is_no_step(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^step: "):
        as_whole(value, "step")


def test_names_and_contexts() -> None:
    assert as_name("train/loss μ") == "train/loss μ"
    assert as_context(None) == as_context({}) == ()
    assert as_context({"b": np.int64(2), "a": None}) == (("a", None), ("b", 2))
    for wrong in ("\ud800", "a\x00", "x" * 1001, "é" * 1000 + "é"):
        with pytest.raises(ValueError, match="name"):
            as_name(wrong)
    with pytest.raises(ValueError, match="context"):
        as_context({"a": "x" * 2000})


def test_messages_are_made_storable() -> None:
    assert clean_text("a\x00b\ud800\n", "msg") == "a\ufffdb\ufffd\n"
    long = clean_text("x" * 1_000_010, "msg")
    assert long.endswith("[10 more characters]")


def test_dicts_are_taken_apart() -> None:
    assert list(flatten({"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": {}})) == [("a", 1), ("b/c", 2), ("b/d/e", 3)]


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Settings:
    lr: float
    colour: Colour


@attrs.frozen
class Frozen:
    x: int


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": (1, 2), 3: {4}}, {"a": [1, 2], "3": [4]}),
        (Settings(0.1, Colour.RED), {"lr": 0.1, "colour": "red"}),
        (Frozen(1), {"x": 1}),
        (argparse.Namespace(a=1), {"a": 1}),
        (SimpleNamespace(a=Path("x")), {"a": "x"}),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.float32(0.5), 0.5),
        (datetime(2026, 1, 2, tzinfo=timezone.utc), "2026-01-02T00:00:00+00:00"),
    ],
)
def test_params_become_json(value: Any, expected: Any) -> None:
    assert as_param(value, "config") == expected


def test_params_are_copied_and_their_mistakes_have_a_place() -> None:
    given = {"a": {"b": [1]}}
    taken = as_params(given)
    given["a"]["b"].append(2)

    assert taken == {"a": {"b": [1]}}
    assert math.isnan(as_param(math.nan, "x"))
    with pytest.raises(TypeError, match=r"config\.a\.b\[1\]: object"):
        as_params({"a": {"b": [1, object()]}})
    for wrong in (5, "text", [1], None, Settings, print):
        with pytest.raises(TypeError, match="config"):
            as_params(wrong)


def test_params_are_found_by_dotted_keys() -> None:
    params = {"a": {"b": {"c": 1}}, "a.b": {"d": 2}, "x.y": 3}

    assert (find_param(params, "a.b.c"), find_param(params, "a.b.d"), find_param(params, "x.y")) == (1, 2, 3)
    assert find_param(params, "a.b") == {"d": 2}
    for missing in ("b", "a.c", "x", "a.b.c.d"):
        with pytest.raises(KeyError):
            find_param(params, missing)
    for wrong in ("", ".", "a.", ".a", "a..b"):
        with pytest.raises(ValueError, match="key"):
            as_key(wrong)

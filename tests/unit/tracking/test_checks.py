from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import matplotlib.figure
import numpy as np
import PIL.Image
import plotly.graph_objects
import pytest

from runatlas.tracking.checks import as_context, as_key, as_name, as_number, as_whole, clean_text, flatten


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


ODD = [
    np.ma.masked,
    np.ma.array(1, mask=True),
    np.ma.array([1.5], mask=[True]),
    np.datetime64("2026-01-02T00:00:00.000000000"),
    np.timedelta64(5, "ns"),
    Decimal("sNaN"),
    Fraction(10**400),
]
"""What a plain conversion would make a number of that nobody meant."""


@pytest.mark.parametrize("value", ["1", None, object(), [1], np.zeros(2), np.array("a"), 1j, {"a": 1}, *ODD])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^x: "):
        as_number(value, "x")


def test_of_many_numbers_it_is_said_what_keeps_them() -> None:
    with pytest.raises(TypeError, match=r"loss: .* wrap them in runatlas\.objects\.Distribution, or in Image"):
        as_number(np.zeros((2, 2)), "loss")


@pytest.mark.parametrize(
    ("value", "way_out"),
    [
        (None, "leave it out, or record math.nan"),
        ([0.5, 0.25], "record each number under a name of its own, or wrap them in runatlas.objects.Distribution"),
        ("high", "wrap it in runatlas.objects.Text"),
        (PIL.Image.new("L", (2, 2)), "wrap it in runatlas.objects.Image"),
        (matplotlib.figure.Figure(), "wrap it in runatlas.objects.Figure"),
        (plotly.graph_objects.Figure(), "wrap it in runatlas.objects.Figure"),
    ],
)
def test_what_is_no_number_but_can_be_recorded(value: Any, way_out: str) -> None:
    with pytest.raises(TypeError) as refused:
        as_number(value, "loss")
    assert str(refused.value) == f"loss: {type(value).__name__} is no number and has no json(); {way_out}"


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


def test_a_masked_value_is_no_step_and_no_number_of_a_context() -> None:
    with pytest.raises(TypeError, match=r"^step: .* masked"):
        as_whole(np.ma.array(3, mask=True), "step")
    assert as_context({"fold": np.ma.masked}) == (("fold", None),)


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


def test_params_have_dotted_keys() -> None:
    assert as_key("hparams.lr") == "hparams.lr"
    for wrong in ("", ".", "a.", ".a", "a..b"):
        with pytest.raises(ValueError, match="key"):
            as_key(wrong)

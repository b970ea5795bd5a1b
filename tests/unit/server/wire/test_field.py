from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from runatlas.errors import ValidationError
from runatlas.server.wire import field
from runatlas.server.wire.failure import failure_of
from runatlas.server.wire.field import FieldError

WIDE = "a whole number from -9223372036854775807 to 9223372036854775807"


@pytest.mark.parametrize(
    ("read", "value", "found"),
    [
        (lambda body: field.text(body, "x"), "", ""),
        (lambda body: field.text(body, "x", "default"), None, "default"),
        (lambda body: field.text(body, "x", least=1, most=3), "abc", "abc"),
        (lambda body: field.whole(body, "x"), -(2**63), -(2**63)),
        (lambda body: field.whole(body, "x", 1, 3), 3, 3),
        (lambda body: field.whole(body, "x", 0, floats=True), 3.0, 3),
        (lambda body: field.number(body, "x"), 3, 3.0),
        (lambda body: field.flag(body, "x"), False, False),
        (lambda body: field.optional(field.flag, body, "x"), None, None),
        (lambda body: field.optional(field.text, body, "x", least=1), "a", "a"),
        (lambda body: field.objects(body["x"], "x", 1), [{}], [{}]),
        (lambda body: field.texts(body["x"], "x", 1), ["a"], ["a"]),
        (lambda body: field.required_body(body["x"], list), [], []),
    ],
)
def test_what_fits_is_read(read: Callable[[dict[str, Any]], Any], value: Any, found: Any) -> None:
    assert read({"x": value}) == found


@pytest.mark.parametrize(
    ("read", "value", "said", "found"),
    [
        (lambda body: field.text(body, "x"), 5, "text", "int"),
        (lambda body: field.text(body, "x"), None, "text", "NoneType"),
        (lambda body: field.text(body, "x", least=1), "", "text", "str"),
        (lambda body: field.text(body, "x", least=1, most=3), "", "text of 1 to 3 characters", None),
        (lambda body: field.text(body, "x", most=3), "abcd", "text of 0 to 3 characters", None),
        (lambda body: field.whole(body, "x"), 2**63, "a whole number", None),
        (lambda body: field.whole(body, "x"), True, "a whole number", None),
        (lambda body: field.whole(body, "x"), 3.0, "a whole number", None),
        (lambda body: field.whole(body, "x", *field.INT64), -(2**63), WIDE, None),
        (lambda body: field.whole(body, "x", 1, 3), 4, "a whole number from 1 to 3", None),
        (lambda body: field.whole(body, "x", 0, 9, floats=True), 3.5, "a whole number from 0 to 9", None),
        (lambda body: field.number(body, "x"), True, "a finite number", None),
        (lambda body: field.number(body, "x"), 10**400, "a finite number", None),
        (lambda body: field.number(body, "x"), float("nan"), "a finite number", None),
        (lambda body: field.flag(body, "x"), 1, "true or false", None),
        (lambda body: field.optional(field.flag, body, "x"), "no", "true or false", None),
        (lambda body: field.json_object(body["x"], "x"), [], "a JSON object", "list"),
        (lambda body: field.objects(body["x"], "x", 1), [{}, {}], "a list of at most 1 objects", None),
        (lambda body: field.objects(body["x"], "x", 1), ["a"], "a JSON object", "str"),
        (lambda body: field.texts(body["x"], "x", 1), [1], "a list of at most 1 texts", None),
    ],
)
def test_what_does_not_fit_is_told_in_one_sentence(
    read: Callable[[dict[str, Any]], Any], value: Any, said: str, found: str | None
) -> None:
    with pytest.raises(FieldError) as caught:
        read({"x": value})

    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.status, failure.message, failure.found) == (422, f"x: expected {said}", found)


def test_a_body_of_another_type_is_refused() -> None:
    with pytest.raises(ValidationError, match="the body must be a JSON object"):
        field.required_body([], dict)


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(ValidationError, match="the body has an unknown field 'b'"):
        field.known_fields({"a": 1, "b": 2}, ("a",), "the body")


def test_the_error_goes_to_other_processes() -> None:
    copied = pickle.loads(pickle.dumps(FieldError("x: expected text", found="int")))

    assert (type(copied), copied.message) == (FieldError, "x: expected text")

"""Mistakes of a caller are found at once, and named."""

from __future__ import annotations

import pytest

from runatlas.entities import argument


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: argument.text(3, "key"), TypeError, "key: expected a string, got int"),
        (lambda: argument.text("  ", "key"), ValueError, "key: must not be empty"),
        (lambda: argument.optional_text(b"x", "title"), TypeError, "title: expected a string or None, got bytes"),
        (lambda: argument.texts("loss", "keys"), TypeError, "keys: expected a list of strings, got str"),
        (lambda: argument.texts(5, "keys"), TypeError, "keys: expected a list of strings, got int"),
        (lambda: argument.texts([], "keys"), ValueError, "keys: must not be empty"),
        (lambda: argument.texts(["loss", 3], "keys"), TypeError, r"keys\[1\]: expected a string, got int"),
        (lambda: argument.texts(["loss", ""], "keys"), ValueError, r"keys\[1\]: must not be empty"),
        (lambda: argument.choice("x", ("a", "b"), "sort"), ValueError, "sort: 'x' is not one of 'a', 'b'"),
        (lambda: argument.choice(1, ("a", "b"), "sort"), TypeError, "sort: expected a string, got int"),
        (lambda: argument.boolean(1, "all"), TypeError, "all: expected True or False, got int"),
        (lambda: argument.boolean("no", "all"), TypeError, "all: expected True or False, got str"),
        (lambda: argument.integer(1.5, "size", least=1), TypeError, "size: expected a whole number, got float"),
        (lambda: argument.integer(True, "size", least=1), TypeError, "size: expected a whole number, got bool"),
        (lambda: argument.integer(0, "size", least=1, most=9), ValueError, "size: must be from 1 to 9, got 0"),
        (lambda: argument.integer(0, "page", least=1), ValueError, "page: must be at least 1, got 0"),
    ],
)
def test_a_mistake_names_the_argument(call, error: type[Exception], words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=words) as caught:
        call()
    assert type(caught.value) is error


def test_what_is_right_comes_back() -> None:
    assert argument.text("a b", "key") == "a b"
    assert argument.optional_text("", "title") == ""
    assert argument.optional_text(None, "title") is None
    assert argument.texts(iter(["a", "b", "a"]), "keys") == ("a", "b")
    assert argument.texts([], "labels", empty=True) == ()
    assert argument.choice("a", ("a", "b"), "sort") == "a"
    assert argument.optional(None, ("a",), "sort") is None
    assert argument.boolean(False, "all") is False
    assert argument.integer(9, "size", least=1, most=9) == 9

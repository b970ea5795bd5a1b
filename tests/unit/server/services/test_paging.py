"""Cursors come back as they were given out, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.errors import ValidationError
from runatlas.server.services.paging import read_cursor, write_cursor

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
columns = st.lists(
    st.one_of(
        st.tuples(st.just("int"), st.integers(-(2**63) + 1, 2**63 - 1)),
        st.tuples(st.just("number"), st.floats(allow_nan=False)),
        st.tuples(st.just("text"), texts),
        st.tuples(st.sampled_from(("int?", "number?", "text?")), st.none()),
    ),
    max_size=5,
)


@given(columns, texts)
def test_a_cursor_comes_back(values: list[tuple[str, int | float | str | None]], listing: str) -> None:
    kinds, keys = [kind for kind, _ in values], [key for _, key in values]
    assert read_cursor(write_cursor(listing, keys), listing, kinds) == keys


@given(st.one_of(texts, st.binary().map(lambda raw: raw.decode("latin-1"))))
def test_no_other_text_is_a_cursor(text: str) -> None:
    with pytest.raises(ValidationError, match="cursor"):
        read_cursor(text, "runs", ["int", "text"])


@pytest.mark.parametrize(
    ("keys", "kinds"),
    [
        ([1], ["text"]),
        (["a"], ["int"]),
        ([1.5], ["int"]),
        ([True], ["int"]),
        ([None], ["number"]),
        ([2**70], ["int"]),
        (["a\x00"], ["text"]),
        ([1], ["int", "int"]),
    ],
)
def test_keys_of_another_kind_are_none(keys: list[int | float | str | None], kinds: list[str]) -> None:
    with pytest.raises(ValidationError):
        read_cursor(write_cursor("runs", keys), "runs", kinds)


def test_a_cursor_fits_its_own_listing_only() -> None:
    with pytest.raises(ValidationError):
        read_cursor(write_cursor("runs a", [1]), "runs b", ["int"])

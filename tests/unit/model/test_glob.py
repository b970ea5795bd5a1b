"""Patterns mean what Python's ``fnmatch`` says, and take no longer for long patterns."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.errors import TooMuchWorkError
from runatlas.model.glob import fits
from runatlas.server.store.substring import fits_pattern
from runatlas.server.work import Work

_PIECES = ("a", "b", "A", "*", "?", "[ab]", "[!a]", "[a-c]", "[*]", "[]a]", "-", "[!]b]")


@given(
    text=st.text(st.sampled_from("abcA*?]-\n"), max_size=10),
    pattern=st.lists(st.sampled_from(_PIECES), max_size=8).map("".join).filter(lambda pattern: pattern.count("*") < 10),
)
def test_it_is_what_fnmatch_says(text: str, pattern: str) -> None:
    assert fits(text, pattern) == fnmatchcase(text, pattern)
    assert fits_pattern(text, pattern, 0) == fnmatchcase(text, pattern)


def test_a_long_pattern_over_a_long_text_takes_as_long_as_the_text() -> None:
    # Trying it at each place would take minutes.
    pattern = "*" + "a?" * 400 + "b*"
    assert not fits("a" * 1_000_000, pattern)
    assert fits("a" * 1_000_000 + "b", pattern)


def test_it_ends_with_the_work_it_belongs_to() -> None:
    work = Work()
    work.end(TooMuchWorkError("enough"))
    with work.begun(), pytest.raises(TooMuchWorkError, match="enough"):
        fits_pattern("a", "a*", 0)

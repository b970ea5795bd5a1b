"""Finding a part of a text means the same as comparing character by character, and takes no longer for long parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.errors import TooMuchWorkError
from runatlas.server.store.substring import has_part, variants
from runatlas.server.work import Work

# The long s and the Kelvin sign are like S and K, but these are not like them; İ has no lower form of one character.
_texts = st.text(st.sampled_from("aAbBsS\u017fkK\u212a\u0130i\u0131\u00b5\u039c\u03bc[*?]"), max_size=12)


@given(text=_texts, part=_texts)
def test_it_is_what_comparing_characters_finds(text: str, part: str) -> None:
    starts = range(len(text) - len(part) + 1)
    by_hand = any(all(text[start + n] in variants(character) for n, character in enumerate(part)) for start in starts)
    assert has_part(text, part) == by_hand


def test_a_part_is_found_across_any_border() -> None:
    part = "b" * 1000
    for start in range(65_000, 66_000, 97):
        text = "a" * start + part + "a" * 70_000
        assert has_part(text, part)
        assert not has_part(text, part + "c")


def test_a_long_part_in_a_long_text_is_looked_for_at_once() -> None:
    # Comparing at each place would take minutes.
    assert not has_part("a" * 4_000_000, "A" * 9_000 + "b")


def test_it_ends_with_the_work_it_belongs_to() -> None:
    work = Work()
    work.end(TooMuchWorkError("enough"))
    with work.begun(), pytest.raises(TooMuchWorkError, match="enough"):
        has_part("a", "b")

"""Laws of what notebooks show: whatever the values, it is valid, bounded, and holds no markup of theirs."""

from __future__ import annotations

import math
import re

import attrs
from hypothesis import given
from hypothesis import strategies as st
from support.odd_value import odd_values
from support.page import check_html

from runatlas.display.graphic import PICTURE_MAX, picture, sparkline
from runatlas.display.markup import anything, block, facts, failure, heading, lines, number, table, tree, value

WORDS = (
    "<script>alert(1)</script>",
    "'\"><img onerror=x>",
    "&lt;",
    "\u202eevil",
    "\ufdd0\uffff",
    "</td></table>",
    "-->",
)
VALUES = odd_values(*WORDS, with_infinite=True)
TEXTS = (
    st.text() | st.sampled_from(WORDS) | st.text(st.sampled_from("<>&\"'\\\x00\ud800\u202e\r\n\t\uffff"), max_size=900)
)


@given(VALUES, TEXTS)
def test_whatever_is_shown_is_valid_html_without_any_markup_of_its_own(odd: object, said: str) -> None:
    parts = (
        *(heading(said, said), failure(said, said), lines(said, 300), value(odd), value(said), anything(odd)),
        *(table((said, "b"), [(odd, said), (None, number(math.nan))]), facts({said: odd, "b": said})),
        tree({said: odd, "deep": [[[{said: [odd, said]}]]]}),
    )
    for part in parts:
        check_html(block(part).text)


@given(st.lists(st.floats(), max_size=300) | st.lists(st.floats(width=16), min_size=100, max_size=300))
def test_a_sparkline_draws_every_stretch_and_says_what_it_shows(values: list[float]) -> None:
    drawn = sparkline(values).text
    check_html(drawn)
    finite = [held for held in values if math.isfinite(held)]
    assert bool(drawn) == bool(finite)
    if finite:
        assert f"between {min(finite):.6g} and {max(finite):.6g}" in drawn
        heights = [float(y) for y in re.findall(r"[ML]\S+ (-?[\d.]+)", drawn)]
        assert all(3 <= y <= 21 for y in heights)
        assert max(finite) / 2 == min(finite) / 2 or {min(heights), max(heights)} == {3.0, 21.0}


def test_what_is_left_out_is_told() -> None:
    config = {f"key{index}": index for index in range(412)}
    assert "… and 312 more" in check_html(tree(config).text)
    assert "… and 600 more characters" in check_html(value("x" * 1000, 400).text)
    assert check_html(value("x" * 1000).text) == "x" * 64 + "… (+936)"
    assert check_html(value("x" * 80).text) == "x" * 80
    assert "… (412)" in check_html(value(config).text)
    assert "a whole number of 16,610 bits" in check_html(value(10**5000).text)
    assert len(tree({"a": {"b": ["\U000e0001" * 10**6] * 10**4}}).text) < 60_000
    held: dict[str, object] = {}
    held["self"] = held
    assert len(check_html(anything(held).text)) < 1000


def test_a_picture_too_large_or_of_another_kind_is_told_by_its_size() -> None:
    assert "<img" in picture(b"\x89PNG", "image/png", '"red"').text
    check_html(picture(b"\x89PNG", "image/png", '"red"').text)
    assert check_html(picture(bytes(PICTURE_MAX + 1), "image/png", "red").text) == "(image/png, 524,289 bytes)"
    assert "<img" not in picture(b"<svg onload='x'>", "image/svg+xml", "red").text


def test_records_are_shown_but_for_what_they_keep_to_themselves() -> None:
    @attrs.frozen
    class Key:
        id: str
        secret: str = attrs.field(repr=False)

    for given_value in (Key("k1", "hidden"), [Key("k1", "hidden"), Key("k2", "hidden")]):
        shown = check_html(anything(given_value).text)
        assert "k1" in shown
        assert "hidden" not in shown
    assert check_html(anything(None).text) == "None"
    assert check_html(anything([]).text) == "[]"


def test_columns_of_numbers_are_aligned_at_their_ends() -> None:
    rows = [("a", 1, number(0.5), True, 2), ("b", None, number(None), 3, "x"), ("c", 20)]
    shown = table(("text", "whole", "measured", "flags", "mixed"), rows).text
    assert re.findall(r"<th [^>]*text-align:(\w+)", shown) == ["left", "right", "right", "left", "left"]
    assert len(re.findall(r"<td [^>]*text-align:right", shown)) == 6
    assert len(re.findall("<td ", shown)) == 15


def test_short_texts_stay_in_one_line() -> None:
    shown = table(("estimate", "words"), [("0.1 ± 0.02 (n = 3)", "word " * 9), ("", "")]).text
    lines = re.findall('<td [^>]*left([^"]*)', shown)
    assert lines == [";white-space:nowrap", ""] * 2


def test_a_column_with_nothing_in_it_is_left_out() -> None:
    assert check_html(table(("one", "two", "three"), [(None, 2), ("", 0, [])]).text).split() == ["two", "2", "0"]
    assert "one" in table(("one", "two"), []).text

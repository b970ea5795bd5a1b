from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.tracking.terminal_text import Line, Screen


def shown(*writes: str) -> list[str]:
    screen = Screen()
    for text in writes:
        screen.write(text)
    return [line.text for line in screen.take(final=True)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\nb\n", ["a", "b"]),
        ("a\nb", ["a", "b"]),
        ("", []),
        ("\n", [""]),
        ("10%\r20%\r100%\n", ["100%"]),
        ("hello\rab\n", ["abllo"]),
        ("hello\r\x1b[Kab\n", ["ab"]),
        ("hello\x1b[2K\rab\n", ["ab"]),
        ("abc\b\bX\n", ["aXc"]),
        ("a\tb\n", ["a       b"]),
        ("\x1b[31mred\x1b[0m text\n", ["red text"]),
        ("\x1b]0;title\x07shown\n", ["shown"]),
        ("abc\x1b[1Dd\x1b[2Ce\n", ["abd  e"]),
        ("abc\x1b[1GX\n", ["Xbc"]),
        ("windows\r\n", ["windows"]),
        ("trailing   \n", ["trailing"]),
        ("one\ntwo\n\x1b[2AONE\n\n", ["ONE", "two"]),
        ("outer 1\n inner 1\x1b[A\router 2\n\r inner 2\x1b[A\r", ["outer 2", " inner 2"]),
    ],
)
def test_text_is_folded_as_a_terminal_would(text: str, lines: list[str]) -> None:
    assert shown(text) == lines


@given(st.text(alphabet="ab\n\r\x1b[K2A;m\b", max_size=60), st.data())
def test_it_does_not_matter_how_the_text_is_cut(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))

    assert shown(text[:cut], text[cut:]) == shown(text)


@given(st.lists(st.text(alphabet="abc xyz", max_size=10), max_size=10))
def test_plain_lines_come_one_by_one(lines: list[str]) -> None:
    screen = Screen()
    taken = []
    for line in lines:
        screen.write(line + "\n")
        taken += [line.text for line in screen.take()]

    assert taken == [line.rstrip() for line in lines]
    assert screen.take(final=True) == []


def test_a_line_in_the_making_is_not_given_out() -> None:
    screen = Screen()
    screen.write("done\nhalf")

    assert [line.text for line in screen.take()] == ["done"]
    assert screen.take() == []
    assert [line.text for line in screen.take(final=True)] == ["half"]


def test_a_line_in_the_making_is_shown_when_it_changed() -> None:
    screen = Screen()
    screen.write("done\n\r 10%")
    assert [(line.text, line.is_open) for line in screen.take() + screen.show()] == [("done", False), (" 10%", True)]
    screen.write("\r 20%\r")
    assert screen.take() == []
    (shown,) = screen.show()
    assert (shown.text, shown.key, shown.is_open) == (" 20%", 1, True)
    assert screen.show() == []
    screen.write("\r100%\nnext")
    (done,) = screen.take()
    assert (done.text, done.key, done.is_open) == ("100%", 1, False)
    assert [(line.text, line.key) for line in screen.show()] == [("next", 2)]


@given(st.lists(st.text(alphabet="ab\n\r\x1b[K2A\b", max_size=20), max_size=8), st.data())
def test_whatever_was_shown_on_the_way_the_end_is_the_same(writes: list[str], data: st.DataObject) -> None:
    screen, unseen = Screen(clock=lambda: 0.0), Screen(clock=lambda: 0.0)
    kept: dict[int, str] = {}
    expected: list[Line] = []
    plain = itertools.count(-1, -1)

    def keep(lines: list[Line]) -> None:
        for line in lines:
            key = line.key or next(plain)
            kept.pop(key, None)
            kept[key] = line.text

    for text in writes:
        screen.write(text)
        unseen.write(text)
        keep(screen.take())
        expected += unseen.take()
        if data.draw(st.booleans()):
            keep(screen.show())
    keep(screen.take(final=True))

    expected += unseen.take(final=True)
    found, wanted = list(kept.values()), [line.text for line in expected]
    # A line that was shown and then cleared is kept, empty.
    assert found in (wanted, [*wanted, ""])


def test_bars_that_climb_are_held_until_the_cursor_rests_below_them() -> None:
    now = [0.0]
    screen = Screen(clock=lambda: now[0])
    screen.write("outer 0\n\r inner 0\x1b[A")
    screen.write("\n\r inner 1")
    assert screen.take() == []
    screen.write("\x1b[A\router 1\n\r inner 2\n")
    now[0] = 1.0

    assert [line.text for line in screen.take()] == ["outer 1", " inner 2"]

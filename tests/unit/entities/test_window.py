"""Pages, sizes and limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.entities.collection import Window, make_window


def test_without_a_page_it_is_everything() -> None:
    assert make_window() == Window(offset=0, bound=None, page=1, size=100)
    assert make_window().is_all
    assert not make_window(limit=3).is_all


def test_a_page_or_a_size_narrows_to_that_page() -> None:
    assert make_window(page=3) == Window(200, 100, 3, 100)
    assert make_window(size=20) == Window(0, 20, 1, 20)
    assert make_window(page=2, size=20) == Window(20, 20, 2, 20)


def test_all_goes_on_from_that_page() -> None:
    assert make_window(page=1, size=20, all=True) == Window(0, None, 1, 20)
    assert make_window(page=3, size=20, all=True) == Window(40, None, 3, 20)


def test_a_limit_bounds_whatever_it_is() -> None:
    assert make_window(limit=5).bound == 5
    assert make_window(page=1, size=3, limit=5).bound == 3
    assert make_window(page=1, size=30, limit=5).bound == 5
    assert make_window(all=True, limit=5).bound == 5
    assert make_window(limit=0).length(10) == 0


@pytest.mark.parametrize("size", [1, 20, 100, 999, 1000])
def test_any_size_from_1_to_1000_will_do(size: int) -> None:
    assert make_window(size=size).size == size


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        ({"page": 0}, ValueError, "page"),
        ({"page": -1}, ValueError, "page"),
        ({"page": "1"}, TypeError, "page"),
        ({"page": True}, TypeError, "page"),
        ({"size": 0}, ValueError, "size"),
        ({"size": 1001}, ValueError, "size"),
        ({"size": 10.0}, TypeError, "size"),
        ({"all": 1}, TypeError, "all"),
        ({"all": None}, TypeError, "all"),
        ({"limit": -1}, ValueError, "limit"),
        ({"limit": "3"}, TypeError, "limit"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, Any], error: type[Exception], name: str) -> None:
    with pytest.raises(error, match=f"^{name}: "):
        make_window(**arguments)


@given(
    st.integers(0, 3000),
    st.one_of(st.none(), st.integers(1, 40)),
    st.one_of(st.none(), st.integers(1, 1000)),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 3000)),
)
def test_a_window_is_a_slice(total: int, page: int | None, size: int | None, all: bool, limit: int | None) -> None:
    window = make_window(page=page, size=size, all=all, limit=limit)
    items = list(range(total))
    if page is None and size is None:
        expected = items
    else:
        start = ((page or 1) - 1) * (size or 100)
        expected = items[start:] if all else items[start : start + (size or 100)]
    expected = expected[:limit]
    assert window.length(total) == len(expected)
    end = None if window.bound is None else window.offset + window.bound
    assert items[window.offset : end] == expected

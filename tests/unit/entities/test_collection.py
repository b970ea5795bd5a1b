"""Collections: everything, each once, in as few requests as it needs."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.listing import Listing

from runatlas.backends.local import LocalBackend
from runatlas.entities.collection import make_window
from runatlas.entities.user import User
from runatlas.errors import NotFoundError, RunAtlasError, ServerError
from runatlas.model.page import PageRequest


def names(items: object) -> list[str]:
    return [item.username for item in items]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (1, 1), (1000, 1), (1001, 2), (2000, 2), (5000, 5)])
def test_iterating_yields_everything(count: int, requests: int) -> None:
    listing = Listing(count)
    assert names(listing) == listing.names
    assert len(listing.requests) == requests


def test_pages_are_large_and_nothing_is_counted() -> None:
    listing = Listing(2500)
    for _ in listing:
        pass
    assert [page.limit for page in listing.requests] == [1000, 1000, 1000]
    assert not any(page.with_total for page in listing.requests)


def test_a_list_of_it_costs_no_request_more_than_iterating() -> None:
    listing = Listing(1500)
    assert len(list(listing)) == 1500
    assert len(listing.requests) == 2


def test_nothing_is_asked_before_it_is_needed() -> None:
    listing = Listing(10)
    repr(listing), hash(listing), copy.copy(listing), iter(listing)
    assert listing.requests == []


def test_the_next_page_is_fetched_ahead_once_the_first_is_being_used() -> None:
    listing = Listing(1250)
    walk = iter(listing)
    next(walk)
    assert len(listing.requests) == 1
    next(walk)
    assert names(walk) == listing.names[2:]
    assert listing.threads == ["MainThread", "runatlas-page"]


def test_the_next_page_of_a_directory_is_read_when_it_is_needed(tmp_path: Path) -> None:
    assert not LocalBackend(tmp_path).reads_ahead
    listing = Listing(1250)
    listing.is_remote = False
    walk = iter(listing)
    assert names(islice(walk, 1000)) == listing.names[:1000]
    assert len(listing.requests) == 1
    assert names(walk) == listing.names[1000:]
    assert listing.threads == ["MainThread", "MainThread"]


def test_what_was_read_is_yielded_although_its_api_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Listing, "_reads_ahead")
    listing = Listing(1250)
    walk = iter(listing)
    first = next(walk)
    listing._handle.close()
    assert [first.username, *names(walk)] == listing.names


def test_stopping_at_the_first_item_fetches_nothing_ahead() -> None:
    listing = Listing(1250)
    for _ in listing:
        break
    assert len(listing.requests) == 1


@pytest.mark.parametrize("limit", [1, 5, 100, 101, 1000])
def test_a_limit_is_one_request_and_fetches_nothing_ahead(limit: int) -> None:
    listing = Listing(5000, make_window(limit=limit))
    assert names(listing) == listing.names[:limit]
    assert len(listing) == limit
    assert [page.limit for page in listing.requests] == [limit]


def test_a_large_limit_asks_for_no_item_too_many() -> None:
    listing = Listing(5000, make_window(limit=1500))
    assert len(names(listing)) == 1500
    assert [page.limit for page in listing.requests] == [1000, 500]


def test_a_limit_of_nothing_asks_for_nothing() -> None:
    listing = Listing(5, make_window(limit=0))
    assert list(listing) == []
    assert listing.requests == []


def test_a_numbered_page_is_that_page() -> None:
    listing = Listing(250, make_window(page=2, size=100))
    assert names(listing) == listing.names[100:200]
    assert len(listing) == 100
    assert listing.requests == [PageRequest(limit=100, offset=100)]
    assert names(Listing(250, make_window(page=3, size=100))) == listing.names[200:]
    assert names(Listing(250, make_window(page=9, size=100))) == []
    assert names(Listing(250, make_window(page=2, size=100, all=True))) == listing.names[100:]


def test_what_was_loaded_is_not_asked_for_again() -> None:
    listing = Listing(1150)
    first, second = list(listing), list(listing)
    assert len(listing.requests) == 2
    assert all(one is other for one, other in zip(first, second, strict=True))
    assert len(listing) == 1150
    assert listing.total == 1150
    assert listing[1149].username == "u1149"
    assert len(listing.requests) == 2


def test_long_listings_are_not_kept() -> None:
    listing = Listing(5000)
    for _ in range(2):
        assert sum(1 for _ in listing) == 5000
    assert len(listing._memory[0]) <= 2000
    assert len(listing.requests) == 5 + 3


def test_nested_iterations_do_not_disturb_each_other() -> None:
    listing = Listing(1050)
    pairs = [(one.username, other.username) for one in listing for other in islice(listing, 1040, None)]
    assert len(pairs) == 1050 * 10
    assert len(listing.requests) == 2


def test_iterations_in_threads_each_see_everything() -> None:
    listing = Listing(3000)
    seen: list[list[str]] = []
    threads = [threading.Thread(target=lambda: seen.append(names(listing))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [listing.names] * 8


def test_a_failed_page_raises_after_what_came_before() -> None:
    listing = Listing(2500)
    listing.fail(ServerError("down"), lambda page: page.cursor == "1000")
    seen: list[str] = []
    with pytest.raises(ServerError, match="down"):
        seen.extend(item.username for item in listing)
    assert seen == listing.names[:1000]
    assert names(listing) == listing.names


def test_a_failed_first_page_is_told_and_not_kept() -> None:
    listing = Listing(3)
    listing.fail(NotFoundError("no such workspace"))
    assert (listing.ok, listing.errmsg, listing.code) == (False, "no such workspace", 404)
    assert type(listing.error) is NotFoundError
    assert len(listing.requests) == 1
    assert (listing.ok, listing.errmsg, listing.code) == (True, "", 200)
    assert str(listing.error) == "None"
    assert listing.data is listing
    assert listing.unwrap() is listing
    assert len(listing.requests) == 2


@pytest.mark.parametrize(
    "use", [list, len, bool, lambda listing: listing[0], lambda listing: listing.first(), lambda x: x.json()]
)
def test_every_use_of_a_failing_listing_raises_the_typed_error(use) -> None:  # type: ignore[no-untyped-def]
    listing = Listing(3)
    listing.fail(ServerError("down"))
    with pytest.raises(ServerError):
        use(listing)
    assert names(listing) == listing.names


def test_data_of_a_failing_listing_is_none() -> None:
    listing = Listing(3)
    listing.fail(ServerError("down"))
    assert listing.data is None
    listing.fail(ServerError("down"))
    with pytest.raises(RunAtlasError):
        listing.unwrap()


def test_what_a_page_repeats_is_dropped() -> None:
    listing = Listing([f"u{index}" for index in range(150)] + ["u3", "u149", "x"])
    assert names(listing) == [*listing.names[:150], "x"]


def test_single_items() -> None:
    listing = Listing(5000)
    assert listing[0].username == "u0"
    assert listing[99].username == "u99"
    assert len(listing.requests) == 1
    assert listing[4000].username == "u4000"
    assert listing.requests[1:] == [PageRequest(limit=1, offset=4000)]
    assert listing[-1].username == "u4999"
    for index in (5000, -5001):
        with pytest.raises(IndexError):
            listing[index]
    with pytest.raises(TypeError):
        listing["u3"]  # type: ignore[call-overload]


def test_walking_by_index_does_not_ask_for_each_item() -> None:
    listing = Listing(1900)
    assert [listing[index].username for index in range(len(listing))] == listing.names
    assert len(listing.requests) == 2


def test_first_asks_for_one() -> None:
    listing = Listing(5000)
    first = listing.first()
    assert first is not None
    assert first.username == "u0"
    assert listing.requests == [PageRequest(limit=1)]
    assert Listing(0).first() is None


def test_total_counts_once_whatever_is_narrowed() -> None:
    listing = Listing(250, make_window(page=2, size=100))
    assert listing.total == 250
    assert listing.total == 250
    assert listing.requests == [PageRequest(limit=1, with_total=True)]


def test_length_and_items_come_in_one_request() -> None:
    listing = Listing(70)
    assert len(listing) == 70
    assert len(list(listing)) == 70
    assert listing.requests == [PageRequest(limit=1000, with_total=True)]


def test_membership_and_truth() -> None:
    listing = Listing(3)
    assert User(listing._handle, "u2") in listing
    assert User(listing._handle, "u3") not in listing
    assert listing
    assert not Listing(0)


def test_json_has_the_documented_form() -> None:
    plain = Listing(250, make_window(page=3, size=100)).json()
    assert {name: plain[name] for name in ("total", "page", "size", "pages")} == {
        "total": 250,
        "page": 3,
        "size": 100,
        "pages": 3,
    }
    assert [item["username"] for item in plain["list"]] == [f"u{index}" for index in range(200, 250)]
    whole = Listing(250).json()
    assert (len(whole["list"]), whole["total"], whole["page"], whole["size"], whole["pages"]) == (250, 250, 1, 100, 3)


def test_refresh_asks_again() -> None:
    listing = Listing(3)
    assert len(listing) == 3
    listing.names.append("u3")
    assert len(listing) == 3
    assert listing.refresh() is listing
    assert names(listing) == ["u0", "u1", "u2", "u3"]
    assert len(listing) == 4


def test_a_refresh_in_the_middle_of_an_iteration_mixes_nothing() -> None:
    listing = Listing(1250)
    walk = iter(listing)
    seen = [next(walk).username]
    listing.names = [f"v{index}" for index in range(1250)]
    listing.refresh()
    seen += names(walk)
    assert len(seen) == 1250
    assert names(listing) == listing.names


def test_copies_and_pickles_start_anew() -> None:
    listing = Listing(3)
    assert len(listing) == 3
    for twin in (copy.copy(listing), pickle.loads(pickle.dumps(listing))):
        assert twin._handle is listing._handle
        assert names(twin) == listing.names
        assert len(twin.requests) == 2


@given(
    st.integers(0, 2300),
    st.sampled_from([None, 7, 1500]),
    st.integers(-2500, 2500),
    st.one_of(st.none(), st.integers(-2500, 2500)),
    st.one_of(st.none(), st.sampled_from([-700, -1, 1, 3])),
    st.booleans(),
)
def test_slices_are_those_of_a_list(
    count: int, limit: int | None, start: int, stop: int | None, step: int | None, loaded: bool
) -> None:
    listing = Listing(count, make_window(limit=limit))
    expected = listing.names[:limit]
    if loaded:
        listing.first(), len(listing)
    cut = slice(start, stop, step)
    assert names(listing[cut]) == expected[cut]


@given(st.integers(0, 2300), st.sampled_from([None, 7, 1500]), st.integers(-2500, 2500))
def test_indices_are_those_of_a_list(count: int, limit: int | None, index: int) -> None:
    listing = Listing(count, make_window(limit=limit))
    expected = listing.names[:limit]
    if -len(expected) <= index < len(expected):
        assert listing[index].username == expected[index]
    else:
        with pytest.raises(IndexError):
            listing[index]


def test_a_slice_asks_for_no_more_than_it_needs() -> None:
    listing = Listing(5000)
    assert len(listing[2000:2010]) == 10
    assert listing.requests == [PageRequest(limit=10, offset=2000)]
    assert len(listing[:10]) == 10
    assert len(listing.requests) == 2


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("walk"), st.just(0)),
        st.tuples(st.just("take"), st.tuples(st.integers(0, 3), st.sampled_from([1, 2, 99, 1000, 1001]))),
        st.tuples(st.just("slice"), st.tuples(st.integers(0, 2500), st.integers(0, 2500))),
        st.tuples(st.sampled_from(["refresh", "len", "first", "bool"]), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=examples(60))
@given(st.sampled_from([0, 99, 101, 1150, 2100, 3200]), STEPS, st.booleans())
@example(3200, [("walk", 0), ("take", (0, 1)), ("refresh", 0), ("walk", 0), ("take", (1, 1001))], False)
def test_whatever_is_done_meanwhile_an_iteration_yields_each_item_once(count: int, steps: Any, drops: bool) -> None:
    listing = Listing(count)
    listing._repeats = drops  # with and without a second look at what comes twice
    walks: list[tuple[Iterator[User], list[str]]] = []
    for kind, arguments in steps:
        if kind == "walk":
            walks.append((iter(listing), []))
        elif kind == "take" and walks:
            which, most = arguments
            walk, seen = walks[which % len(walks)]
            seen.extend(names(islice(walk, most)))
        elif kind == "slice":
            assert names(listing[arguments[0] : arguments[1]]) == listing.names[arguments[0] : arguments[1]]
        elif kind == "refresh":
            listing.refresh()
        elif kind == "len":
            assert len(listing) == count
        elif kind == "first":
            assert [item.username for item in [listing.first()] if item] == listing.names[:1]
        elif kind == "bool":
            assert bool(listing) == bool(count)
    for walk, seen in walks:
        seen.extend(names(walk))
        assert seen == listing.names


def test_what_was_asked_before_a_refresh_is_not_remembered_after_it() -> None:
    listing = Listing(3)
    reading, refreshed = threading.Event(), threading.Event()

    def wait(page: PageRequest) -> bool:
        if threading.current_thread() is walk:
            reading.set()
            refreshed.wait()
        return False

    listing.fail(ServerError("never"), wait)
    walk = threading.Thread(target=lambda: listing.ok)
    walk.start()
    reading.wait()
    listing._forget()
    refreshed.set()
    walk.join()
    assert listing._memory == ((), False)

from __future__ import annotations

import threading

import pytest
from support.clock import Clock

from runatlas.backends.http.throttle import Budget
from runatlas.errors import TimeoutError_


def test_no_more_than_its_places_are_taken_at_once() -> None:
    budget = Budget(clock=Clock(), concurrency=2)

    both = (budget.slot(1), budget.slot(1))
    with both[0], both[1]:
        third = budget.slot(0.01)
        with pytest.raises(TimeoutError_, match="no connection became free"):
            third.__enter__()

    with budget.slot(0):
        pass


def test_a_place_is_given_back_after_an_error() -> None:
    budget = Budget(clock=Clock(), concurrency=1)

    with pytest.raises(KeyError), budget.slot(1):
        raise KeyError

    with budget.slot(0):
        pass


def test_a_waiting_thread_gets_the_place_that_becomes_free() -> None:
    budget = Budget(clock=Clock(), concurrency=1)
    got = threading.Event()

    def take() -> None:
        with budget.slot(30):
            got.set()

    with budget.slot(1):
        thread = threading.Thread(target=take)
        thread.start()
        assert not got.is_set()
    thread.join(30)

    assert got.is_set()


def test_the_longest_pause_counts() -> None:
    clock = Clock()
    budget = Budget(clock=clock)

    assert budget.pause_left() == 0
    budget.pause(5)
    budget.pause(2)
    assert budget.pause_left() == 5
    clock.time += 4
    assert budget.pause_left() == 1
    clock.time += 4
    assert budget.pause_left() == 0

from __future__ import annotations

import threading

import pytest
from support.clock import Clock

from runatlas.backends.http.transport import Throttle
from runatlas.errors import TimeoutError_


def test_no_more_than_its_places_are_taken_at_once() -> None:
    throttle = Throttle(clock=Clock(), concurrency=2)

    both = (throttle.slot(1), throttle.slot(1))
    with both[0], both[1]:
        third = throttle.slot(0.01)
        with pytest.raises(TimeoutError_, match="no connection became free"):
            third.__enter__()

    with throttle.slot(0):
        pass


def test_a_place_is_given_back_after_an_error() -> None:
    throttle = Throttle(clock=Clock(), concurrency=1)

    with pytest.raises(KeyError), throttle.slot(1):
        raise KeyError

    with throttle.slot(0):
        pass


def test_a_waiting_thread_gets_the_place_that_becomes_free() -> None:
    throttle = Throttle(clock=Clock(), concurrency=1)
    got = threading.Event()

    def take() -> None:
        with throttle.slot(30):
            got.set()

    with throttle.slot(1):
        thread = threading.Thread(target=take)
        thread.start()
        assert not got.is_set()
    thread.join(30)

    assert got.is_set()


def test_the_longest_pause_counts() -> None:
    clock = Clock()
    throttle = Throttle(clock=clock)

    assert throttle.pause_left() == 0
    throttle.pause(5)
    throttle.pause(2)
    assert throttle.pause_left() == 5
    clock.time += 4
    assert throttle.pause_left() == 1
    clock.time += 4
    assert throttle.pause_left() == 0

"""A call made ahead gives what it would have given."""

from __future__ import annotations

import os
import threading

import pytest

from runatlas.entities.collection import Prefetch
from runatlas.errors import ServerError


def test_the_result_comes_from_the_background() -> None:
    ahead = Prefetch(lambda number: (number, threading.current_thread().name), 3)
    assert ahead.take() == (3, "runatlas-page")
    assert ahead.take() == (3, "runatlas-page")


def test_an_error_is_raised_when_the_result_is_taken() -> None:
    def fail() -> None:
        raise ServerError("down")

    ahead = Prefetch(fail)
    with pytest.raises(ServerError, match="down"):
        ahead.take()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_makes_the_call_itself() -> None:
    waiting = threading.Event()
    ahead = Prefetch(lambda: (waiting.wait(60), os.getpid())[1])
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        waiting.set()
        os.write(write, b"y" if ahead.take() == os.getpid() else b"n")
        os._exit(0)
    waiting.set()
    os.waitpid(child, 0)
    assert os.read(read, 1) == b"y"
    os.close(read)
    os.close(write)
    ahead.take()

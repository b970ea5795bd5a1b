"""The collector is paused by one at a time, and always goes on."""

from __future__ import annotations

import gc
import os
import warnings

import pytest

from runatlas.process.garbage_collector import collector_paused


def _fail() -> None:
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise KeyError


def test_the_collector_goes_on_when_who_paused_it_is_done() -> None:
    with pytest.raises(KeyError):
        _fail()
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_child_collects_although_its_parent_does_not() -> None:
    with warnings.catch_warnings(), collector_paused():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of others do not matter to it
        child = os.fork()
        if not child:
            was_on = gc.isenabled()
            with collector_paused():
                is_paused = not gc.isenabled()
            os._exit(0 if was_on and is_paused and gc.isenabled() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not gc.isenabled()
    assert gc.isenabled()

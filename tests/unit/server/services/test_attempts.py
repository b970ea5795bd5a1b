"""How often passwords may be tried."""

from __future__ import annotations

import pytest

from runatlas.errors import RateLimitedError
from runatlas.server.services.attempts import Attempts


def test_ten_failures_of_a_name_are_enough_and_what_succeeded_is_none() -> None:
    attempts = Attempts()
    for _ in range(30):
        attempts.begin("ann")
        attempts.succeed("ann")
    for _ in range(10):
        attempts.begin("ann")
    with pytest.raises(RateLimitedError, match="wait five minutes"):
        attempts.begin("ann")
    attempts.begin("bob")


def test_two_hundred_failures_of_any_names_are_enough() -> None:
    attempts = Attempts()
    for number in range(200):
        attempts.begin(f"name {number}")
    with pytest.raises(RateLimitedError):
        attempts.begin("another")


def test_names_that_begin_alike_for_long_share_what_they_may_try() -> None:
    attempts = Attempts()
    for number in range(10):
        attempts.begin("n" * 1000 + str(number))
    with pytest.raises(RateLimitedError):
        attempts.begin("n" * 1000)

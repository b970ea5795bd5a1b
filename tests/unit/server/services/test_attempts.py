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


def test_thirty_failures_from_a_network_are_enough_and_this_machine_is_none() -> None:
    attempts = Attempts()
    for number in range(30):
        attempts.begin(f"name {number}", f"2001:db8::{number:x}")
    attempts.succeed("name 0", "2001:db8::1")
    attempts.begin("name", "2001:db8::1:0:0:0")
    with pytest.raises(RateLimitedError):
        attempts.begin("name", "2001:db8::ffff:0:0:0")
    attempts.begin("name", "2001:db8:0:1::")
    for number in range(30):
        attempts.begin(f"other {number}", f"{'::ffff:' * (number % 2)}192.0.2.1")
    with pytest.raises(RateLimitedError):
        attempts.begin("other", "192.0.2.1")
    for number in range(40):
        attempts.begin(f"here {number}", ("127.0.0.1", "::1", "::ffff:127.0.0.1", "")[number % 4])

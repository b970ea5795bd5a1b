from __future__ import annotations

import random
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.backends.http.retry import RetryPolicy


def policy(jitter: float = 1.0) -> RetryPolicy:
    return RetryPolicy(now=lambda: 1_700_000_000.0, jitter=lambda: jitter)


def test_delays_double_up_to_a_cap() -> None:
    assert [policy().delay(tries) for tries in range(1, 9)] == [0.25, 0.5, 1, 2, 4, 8, 10, 10]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_jitter_takes_anything_from_nothing_to_the_whole_delay(tries: int, jitter: float) -> None:
    assert 0 <= policy(jitter).delay(tries) == pytest.approx(jitter * policy().delay(tries))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        (formatdate(1_700_000_030, usegmt=True), 30),
        (formatdate(1_699_999_000, usegmt=True), 0),
    ],
)
def test_what_the_server_asks_for_is_the_least(text: str, seconds: float) -> None:
    assert policy(0).delay(1, text) == seconds
    assert policy(1).delay(1, text) == seconds + 0.25


@pytest.mark.parametrize("text", ["soon", "-5", "1.5", "", "\u0667", None])
def test_a_retry_after_that_means_nothing_is_passed_over(text: str | None) -> None:
    assert policy().delay(3, text) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_until_time_is_up(status: int) -> None:
    assert policy().is_worth_it(status, 1000)


@pytest.mark.parametrize("status", [500, None])
def test_a_fault_gets_a_few_tries(status: int | None) -> None:
    assert [policy().is_worth_it(status, tries) for tries in (1, 3, 4)] == [True, True, False]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 501, 505])
def test_a_refusal_is_final(status: int) -> None:
    assert not policy().is_worth_it(status, 1)


def test_waiting_draws_nothing_from_what_a_program_has_seeded() -> None:
    before = random.getstate()
    assert 0 <= RetryPolicy().delay(1) <= 0.25
    assert random.getstate() == before

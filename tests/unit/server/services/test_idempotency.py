"""A request is carried out once, and its answer told again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.database import Clock

from runatlas.errors import ConflictError, ValidationError
from runatlas.server.services.caller import Caller
from runatlas.server.services.idempotency import Idempotency, InProgressError, StoredAnswer
from runatlas.server.store.engine import Store

ANN, BOB = Caller(1, "ann"), Caller(2, "bob")
HOUR_MS = 3600 * 1000


@pytest.fixture
def clock() -> Clock:
    """A time that stands still."""
    return Clock()


@pytest.fixture
def requests(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Idempotency]:
    """The requests of an empty store."""
    store = Store.open(tmp_path_factory.mktemp("store"), clock=clock)
    yield Idempotency(store)
    store.close()


def test_a_repeated_request_gets_the_first_answer(requests: Idempotency) -> None:
    assert requests.begin(ANN, "k", "print") is None
    requests.finish(ANN, "k", 201, b"{}")
    assert requests.begin(ANN, "k", "print") == StoredAnswer(201, b"{}")


def test_a_running_request_is_not_begun_again(requests: Idempotency) -> None:
    requests.begin(ANN, "k", "print")
    with pytest.raises(InProgressError) as caught:
        requests.begin(ANN, "k", "print")
    assert caught.value.reason == "idempotency_key_in_progress"
    assert caught.value.code == 409


def test_another_request_of_the_same_key_is_a_conflict(requests: Idempotency) -> None:
    requests.begin(ANN, "k", "print")
    for _ in range(2):
        with pytest.raises(ConflictError) as caught:
            requests.begin(ANN, "k", "other")
        assert not isinstance(caught.value, InProgressError)
        requests.finish(ANN, "k", 200, b"")


def test_keys_of_two_callers_have_nothing_to_do_with_each_other(requests: Idempotency) -> None:
    requests.begin(ANN, "k", "print")
    assert requests.begin(BOB, "k", "other") is None


def test_an_abandoned_request_is_taken_over(requests: Idempotency, clock: Clock) -> None:
    requests.begin(ANN, "k", "print")
    clock.advance(59_000)
    with pytest.raises(InProgressError):
        requests.begin(ANN, "k", "print")
    clock.advance(2_000)
    assert requests.begin(ANN, "k", "print") is None


def test_answers_are_kept_for_a_day(requests: Idempotency, clock: Clock) -> None:
    requests.begin(ANN, "k", "print")
    requests.finish(ANN, "k", 200, b"x")
    clock.advance(24 * HOUR_MS - 1)
    assert requests.begin(ANN, "k", "print") == StoredAnswer(200, b"x")
    clock.advance(2)
    assert requests.begin(ANN, "k", "print") is None


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "\x00"])
def test_a_key_has_a_form(requests: Idempotency, key: str) -> None:
    with pytest.raises(ValidationError):
        requests.begin(ANN, key, "print")


def test_of_many_at_once_one_begins(requests: Idempotency) -> None:
    def begin(_: int) -> bool:
        try:
            return requests.begin(ANN, "k", "print") is None
        except InProgressError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(begin, range(16))) == 1

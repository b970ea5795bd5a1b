from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.clock import Clock

from runatlas.backends.http.cache import AnswerCache
from runatlas.errors import NotFoundError, ServerError


class Source:
    """Counts how often it is asked."""

    def __init__(self, keep_s: float = 10, body: bytes = b"x") -> None:
        self.asked = 0
        self.keep_s = keep_s
        self.body = body

    def __call__(self) -> tuple[bytes, float]:
        self.asked += 1
        return self.body, self.keep_s


def test_a_body_is_kept_for_its_time() -> None:
    clock, source = Clock(), Source(keep_s=10)
    cache = AnswerCache(clock=clock)

    for _ in range(3):
        assert cache.fetch("k", "ann/demo", source) == b"x"
    assert source.asked == 1

    clock.time += 10.1
    cache.fetch("k", "ann/demo", source)
    assert source.asked == 2


def test_what_is_not_to_be_kept_is_not() -> None:
    source = Source(keep_s=0)
    cache = AnswerCache()

    cache.fetch("k", "", source)
    cache.fetch("k", "", source)

    assert source.asked == 2


def test_a_failure_is_never_kept() -> None:
    cache, source = AnswerCache(), Source()

    def fail() -> tuple[bytes, float]:
        raise ServerError("broken")

    for _ in range(2):
        with pytest.raises(ServerError):
            cache.fetch("k", "", fail)

    assert cache.fetch("k", "", source) == b"x"


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ("", set()),
        ("ann", {"bob", "bob/demo", "anna"}),
        ("ann/demo", {"ann/other", "bob", "bob/demo", "anna"}),
        ("cleo", {"ann", "ann/demo", "ann/other", "bob", "bob/demo", "anna"}),
    ],
)
def test_a_change_drops_what_it_touches_and_nothing_else(changed: str, kept: set[str]) -> None:
    cache = AnswerCache()
    sources = {scope: Source() for scope in ("", "ann", "ann/demo", "ann/other", "bob", "bob/demo", "anna")}
    for scope, source in sources.items():
        cache.fetch(scope, scope, source)

    cache.forget(changed)

    for scope, source in sources.items():
        cache.fetch(scope, scope, source)
    assert {scope for scope, source in sources.items() if source.asked == 1} == kept


def test_memory_is_bounded() -> None:
    cache = AnswerCache(size=1000)
    sources = [Source(body=bytes(100)) for _ in range(20)]
    for number, source in enumerate(sources):
        cache.fetch(number, "", source)
    for number, source in reversed(list(enumerate(sources))):
        cache.fetch(number, "", source)

    assert sum(source.asked == 1 for source in sources) == 10


def test_a_body_too_large_is_not_kept() -> None:
    cache, source = AnswerCache(size=1000), Source(body=bytes(600))

    cache.fetch("k", "", source)
    cache.fetch("k", "", source)

    assert source.asked == 2


class Gate:
    """A source that waits until it is let go."""

    def __init__(self, outcome: Callable[[], tuple[bytes, float]]) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.asked = 0
        self._outcome = outcome

    def __call__(self) -> tuple[bytes, float]:
        self.asked += 1
        self.begun.set()
        assert self.go.wait(30)
        return self._outcome()


def fetch_together(cache: AnswerCache, gate: Gate, others: int) -> list[object]:
    """Let one thread load and others join it, then let it go; return each one's answer or error."""

    def fetch() -> object:
        try:
            return cache.fetch("k", "ann/demo", gate)
        except NotFoundError as error:
            return error

    with ThreadPoolExecutor(others + 1) as pool:
        first = pool.submit(fetch)
        assert gate.begun.wait(30)
        rest = [pool.submit(fetch) for _ in range(others)]
        while not all(future.running() for future in rest):
            pass
        gate.go.set()
        return [future.result(30) for future in (first, *rest)]


def test_those_who_ask_the_same_at_once_make_one_request() -> None:
    gate = Gate(lambda: (b"x", 10))

    assert fetch_together(AnswerCache(), gate, 5) == [b"x"] * 6
    assert gate.asked == 1


def test_those_who_wait_together_fail_together_and_the_next_one_asks_anew() -> None:
    def fail() -> tuple[bytes, float]:
        raise NotFoundError("no such run")

    cache, gate, source = AnswerCache(), Gate(fail), Source()

    answers = fetch_together(cache, gate, 3)

    assert all(isinstance(answer, NotFoundError) for answer in answers)
    assert cache.fetch("k", "ann/demo", source) == b"x"


def test_an_interrupt_is_for_one_thread_only() -> None:
    cache, source = AnswerCache(), Source()

    def interrupt() -> tuple[bytes, float]:
        raise KeyboardInterrupt

    gate = Gate(interrupt)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.fetch, "k", "", gate)
        assert gate.begun.wait(30)
        second = pool.submit(cache.fetch, "k", "", source)
        while not second.running():
            pass
        gate.go.set()
        with pytest.raises(KeyboardInterrupt):
            first.result(30)
        assert second.result(30) == b"x"


def test_what_was_asked_before_a_change_is_neither_kept_nor_given_to_those_who_ask_after_it() -> None:
    cache, old, new = AnswerCache(), Gate(lambda: (b"old", 10)), Source(body=b"new")
    with ThreadPoolExecutor(1) as pool:
        before = pool.submit(cache.fetch, "k", "ann/demo", old)
        assert old.begun.wait(30)
        cache.forget("ann/demo")
        assert cache.fetch("k", "ann/demo", new) == b"new"
        old.go.set()
        assert before.result(30) == b"old"

    assert cache.fetch("k", "ann/demo", new) == b"new"
    assert new.asked == 1

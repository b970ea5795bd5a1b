"""A backend that hands every call on to a real one, and remembers it; a call can be made to fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from runatlas.backends.contract import Backend
from runatlas.errors import RunAtlasError

_FREE = {"location", "web_url"}


class Counting:
    """What was asked of a backend.

    Attributes:
        calls: The names of the methods called, in order.
    """

    def __init__(self, real: Backend) -> None:
        self.real = real
        self.calls: list[str] = []
        self.arguments: list[tuple[Any, ...]] = []
        self.failures: dict[str, list[RunAtlasError]] = {}
        self.before: Callable[[str], None] = lambda name: None
        self._lock = threading.Lock()

    def fail(self, name: str, *errors: RunAtlasError) -> None:
        """Let the next calls of a method fail with these errors."""
        self.failures.setdefault(name, []).extend(errors)

    def call(self, name: str, /, *args: Any, **options: Any) -> Any:
        """Make a call."""
        self.before(name)
        with self._lock:
            self.calls.append(name)
            self.arguments.append(args)
            waiting = self.failures.get(name)
            error = waiting.pop(0) if waiting else None
        if error is not None:
            raise error
        return getattr(self.real, name)(*args, **options)

    @contextmanager
    def asking(self, *expected: str) -> Iterator[None]:
        """Check which methods are called meanwhile."""
        before = len(self.calls)
        yield
        assert self.calls[before:] == list(expected)


def _from(real: Backend, name: str) -> Callable[[Any], Any]:
    return lambda _self: getattr(real, name)


def make_counting(real: Backend) -> tuple[Counting, Backend]:
    """Wrap a backend.

    Returns:
        The account of what is asked, and the backend to ask.
    """
    account = Counting(real)

    def method(name: str) -> Callable[..., Any]:
        return lambda _self, *args, **options: account.call(name, *args, **options)

    members: dict[str, Any] = {name: method(name) for name in Backend.__abstractmethods__ if name not in _FREE}
    members.update({name: property(_from(real, name)) for name in _FREE})
    members["forget"] = lambda _self, path=None: real.forget(path)
    kind = type("CountingBackend", (Backend,), members)
    return account, kind()

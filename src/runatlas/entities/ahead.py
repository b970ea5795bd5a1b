"""One call made in the background while its result is not yet needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from runatlas.errors import RunAtlasError

__all__ = ["Ahead"]

T = TypeVar("T")


class Ahead(Generic[T]):
    """Starts a call in a thread of its own; ``take`` returns its result or raises its error.

    Nobody has to take it: an iteration may stop early. In a forked process, where the thread is gone, ``take`` makes
    the call itself.

    Args:
        call: What to call, once.
        *args: Its arguments.
    """

    def __init__(self, call: Callable[..., T], *args: Any) -> None:
        self._call = call
        self._args = args
        self._results: list[T] = []
        self._error: RunAtlasError | None = None
        self._thread = threading.Thread(target=self._run, name="runatlas-page", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._call(*self._args))
        except RunAtlasError as error:
            self._error = error

    def take(self) -> T:
        """Wait for the call and return its result.

        Raises:
            RunAtlasError: What the call raised.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._results[0] if self._results else self._call(*self._args)

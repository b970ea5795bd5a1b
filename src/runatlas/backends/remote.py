"""A server somewhere: a RunAtlas server, or one that speaks SwanLab's protocol only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from runatlas.backends.contract import Backend
from runatlas.backends.native import NativeBackend
from runatlas.errors import ApiStatusError, RequestError, ResponseFormatError
from runatlas.process.fork import ProcessLock
from runatlas.settings import ConnectionSettings

__all__ = ["RemoteBackend"]

_ASKS_NOTHING = {"close", "forget", "open_link"}


class RemoteBackend:
    """Takes the server for one of ours until it answers like none; then asks it, once, what it is.

    A RunAtlas server is never asked more than what the caller wants to know. Making one makes no request.
    """

    def __init__(self, settings: ConnectionSettings) -> None:
        self._native = NativeBackend.from_settings(settings)
        self._settings = settings
        self._lock = ProcessLock()
        self._chosen: Backend | None = None

    def __getattr__(self, name: str) -> Any:
        chosen = self._chosen
        found = getattr(chosen or self._native, name)
        if chosen is not None or name in _ASKS_NOTHING or not callable(found):
            return found
        return partial(self._first, name, found)

    def _first(self, name: str, ask: Callable[..., Any], *given: Any, **named: Any) -> Any:
        if name == "put_blob" and self._decide() is not None:
            # Its bytes can be read once.
            return getattr(self._chosen, name)(*given, **named)
        try:
            answer = ask(*given, **named)
        except (ApiStatusError, ResponseFormatError) as error:
            if not _is_foreign(error) or self._decide() in {None, self._native}:
                raise
        else:
            self._chosen = self._native
            return answer
        return getattr(self._chosen, name)(*given, **named)

    def _decide(self) -> Backend | None:
        with self._lock:
            if self._chosen is None:
                self._chosen = self._look()
            return self._chosen

    def _look(self) -> Backend | None:
        """Return the way to what the server is; ``None`` if it is neither, or is not to be reached just now."""
        try:
            self._native.get_server()
        except (ApiStatusError, ResponseFormatError) as error:
            if not _is_foreign(error):
                return self._native
        except RequestError:
            return None
        else:
            return self._native
        from runatlas.backends.swanlab import SwanlabBackend  # noqa: PLC0415 - needed for few servers, slow to import

        swanlab = SwanlabBackend.from_settings(self._settings)
        return swanlab if swanlab.answers() else None


def _is_foreign(error: ApiStatusError | ResponseFormatError) -> bool:
    """Tell whether a server that is none of ours may have answered so: not there, no such method, or something else."""
    return isinstance(error, ResponseFormatError) or error.code in {404, 405}

"""What opens the backend that the arguments of an ``Api`` name: settled when it is first needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from runatlas.backends.contract import Backend
from runatlas.errors import StoreError
from runatlas.process.fork import is_inherited
from runatlas.process.garbage_collector import collector_paused
from runatlas.settings import ConnectionSettings, resolve

__all__ = ["BackendOpener", "OpenedBackend", "open_backend"]

_ANY_KEY = "any"


class BackendOpener:
    """Opens what the arguments of an ``Api`` name; settled when somebody first asks. Its pickle holds no key."""

    def __init__(
        self,
        location: str | os.PathLike[str] | None,
        *,
        host: str | None,
        api_key: str | None,
        timeout: float | None,
        cache: bool | None,
        create: bool = False,
    ) -> None:
        self._create = create
        self._arguments: dict[str, Any] = {"location": location, "host": host, "timeout_s": timeout, "cache": cache}
        self._key = api_key
        self._cwd = Path.cwd()
        self._settings: ConnectionSettings | None = None
        if location is not None or host is not None:
            # Finds mistakes at once; with a key at hand it looks for none in files and the environment.
            key = _ANY_KEY if api_key is None and _names_a_server(host or location) else api_key
            resolve(**self._arguments, key=key, environ={}, cwd=self._cwd, home=Path(os.devnull))

    @property
    def settings(self) -> ConnectionSettings:
        """Where the data is."""
        if self._settings is None:
            self._settings = resolve(**self._arguments, key=self._key, cwd=self._cwd)
        return self._settings

    @property
    def location(self) -> str:
        """Where the data is, as text."""
        return self.settings.location

    def __call__(self) -> Backend:
        """Open the directory, or describe the server."""
        return open_backend(self.settings, create=self._create)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_key": None, "_settings": None}


def open_backend(settings: ConnectionSettings, *, create: bool = False) -> Backend:
    """Open the directory that settings name, or describe the server.

    Args:
        settings: Where the data is.
        create: Whether whatever is asked makes the store if there is none in the directory.

    Raises:
        StoreError: The directory cannot be used.
    """
    if settings.directory is None:
        from runatlas.backends.remote import RemoteBackend  # noqa: PLC0415 - requests is slow to import

        return cast(Backend, RemoteBackend(settings))
    if is_inherited(settings.directory):
        from runatlas.backends import store_process  # noqa: PLC0415 - a forked child finds it imported

        return store_process.connect(settings)
    try:
        with collector_paused():
            from runatlas.backends.local import LocalBackend  # noqa: PLC0415 - an optional part of the installation
    except ModuleNotFoundError as error:
        if str(error.name).startswith("runatlas"):
            raise
        raise StoreError(
            f"opening the directory {settings.directory} needs {error.name}; "
            "install the embedded store with: pip install 'runatlas[server]'"
        ) from error
    return LocalBackend(settings.directory, create=create)


def _names_a_server(place: object) -> bool:
    """Tell whether it is a URL without a key of its own."""
    return isinstance(place, str) and "://" in place and "@" not in place


class OpenedBackend:
    """A backend that was made elsewhere; in another process, whatever is at its location."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._process = os.getpid()

    @property
    def location(self) -> str:
        """Where the data is, as text."""
        return self._backend.location

    def __call__(self) -> Backend:
        """Return the backend; in a forked child that must not use it, another way to the same directory."""
        if self._process != os.getpid() and is_inherited(Path(self.location)):
            return _opener_at(self.location)()
        return self._backend

    def __reduce__(self) -> tuple[Any, ...]:
        return _opener_at, (self.location,)


def _opener_at(location: str) -> BackendOpener:
    return BackendOpener(location, host=None, api_key=None, timeout=None, cache=None)

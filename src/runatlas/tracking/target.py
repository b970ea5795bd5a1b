"""Where a run writes to, and in which mode."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, get_args

import attrs

from runatlas.api.opener import BackendOpener
from runatlas.settings import ConnectionSettings, embedded_directory, resolve

__all__ = ["MODES", "SPOOL_NAME", "Mode", "Target", "documented_location", "find_target", "opener_of"]

Mode = Literal["online", "local", "offline", "disabled"]
MODES: tuple[Mode, ...] = get_args(Mode)

SPOOL_NAME = "spool"
"""The directory, inside a store's, in which spools lie."""

_SEND_S, _UPLOAD_S = 30.0, 6 * 3600.0


@attrs.frozen
class Target:
    """Where a run writes to.

    Attributes:
        mode: ``online`` (a server), ``local`` (a directory), ``offline`` (only the spool) or ``disabled``.
        settings: The server or directory; what is offline is sent there later.
    """

    mode: Mode
    settings: ConnectionSettings

    @property
    def spool_directory(self) -> Path:
        """Where the run's spool lies: in the store's directory; for a server, in the embedded store's."""
        return (self.settings.directory or embedded_directory()) / SPOOL_NAME


def find_target(
    repo: Any = None,
    *,
    frontier_url: str | None = None,
    mode: str | None = None,
    api_key: str | None = None,
) -> Target:
    """Work out where a run writes to.

    Args:
        repo: A host, a directory, or something with a ``location``; what ``Api()`` would take if left out.
        frontier_url: The second URL that matyan's client takes; one server answers both here.
        mode: ``None`` asks ``RUNATLAS_MODE``, else what ``repo`` is: a server is ``online``, a directory ``local``.
        api_key: For a server.

    Raises:
        TypeError: An argument has another type.
        ValueError: The mode is unknown or does not fit, or the location is not usable.
    """
    chosen = _check_mode(mode)
    location = _location(repo, frontier_url) or documented_location()
    settings = resolve(location, key=api_key)
    if chosen == "online" and settings.host is None:
        raise ValueError("mode: 'online' needs a server; pass repo='http://...', log in, or set RUNATLAS_API_HOST")
    if chosen == "local" and settings.host is not None:
        if location is not None:
            raise ValueError(f"mode: 'local' writes to a directory, and repo is the server {settings.host}")
        settings = resolve(directory=embedded_directory())
    return Target(chosen or ("local" if settings.host is None else "online"), settings)


def documented_location() -> str | None:
    """Return matyan's variable for the server, unless our own variables say where the data is."""
    if os.environ.get("RUNATLAS_API_HOST") or os.environ.get("RUNATLAS_DIR"):
        return None
    return os.environ.get("MATYAN_BACKEND_URL") or None


def opener_of(
    settings: ConnectionSettings, *, purpose: Literal["read", "send", "upload"], create: bool = True
) -> BackendOpener:
    """Return what opens a backend.

    Args:
        settings: The server or directory.
        purpose: Sending fails early, for it is tried again; uploading is patient; reading is as the settings say, and
            makes no store.
        create: Whether sending and uploading make a store where there is none.
    """
    timeout = {"read": settings.timeout_s, "send": min(_SEND_S, settings.timeout_s), "upload": _UPLOAD_S}[purpose]
    return BackendOpener(
        settings.directory,
        host=settings.host,
        api_key=settings.key,
        timeout=timeout,
        cache=settings.cache if purpose == "read" else False,
        create=create and purpose != "read",
    )


def _check_mode(mode: str | None) -> Mode | None:
    name = "mode" if mode is not None else "RUNATLAS_MODE"
    wanted = mode if mode is not None else os.environ.get("RUNATLAS_MODE") or None
    if wanted is None:
        return None
    for known in MODES:
        if wanted == known:
            return known
    raise ValueError(f"{name}: expected {', '.join(MODES)}, got {wanted!r}")


def _location(repo: Any, frontier_url: str | None) -> str | os.PathLike[str] | None:
    place: str | os.PathLike[str] | None = repo if isinstance(repo, (str, os.PathLike)) else None
    if repo is not None and place is None:
        place = getattr(repo, "location", None)
        if not isinstance(place, str):
            raise TypeError(f"repo: expected a host, a directory or a Repo, got {type(repo).__name__}")
    if frontier_url is None:
        return place
    if not isinstance(frontier_url, str):
        raise TypeError(f"frontier_url: expected a string, got {type(frontier_url).__name__}")
    frontier = "http" + frontier_url[2:] if frontier_url.startswith(("ws://", "wss://")) else frontier_url
    if place is not None and str(place).rstrip("/") != frontier.rstrip("/"):
        raise ValueError("frontier_url: one server answers both here; leave it out, or make it the same as repo")
    return frontier

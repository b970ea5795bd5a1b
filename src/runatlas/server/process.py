"""The server as a process: a socket, an event loop, and an orderly end."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import attrs
import uvicorn

from runatlas.errors import StoreError
from runatlas.server.app import make_app
from runatlas.server.connection import ConnectionLimits, guarded_config, watch_connections
from runatlas.server.schedule import Schedule
from runatlas.server.services.services import Services
from runatlas.server.settings import ServerSettings
from runatlas.server.wire.memory_budget import Held

if sys.platform != "win32":
    import resource

__all__ = ["listen", "serve"]

_LINE_MAX = 64 * 1024
_BACKLOG = 2048
_ACCEPTED_AT_ONCE = 64
"""How many connections are accepted before those that have to give way are closed."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE = 2**22
_MARGIN_S = 8.0
_OTHER_FILES = 384
"""Files that are no connections: the database and its connections, blobs, uploads."""

_NO_ERRORS = ("ASGI callable returned without completing handshake", "Invalid UTF-8 sequence received from client")
"""What uvicorn reports as errors of the server, a traceback included: sockets refused, and frames that are no text."""


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket.

    Its protocol is named, not left at 0: asyncio turns Nagle's algorithm off only where it sees TCP, and a small
    answer on a kept connection would else wait about 40 ms for the client's acknowledgement.

    Args:
        host: A name or an address.
        port: 0 takes a free one.

    Returns:
        The socket, bound and listening.

    Raises:
        OSError: The address cannot be bound.
    """
    name = host.removeprefix("[").removesuffix("]")
    family, _, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(False)
    return listener


def serve(settings: ServerSettings, *, announce: Callable[[str], None]) -> None:
    """Serve a store until SIGTERM or SIGINT; running requests end first, then the store is closed.

    Args:
        settings: What to serve, and where.
        announce: Called with the server's origin once it accepts connections.

    Raises:
        OSError: The address cannot be bound.
        StoreError: The store cannot be used, or is not safe to serve at that address.
    """
    _give_back_large_blocks()
    services = Services.open(settings.location, create=settings.makes_store, blobs_dir=settings.blobs_dir)
    try:
        _require_accounts(services, settings)
        listener = listen(settings.host, settings.port)
    except BaseException:
        services.close()
        raise
    held = Held(settings.limits.held)
    limits = ConnectionLimits(
        _affordable(settings.connections), settings.head_s, settings.stall_s, settings.stall_bytes
    )
    config = guarded_config(
        make_app(services, attrs.evolve(settings, connections=limits.connections), held),
        limits,
        held,
        access_log=False,
        backlog=_ACCEPTED_AT_ONCE,
        headers=[("Runatlas-Url", settings.origin)] if settings.origin else [],
        h11_max_incomplete_event_size=_LINE_MAX + 1024,
        lifespan="on",
        log_config=None,
        log_level=logging.WARNING,
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_s,
        timeout_keep_alive=settings.keep_alive_s,
        ws_max_size=settings.limits.batch,
    )
    logging.getLogger("uvicorn.error").addFilter(lambda record: not record.getMessage().startswith(_NO_ERRORS))
    with listener:
        server = _GuardedServer(config, limits, lambda: announce(_origin(listener)))
        if settings.evaluates and not services.store.is_read_only:
            Schedule(services).start()

        def end(_: int, __: FrameType | None) -> None:
            server.should_exit = True

        # Until uvicorn has handlers of its own, and once it is done, when it raises the signal again.
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, end)
        server.run(sockets=[listener])
        server.leave_no_more()


class _GuardedServer(uvicorn.Server):
    """Tells when it is ready, looks after its connections, and ends when it is told to."""

    def __init__(self, config: uvicorn.Config, limits: ConnectionLimits, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._limits = limits
        self._announce = announce
        self._last: threading.Timer | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            for listener in sockets or ():
                # Uvicorn sets the length of the system's queue to what is accepted at once.
                listener.listen(_BACKLOG)
            # Modules, routes and statements stay as long as the process: to go through all of them again and again
            # for what requests leave behind would be a quarter of the time of a long listing.
            gc.collect()
            gc.freeze()
            self._watch = asyncio.create_task(watch_connections(self.server_state, self._limits))
            self._announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; whatever then still runs, the process is gone a little after the time of grace."""
        super().handle_exit(sig, frame)
        self.leave_no_more()
        self._last = threading.Timer((self.config.timeout_graceful_shutdown or 0) + _MARGIN_S, _leave)
        self._last.daemon = True
        self._last.start()

    def leave_no_more(self) -> None:
        """Do not end the process by force: everything has ended."""
        if self._last is not None:
            self._last.cancel()


def _leave() -> None:
    logging.getLogger(__name__).error("something would not end in time; what was acknowledged is stored")
    os._exit(1)


def _give_back_large_blocks() -> None:
    """Let what large bodies and answers held go back to the system; glibc learns to keep it, for each thread.

    What most answers take is kept: to be given the same memory again for each costs as much as to fill it.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # a C library that has no such call
            library = ctypes.CDLL(None)
            library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
            library.mallopt(_M_TRIM_THRESHOLD, _LARGE)


def _affordable(connections: int) -> int:
    """Let the process open as many files as it may, and return how many connections there can be then."""
    if sys.platform == "win32":
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return connections if soft == resource.RLIM_INFINITY else max(min(connections, soft - _OTHER_FILES), 16)


def _require_accounts(services: Services, settings: ServerSettings) -> None:
    if not settings.is_local and not services.accounts.has_accounts():
        raise StoreError(
            f"others could reach {settings.host}, and there is no account yet, so whoever asks would own everything; "
            "make a key with 'runatlas keys create USER' first, or serve on 127.0.0.1"
        )


def _origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

"""The server as a process: a socket, an event loop, and an orderly end."""

from __future__ import annotations

import gc
import logging
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from runatlas.errors import StoreError
from runatlas.server.app import make_app
from runatlas.server.services.services import Services
from runatlas.server.settings import ServerSettings

__all__ = ["listen", "serve"]

_LINE_MAX = 64 * 1024
_BACKLOG = 2048
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
    services = Services.open(settings.location, blobs_dir=settings.blobs_dir)
    try:
        _require_accounts(services, settings)
        listener = listen(settings.host, settings.port)
    except BaseException:
        services.close()
        raise
    config = uvicorn.Config(
        make_app(services, settings),
        access_log=False,
        h11_max_incomplete_event_size=_LINE_MAX + 1024,
        http="h11",
        lifespan="on",
        log_config=None,
        log_level=logging.WARNING,
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_s,
        timeout_keep_alive=settings.keep_alive_s,
        ws="websockets-sansio",
        ws_max_size=settings.limits.batch,
    )
    logging.getLogger("uvicorn.error").addFilter(lambda record: not record.getMessage().startswith(_NO_ERRORS))
    with listener:
        server = _AnnouncingServer(config, lambda: announce(_origin(listener)))

        def end(_: int, __: FrameType | None) -> None:
            server.should_exit = True

        # Until uvicorn has handlers of its own, and once it is done, when it raises the signal again.
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, end)
        server.run(sockets=[listener])


class _AnnouncingServer(uvicorn.Server):
    """Tells when it is ready: to accept connections, and to end in order."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            # Modules, routes and statements stay as long as the process: to go through all of them again and again
            # for what requests leave behind would be a quarter of the time of a long listing.
            gc.collect()
            gc.freeze()
            self._announce()


def _require_accounts(services: Services, settings: ServerSettings) -> None:
    if not settings.is_local and not services.accounts.has_accounts():
        raise StoreError(
            f"others could reach {settings.host}, and there is no account yet, so whoever asks would own everything; "
            "make a key with 'runatlas keys create USER' first, or serve on 127.0.0.1"
        )


def _origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

"""A way to a server on which connections break: refused, cut within a request, or cut before the answer comes."""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

__all__ = ["FlakyProxy", "flaky_proxy"]

_PIECE = 65536


class FlakyProxy:
    """Hands bytes on between clients and a server, and breaks connections by chance.

    Attributes:
        is_away: Whether every connection is refused.
        breaks: How many connections were broken.
    """

    def __init__(self, target: str, seed: int, chance: float) -> None:
        self.is_away = False
        self.breaks = 0
        self.lead_to(target)
        self._random = random.Random(seed)
        self._chance = chance
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._closing = False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def lead_to(self, target: str) -> None:
        """Hand new connections on to this origin."""
        parts = urlsplit(target)
        self._target = (str(parts.hostname), int(parts.port or 80))

    def close(self) -> None:
        """End everything."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join()

    def _breaks(self) -> bool:
        with self._lock:
            broken = self.is_away or self._random.random() < self._chance
            self.breaks += broken
        return broken

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            if self._breaks():
                return
            with socket.create_connection(self._target) as server:
                self._exchange(client, server)

    def _exchange(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while not self._closing:
                for key, _ in selector.select(0.2):
                    source, other = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    piece = source.recv(_PIECE)
                    if not piece:
                        return
                    if self._breaks():
                        if source is client:
                            # A part of the request gets through.
                            other.sendall(piece[: self._random.randrange(len(piece) + 1)])
                        return
                    other.sendall(piece)


@contextmanager
def flaky_proxy(target: str, *, seed: int, chance: float) -> Iterator[FlakyProxy]:
    """Stand between clients and a server.

    Args:
        target: The server's origin.
        seed: Of the chances.
        chance: That a connection breaks at its beginning, and at each piece that passes.
    """
    proxy = FlakyProxy(target, seed, chance)
    try:
        yield proxy
    finally:
        proxy.close()

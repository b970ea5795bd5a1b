"""A real threaded server whose answers can be broken in every way a network can."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}

Fault = Callable[["Exchange"], None]
"""Answers one request, or fails to."""


@attrs.frozen
class SeenRequest:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@attrs.frozen
class Exchange:
    """One request, and the connection it came on."""

    request: SeenRequest
    connection: socket.socket
    released: threading.Event


class FaultyServer:
    """Plays one fault a request, the last one for ever; remembers what was asked."""

    def __init__(self, *faults: Fault) -> None:
        self.seen: list[SeenRequest] = []
        self.connections = 0
        self._faults = list(faults)
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._came = threading.Condition(self._lock)
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._spawn(self._accept)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def release(self) -> None:
        """End all stalls."""
        self._released.set()

    def wait_for(self, requests: int) -> bool:
        """Wait until that many requests came in; false when they did not."""
        with self._came:
            return self._came.wait_for(lambda: len(self.seen) >= requests, 30)

    def close(self) -> None:
        """Stop, and wait for the threads."""
        self.release()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            still_open = list(self._open)
        for connection in still_open:
            with _gone():
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with self._lock:
                self._open.append(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with _gone(), connection, connection.makefile("rb") as stream:
            while True:
                request = _read_request(stream)
                if request is None:
                    return
                with self._came:
                    self.seen.append(request)
                    self._came.notify_all()
                    fault = self._faults.pop(0) if len(self._faults) > 1 else self._faults[0]
                fault(Exchange(request, connection, self._released))
                if fault.__name__ != "keep":
                    return


@contextmanager
def _gone() -> Iterator[None]:
    """The other side may hang up at any time."""
    try:
        yield
    except OSError:
        return


def _read_request(stream: object) -> SeenRequest | None:
    readline, read = stream.readline, stream.read  # type: ignore[attr-defined]
    first = readline().decode().split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while line := readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return SeenRequest(first[0], first[1], headers, read(int(headers.get("content-length", "0"))))


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def reply(
    body: bytes = b'{"ok": true}', status: int = 200, media_type: str = "application/json", **headers: str
) -> Fault:
    """Answer properly, and keep the connection."""

    def keep(exchange: Exchange) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        length = {"Content-Length": str(len(body)), "Content-Type": media_type}
        exchange.connection.sendall(_head(status, {**length, **named}) + body)

    return keep


def half_body(sent: bytes = b'{"ok"', length: int = 100, *, status: int = 200) -> Fault:
    """Promise more than comes."""

    def answer(exchange: Exchange) -> None:
        named = {"Content-Type": "application/json", "Content-Length": str(length)}
        exchange.connection.sendall(_head(status, named) + sent)

    return answer


def broken_chunk() -> Fault:
    """Stop in the middle of a chunk."""

    def answer(exchange: Exchange) -> None:
        head = _head(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
        exchange.connection.sendall(head + b'20\r\n{"ok"')

    return answer


def reset(after: bytes = b"") -> Fault:
    """Reset the connection, as a crashing server does."""

    def answer(exchange: Exchange) -> None:
        if after:
            exchange.connection.sendall(after)
        exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return answer


def hang_up(after: bytes = b"") -> Fault:
    """Close the connection without another word."""

    def answer(exchange: Exchange) -> None:
        exchange.connection.sendall(after)
        exchange.connection.shutdown(socket.SHUT_RDWR)

    return answer


def stall(sent: bytes = b"") -> Fault:
    """Send nothing more until released."""

    def answer(exchange: Exchange) -> None:
        exchange.connection.sendall(sent)
        exchange.released.wait(30)

    return answer


def trickle(pause_s: float = 0.02) -> Fault:
    """Send a body byte by byte, for as long as anybody listens."""

    def answer(exchange: Exchange) -> None:
        exchange.connection.sendall(_head(200, {"Content-Type": "application/json", "Content-Length": "100000"}))
        while not exchange.released.wait(pause_s):
            exchange.connection.sendall(b" ")

    return answer


def gibberish() -> Fault:
    """Speak another protocol."""

    def answer(exchange: Exchange) -> None:
        exchange.connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

    return answer


def relayed(origin: str, *, cut: int | None = None) -> Fault:
    """Let a real server do what is asked, and pass its answer on; cut off after so many bytes, ``None`` for all."""

    def keep(exchange: Exchange) -> None:
        connection = http.client.HTTPConnection(origin.removeprefix("http://"), timeout=30)
        request = exchange.request
        headers = {**request.headers, "host": origin.removeprefix("http://")}
        connection.request(request.method, request.path, request.body or None, headers)
        with connection.getresponse() as response:
            body = response.read()
            named = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
            answer = _head(response.status, {**named, "Content-Length": str(len(body))}) + body
        connection.close()
        exchange.connection.sendall(answer if cut is None else answer[:cut])
        if cut is not None:
            exchange.connection.shutdown(socket.SHUT_RDWR)

    return keep


@contextmanager
def faulty_server(*faults: Fault) -> Iterator[FaultyServer]:
    """Run one for the length of a block."""
    server = FaultyServer(*faults)
    try:
        yield server
    finally:
        server.close()

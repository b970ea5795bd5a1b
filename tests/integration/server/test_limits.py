"""What strangers, slow clients and greedy ones can hold of a server, with small limits."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import attrs
import pytest
import requests
from support.server import ServerProcess, make_key, running_server

SETTINGS = {
    "connections": 40,
    "head_s": 1.0,
    "stall_s": 1.0,
    "stall_bytes": 100,
    "upload_threads": 8,
    "limits": {"held": 2**20},
}
JSON = {"Content-Type": "application/json"}


@attrs.frozen
class World:
    """A server with two users and a project of each."""

    server: ServerProcess
    ann: str
    eve: str

    def connect(self) -> socket.socket:
        """Open a connection."""
        host, port = self.server.origin.removeprefix("http://").rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=30)

    def begin(self, method: str, path: str, key: str = "", length: int = 100_000, **headers: str) -> socket.socket:
        """Send the head of a request, as one whose body will follow."""
        given = {"Host": "localhost", "Content-Length": str(length), "Content-Type": "application/json", **headers}
        if key:
            given["Authorization"] = f"Bearer {key}"
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
        connection = self.connect()
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())
        return connection


def _answer(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    body = response.read()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, json.loads(body or b"null")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("limits") / "store"
    ann, eve = make_key(directory, "ann"), make_key(directory, "eve")
    with running_server(directory, settings=SETTINGS) as server:
        for key in (ann, eve):
            assert server.call("POST", "projects", key=key, json={"name": "p"}).status_code == 201
        yield World(server, ann, eve)


@pytest.mark.parametrize("said", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
def test_connections_that_say_nothing_give_way_and_then_end(world: World, said: bytes) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(world.connect()) for _ in range(100)]
        for connection in silent[:30]:
            connection.sendall(said)
        assert world.server.call("GET", "/healthz").status_code == 200
        assert world.server.call("GET", "user", key=world.ann).status_code == 200
        for connection in silent:
            assert _ended(connection)


def _ended(connection: socket.socket) -> bool:
    """Wait until the other side closes, which is before the time limit of the test's own sockets."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


BODIES: dict[str, tuple[str, str, Callable[[Any], str]]] = {
    "native": ("PATCH", "/atlas/v1/user", lambda told: told["error"]["message"]),
    "swanlab": ("POST", "/api/project", lambda told: told["message"]),
    "syvain": ("POST", "/api/v1/experiments/x/ingestion-keys", lambda told: told["error"]["message"]),
    "matyan": ("POST", "/api/v1/rest/experiments", lambda told: told["detail"]),
    "chachaml": ("POST", "/api/w/runs", lambda told: told["error"]),
}


@pytest.mark.parametrize("protocol", BODIES)
def test_a_body_that_stalls_is_told_and_ends(world: World, protocol: str) -> None:
    method, path, sentence = BODIES[protocol]
    with world.begin(method, path, world.ann) as connection:
        connection.sendall(b'{"na')
        status, headers, told = _answer(connection)
        assert (status, headers["connection"]) == (408, "close")
        assert "too slowly" in sentence(told)
        assert _ended(connection)


def test_a_body_that_comes_drop_by_drop_ends_too(world: World) -> None:
    gone = threading.Event()
    with world.begin("PATCH", "/atlas/v1/user", world.ann) as connection:

        def drip() -> None:
            with suppress(OSError):
                while not gone.wait(0.05):
                    connection.sendall(b" ")

        dripping = threading.Thread(target=drip)
        dripping.start()
        status, _, _ = _answer(connection)
        gone.set()
        dripping.join()
    assert status == 408


def test_a_slow_client_gets_a_file_through(world: World) -> None:
    pieces, pace = 30, threading.Event()
    path = "/atlas/v1/projects/ann/p/blobs"
    with world.begin("POST", path, world.ann, 50 * pieces, Content_Type="application/octet-stream") as connection:
        for _ in range(pieces):
            connection.sendall(b"x" * 50)
            pace.wait(0.1)
        status, _, told = _answer(connection)
    assert (status, told["size"]) == (200, 50 * pieces)


def test_public_routes_read_no_body(world: World) -> None:
    for path, status in (("/healthz", 200), ("/api", 413)):
        with world.begin("GET", path, length=20 << 20) as connection:
            assert _answer(connection)[0] == status
    packed = gzip.compress(bytes(10 << 20))
    with world.begin("GET", "/api", length=len(packed), Content_Encoding="gzip") as connection:
        connection.sendall(packed)
        assert _answer(connection)[0] == 413


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", "/atlas/v1/user"), ("POST", "/api/w/runs/none/artifacts")], ids=("field", "value")
)
def test_bodies_of_one_caller_hold_so_much_and_no_more(world: World, method: str, path: str) -> None:
    body = b'{"name": "' + b"x" * 400_000
    with (
        world.begin(method, path, world.eve, 500_000) as first,
        world.begin(method, path, world.eve, 500_000) as second,
    ):
        first.sendall(body)
        second.sendall(body)
        # Whichever came second.
        found = sorted((_answer(connection)[:2] for connection in (first, second)), key=lambda told: -told[0])
        assert found[0][0] == 429
        assert found[0][1]["retry-after"] == "1"
    assert world.server.call("PATCH", "user", key=world.eve, json={"name": "x" * 90}).ok


def test_uploads_that_stall_stop_no_others(world: World) -> None:
    kind = "application/octet-stream"
    with ExitStack() as stack:
        for _ in range(10):
            stalled = world.begin("POST", "/atlas/v1/projects/eve/p/blobs", world.eve, Content_Type=kind)
            stack.enter_context(stalled).sendall(b"abc")
        path = f"{world.server.origin}/atlas/v1/projects/ann/p/blobs"
        headers = {"Authorization": f"Bearer {world.ann}", "Content-Type": kind}
        assert requests.post(path, data=b"x" * 1000, headers=headers, timeout=60).status_code == 200

"""Answers that nobody reads: how many a caller may have in memory, and what that is to others."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import requests
from support.server import ServerProcess, make_key, running_server

_COUNT = 60_000
_RUN = "/api/runs/r"
"""About 4 MB as chachaml's JSON: more than what the system keeps between two ends of a connection."""

_SELECTION = {"workspace": "ann", "project": "p", "ids": ["r"]}


@attrs.frozen
class World:
    """A server with two users who have a long run each."""

    server: ServerProcess
    ann: str
    eve: str

    def ask(self, key: str, path: str = _RUN, body: Any = None) -> requests.Response:
        """Ask and read the answer."""
        method = "GET" if body is None else "POST"
        return self.server.call(method, path, key=key, json=body, headers={"Accept": "application/json"})

    @contextmanager
    def unread(self, key: str, path: str = _RUN) -> Iterator[Callable[[], bytes]]:
        """Ask, and read no more than how the answer begins; gives what reads the rest."""
        host, port = self.server.origin.removeprefix("http://").rsplit(":", 1)
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(60)
            connection.connect((host, int(port)))
            head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n"
            connection.sendall(head.encode())
            with http.client.HTTPResponse(connection) as response:
                response.begin()
                assert response.status == 200

                def read() -> bytes:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
                    return response.read()

                yield read


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A directory, and the keys of its users."""
    directory = tmp_path_factory.mktemp("answers") / "store"
    keys = ann, eve = make_key(directory, "ann"), make_key(directory, "eve")
    numbers = list(range(_COUNT))
    points = {"key": "k", "steps": numbers, "values": [n * 0.37 for n in numbers], "times_ms": numbers}
    with running_server(directory) as server:
        for name, key in zip(("ann", "eve"), keys, strict=True):
            run = {"project": {"workspace": name, "project": "p"}, "id": "r", "create_project": True}
            assert server.call("POST", "runs", key=key, json=run).ok
            assert server.call("POST", f"runs/{name}/p/r/append", key=key, json={"points": [points]}).ok
        headers = {"Content-Type": "application/octet-stream"}
        upload = "/api/w/runs/r/artifacts?name=a"
        assert server.call("POST", upload, key=ann, data=bytes(6 << 20), headers=headers).ok
    return directory, ann, eve


@contextmanager
def serving(stored: tuple[Path, str, str], **settings: Any) -> Iterator[World]:
    """Serve it; the answers to one user may hold 8 MiB."""
    directory, *keys = stored
    with running_server(directory, settings={"limits": {"held": 2**24}, **settings}) as server:
        yield World(server, *keys)


def test_answers_that_are_not_read_keep_only_their_own_caller_waiting(stored: tuple[Path, str, str]) -> None:
    with serving(stored, work_s=8.0) as world, ThreadPoolExecutor() as threads, world.unread(world.ann):
        asked = [threads.submit(world.ask, world.ann) for _ in range(2)]
        asked.append(threads.submit(world.ask, world.ann, "points/query", {"selection": _SELECTION}))
        # What takes little room has it, and so have others.
        assert world.ask(world.ann, "user").ok
        assert len(world.ask(world.eve).json()["metrics"]) == _COUNT
        told = [one.result() for one in asked]
        for refused in told:
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert "read those first" in refused.text
        assert set(told[0].json()) == {"error"}
        assert told[2].json()["error"]["type"] == "RateLimitedError"


def test_what_waits_for_room_is_answered_once_a_reader_is_done_or_stalled(stored: tuple[Path, str, str]) -> None:
    with serving(stored, stall_s=1.0) as world, ThreadPoolExecutor(1) as threads:
        with world.unread(world.ann) as read:
            second = threads.submit(world.ask, world.ann, "points/query", {"selection": _SELECTION})
            assert len(json.loads(read())["metrics"]) == _COUNT
            assert len(second.result().json()["steps"]) == _COUNT
        with world.unread(world.ann) as read:
            assert len(world.ask(world.ann).json()["metrics"]) == _COUNT
            with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                read()


def test_a_request_is_under_way_until_its_answer_was_read(stored: tuple[Path, str, str]) -> None:
    with serving(stored, connections=15) as world, ExitStack() as stack:
        (artifact,) = world.ask(world.ann).json()["artifacts"]
        for _ in range(5):
            stack.enter_context(world.unread(world.ann, f"/api/artifacts/{artifact['id']}/download"))
        refused = world.ask(world.ann, "user")
        assert (refused.status_code, "under way" in refused.text) == (429, True)
        assert world.ask(world.eve, "user").ok

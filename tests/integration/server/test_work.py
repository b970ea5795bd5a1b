"""Requests that keep the store at work for long end when time is up, when their client leaves, and with the server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from support.server import ServerProcess, running_server

from runatlas.model.codec import encode_json
from runatlas.model.filters import Comparison, Field, Or
from runatlas.model.run import RunQuery, RunSelection

JSON = {"Content-Type": "application/json"}


@contextmanager
def long_texts(directory: Path, **settings: object) -> Iterator[tuple[ServerProcess, bytes]]:
    """Serve runs with long texts, and give a query whose filter reads them for minutes."""
    with running_server(directory, settings=settings) as server:
        owner = server.call("GET", "user").json()["username"]
        for number in range(4):
            project = {"workspace": owner, "project": "p"}
            run = {"project": project, "id": f"r{number}", "create_project": True, "config": {"text": "a" * 4_000_000}}
            assert server.call("POST", "runs", json=run).status_code == 201
        parts = tuple(Comparison(Field("CONFIG", "text"), "CONTAIN", "a" * 900 + f"{n}b") for n in range(150))
        yield server, encode_json(RunQuery(RunSelection(owner, "p", filter=Or(parts))))


def test_a_query_ends_when_its_time_is_up_and_others_are_answered_meanwhile(tmp_path: Path) -> None:
    with long_texts(tmp_path, threads=4, work_s=0.5) as (server, query), ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(server.call, "POST", "runs/query", data=query, headers=JSON) for _ in range(6)]
        while not all(one.done() for one in asked):
            assert server.call("GET", "/healthz").status_code == 200
            assert server.call("GET", "user").status_code == 200
        for one in asked:
            told = one.result().json()["error"]
            assert (one.result().status_code, told["code"]) == (422, "too_much_work")
            assert "narrow the filter" in told["message"]


def test_a_query_ends_when_its_client_leaves(tmp_path: Path) -> None:
    with long_texts(tmp_path, threads=1, work_s=1000.0) as (server, query):
        host, port = server.origin.removeprefix("http://").rsplit(":", 1)
        head = f"POST /atlas/v1/runs/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(query)}\r\n"
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + query)
            # Answered before the query has the only thread, or it waits for it as the next one does.
            assert server.call("GET", "/healthz").status_code == 200
        assert server.call("GET", "user").status_code == 200


def test_queries_do_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    with long_texts(tmp_path, work_s=1000.0, shutdown_s=1) as (server, query), ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(server.call, "POST", "runs/query", data=query, headers=JSON) for _ in range(2)]
        assert server.call("GET", "/healthz").status_code == 200
        assert server.stop() == 0
        del asked
    assert not list(tmp_path.glob("runatlas.db-wal")), "the store was not closed"

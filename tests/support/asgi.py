"""A client that calls an ASGI application in memory, message by message."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

__all__ = ["Received", "call_app", "read_body"]


@attrs.frozen
class Received:
    """What an application answered; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes


def make_scope(method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """Make an HTTP scope."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 5170),
        "state": {},
    }


def _receiving(pieces: Iterable[bytes]) -> Any:
    waiting = list(pieces) or [b""]

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()  # the client stays for its answer
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    return receive


def call_app(
    app: Any,
    method: str = "GET",
    path: str = "/",
    *,
    headers: Mapping[str, str] | None = None,
    body: Iterable[bytes] = (),
) -> Received:
    """Make one request whose body arrives in pieces, and collect the answer."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(make_scope(method, path, headers or {}), _receiving(body), send))
    start = sent[0]
    assert start["type"] == "http.response.start"
    assert all(message["type"] == "http.response.body" for message in sent[1:])
    assert [message["more_body"] for message in sent[1:]] == [True] * (len(sent) - 2) + [False]
    found = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    return Received(start["status"], found, b"".join(message["body"] for message in sent[1:]))


def read_body(middleware: Any, pieces: Iterable[bytes], headers: Mapping[str, str]) -> bytes:
    """Return the body that an application behind ``middleware`` receives."""
    received: list[bytes] = []

    async def reading(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            received.append(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    call_app(middleware(reading), "POST", headers=headers, body=pieces)
    return b"".join(received)

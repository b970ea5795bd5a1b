"""Answers that go out as they are found."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from typing import Any

import pytest
from support.asgi import call_app, make_scope

from runatlas.errors import ValidationError
from runatlas.server.wire.download import Download
from runatlas.server.wire.streamed import Streamed


def pieces(count: int, asked: list[int], failing: int | None = None) -> Iterator[bytes]:
    for number in range(count):
        asked.append(number)
        if number == failing:
            raise ValidationError("broken")
        yield b"" if number == 1 else f"piece {number};".encode()


def test_pieces_are_asked_for_as_they_go_out() -> None:
    asked: list[int] = []
    answer = Streamed.of(pieces(4, asked), "text/plain")
    assert asked == [0]
    received = call_app(answer)
    assert (received.status, received.body) == (200, b"piece 0;piece 2;piece 3;")
    assert received.headers["content-type"] == "text/plain"
    assert "content-length" not in received.headers


def test_they_are_packed_for_those_who_take_that() -> None:
    received = call_app(Streamed.of(pieces(3, []), "text/plain"), headers={"Accept-Encoding": "gzip"})
    assert received.headers["content-encoding"] == "gzip"
    assert gzip.decompress(received.body) == b"piece 0;piece 2;"


def test_nothing_is_an_empty_answer() -> None:
    assert call_app(Streamed.of(iter(()), "text/plain")).body == b""


def test_what_fails_at_once_is_an_error_and_what_fails_later_breaks_off() -> None:
    with pytest.raises(ValidationError):
        Streamed.of(pieces(2, [], failing=0), "text/plain")
    answer = Streamed.of(pieces(3, [], failing=2), "text/plain")
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()  # the client stays

    with pytest.raises(ValidationError):
        asyncio.run(answer(make_scope("GET", "/", {}), receive, send))  # type: ignore[arg-type]
    assert [message.get("more_body") for message in sent] == [None, True]


@pytest.mark.parametrize("kind", ["streamed", "download"])
def test_no_more_is_read_once_the_client_left(kind: str) -> None:
    asked: list[int] = []
    endless = pieces(1_000_000, asked)
    size = 10**9
    answer: Any = Streamed.of(endless, "text/plain")
    if kind == "download":
        answer = Download(lambda _start, _end: endless, size, "a.bin", "application/octet-stream", "tag")

    async def leave_after_some() -> None:
        left = asyncio.Event()

        async def receive() -> Any:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body" and len(asked) > 5:
                left.set()

        await answer(make_scope("GET", "/", {}), receive, send)

    asyncio.run(asyncio.wait_for(leave_after_some(), 60))
    assert len(asked) < 100

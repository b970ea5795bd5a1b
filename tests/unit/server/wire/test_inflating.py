from __future__ import annotations

import asyncio
import gzip
import os
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asgi import call_app, make_scope, read_body

from runatlas.errors import RunAtlasError
from runatlas.server.wire.inflating import inflated

GZIP = {"content-encoding": "gzip"}


def inflate_body(app: Any) -> Any:
    """Let an application read inflated bodies."""

    async def inflating(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, inflated(scope, receive), send)

    return inflating


def _split(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(st.binary(max_size=3000), st.integers(1, 200), st.integers(1, 3))
def test_a_gzip_body_is_inflated_however_it_arrives(data: bytes, size: int, repeats: int) -> None:
    assert read_body(inflate_body, _split(gzip.compress(data * repeats), size), GZIP) == data * repeats


def test_large_bodies_are_inflated() -> None:
    data = os.urandom(1 << 20) + bytes(5 << 20)
    assert read_body(inflate_body, _split(gzip.compress(data), 65_536), GZIP) == data


def test_behind_the_body_it_is_heard_that_the_client_goes_away() -> None:
    request = {"type": "http.request", "body": gzip.compress(b"abc"), "more_body": False}
    coming = iter([request, {"type": "http.disconnect"}])
    heard = []

    async def receive() -> Any:
        return next(coming)

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        heard.extend([(await receive())["type"], (await receive())["type"]])

    asyncio.run(inflate_body(listening)(make_scope("POST", "/", GZIP), receive, receive))
    assert heard == ["http.request", "http.disconnect"]


@pytest.mark.parametrize("headers", [{}, {"content-encoding": "identity"}])
def test_a_plain_body_is_left_alone(headers: dict[str, str]) -> None:
    assert read_body(inflate_body, [b"a", b"b"], headers) == b"ab"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (GZIP, b"{}", 400),
        (GZIP, gzip.compress(b"abc", mtime=0)[:-4], 400),
        (GZIP, gzip.compress(b"abc", mtime=0) + b"more", 400),
        (GZIP, gzip.compress(b"abc", mtime=0)[:-4] + b"\0\0\0\0", 400),
        (GZIP, b"", 400),
        ({"content-encoding": "br"}, b"", 415),
        ({"content-encoding": "gzip, gzip"}, b"", 415),
    ],
    ids=["no gzip", "no trailer", "more behind", "wrong checksum", "empty", "unknown", "twice"],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_body_that_cannot_be_inflated_is_refused(
    headers: dict[str, str], body: bytes, status: int, size: int
) -> None:
    with pytest.raises(RunAtlasError) as caught:
        read_body(inflate_body, _split(body, size), headers)
    assert caught.value.code == status


def test_no_more_of_a_bomb_is_inflated_than_is_read() -> None:
    bomb = gzip.compress(bytes(400 << 20), 9)
    received = 0

    async def reading_a_little(scope: Any, receive: Any, send: Any) -> None:
        nonlocal received
        while received < 1 << 20:
            received += len((await receive())["body"])
        await send({"type": "http.response.start", "status": 413, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    tracemalloc.start()
    call_app(inflate_body(reading_a_little), "POST", headers=GZIP, body=[bomb])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 1 << 20 <= received < 2 << 20
    assert peak < 8 << 20

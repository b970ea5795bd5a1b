"""Compressed request bodies: inflated piece by piece, so that no bomb ever lies in memory."""

from __future__ import annotations

import zlib
from typing import cast

from litestar.types import HTTPReceiveMessage, HTTPRequestEvent, Receive, Scope

from runatlas.errors import ApiStatusError, ValidationError

__all__ = ["inflated"]

_WINDOW = 31
_PIECE = 1 << 18


def inflated(scope: Scope, receive: Receive) -> Receive:
    """Return what receives the body of a request without its ``Content-Encoding: gzip``.

    Who reads counts how large the body is on what comes out of here, so compressed and plain bodies have one bound;
    that counting stops reading, and so inflating, at once.

    Args:
        scope: The request.
        receive: Receives what the client sends.
    """
    codings = [value.decode("latin-1") for name, value in scope["headers"] if name == b"content-encoding"]
    coding = ",".join(codings).strip().lower()
    return receive if coding in {"", "identity"} else _inflating(coding, receive)


def _inflating(coding: str, receive: Receive) -> Receive:
    inflater = zlib.decompressobj(_WINDOW)
    arriving, more = True, True

    async def inflated() -> HTTPReceiveMessage:
        nonlocal arriving, more
        if not more:
            # Who has the whole body waits for what comes after it: that the client goes away.
            return cast(HTTPReceiveMessage, await receive())
        if coding not in {"gzip", "x-gzip"}:
            raise ApiStatusError(f"the content encoding {coding[:40]!r} is not known; use gzip, or none", code=415)
        while True:
            data = inflater.unconsumed_tail
            if not data and arriving:
                message = cast(HTTPReceiveMessage, await receive())
                if message["type"] != "http.request":
                    return message
                data, arriving = message["body"], message["more_body"]
            body = _inflate(inflater, data)
            more = arriving or not inflater.eof
            if body or not more:
                return HTTPRequestEvent(type="http.request", body=body, more_body=more)
            if not arriving and not inflater.unconsumed_tail:
                raise ValidationError("the gzip body is cut off", code=400)

    return inflated


def _inflate(inflater: zlib._Decompress, data: bytes) -> bytes:
    try:
        body = inflater.decompress(data, _PIECE)
    except zlib.error:
        raise ValidationError("the body is not gzip, though its content encoding says so", code=400) from None
    if inflater.unused_data:
        raise ValidationError("the gzip body has bytes after its end", code=400)
    return body

"""Request bodies that are read whole, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from litestar import Request
from litestar.types import HTTPReceiveMessage

from runatlas.errors import ValidationError
from runatlas.server.wire.inflating import inflated

__all__ = ["PUBLIC_BODY", "read_body", "require_size"]

PUBLIC_BODY = 16 * 1024
"""How large a body may be, in bytes, of someone who need not be known."""


def require_size(request: Request[Any, Any, Any], limit: int) -> None:
    """Check what a request says of its body, before any of it is read.

    Raises:
        ValidationError: 413, it is larger than ``limit`` bytes.
    """
    if (request.content_length or 0) > limit:
        raise _too_large(limit)


async def read_body(request: Request[Any, Any, Any], limit: int, hold: Callable[[int], None]) -> bytes:
    """Read a body.

    Args:
        request: Whose body.
        limit: How large it may be, inflated, in bytes.
        hold: Counts bytes as held in memory, or raises.

    Returns:
        The body.

    Raises:
        ValidationError: 413 when it is too large, 400 when the client went away.
    """
    require_size(request, limit)
    receive = inflated(request.scope, request.receive)
    pieces: list[bytes] = []
    size, more = 0, True
    while more:
        message = cast(HTTPReceiveMessage, await receive())
        if message["type"] != "http.request":
            raise ValidationError("the request ended before all of its body had arrived", code=400)
        pieces.append(message["body"])
        hold(len(message["body"]))
        size, more = size + len(message["body"]), message["more_body"]
        if size > limit:
            raise _too_large(limit)
    return b"".join(pieces)


def _too_large(limit: int) -> ValidationError:
    return ValidationError(f"the body is larger than {limit} bytes", code=413)

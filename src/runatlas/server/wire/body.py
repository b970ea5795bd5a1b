"""Request bodies that are read whole, within bounds."""

from __future__ import annotations

from typing import Any, cast

from litestar import Request
from litestar.types import HTTPReceiveMessage

from runatlas.errors import ValidationError

__all__ = ["read_body", "require_size"]


def require_size(request: Request[Any, Any, Any], limit: int) -> None:
    """Check what a request says of its body, before any of it is read.

    Raises:
        ValidationError: 413, it is larger than ``limit`` bytes.
    """
    if (request.content_length or 0) > limit:
        raise _too_large(limit)


async def read_body(request: Request[Any, Any, Any], limit: int) -> bytes:
    """Read a body.

    Args:
        request: Whose body.
        limit: How large it may be, inflated, in bytes.

    Returns:
        The body.

    Raises:
        ValidationError: 413 when it is too large, 400 when the client went away.
    """
    require_size(request, limit)
    pieces: list[bytes] = []
    size, more = 0, True
    while more:
        message = cast(HTTPReceiveMessage, await request.receive())
        if message["type"] != "http.request":
            raise ValidationError("the request ended before all of its body had arrived", code=400)
        pieces.append(message["body"])
        size, more = size + len(message["body"]), message["more_body"]
        if size > limit:
            raise _too_large(limit)
    return b"".join(pieces)


def _too_large(limit: int) -> ValidationError:
    return ValidationError(f"the body is larger than {limit} bytes", code=413)

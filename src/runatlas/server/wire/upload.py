"""A request body as a file to read from, so that large uploads never lie in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from typing import cast

from litestar.types import HTTPReceiveMessage, Receive

from runatlas.errors import ValidationError
from runatlas.server.services.joined_files import PieceFile

__all__ = ["Upload"]


class Upload(PieceFile):
    """Reads a body while it arrives; for one worker thread, while the event loop goes on.

    Reading raises a ``ValidationError``: 413 when the body is too large, 400 when the client went away.

    Args:
        receive: The request's ASGI ``receive``.
        loop: The event loop that ``receive`` belongs to.
        limit: How many bytes the body may have.
    """

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        super().__init__(self._arriving())
        self._receive = receive
        self._loop = loop
        self._limit = limit
        self._received = 0
        self._waiting: Future[HTTPReceiveMessage] | None = None

    def close(self) -> None:
        """Stop waiting for more: whoever reads is told that the upload ended."""
        super().close()
        if self._waiting is not None:
            self._waiting.cancel()

    def _arriving(self) -> Iterator[bytes]:
        more = True
        while more:
            message = self._wait()
            if message is None or message["type"] != "http.request":
                raise ValidationError("the upload ended before all of it had arrived", code=400)
            body, more = message["body"], message["more_body"]
            self._received += len(body)
            if self._received > self._limit:
                raise ValidationError(f"the body is larger than {self._limit} bytes", code=413)
            if body:
                yield body

    def _wait(self) -> HTTPReceiveMessage | None:
        if self.closed:
            return None
        self._waiting = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        try:
            return self._waiting.result()
        except CancelledError:
            return None

    async def _next(self) -> HTTPReceiveMessage:
        return cast(HTTPReceiveMessage, await self._receive())

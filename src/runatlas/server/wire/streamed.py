"""An answer that goes out as it is found."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import chain

import attrs
from litestar.types import Receive, Scope, Send

from runatlas.server.wire.answer import Answer, accepts_gzip
from runatlas.server.wire.worker import send_pieces

__all__ = ["Streamed"]

_GZIP_LEVEL = 1
_GZIP_WINDOW = 31


@attrs.frozen(eq=False)
class Streamed:
    """Pieces on their way out; an ASGI application that asks for each in a worker thread.

    A failure after the first piece breaks the connection off: what came cannot be taken for a whole answer.

    Attributes:
        pieces: Empty ones are left out.
        media_type: What they are.
    """

    pieces: Iterator[bytes]
    media_type: str

    @classmethod
    def of(cls, pieces: Iterator[bytes], media_type: str) -> Streamed:
        """Make it with its first piece, so that what fails at once is told as an error."""
        return cls(chain([next(pieces, b"")], pieces), media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces, gzipped if the caller takes that."""
        asked = {name: value.decode("latin-1") for name, value in scope["headers"]}
        packs = accepts_gzip(asked.get(b"accept-encoding", ""))
        packed = {"content-encoding": "gzip", "vary": "accept-encoding"} if packs else {}
        headers = dict(Answer(media_type=self.media_type, headers=packed).all_headers())
        del headers["content-length"]
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": encoded})
        pieces = self._packed() if packs else self.pieces
        await send_pieces(pieces, receive, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _packed(self) -> Iterator[bytes]:
        packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        for piece in self.pieces:
            yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
        yield packer.flush()

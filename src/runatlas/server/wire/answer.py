"""An answer on its way out."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import attrs
from litestar.response import Response
from litestar.types import Receive, Scope, Send

__all__ = ["Answer", "accepts_gzip", "compressed"]

GZIP_MINIMUM = 1024
"""Bodies of fewer bytes than this travel as they are."""

_GZIP_LEVEL = 1
_GZIP_WINDOW = 31
_PIECE = 1 << 20
_ALWAYS = (
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
)


@attrs.frozen
class Answer:
    """A whole answer in memory; it is an ASGI application that sends itself.

    Attributes:
        headers: Lower-case names; one given here takes the place of the default of that name.
        packed: Whether the body gains from gzip; columns of floating-point numbers do not.
    """

    body: bytes = b""
    status: int = 200
    media_type: str = "application/json"
    headers: Mapping[str, str] = attrs.field(factory=dict)
    packed: bool = True

    def all_headers(self) -> list[tuple[str, str]]:
        """Return the headers to be sent: those every answer has, the answer's own, and what its body needs."""
        found = dict(_ALWAYS) | dict(self.headers)
        if self.status not in {204, 304}:
            found.setdefault("content-type", self.media_type)
            found["content-length"] = str(len(self.body))
        return list(found.items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI
        """Send the answer, large bodies in pieces so that the connection's buffer stays small."""
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.all_headers()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body, start = self.body, 0
        while len(body) - start > _PIECE:
            await send({"type": "http.response.body", "body": body[start : start + _PIECE], "more_body": True})
            start += _PIECE
        await send({"type": "http.response.body", "body": body[start:] if start else body, "more_body": False})

    def to_response(self) -> Response[bytes]:
        """Return it as Litestar's exception handlers need it."""
        return Response(
            self.body, status_code=self.status, media_type=self.media_type, headers=dict(self.all_headers())
        )


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether an ``Accept-Encoding`` header admits gzip.

    Example:
        >>> accepts_gzip("br;q=1.0, gzip;q=0.5"), accepts_gzip("gzip;q=0"), accepts_gzip("")
        (True, False, False)
    """
    for part in accept_encoding.lower().split(","):
        name, _, parameter = part.strip().partition(";")
        if name.strip() in {"gzip", "*"}:
            return parameter.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def compressed(answer: Answer) -> Answer:
    """Return the answer gzipped if that is worth it; the caller has asked for it."""
    if not answer.packed or len(answer.body) < GZIP_MINIMUM:
        return answer
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    body = packer.compress(answer.body) + packer.flush()
    headers = {**answer.headers, "content-encoding": "gzip", "vary": "accept-encoding"}
    return attrs.evolve(answer, body=body, headers=headers)

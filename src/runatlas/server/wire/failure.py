"""From whatever went wrong to what a client is told: the only place that maps one to the other."""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
from litestar.exceptions import HTTPException

from runatlas.errors import BusyError, NoSpaceError, RunAtlasError, error_for_status, shortened

__all__ = ["Failure", "failure_of", "in_wider_use"]

CHALLENGE = 'Bearer realm="RunAtlas", Basic realm="RunAtlas", charset="UTF-8"'

_HEADERS = {
    401: {"www-authenticate": CHALLENGE},
    # What is left of the body will not come, or not in time.
    408: {"connection": "close"},
    429: {"retry-after": "1"},
}
_BUSY = "the server is busy: what it works with is in use by others; nothing was done, try again in a moment"
_NO_SPACE = (
    "the server has no room to write in: its disk, its quota or a file that it writes to is full; nothing was done, "
    "try again when there is space"
)
_PAUSE_S = "30"
_SENTENCES = {
    400: "the request cannot be read",
    404: "there is nothing at this address",
    405: "this address does not take that method",
}


@attrs.frozen
class Failure:
    """What a client is told of an error; each protocol has its own way to write it.

    Attributes:
        status: The HTTP status.
        type: The name of the class in ``runatlas.errors``.
        message: One sentence.
        code: Tells apart what shares a status, for programs; ``None`` for the ordinary case.
        headers: Sent along, lower-case names.
        found: The type that was there in place of the one that ``message`` names; ``None`` where that is not told.
    """

    status: int
    type: str
    message: str
    code: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)
    found: str | None = None


def failure_of(error: Exception) -> Failure | None:
    """Translate an error that a client may know of.

    Args:
        error: Anything raised while a request was served.

    Returns:
        What to tell the client; ``None`` when the error is the server's own and nothing of it may be told.
    """
    if isinstance(error, BusyError):
        # Its own sentence names files of the server.
        return Failure(503, "BusyError", _BUSY, headers={"retry-after": str(math.ceil(error.retry_after_s))})
    if isinstance(error, NoSpaceError):
        return Failure(507, "NoSpaceError", _NO_SPACE, headers={"retry-after": _PAUSE_S})
    if isinstance(error, RunAtlasError) and (400 <= error.code < 500 or error.code == 501):
        headers = dict(_HEADERS.get(error.code, {}))
        code = getattr(error, "reason", None)
        found = getattr(error, "found", None)
        return Failure(error.code, _named(error.code), shortened(error.message), code, headers, found)
    if isinstance(error, HTTPException) and error.status_code < 500:
        message = _SENTENCES.get(error.status_code, error.detail or "the request was refused")
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        return Failure(error.status_code, _named(error.status_code), message, headers=headers)
    return None


def in_wider_use(failure: Failure) -> Failure:
    """Return the failure with 503 in place of 507, which clients of other protocols know and try again after."""
    return attrs.evolve(failure, status=503) if failure.status == NoSpaceError.code else failure


def _named(status: int) -> str:
    return type(error_for_status(status, "")).__name__

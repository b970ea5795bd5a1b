"""Every error RunAtlas raises, and where a status becomes one.

::

    RunAtlasError
    ├── RequestError                    no usable answer came
    │   ├── ConnectionFailedError       refused, reset, name not found (also a ConnectionError)
    │   └── TimeoutError_               the total time budget ran out (also a TimeoutError)
    ├── ApiStatusError                  the server said no
    │   ├── AuthenticationError         401
    │   ├── PermissionDeniedError       403 (also a PermissionError)
    │   ├── NotFoundError               404 (also a LookupError)
    │   ├── ConflictError               409
    │   ├── ValidationError             400, 413, 422 (also a ValueError)
    │   │   └── TooMuchWorkError        422: it would keep the store at work for too long
    │   ├── RateLimitedError            429
    │   └── ServerError                 5xx
    │       ├── BusyError               503: in use by others, for now (also a StoreError)
    │       └── NoSpaceError            507: there is no room to write in, for now (also a StoreError)
    ├── ResponseFormatError             a 2xx that does not decode
    ├── NotSupportedError               this server has no such feature
    └── StoreError                      a directory or database that cannot be used
        ├── StoreMissingError           there is none, and none is made
        └── StoreRemovedError           it was removed or replaced while it was open

The store raises the same types as a remote server answers, so that code does not depend on where its
data lies.
"""

from __future__ import annotations

from copy import copy
from typing import Self

from runatlas.terminal import printable_lines

__all__ = [
    "ApiStatusError",
    "AuthenticationError",
    "BusyError",
    "ConflictError",
    "ConnectionFailedError",
    "NoSpaceError",
    "NotFoundError",
    "NotSupportedError",
    "PermissionDeniedError",
    "RateLimitedError",
    "RequestError",
    "ResponseFormatError",
    "RunAtlasError",
    "ServerError",
    "StoreError",
    "StoreMissingError",
    "StoreRemovedError",
    "TimeoutError_",
    "TooMuchWorkError",
    "ValidationError",
    "error_for_status",
    "shortened",
]

_LONG = 1000


def shortened(message: str) -> str:
    """Leave out the middle of what repeats a whole long value; what would be right stands at the end.

    Example:
        >>> len(shortened("x" * 20_000))
        1001
    """
    return message if len(message) <= _LONG else f"{message[: _LONG // 2]}…{message[-_LONG // 2 :]}"


class RunAtlasError(Exception):
    """Base of every error raised by RunAtlas.

    Attributes:
        code: The HTTP status that belongs to the error; 0 when no answer came.
        message: One sentence: what was wrong, where, and what would be right; as text of the error without what would
            steer a terminal.
        is_foreign: Whether something on the way answered, such as a proxy, and not the server that was asked: then the
            status says nothing about what was sent.
    """

    code: int = 0
    is_foreign: bool = False

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code

    def reworded(self, message: str) -> Self:
        """Return the same error with another sentence, not raised."""
        made = copy(self)
        made.args, made.message = (message,), message
        return made

    def __str__(self) -> str:
        # It may quote what somebody else wrote.
        return printable_lines(self.message)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.code, self.is_foreign)


def _rebuild(kind: type[RunAtlasError], message: str, code: int, is_foreign: bool) -> RunAtlasError:
    made = kind(message, code=code)
    made.is_foreign = is_foreign
    return made


class RequestError(RunAtlasError):
    """The request did not get a usable answer."""


class ConnectionFailedError(RequestError, ConnectionError):
    """The server could not be reached."""


class TimeoutError_(RequestError, TimeoutError):
    """The total time budget ran out before an answer came."""


class ApiStatusError(RunAtlasError):
    """The server answered with an error status."""


class AuthenticationError(ApiStatusError):
    """401: no key, or a key the server does not know."""

    code = 401


class PermissionDeniedError(ApiStatusError, PermissionError):
    """403: the caller may not do this."""

    code = 403


class NotFoundError(ApiStatusError, LookupError):
    """404: there is no such thing, or the caller may not know of it."""

    code = 404


class ConflictError(ApiStatusError):
    """409: it exists already, or it changed meanwhile."""

    code = 409


class ValidationError(ApiStatusError, ValueError):
    """400, 413 or 422: the server refused the input."""

    code = 422


class TooMuchWorkError(ValidationError):
    """422: it kept the store at work for longer than one request may; a narrower one will do."""

    reason = "too_much_work"


class RateLimitedError(ApiStatusError):
    """429: too many requests, and the time budget did not allow another try."""

    code = 429


class ServerError(ApiStatusError):
    """5xx: the server failed."""

    code = 500


class ResponseFormatError(RunAtlasError):
    """A success answer that does not decode; the message names the path inside the document."""


class NotSupportedError(RunAtlasError):
    """The server behind this Api has no such feature."""

    code = 501


class StoreError(RunAtlasError):
    """A directory or database cannot be used; the message says what to do."""

    code = 500


class StoreMissingError(StoreError):
    """There is no store in a directory, and none is made there."""


class StoreRemovedError(StoreError):
    """The files of a store were removed or replaced while it was open: what was written to them would be gone."""


class BusyError(ServerError, StoreError):
    """503: a store or server is in use by others for now; nothing was done, and trying again later is worth it.

    Attributes:
        retry_after_s: How long to wait before another try, in seconds.
    """

    code = 503

    def __init__(self, message: str, *, code: int | None = None, retry_after_s: float = 1.0) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_busy, (self.message, self.code, self.retry_after_s)


def _rebuild_busy(message: str, code: int, retry_after_s: float) -> BusyError:
    return BusyError(message, code=code, retry_after_s=retry_after_s)


class NoSpaceError(ServerError, StoreError):
    """507: what a store or server writes to is full, or may not grow; nothing was done, and reading goes on."""

    code = 507


_BY_STATUS: dict[int, type[ApiStatusError]] = {
    400: ValidationError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: ValidationError,
    422: ValidationError,
    429: RateLimitedError,
    507: NoSpaceError,
}


def error_for_status(status: int, message: str, retry_after_s: float | None = None) -> RunAtlasError:
    """Make the error that belongs to an HTTP error status: the only place that maps one to the other.

    Args:
        status: An HTTP status from 400 up.
        message: What the server said.
        retry_after_s: When it asked to be asked again; a 503 that says so is busy, not broken.

    Returns:
        The error, not raised.

    Example:
        >>> error_for_status(404, "no such run")
        NotFoundError('no such run')
    """
    if status == 501:
        return NotSupportedError(message, code=status)
    if status == 503 and retry_after_s is not None:
        return BusyError(message, retry_after_s=retry_after_s)
    return _BY_STATUS.get(status, ServerError if status >= 500 else ApiStatusError)(message, code=status)

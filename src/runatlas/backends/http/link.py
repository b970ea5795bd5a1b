"""What links lead to: files that need no key, of whatever server."""

from __future__ import annotations

from collections.abc import Iterator

from runatlas.backends.http.address import redact
from runatlas.backends.http.session import Session
from runatlas.errors import AuthenticationError, NotFoundError, PermissionDeniedError, ValidationError

__all__ = ["open_link"]


def open_link(session: Session, link: str, start: int) -> Iterator[bytes]:
    """Fetch what a link points at, in pieces, from byte ``start`` on.

    Raises:
        NotFoundError: It expired, was altered, or was never given out.
    """
    if not link.startswith(("http://", "https://")):
        raise NotFoundError(f"{redact(link)!r} is no link of the server {session.host}")
    return _pieces(session, link, start)


def _pieces(session: Session, link: str, start: int) -> Iterator[bytes]:
    try:
        yield from session.download(link, start=start)
    except (ValidationError, PermissionDeniedError, AuthenticationError) as error:
        raise NotFoundError(f"the link {redact(link)!r} leads nowhere: {error.message}") from error

"""A file as an answer: whole or a range of it, and never anything a browser would run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import cast
from urllib.parse import quote

import attrs
from litestar.types import HTTPScope, Receive, Scope, Send

from runatlas.server.wire.answer import Answer
from runatlas.server.wire.worker import in_thread, send_pieces

__all__ = ["SANDBOX", "Download", "content_disposition", "safe_media_type"]

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}", re.ASCII)
_SHOWN = re.compile(r"(image/(png|jpeg|gif|webp|avif|bmp)|audio/.*|video/.*|text/plain)")
_UNSAFE = re.compile(r"[^A-Za-z0-9 !#$&+,;=@^_`{}~().\[\]-]")
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""What a browser lets a file do that it shows: nothing but look as it does."""


@attrs.frozen
class Download:
    """A file on its way out; an ASGI application that reads it piece by piece, in worker threads.

    Attributes:
        pieces: Reads from a byte to before another.
        name: What a browser calls it.
        etag: The same for the same bytes only.
        expires_in_s: How long a client may keep it; not at all if there is no time left.
    """

    pieces: Callable[[int, int], Iterator[bytes]]
    size: int
    name: str
    media_type: str
    etag: str
    expires_in_s: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or the range that was asked for."""
        bodiless = cast(HTTPScope, scope)["method"] == "HEAD"
        asked = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if _names(asked.get(b"if-none-match", ""), self.etag):
            await Answer(status=304, headers=self._headers())(scope, receive, send)
            return
        text = asked.get(b"range", "")
        if b"if-range" in asked and asked[b"if-range"].strip() != f'"{self.etag}"':
            text = ""
        found = _RANGE.fullmatch(text.replace(" ", "").lower())
        if found is None or not any(found.groups()):
            await self._send(200, 0, self.size, receive, send, bodiless=bodiless)
            return
        start, stop = _bounds(found[1], found[2], self.size)
        if start >= stop:
            headers = {"content-range": f"bytes */{self.size}", "accept-ranges": "bytes"}
            await Answer(status=416, headers=headers, media_type="application/octet-stream")(scope, receive, send)
            return
        await self._send(206, start, stop, receive, send, bodiless=bodiless)

    def _headers(self) -> dict[str, str]:
        media_type, keeps = safe_media_type(self.media_type), self.expires_in_s > 0
        return {
            "accept-ranges": "bytes",
            "cache-control": f"private, max-age={self.expires_in_s}, immutable" if keeps else "private, no-store",
            "content-disposition": content_disposition(self.name, shown=_SHOWN.fullmatch(media_type) is not None),
            "content-security-policy": SANDBOX,
            "content-type": f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type,
            "etag": f'"{self.etag}"',
        }

    async def _send(self, status: int, start: int, stop: int, receive: Receive, send: Send, *, bodiless: bool) -> None:
        headers = dict(Answer(status=status, headers=self._headers()).all_headers())
        headers["content-length"] = str(stop - start)
        if status == 206:
            headers["content-range"] = f"bytes {start}-{stop - 1}/{self.size}"
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        # Opened before anything is sent: what is gone by now can still be told.
        pieces = await in_thread(self.pieces, start, start if bodiless else stop)
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        sent = await send_pieces(pieces, receive, send)
        if sent is not None and start + sent < stop and not bodiless:
            raise OSError(f"{self.name!r} is shorter than it should be")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _names(header: str, etag: str) -> bool:
    tags = {part.strip().removeprefix("W/") for part in header.split(",")}
    return f'"{etag}"' in tags or "*" in tags


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Return the half-open range of ``bytes=first-last``; empty when there is nothing in it."""
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size


def safe_media_type(media_type: str) -> str:
    """Return a media type without parameters, ``application/octet-stream`` for what is none.

    Example:
        >>> safe_media_type("Image/PNG"), safe_media_type("x\\r\\nset-cookie: a")
        ('image/png', 'application/octet-stream')
    """
    plain = media_type.partition(";")[0].strip().lower()
    return plain if _MEDIA_TYPE.fullmatch(plain) else "application/octet-stream"


def content_disposition(name: str, *, shown: bool = False) -> str:
    """Write a ``Content-Disposition`` for any file name (RFC 6266, RFC 5987).

    Args:
        name: Any text; only what follows the last slash counts.
        shown: Whether a browser may show it in place of saving it.

    Example:
        >>> content_disposition('dir/né.txt')
        'attachment; filename="n_.txt"; filename*=UTF-8\\'\\'n%C3%A9.txt'
    """
    last = name.replace("\\", "/").rpartition("/")[2].strip() or "download"
    kind = "inline" if shown else "attachment"
    plain = f'{kind}; filename="{_UNSAFE.sub("_", last)}"'
    if _UNSAFE.search(last) is None:
        return plain
    return f"{plain}; filename*=UTF-8''{quote(last.encode('utf-8', 'replace'), safe='')}"

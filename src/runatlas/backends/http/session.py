"""Requests to one server: its key, retries within a time budget, redirects, compression."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import attrs
from requests import Response

from runatlas.backends.http.address import origin_of, redact
from runatlas.backends.http.answer import Answer
from runatlas.backends.http.retry import FailedTry, RetryPolicy, Tries
from runatlas.backends.http.transport import BrokenRequest, Call, Throttle, Transport
from runatlas.errors import (
    ApiStatusError,
    AuthenticationError,
    ConflictError,
    ConnectionFailedError,
    NotFoundError,
    PermissionDeniedError,
    RequestError,
    ValidationError,
)
from runatlas.model.version import VERSION
from runatlas.settings import is_here, parse_host

__all__ = ["Request", "Session"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_MAX = 5
_GZIP_FROM = 4096
_UPLOAD_RATE = 100_000
"""Bytes a second that a line carries at the least."""
_NO_CONTENT, _PARTIAL, _BEYOND_END = 204, 206, 416
_NAMED = "runatlas-url"
_FRAMING = {"content-length", "transfer-encoding"}
_TOO_LARGE = 413
_REFUSAL_MAX = 1 << 20
_ANSWER_MAX = {"application/json": 1 << 29}
_BLOCK_MAX = 1 << 34
"""Bytes of an answer at the most, unpacked: of a refusal, of a document, of points (some runs have many)."""
_PART_MIN, _PART_MAX = 16 << 10, 8 << 20
"""Bytes of a part. What has more than the least may go in parts: where a connection breaks again and again, that may be
a proxy that finds a body too large, and says nothing."""
_BREAKS_MAX = 2
_BYTES = "application/octet-stream"


@attrs.frozen(repr=False)
class Request:
    """What to ask a server.

    Attributes:
        path: From the server's root, percent-encoded, with its query.
        body: Bytes, or a file that can be rewound; it is sent from where it stands.
        accept: The media type wanted back.
        repeatable: Whether asking twice does no harm, also when the first try reached the server.
        idempotency_key: Sent with every try, so that the server can tell a retry.
        headers: What else is sent.
    """

    method: str
    path: str
    body: bytes | BinaryIO | None = None
    media_type: str | None = None
    accept: str = "application/json"
    repeatable: bool = True
    idempotency_key: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)


class Session:
    """Talks to one server; thread-safe, and a forked child gets connections of its own. Making one does nothing.

    Attributes:
        host: The server's URL, without a trailing slash.
    """

    def __init__(
        self,
        host: str,
        key: str | None = None,
        *,
        policy: RetryPolicy | None = None,
        compress: bool | None = None,
        parts: str | None = None,
    ) -> None:
        """Describe the server.

        Args:
            host: ``scheme://name[:port][/prefix]``.
            key: Sent as a bearer token, to this origin only.
            policy: When to try again; its clock is used throughout.
            compress: Whether bodies are compressed both ways; ``None`` does so unless the server is on this machine.
            parts: Where the server takes bodies in parts, below which each has a name; ``None`` if it does not.
        """
        self._parts = parts
        self._too_large = sys.maxsize
        self._part = _PART_MAX
        self.host = host.rstrip("/")
        self._named = ""
        self._key = key
        self._policy = policy or RetryPolicy()
        self._compress = not is_here(urlsplit(host).hostname or "") if compress is None else compress
        self._agent = f"runatlas/{VERSION}"
        self._headers = {"Accept-Encoding": "gzip" if self._compress else "identity", "User-Agent": self._agent}
        self._headers |= self._credentials()
        self._transport = Transport(clock=self._policy.clock)
        self._process = os.getpid()
        self._throttle = Throttle(clock=self._policy.clock)
        self._closed = threading.Event()

    @property
    def public_url(self) -> str:
        """What the server calls itself for people, as its answers say; its URL if they say nothing, or none came."""
        with suppress(ValueError):
            return parse_host(self._named)[0]
        return self.host

    def close(self) -> None:
        """Close connections and end waits; a second call does nothing."""
        self._closed.set()
        self._transport.close()

    def send(self, request: Request) -> Answer:
        """Ask, and ask again as the policy says.

        Args:
            request: What to ask.

        Returns:
            A whole answer with a success status.

        Raises:
            ApiStatusError: The server said no; the sentence is its own.
            RequestError: No usable answer came within the time budget.
        """
        start, size = _extent(request.body)
        if self._parts is None or size < self._too_large:
            try:
                return self._send_whole(request, may_pass_smaller=self._parts is not None and size > _PART_MIN)
            except ApiStatusError as error:
                if self._parts is None or not _is_barred(error) or size < _PART_MIN:
                    raise
            except _CutOffError:
                return self._send_after_break(request, start, size)
            # What does not pass is remembered: the next one of its size is not sent in vain.
            self._too_large = size
        return self._send_in_parts(request, start, size)

    def _send_whole(self, request: Request, *, may_pass_smaller: bool = False) -> Answer:
        call = self._call(request)
        tries = self._new_tries(call.what)
        return self._insist(call, tries, repeatable=request.repeatable, may_pass_smaller=may_pass_smaller)

    def _send_after_break(self, request: Request, start: int, size: int) -> Answer:
        """Send in parts; only if that helps, it was the size that broke the connection."""
        part = self._part
        try:
            answer = self._send_in_parts(request, start, size)
        except RequestError:
            self._part = part
            raise
        self._too_large = size
        return answer

    def _send_in_parts(self, request: Request, start: int, size: int) -> Answer:
        """Send a body in parts that pass, then the request without it."""
        body = request.body
        file = io.BytesIO(body or b"") if isinstance(body, bytes | None) else body
        name = _digest(file, start)
        used = attrs.evolve(request, body=None, headers={**request.headers, "Runatlas-Body": name})
        self._part = min(self._part, max(size // 2, _PART_MIN))
        try:
            self._put_parts(name, file, start, size)
            return self._send_whole(used)
        except ConflictError as error:
            if error.is_foreign or not request.repeatable:
                raise
            # Parts were lost; or they were used and the answer was lost, which the server tells when asked again.
            self._put_parts(name, file, start, size)
            return self._send_whole(used)

    def _put_parts(self, name: str, file: BinaryIO, start: int, size: int) -> None:
        offset = 0
        while offset < size:
            file.seek(start + offset)
            part = file.read(self._part)
            put = Request("PUT", f"{self._parts}/{name}?offset={offset}", part, _BYTES)
            try:
                self._send_whole(put, may_pass_smaller=len(part) > _PART_MIN)
            except ApiStatusError as error:
                if not _is_barred(error) or len(part) <= _PART_MIN:
                    raise
                self._part = max(len(part) // 2, _PART_MIN)
            except _CutOffError:
                # Each try of these costs waits: so the steps are large.
                self._part = max(len(part) // 8, _PART_MIN)
            else:
                offset += len(part)

    def download(self, url: str, *, start: int = 0) -> Iterator[bytes]:
        """Fetch a file from a link that needs no key, and take up again where the connection broke.

        Args:
            url: An absolute URL, of whatever server.
            start: The first byte wanted; nothing comes from the end or beyond.

        Yields:
            Its bytes, in pieces.

        Raises:
            ApiStatusError: The server said no.
            RequestError: The connection broke again and again, without anything coming in between.
        """
        what = f"GET {_shown(url)}"
        tries = self._new_tries(what)
        headers = {"Accept-Encoding": "identity", "User-Agent": self._agent}
        while True:
            tries.begin()
            call = Call("GET", url, what, {**headers, "Range": f"bytes={start}-"} if start else headers)
            try:
                for piece in self._download_once(call, start, tries):
                    start += len(piece)
                    yield piece
                    tries.renew()
            except BrokenRequest as broken:
                failed = FailedTry.of_break(broken, repeatable=True)
            except _RefusedDownload as refused:
                failed = FailedTry.of_refusal(refused.answer, repeatable=True)
            else:
                return
            tries.back_off(failed)

    def open_link(self, link: str, *, start: int = 0) -> Iterator[bytes]:
        """Fetch what a link points at, in pieces, from byte ``start`` on.

        Raises:
            NotFoundError: It expired, was altered, or was never given out.
        """
        if not link.startswith(("http://", "https://")):
            raise NotFoundError(f"{redact(link)!r} is no link of the server {self.host}")

        def pieces() -> Iterator[bytes]:
            try:
                yield from self.download(link, start=start)
            except (ValidationError, PermissionDeniedError, AuthenticationError) as error:
                raise NotFoundError(f"the link {redact(link)!r} leads nowhere: {error.message}") from error

        return pieces()

    def upload(self, url: str, body: bytes | BinaryIO, media_type: str) -> Answer:
        """Send a file to a link that needs no key, and again as the policy says. A slow line gets the time it needs.

        Args:
            url: An absolute URL, of whatever server.
            body: Bytes, or a file that can be rewound; it is sent from where it stands.
            media_type: Of the body.

        Returns:
            A whole answer with a success status.

        Raises:
            ApiStatusError: The server said no.
            RequestError: No usable answer came within the time budget.
        """
        what = f"PUT {_shown(url)}"
        start, size = _extent(body)
        headers = {
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "User-Agent": self._agent,
            "Content-Type": media_type,
            "Content-Length": str(size),
        }
        call = Call("PUT", url, what, headers, body, start)
        return self._insist(call, self._new_tries(what, size / _UPLOAD_RATE), repeatable=True)

    def _credentials(self) -> dict[str, str]:
        """Return the headers that say who asks, with every request."""
        return {} if self._key is None else {"Authorization": f"Bearer {self._key}"}

    def _insist(self, call: Call, tries: Tries, *, repeatable: bool, may_pass_smaller: bool = False) -> Answer:
        breaks = 0
        while True:
            tries.begin()
            try:
                answer = self._follow(call, tries)
            except BrokenRequest as broken:
                breaks += broken.sent and isinstance(broken.error, ConnectionFailedError)
                if may_pass_smaller and repeatable and breaks >= _BREAKS_MAX:
                    raise _CutOffError from broken
                tries.back_off(FailedTry.of_break(broken, repeatable=repeatable))
                continue
            if answer.is_success:
                return answer
            tries.back_off(FailedTry.of_refusal(answer, repeatable=repeatable))

    def _new_tries(self, what: str, more_s: float = 0.0) -> Tries:
        if self._process != os.getpid():
            # Threads that held a place or a lock at the fork do not exist here and would never give it back.
            self._process = os.getpid()
            self._throttle = Throttle(clock=self._policy.clock)
            self._closed = threading.Event()
        if self._closed.is_set():
            raise RequestError("this Api is closed; make a new one")
        policy = attrs.evolve(self._policy, total_s=self._policy.total_s + more_s) if more_s else self._policy
        return Tries(what, policy, self._throttle, self._closed)

    def _call(self, request: Request) -> Call:
        body = request.body
        headers = {"Accept": request.accept, **self._headers, **request.headers}
        if request.idempotency_key is not None:
            headers["Idempotency-Key"] = request.idempotency_key
        if request.media_type is not None:
            headers["Content-Type"] = request.media_type
        if self._compress and isinstance(body, bytes) and len(body) >= _GZIP_FROM:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 1)
        start, size = _extent(body)
        if body is not None or request.method not in {"GET", "HEAD"}:
            headers["Content-Length"] = str(size)
        url = self.host + request.path
        what = f"{request.method} {_shown(url)}"
        return Call(request.method, url, what, headers, body, start)

    def _follow(self, call: Call, tries: Tries) -> Answer:
        """Exchange, and go after redirects within the server: same method, same body."""
        for _ in range(_REDIRECTS_MAX):
            with self._throttle.slot(tries.left()), self._transport.open(call, tries.left()) as response:
                answer = self._whole(call, response, tries)
            target = answer.headers.get("location") if answer.status in _REDIRECTS else None
            if not target:
                return answer
            url = _led_to(call, target)
            if origin_of(url) != origin_of(call.url):
                where = _shown(url)
                message = (
                    f"{call.what}: the server redirects to {where}; if that is right, pass its address as the host"
                )
                raise BrokenRequest(RequestError(message), is_final=True)
            call = attrs.evolve(call, url=url)
        raise BrokenRequest(RequestError(f"{call.what}: the server redirects in a circle"), is_final=True)

    def _whole(self, call: Call, response: Response, tries: Tries) -> Answer:
        most = _REFUSAL_MAX if response.status_code >= 300 else _ANSWER_MAX.get(call.headers["Accept"], _BLOCK_MAX)
        body = self._transport.read(call, response, tries.deadline, most)
        headers = {name.lower(): value for name, value in response.headers.items()}
        answer = Answer(call.what, response.status_code, headers, body, self._key)
        if answer.is_success and not body and answer.status != _NO_CONTENT and not _FRAMING & headers.keys():
            # A head that was cut off reads like an answer without a body, whose end is the connection's.
            raise BrokenRequest(RequestError(f"{call.what}: the connection broke in the middle of the answer"))
        self._named = headers.get(_NAMED, self._named)
        return answer if answer.is_success else attrs.evolve(answer, is_foreign=not self._is_own(answer))

    def _is_own(self, answer: Answer) -> bool:
        """Tell whether an error is in the words of a RunAtlas server, and not of something on the way."""
        error = answer.document().get("error")
        return isinstance(error, dict) and error.get("status") == answer.status and isinstance(error.get("type"), str)

    def _download_once(self, call: Call, start: int, tries: Tries) -> Iterator[bytes]:
        """Yield what comes from ``start`` on; redirects lead anywhere, for there is no key to lose."""
        for _ in range(_REDIRECTS_MAX):
            with self._transport.open(call, tries.left()) as response:
                target = response.headers.get("location") if response.status_code in _REDIRECTS else None
                if target:
                    call = attrs.evolve(call, url=_led_to(call, target))
                    continue
                if response.status_code == _BEYOND_END and start:
                    return
                if response.status_code >= 300:
                    raise _RefusedDownload(self._whole(call, response, tries))
                skip = 0 if response.status_code == _PARTIAL else start
                yield from _skipping(self._transport.pieces(call, response, self._policy.total_s), skip)
                return
        raise BrokenRequest(RequestError(f"{call.what}: the server redirects in a circle"), is_final=True)


class _CutOffError(Exception):
    """The connection broke again and again, which may be for the size of the body."""


class _RefusedDownload(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.what)
        self.answer = answer


def _is_barred(error: ApiStatusError) -> bool:
    """Tell whether something on the way found a body too large; what the server does is no smaller in parts."""
    return error.code == _TOO_LARGE and error.is_foreign


def _led_to(call: Call, target: str) -> str:
    """Return the address that a redirect leads to."""
    try:
        url = urljoin(call.url, target)
        origin_of(url)
    except ValueError as error:
        message = f"{call.what}: the server redirects to what is no address ({error})"
        raise BrokenRequest(RequestError(message), is_final=True) from error
    return url


def _digest(file: BinaryIO, start: int) -> str:
    file.seek(start)
    digest = hashlib.sha256()
    while piece := file.read(_PART_MAX):
        digest.update(piece)
    return digest.hexdigest()


def _skipping(pieces: Iterator[bytes], skip: int) -> Iterator[bytes]:
    """Leave out the first ``skip`` bytes, of a server that sends a file from its beginning whatever is asked."""
    for piece in pieces:
        if skip < len(piece):
            yield piece[skip:]
        skip = max(0, skip - len(piece))


def _shown(url: str) -> str:
    return redact(url.partition("?")[0])


def _extent(body: bytes | BinaryIO | None) -> tuple[int, int]:
    """Return where a body begins in its file, and how large it is."""
    if isinstance(body, bytes | None):
        return 0, len(body or b"")
    start = body.tell()
    end = body.seek(0, io.SEEK_END)
    body.seek(start)
    return start, end - start

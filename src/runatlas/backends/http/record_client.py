"""Reads and writes of records over a session: encoding, decoding, and what is kept in memory."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote, urlencode

from runatlas.backends.http.answer import Answer
from runatlas.backends.http.cache import MOVING_S, AnswerCache
from runatlas.backends.http.session import Request, Session
from runatlas.backends.http.transport import when_sent
from runatlas.errors import ResponseFormatError, RunAtlasError, ValidationError
from runatlas.model import codec

__all__ = ["JSON", "RecordClient", "json_body", "make_path"]

T = TypeVar("T")

JSON = "application/json"

_SENDING_S = 0.01
"""How long to wait at the most until a request is sent ahead: longer where it takes a new connection, or a proxy."""


def make_path(root: str, *segments: str, **query: Any) -> str:
    """Put a path together; queries that are ``None``, 0, ``""`` or false are left out.

    Its segments are percent-encoded, ``/`` and ``+`` too: some servers read a bare ``+`` as a blank.

    Example:
        >>> make_path("/atlas/v1", "runs", "ann", "a+b", limit=10, cursor=None)
        '/atlas/v1/runs/ann/a%2Bb?limit=10'

    Raises:
        ValidationError: A text has lone surrogates.
    """
    given = {name: "true" if value is True else value for name, value in query.items() if value}
    try:
        path = "/".join((root, *(quote(segment, safe="") for segment in segments)))
        return f"{path}?{urlencode(given)}" if given else path
    except UnicodeEncodeError:
        raise _no_text() from None


def json_body(record: Any) -> bytes:
    """Encode a record, or plain values with records in them.

    Raises:
        ValidationError: A text in it has lone surrogates.
    """
    try:
        return codec.encode_json(record)
    except UnicodeEncodeError:
        raise _no_text() from None


def _no_text() -> ValidationError:
    return ValidationError("text must not have lone surrogates")


class RecordClient:
    """Turns calls into requests and answers into records; reads may be answered from memory."""

    def __init__(self, session: Session, cache: AnswerCache | None) -> None:
        self.session = session
        self._cache = cache

    def read(
        self,
        request: Request,
        decode: Callable[[Answer], T],
        *,
        scope: str,
        keep: Callable[[T], float],
        ahead: Callable[[bytes], Request | None] | None = None,
    ) -> T:
        """Ask for something that may be known already.

        Args:
            request: What to ask; its body counts for what is the same request.
            decode: Makes the record of an answer.
            scope: What the answer is about: ``""``, a workspace, or ``workspace/project``.
            keep: For how many seconds the answer may be kept, seen the record.
            ahead: Which request is likely to come next, seen the body; it is sent while the record is decoded.

        Returns:
            The record, newly decoded for each caller.
        """
        if self._cache is None:
            return self.ask(request, decode)
        fresh: list[T] = []

        def load() -> tuple[bytes, float]:
            answer = self.session.send(request)
            if ahead is not None:
                self._send_ahead(ahead(answer.body), scope)
            value = _decoded(answer, decode)
            fresh.append(value)
            return answer.body, keep(value)

        body = self._cache.fetch(_key(request), scope, load)
        if fresh:
            return fresh[0]
        if ahead is not None:
            self._send_ahead(ahead(body), scope)
        value = decode(_remembered(request, body))
        if ahead is not None:
            keep(value)  # of an answer that came ahead nobody has seen the record yet
        return value

    def _send_ahead(self, request: Request | None, scope: str) -> None:
        """Ask in a thread of its own, which ends with the answer; who asks meanwhile waits for that one."""
        if request is not None:
            sent = threading.Event()
            threading.Thread(
                target=self._fetch_ahead, args=(request, scope, sent.set), name="runatlas-ahead", daemon=True
            ).start()
            # Who goes on to decode would keep the thread from sending it until that is done.
            sent.wait(_SENDING_S)

    def _fetch_ahead(self, request: Request, scope: str, sent: Callable[[], None]) -> None:
        if self._cache is not None:
            with when_sent(sent), suppress(RunAtlasError):  # who waits for it gets it, and who comes later asks again
                self._cache.fetch(_key(request), scope, lambda: (self.session.send(request).body, MOVING_S))
        sent()

    def ask(self, request: Request, decode: Callable[[Answer], T]) -> T:
        """Ask for something, never from memory."""
        return _decoded(self.session.send(request), decode)

    def write(
        self,
        method: str,
        path: str,
        body: bytes | BinaryIO | None,
        decode: Callable[[Answer], T],
        *,
        scope: str,
        media_type: str = JSON,
        is_keyed: bool = True,
        repeatable: bool = True,
    ) -> T:
        """Change something, and forget what is known about its scope, however it ended.

        Args:
            method: The HTTP method.
            path: From the server's root.
            body: What to send.
            decode: Makes the record of the answer.
            scope: What it changes.
            media_type: Of the body.
            is_keyed: Whether it needs an ``Idempotency-Key``: one for all tries of this call.
            repeatable: Whether another try can do no harm when the first one may have reached the server.
        """
        request = Request(
            method,
            path,
            body,
            media_type if body is not None else None,
            repeatable=repeatable,
            idempotency_key=uuid.uuid4().hex if is_keyed else None,
        )
        try:
            return self.ask(request, decode)
        finally:
            self.forget(scope)

    def forget(self, scope: str) -> None:
        """Forget what is known about a scope."""
        if self._cache is not None:
            self._cache.forget(scope)


def _key(request: Request) -> Hashable:
    return request.method, request.path, request.body


def _decoded(answer: Answer, decode: Callable[[Answer], T]) -> T:
    try:
        return decode(answer)
    except ResponseFormatError as error:
        raise answer.decode_error(error) from error.__cause__


def _remembered(request: Request, body: bytes) -> Answer:
    return Answer(f"{request.method} {request.path}", 200, {"content-type": request.accept}, body)

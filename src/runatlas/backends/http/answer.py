"""What a server answered: the body decoded, or the typed error with the server's own sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from runatlas.backends.http.address import redact
from runatlas.errors import ResponseFormatError, RunAtlasError, error_for_status
from runatlas.model import codec

__all__ = ["Answer"]

T = TypeVar("T")

_TEXT_MAX = 200
_SENTENCE_MAX = 1000
_TITLE_WITHIN = 8192
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_UNAUTHORIZED = 401
_HOW_TO_SEND_A_KEY = "; 'runatlas login' keeps a key, RUNATLAS_API_KEY or api_key passes one"
_MESSAGE_NAMES = ("message", "errmsg", "detail", "error", "msg", "title")


@attrs.frozen(repr=False)
class Answer:
    """A whole answer.

    Attributes:
        what: The request in a few words, for messages: method and URL, without secrets.
        headers: With lower-case names.
        key: The key that was sent, so that it can be kept out of messages.
        is_foreign: Whether it is an error that is not in the words of the server that was asked.
    """

    what: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    key: str | None = None
    is_foreign: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def media_type(self) -> str:
        """The content type without its parameters, ``""`` when there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Return the body as JSON values.

        Raises:
            ResponseFormatError: It is none, or not whole.
        """
        return self._decoded(codec.loads)

    def record(self, kind: type[T]) -> T:
        """Return the body, which is JSON, as a record or a container of records.

        Raises:
            ResponseFormatError: It is no JSON, not whole, or does not fit; the message names the path inside it.
        """
        return self._decoded(lambda body: codec.decode_json(body, kind))

    def _decoded(self, decode: Callable[[bytes], T]) -> T:
        if not self.body or (self.media_type != "application/json" and not self.media_type.endswith("+json")):
            raise ResponseFormatError(f"{self.what}: expected JSON, got {self._described()}")
        try:
            return decode(self.body)
        except ValueError as error:
            raise ResponseFormatError(
                f"{self.what}: the JSON does not decode: {redact(str(error), self.key)}"
            ) from error

    def content(self, media_type: str) -> bytes:
        """Return the body, if it is of that type.

        Raises:
            ResponseFormatError: It has another type.
        """
        if self.media_type != media_type:
            raise ResponseFormatError(f"{self.what}: expected {media_type}, got {self._described()}")
        return self.body

    def decode_error(self, error: ResponseFormatError) -> ResponseFormatError:
        """Return the error with the request named in front, once."""
        if error.message.startswith(self.what):
            return error
        return ResponseFormatError(f"{self.what}: {error.message}")

    @property
    def error_code(self) -> str:
        """The machine-readable code of an error body, ``""`` when there is none."""
        document = self.document()
        error = document.get("error")
        code = error.get("code") if isinstance(error, dict) else document.get("code")
        return code if isinstance(code, str) else ""

    def error(self) -> RunAtlasError:
        """Make the error that belongs to the status, with the server's own sentence where it has one."""
        sentence = self._sentence()
        if not sentence:
            sentence = f"{self.what}: the server answered {self.status} with {self._described()}"
        if self.status == _UNAUTHORIZED and self.key is None:
            sentence += _HOW_TO_SEND_A_KEY
        asked = self.headers.get("retry-after", "").strip()
        retry_after_s = float(asked[:9]) if asked.isascii() and asked.isdigit() else None
        error = error_for_status(self.status, redact(sentence, self.key), retry_after_s)
        error.is_foreign = self.is_foreign
        return error

    def document(self) -> dict[str, Any]:
        """Return the body, if it is a JSON object; else an empty one."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}

    def _sentence(self) -> str:
        found: Any = self.document()
        while isinstance(found, dict):
            found = next((found[name] for name in _MESSAGE_NAMES if found.get(name)), None)
        return " ".join(found.split())[:_SENTENCE_MAX] if isinstance(found, str) else ""

    def _described(self) -> str:
        """Say in a few words what came instead of what was due."""
        if not self.body:
            return "an empty body"
        if self.media_type in {"text/html", "application/xhtml+xml"} or self.body[:200].lstrip()[:1] == b"<":
            title = _TITLE.search(self.body[:_TITLE_WITHIN])
            said = f" ({_plain(title.group(1))})" if title else ""
            return f"a web page{said}; is this the address of a RunAtlas server?"
        kind = self.media_type or "a body without a content type"
        return f"{kind}: {_plain(self.body[: _TEXT_MAX * 4])}" if self._is_text() else kind

    def _is_text(self) -> bool:
        return self.media_type.startswith("text/") or self.media_type.endswith("json") or not self.media_type


def _plain(text: bytes) -> str:
    return " ".join(_TAG.sub(" ", text.decode("utf-8", "replace")).split())[:_TEXT_MAX]

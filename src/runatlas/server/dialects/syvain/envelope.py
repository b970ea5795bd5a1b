"""How this protocol wraps what it answers: ``{"data": ..., "error": ...}``."""

from __future__ import annotations

from typing import Any

from runatlas.model.codec import encode_json
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.failure import Failure, in_wider_use

__all__ = ["answer", "code_of", "render"]

_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    501: "not_supported",
    503: "service_unavailable",
}


def answer(data: Any) -> Answer:
    """Answer ``data``."""
    return Answer(encode_json({"data": data, "error": None}))


def code_of(failure: Failure) -> tuple[int, str]:
    """Return the status of a failure in this protocol, and the code by which programs know it."""
    status = 400 if failure.status == 422 else in_wider_use(failure).status
    return status, failure.code or _CODES.get(status, "internal_error")


def render(failure: Failure) -> Answer:
    """Write a failure; clients find its code in the text of ``details``."""
    status, code = code_of(failure)
    told = {"message": failure.message or "the request failed", "details": f"code={code}"}
    return Answer(encode_json({"data": None, "error": told}), status, headers=failure.headers)

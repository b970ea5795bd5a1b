"""What requests of this protocol carry, checked."""

from __future__ import annotations

import re
from typing import Any

from runatlas.errors import ValidationError
from runatlas.model.codec import encode_json
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import required_body
from runatlas.server.wire.payload import parse_json

__all__ = ["answer", "limit_of", "number", "read_object"]

_BARE_POINT = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|(?<![\d.eE+])\.(?=\d)', re.DOTALL)
"""Texts, and points with no digit before them outside of texts."""

_LIMIT = 100
_LIMIT_MAX = 10_000


def answer(value: Any, status: int = 200) -> Answer:
    """Answer JSON."""
    return Answer(encode_json(value), status)


def read_object(call: EndpointCall) -> dict[str, Any]:
    """Read a JSON object; no body at all is an empty one.

    Numbers such as ``.5`` are taken, as the document's own loop sends them: ``bc`` writes no zero before the point.

    Raises:
        ValidationError: It is of another media type, or no JSON object.
    """
    if not call.body:
        return {}
    if call.media_type != "application/json":
        raise ValidationError("the body must be application/json")
    return required_body(_parse(call.body), dict)


def _parse(data: bytes) -> Any:
    try:
        return parse_json(data)
    except ValidationError:
        repaired = _BARE_POINT.sub(lambda found: b"0." if found[0] == b"." else found[0], data)
        if repaired == data:
            raise
    return parse_json(repaired)


def number(value: Any, name: str) -> float:
    """Read a number.

    Raises:
        ValidationError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValidationError(f"{name}: a metric is a number, not {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:
        raise ValidationError(f"{name}: the number is too large") from None


def limit_of(call: EndpointCall) -> int:
    """Read the query's ``limit``.

    Raises:
        ValidationError: It is not a number from 1 on.
    """
    given = call.value("limit")
    if given is None:
        return _LIMIT
    if not (given.isascii() and given.isdigit()) or not int(given[:9]) >= 1:
        raise ValidationError("limit: expected a whole number from 1 on")
    return min(int(given[:9]), _LIMIT_MAX)

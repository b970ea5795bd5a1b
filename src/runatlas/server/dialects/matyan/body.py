"""What requests of this protocol carry, checked, and how they are answered."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from runatlas.errors import ValidationError
from runatlas.model.config_name import nests_deeper
from runatlas.server.dialects.matyan.stream import MEDIA_TYPE
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import INT64, required_body
from runatlas.server.wire.payload import DEPTH_MAX

__all__ = [
    "answer",
    "has_flag",
    "parse",
    "read_body",
    "read_range",
    "read_zone_offset",
    "stream",
    "whole_of",
]

T = TypeVar("T")

_DAY_MINUTES = 24 * 60


def answer(value: Any, status: int = 200) -> Answer:
    """Answer JSON; NaN and the infinities are tokens of their own, which this client reads."""
    return Answer(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"), status)


def stream(body: bytes) -> Answer:
    """Answer pairs."""
    return Answer(body, media_type=MEDIA_TYPE)


def parse(text: str | bytes) -> Any:
    """Read JSON, with ``NaN`` and ``Infinity`` as this client writes them.

    Raises:
        ValidationError: 400 when it is none, or lies too deep.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValidationError("the JSON nests too deeply", code=400) from None
    except ValueError as error:
        raise ValidationError(f"this is not JSON: {error}", code=400) from error
    if nests_deeper(value, DEPTH_MAX):
        raise ValidationError(f"this is not JSON: the JSON nests deeper than {DEPTH_MAX} levels", code=400)
    return value


def read_body(call: EndpointCall, kind: type[T]) -> T:
    """Read a body that is an object or a list.

    Raises:
        ValidationError: 400 when it is no JSON, 422 when it is no such value.
    """
    return required_body(parse(call.body), kind)


def whole_of(call: EndpointCall, name: str, default: int) -> int:
    """Read a whole number of the query.

    Raises:
        ValidationError: It is none.
    """
    given = call.value(name)
    if given is None or not given:
        return default
    try:
        return _whole(given)
    except ValueError:
        raise ValidationError(f"{name}: expected a whole number") from None


def _whole(given: str) -> int:
    return min(int(given[:19]), INT64[1])


def has_flag(call: EndpointCall, name: str, *, default: bool) -> bool:
    """Read a boolean of the query."""
    given = call.value(name)
    return default if given is None else given.strip().lower() in {"1", "true", "yes", "on"}


def read_range(call: EndpointCall) -> tuple[int | None, int | None] | None:
    """Read ``start:stop`` of ``record_range``; either side may be open. A text without ``:`` is no limit.

    Raises:
        ValidationError: A side is no whole number.
    """
    start, colon, stop = (call.value("record_range") or "").partition(":")
    if not colon:
        return None
    try:
        return (_whole(start) if start.strip() else None, _whole(stop) if stop.strip() else None)
    except ValueError:
        raise ValidationError("record_range: expected start:stop") from None


def read_zone_offset(call: EndpointCall) -> int:
    """Read the minutes of the header ``X-Timezone-Offset``, 0 without it.

    Raises:
        ValidationError: They are none, or more than a day has.
    """
    try:
        found = int(call.headers.get("x-timezone-offset", "0")[:10])
    except ValueError:
        raise ValidationError("X-Timezone-Offset: expected minutes") from None
    if abs(found) > _DAY_MINUTES:
        raise ValidationError("X-Timezone-Offset: expected minutes within a day")
    return found

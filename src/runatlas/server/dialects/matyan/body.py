"""What requests of this protocol carry, checked, and how they are answered."""

from __future__ import annotations

import json
from typing import Any

from runatlas.errors import ValidationError
from runatlas.server.dialects.matyan.stream import MEDIA_TYPE
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = [
    "answer",
    "flag_field",
    "has_flag",
    "parse",
    "read_list",
    "read_object",
    "read_range",
    "read_zone_offset",
    "stream",
    "text_field",
    "whole_of",
]

_DEPTH_MAX = 64
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
        _check_depth(value)
    except RecursionError:
        raise ValidationError("the JSON nests too deeply", code=400) from None
    except ValueError as error:
        raise ValidationError(f"this is not JSON: {error}", code=400) from error
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEPTH_MAX):
        level = [inner for outer in level for inner in _items(outer) if isinstance(inner, (dict, list))]
        if not level:
            return
    raise ValidationError(f"the JSON nests deeper than {_DEPTH_MAX} levels", code=400)


def _items(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def read_object(call: EndpointCall) -> dict[str, Any]:
    """Read a body that is an object.

    Raises:
        ValidationError: 400 when it is no JSON, 422 when it is no object.
    """
    found = parse(call.body)
    if not isinstance(found, dict):
        raise ValidationError("the body must be a JSON object")
    return found


def read_list(call: EndpointCall) -> list[Any]:
    """Read a body that is a list.

    Raises:
        ValidationError: 400 when it is no JSON, 422 when it is no list.
    """
    found = parse(call.body)
    if not isinstance(found, list):
        raise ValidationError("the body must be a JSON list")
    return found


def text_field(body: dict[str, Any], name: str, default: str | None = None) -> str:
    """Read a text field.

    Raises:
        ValidationError: It is missing without a default, or no text.
    """
    value = body.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise ValidationError(f"{name}: expected text")
    return value


def flag_field(body: dict[str, Any], name: str) -> bool | None:
    """Read a boolean field; ``None`` when it is missing.

    Raises:
        ValidationError: It is neither true nor false.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise ValidationError(f"{name}: expected true or false")
    return value


def whole_of(call: EndpointCall, name: str, default: int) -> int:
    """Read a whole number of the query.

    Raises:
        ValidationError: It is none.
    """
    given = call.value(name)
    if given is None or not given:
        return default
    try:
        return int(given[:19])
    except ValueError:
        raise ValidationError(f"{name}: expected a whole number") from None


def has_flag(call: EndpointCall, name: str, *, default: bool) -> bool:
    """Read a boolean of the query."""
    given = call.value(name)
    return default if given is None else given.strip().lower() in {"1", "true", "yes", "on"}


def read_range(call: EndpointCall, name: str = "record_range") -> tuple[int | None, int | None] | None:
    """Read ``start:stop``; either side may be open. A text without ``:`` is no limit.

    Raises:
        ValidationError: A side is no whole number.
    """
    start, colon, stop = (call.value(name) or "").partition(":")
    if not colon:
        return None
    try:
        return (int(start[:19]) if start.strip() else None, int(stop[:19]) if stop.strip() else None)
    except ValueError:
        raise ValidationError(f"{name}: expected start:stop") from None


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

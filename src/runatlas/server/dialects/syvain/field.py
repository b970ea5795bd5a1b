"""The fields of requests, checked; unknown ones are refused as the clients refuse them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from runatlas.errors import ValidationError
from runatlas.model.codec import dumps
from runatlas.server.dialects.syvain.envelope import bad
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.payload import parse_json

__all__ = [
    "TIME_MAX",
    "flag",
    "json_object",
    "known_fields",
    "limit_of",
    "number",
    "objects",
    "optional_text",
    "optional_whole",
    "query_whole",
    "read_body",
    "read_object",
    "text",
    "whole",
]

TIME_MAX = 2**53 - 1
_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)


def read_body(call: EndpointCall) -> Any:
    """Read the JSON document of a request.

    Raises:
        ValidationError: It is none.
    """
    try:
        return parse_json(call.body)
    except ValidationError as error:
        raise bad(error.message) from error


def read_object(call: EndpointCall, allowed: Iterable[str]) -> dict[str, Any]:
    """Read a JSON object that has no other fields than those allowed.

    Raises:
        ValidationError: It is none, or has.
    """
    found = read_body(call)
    if not isinstance(found, dict):
        raise bad("the body must be a JSON object")
    known_fields(found, allowed, "the body")
    return found


def known_fields(value: Mapping[str, Any], allowed: Iterable[str], what: str) -> None:
    """Check that an object has no unknown fields.

    Raises:
        ValidationError: It has; the sentence names one.
    """
    unknown = sorted(set(value) - set(allowed))
    if unknown:
        raise bad(f"{what} has an unknown field {unknown[0][:100]!r}")


def text(value: Mapping[str, Any], name: str, most: int, *, least: int = 1) -> str:
    """Read a text that must be there.

    Raises:
        ValidationError: It is not, or of another type or length.
    """
    found = value.get(name)
    if not isinstance(found, str) or not least <= len(found) <= most:
        raise bad(f"{name}: expected text of {least} to {most} characters")
    return found


def optional_text(value: Mapping[str, Any], name: str, most: int, *, default: str = "") -> str:
    """Read a text that may be missing.

    Raises:
        ValidationError: It is of another type, or too long.
    """
    return text(value, name, most, least=0) if name in value else default


def whole(value: Mapping[str, Any], name: str, least: int = 0, most: int = TIME_MAX) -> int:
    """Read a whole number that must be there.

    Raises:
        ValidationError: It is not, or of another type, or out of bounds.
    """
    found = value.get(name)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
        raise bad(f"{name}: expected a whole number from {least} to {most}")
    return found


def optional_whole(value: Mapping[str, Any], name: str, least: int = 0, most: int = TIME_MAX) -> int | None:
    """Read a whole number that may be missing, but not null.

    Raises:
        ValidationError: It is of another type, or out of bounds.
    """
    return whole(value, name, least, most) if name in value else None


def number(value: Mapping[str, Any], name: str) -> float:
    """Read a finite number.

    Raises:
        ValidationError: It is none.
    """
    found = value.get(name)
    if not isinstance(found, bool) and isinstance(found, (int, float)):
        try:
            made = float(found)
        except OverflowError:
            made = math.inf
        if math.isfinite(made):
            return made
    raise bad(f"{name}: expected a finite number")


def flag(value: Mapping[str, Any], name: str) -> bool:
    """Read a boolean that must be there.

    Raises:
        ValidationError: It is not.
    """
    found = value.get(name)
    if not isinstance(found, bool):
        raise bad(f"{name}: expected true or false")
    return found


def json_object(value: Mapping[str, Any], name: str, most: int | None = None) -> dict[str, Any]:
    """Read a JSON object of finite values; a missing one is empty.

    Args:
        value: Where it is a field.
        name: Its name.
        most: How many bytes it may have as compact JSON.

    Raises:
        ValidationError: It is none, has NaN or infinities, or is too large.
    """
    found = value.get(name, {})
    if not isinstance(found, dict):
        raise bad(f"{name}: expected an object")
    if not _is_finite(found):
        raise bad(f"{name}: numbers must be finite")
    if most is not None and len(dumps(found).encode(errors="replace")) > most:
        raise bad(f"{name}: it has more than {most} bytes")
    return found


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return all(map(_is_finite, value)) if isinstance(value, list) else True


def objects(value: Mapping[str, Any], name: str, most: int, *, least: int = 0) -> list[dict[str, Any]]:
    """Read a list of objects.

    Raises:
        ValidationError: It is none, or has too few or too many.
    """
    found = value.get(name)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise bad(f"{name}: expected a list of objects")
    if not least <= len(found) <= most:
        raise bad(f"{name}: expected {least} to {most} items, got {len(found)}")
    return found


def query_whole(call: EndpointCall, name: str) -> int | None:
    """Read a whole number of the query; ``None`` when it is not there.

    Raises:
        ValidationError: It is none.
    """
    given = call.value(name)
    if given is None:
        return None
    if not _WHOLE.fullmatch(given):
        raise bad(f"{name}: expected a whole number")
    return max(-(2**63), min(int(given), 2**63 - 1))


def limit_of(call: EndpointCall, default: int, most: int) -> int:
    """Read the query's ``limit``; a large one is cut.

    Raises:
        ValidationError: It is no whole number from 1 on.
    """
    found = query_whole(call, "limit")
    if found is None:
        return default
    if found < 1:
        raise bad("limit: expected a whole number from 1 on")
    return min(found, most)

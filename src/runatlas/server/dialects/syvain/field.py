"""What requests of this protocol have of their own; unknown fields are refused as the clients refuse them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from runatlas.errors import ValidationError
from runatlas.server.wire import field
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import FieldError, known_fields, required_body
from runatlas.server.wire.payload import parse_json

__all__ = ["finite_object", "limit_of", "objects", "query_whole", "read_object", "whole"]

_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)
whole = partial(field.whole, least=0, most=2**53 - 1, floats=True)
"""Reads a number as JavaScript has them, from 0 on."""


def read_object(call: EndpointCall, allowed: Iterable[str]) -> dict[str, Any]:
    """Read a JSON object that has no other fields than those allowed.

    Raises:
        ValidationError: It is none, or has.
    """
    found: dict[str, Any] = required_body(parse_json(call.body), dict)
    known_fields(found, allowed, "the body")
    return found


def finite_object(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Read a JSON object of finite values; a missing one is empty.

    Raises:
        ValidationError: It is none, or has NaN or infinities.
    """
    found = value.get(name, {})
    if not isinstance(found, dict):
        raise FieldError(f"{name}: expected an object")
    if not _is_finite(found):
        raise ValidationError(f"{name}: numbers must be finite")
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
        raise FieldError(f"{name}: expected a list of objects")
    if not least <= len(found) <= most:
        raise FieldError(f"{name}: expected {least} to {most} items, got {len(found)}")
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
        raise FieldError(f"{name}: expected a whole number")
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
        raise FieldError("limit: expected a whole number from 1 on")
    return min(found, most)

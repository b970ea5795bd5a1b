"""The fields of a JSON object that a request carries, read with bounds; what does not fit is a ``FieldError``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from runatlas.errors import ValidationError

__all__ = [
    "INT64",
    "FieldError",
    "flag",
    "json_object",
    "known_fields",
    "number",
    "objects",
    "optional",
    "required_body",
    "text",
    "texts",
    "whole",
]

T = TypeVar("T")

INT64 = (-(2**63) + 1, 2**63 - 1)
"""The bounds of whole numbers that have to be told no others."""

_KINDS: dict[type, str] = {dict: "object", list: "list"}


class FieldError(ValidationError):
    """A field is not what it should be; each protocol writes it, and its status, in its own way.

    Attributes:
        found: The type that is there in place of the one expected; ``None`` where a bound was told as well.
    """

    def __init__(self, message: str, *, code: int | None = None, found: str | None = None) -> None:
        super().__init__(message, code=code)
        self.found = found


def required_body(value: Any, kind: type[T]) -> T:
    """Take a body that is an object or a list.

    Raises:
        ValidationError: It is of another type.
    """
    if not isinstance(value, kind):
        raise ValidationError(f"the body must be a JSON {_KINDS[kind]}")
    return value


def known_fields(body: Mapping[str, Any], allowed: Iterable[str], what: str) -> None:
    """Check that an object has no unknown fields.

    Raises:
        ValidationError: It has; the sentence names one.
    """
    unknown = sorted(set(body) - set(allowed))
    if unknown:
        raise ValidationError(f"{what} has an unknown field {unknown[0][:100]!r}")


def optional(read: Callable[..., T], body: Mapping[str, Any], name: str, *args: Any, **options: Any) -> T | None:
    """Read a field by one of the readers below and its bounds; ``None`` when it is missing or null."""
    return None if body.get(name) is None else read(body, name, *args, **options)


def text(body: Mapping[str, Any], name: str, default: str | None = None, *, least: int = 0, most: int = -1) -> str:
    """Read a text field.

    Args:
        body: What it is a field of.
        name: Its name.
        default: What a missing one or null is; without a default it is needed.
        least: How many characters it has at least.
        most: How many it may have; -1 for any number.

    Raises:
        FieldError: It is missing without a default, no text, or of another length.
    """
    value = body.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, str) and least <= len(value) and (most < 0 or len(value) <= most):
        return value
    if most < 0:
        raise FieldError(f"{name}: expected text", found=type(value).__name__)
    raise FieldError(f"{name}: expected text of {least} to {most} characters")


def whole(
    body: Mapping[str, Any], name: str, least: int | None = None, most: int = INT64[1], *, floats: bool = False
) -> int:
    """Read a whole number.

    Args:
        body: What it is a field of.
        name: Its name.
        least: The smallest one; ``None`` for any of 64 bits.
        most: The largest one.
        floats: Whether ``3.0`` is one.

    Raises:
        FieldError: It is none, or out of bounds.
    """
    value = body.get(name)
    if floats and isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int and (-(2**63) if least is None else least) <= value <= most:
        return value
    bounds = "" if least is None else f" from {least} to {most}"
    raise FieldError(f"{name}: expected a whole number{bounds}")


def number(body: Mapping[str, Any], name: str) -> float:
    """Read a finite number.

    Raises:
        FieldError: It is none.
    """
    value = body.get(name)
    if type(value) in {int, float}:
        try:
            made = float(value)  # type: ignore[arg-type]
        except OverflowError:
            made = math.inf
        if math.isfinite(made):
            return made
    raise FieldError(f"{name}: expected a finite number")


def flag(body: Mapping[str, Any], name: str) -> bool:
    """Read a boolean.

    Raises:
        FieldError: It is neither true nor false.
    """
    value = body.get(name)
    if not isinstance(value, bool):
        raise FieldError(f"{name}: expected true or false")
    return value


def json_object(value: Any, name: str) -> dict[str, Any]:
    """Take an object.

    Raises:
        FieldError: It is none.
    """
    if not isinstance(value, dict):
        raise FieldError(f"{name}: expected a JSON object", found=type(value).__name__)
    return value


def objects(value: Any, name: str, most: int) -> list[dict[str, Any]]:
    """Take a list of objects.

    Raises:
        FieldError: It is none, or has too many.
    """
    if not isinstance(value, list) or len(value) > most:
        raise FieldError(f"{name}: expected a list of at most {most} objects")
    return [json_object(item, name) for item in value]


def texts(value: Any, name: str, most: int) -> list[str]:
    """Take a list of texts.

    Raises:
        FieldError: It is none, or has too many.
    """
    if not isinstance(value, list) or len(value) > most or not all(isinstance(item, str) for item in value):
        raise FieldError(f"{name}: expected a list of at most {most} texts")
    return value

"""What a caller may pass: mistakes are found before any request, and named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

__all__ = ["boolean", "choice", "integer", "one_or_more", "optional", "optional_text", "text", "texts"]

T = TypeVar("T")


def text(value: object, argument: str) -> str:
    """Return a text that is not blank.

    Args:
        value: What the caller passed.
        argument: The argument's name.

    Raises:
        TypeError: It is not a string.
        ValueError: It is blank.
    """
    if not isinstance(value, str):
        raise TypeError(f"{argument}: expected a string, got {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{argument}: must not be empty")
    return value


def optional_text(value: object, argument: str) -> str | None:
    """Return a text, which may be empty, or ``None``.

    Args:
        value: What the caller passed.
        argument: The argument's name.

    Raises:
        TypeError: It is neither.
    """
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{argument}: expected a string or None, got {type(value).__name__}")
    return value


def texts(values: object, argument: str, *, empty: bool = False) -> tuple[str, ...]:
    """Return a list of texts as a tuple, repetitions dropped.

    Args:
        values: What the caller passed.
        argument: The argument's name.
        empty: Whether it may be an empty list.

    Raises:
        TypeError: It is a single string, or no list of strings.
        ValueError: It is empty, or has a blank text.
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{argument}: expected a list of strings, got {type(values).__name__}")
    found = tuple(dict.fromkeys(text(value, f"{argument}[{index}]") for index, value in enumerate(values)))
    if not found and not empty:
        raise ValueError(f"{argument}: must not be empty")
    return found


def one_or_more(values: object, argument: str, *, empty: bool = False) -> tuple[str, ...]:
    """Return what ``texts`` does, also of a single text: what is read may be named alone, what is deleted may not."""
    return texts([values] if isinstance(values, str) else values, argument, empty=empty)


def choice(value: object, choices: Sequence[T], argument: str) -> T:
    """Return one of several values.

    Args:
        value: What the caller passed.
        choices: What it may be.
        argument: The argument's name.

    Raises:
        TypeError: It is of another type than all of them.
        ValueError: It is none of them.
    """
    for item in choices:
        if type(item) is type(value) and item == value:
            return item
    kinds = {type(item) for item in choices}
    if type(value) not in kinds:
        raise TypeError(f"{argument}: expected {_names(kinds)}, got {type(value).__name__}")
    raise ValueError(f"{argument}: {value!r} is not one of {', '.join(map(repr, choices))}")


def optional(value: object, choices: Sequence[T], argument: str) -> T | None:
    """Return one of several values, or ``None``.

    Args:
        value: What the caller passed.
        choices: What it may be.
        argument: The argument's name.
    """
    return None if value is None else choice(value, choices, argument)


def boolean(value: object, argument: str) -> bool:
    """Return a boolean.

    Args:
        value: What the caller passed.
        argument: The argument's name.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{argument}: expected True or False, got {type(value).__name__}")
    return value


def integer(value: Any, argument: str, *, least: int, most: int | None = None) -> int:
    """Return a whole number within bounds.

    Args:
        value: What the caller passed.
        argument: The argument's name.
        least: The smallest it may be.
        most: The largest it may be.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is out of bounds.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{argument}: expected a whole number, got {type(value).__name__}")
    if value < least or (most is not None and value > most):
        bounds = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{argument}: must be {bounds}, got {value}")
    return value


def _names(kinds: set[type]) -> str:
    return " or ".join(sorted({str: "a string", bool: "True or False"}.get(kind, kind.__name__) for kind in kinds))

"""JSON documents of a SwanLab server, read field by field; what does not fit names its place."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from runatlas.backends.http.answer import Answer
from runatlas.errors import ResponseFormatError
from runatlas.model.filter_field import instant_ms

__all__ = ["Document", "number_of"]

_MISSING: Any = object()
_MS_FROM = 100_000_000_000
"""As milliseconds this is March 1973: any smaller number is seconds."""


class Document:
    """An object of an answer, and where in it it lies."""

    __slots__ = ("_where", "plain")

    def __init__(self, plain: dict[str, Any], where: str) -> None:
        self.plain = plain
        self._where = where

    @classmethod
    def of(cls, answer: Answer, what: str) -> Document:
        """Read an answer that is an object.

        Raises:
            ResponseFormatError: It is none.
        """
        return cls.read(answer.json(), what)

    @classmethod
    def read(cls, value: Any, where: str) -> Document:
        """Take a value that is an object.

        Raises:
            ResponseFormatError: It is none.
        """
        if not isinstance(value, dict):
            raise ResponseFormatError(f"{where}: expected an object, got {type(value).__name__}")
        return cls(value, where)

    @classmethod
    def each(cls, value: Any, where: str) -> list[Document]:
        """Take a value that is a list of objects.

        Raises:
            ResponseFormatError: It is none.
        """
        if not isinstance(value, list):
            raise ResponseFormatError(f"{where}: expected a list, got {type(value).__name__}")
        return [cls.read(item, f"{where}[{place}]") for place, item in enumerate(value)]

    def text(self, name: str, default: str = _MISSING) -> str:
        """Return a text; the default stands for null too."""
        value = self.plain.get(name)
        if value is None and default is not _MISSING:
            return default
        if not isinstance(value, str):
            raise self._error(name, "text", value)
        return value

    def whole(self, name: str, default: int = _MISSING) -> int:
        """Return a whole number; the default stands for null too."""
        value = self.plain.get(name)
        if value is None and default is not _MISSING:
            return default
        if type(value) is not int:
            raise self._error(name, "a whole number", value)
        return value

    def flag(self, name: str, default: bool) -> bool:
        """Return whether something is so; older servers say 0 and 1."""
        value = self.plain.get(name)
        return default if value is None else bool(value)

    def inner(self, name: str) -> Document:
        """Return an object; an empty one for null."""
        value = self.plain.get(name)
        return Document.read({} if value is None else value, f"{self._where}.{name}")

    def objects(self, name: str) -> list[Document]:
        """Return a list of objects; an empty one for null."""
        value = self.plain.get(name)
        return Document.each([] if value is None else value, f"{self._where}.{name}")

    def items(self) -> Iterator[tuple[str, Document]]:
        """Yield the fields of an object of objects."""
        for name, value in self.plain.items():
            yield name, Document.read(value, f"{self._where}.{name}")

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts; an empty one for null."""
        value = self.plain.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._error(name, "a list of texts", value)
        return tuple(value)

    def time_ms(self, name: str) -> int | None:
        """Return a time as Unix milliseconds: of ISO 8601 text, of seconds or of milliseconds; ``None`` for null."""
        value = self.plain.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return int(value if abs(value) >= _MS_FROM else value * 1000)
        try:
            return instant_ms(value)
        except (ValueError, TypeError, AttributeError):
            raise self._error(name, "a time", value) from None

    def number(self, name: str) -> float | None:
        """Return a number, which may be a text such as ``NaN``; ``None`` for null."""
        value = self.plain.get(name)
        if value is None:
            return None
        try:
            return number_of(value)
        except (TypeError, ValueError):
            raise self._error(name, "a number", value) from None

    def _error(self, name: str, wanted: str, value: object) -> ResponseFormatError:
        found = "null" if value is None else type(value).__name__
        return ResponseFormatError(f"{self._where}.{name}: expected {wanted}, got {found}")


def number_of(value: object) -> float:
    """Read a number of this protocol: NaN and the infinities are text.

    Raises:
        TypeError: It is of another type.
        ValueError: It is none.

    Example:
        >>> number_of("-Infinity"), number_of(1)
        (-inf, 1.0)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(f"{value!r} is no number")
    return float(value)

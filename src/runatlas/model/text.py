"""Text: what every engine can hold, looking for a part of one without case, and the name that was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from runatlas.errors import ValidationError

__all__ = ["check_text", "did_you_mean", "find_unstorable", "has_part", "is_storable", "storable"]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""What no engine keeps: PostgreSQL refuses NUL, SQLite's JSON ends a text at it; lone surrogates have no UTF-8."""


def is_storable(text: str) -> bool:
    """Whether every engine can hold a text as it is.

    Example:
        >>> is_storable("naïve"), is_storable("a\\0b")
        (True, False)
    """
    return text.isprintable() or _UNSTORABLE.search(text) is None


def storable(text: str) -> str:
    """Return a text as every engine can hold it: NUL and lone surrogates are U+FFFD."""
    return text if text.isprintable() else _UNSTORABLE.sub("\ufffd", text)


def find_unstorable(text: str) -> int | None:
    """Return where the first character is that no engine holds."""
    found = _UNSTORABLE.search(text)
    return None if found is None else found.start()


def check_text(text: str, argument: str) -> str:
    """Return a text that every engine can hold: valid Unicode without NUL.

    Raises:
        ValidationError: It is none; the sentence names ``argument``.
    """
    if "\x00" in text:
        raise ValidationError(f"{argument}: text must not have NUL characters")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValidationError(f"{argument}: text must not have lone surrogates") from None
    return text


def has_part(text: str, part: str) -> bool:
    """Tell whether a text has a part; a character counts for its lower and upper forms that are one character too.

    Example:
        >>> has_part("ÄRGER", "ärg"), has_part("straße", "SS")
        (True, False)
    """
    width = len(part)
    pieces = (text[start : start + width] for start in range(len(text) - width + 1))
    return any(
        all(asked in {held, held.lower(), held.upper()} for held, asked in zip(part, piece, strict=True))
        for piece in pieces
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``", did you mean 'x'?"`` for the nearest known name, else ``""``."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""

"""Text: what every engine can hold, and looking for a part of one without case."""

from __future__ import annotations

from runatlas.errors import ValidationError

__all__ = ["check_text", "has_part"]


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

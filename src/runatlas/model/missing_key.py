"""The error for a key that is not there, which says what is near."""

from __future__ import annotations

from collections.abc import Iterable

from runatlas.model.text import did_you_mean

__all__ = ["MissingKeyError"]


class MissingKeyError(KeyError):
    """A ``KeyError`` as any other, but for its text: that is looked for when it is shown, as many are only caught.

    Args:
        key: What was asked for.
        known: The keys that there are.

    Example:
        >>> MissingKeyError("lrr", ["lr", "name"]).args, str(MissingKeyError("lrr", ["lr", "name"]))
        (('lrr',), "'lrr', did you mean 'lr'?")
    """

    def __init__(self, key: object, known: Iterable[str] = ()) -> None:
        super().__init__(key)
        self.known = tuple(known)

    def __str__(self) -> str:
        (key,) = self.args
        return f"{key!r}{did_you_mean(key[-1] if isinstance(key, tuple) and key else str(key), self.known)}"

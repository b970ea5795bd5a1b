"""Whether a text has a part, without regard to case: in time that grows with the text alone, and can be ended."""

from __future__ import annotations

from functools import lru_cache, partial

import attrs

from runatlas.model.glob import fits
from runatlas.server.work import current

__all__ = ["fits_pattern", "has_part", "variants"]

_SLICE = 1 << 16


def variants(character: str) -> set[str]:
    """Return a character, its lower and its upper form, where these are one character."""
    return {c for c in (character, character.lower(), character.upper()) if len(c) == 1}


@attrs.frozen
class _Needle:
    """A part, with one character for all that are alike.

    Attributes:
        table: For ``str.translate`` of the text.
        exact: Whether what is found in a translated text is found in the text; not so where characters are alike in
            one direction only, such as the long s and S.
    """

    part: str
    text: str
    table: dict[int, str]
    exact: bool


@lru_cache(maxsize=512)
def _needle(part: str) -> _Needle:
    classes: list[set[str]] = []
    exact = True
    for character in dict.fromkeys(part):
        alike = variants(character)
        touching = [known for known in classes if known & alike]
        exact = exact and all(known == alike for known in touching)
        classes = [known for known in classes if not known & alike] + [alike.union(*touching)]
    table = {ord(character): min(known) for known in classes for character in known}
    return _Needle(part, part.translate(table), table, exact)


def has_part(text: str | None, part: str) -> bool | None:
    """Tell whether a text has a part; every character of it matches itself, its lower and its upper form.

    Args:
        text: ``None`` is SQL's NULL.
        part: What to look for.

    Returns:
        Whether it is there; ``None`` for ``None``.

    Raises:
        RunAtlasError: The work of this thread was ended meanwhile.

    Example:
        >>> has_part("A Baseline", "bAse"), has_part("A Baseline", "bases"), has_part(None, "a")
        (True, False, None)
    """
    if text is None:
        return None
    needle, work = _needle(part), current.work
    # A slice at a time, for other threads work meanwhile.
    for start in range(0, max(len(text) - len(part), 0) + 1, _SLICE):
        if work is not None:
            work.check(writes=False)
        if _is_in(needle, text[start : start + _SLICE + max(len(part) - 1, 0)]):
            return True
    return False


def fits_pattern(text: str | None, pattern: str, any_case: int) -> bool | None:
    """Tell whether a pattern of ``runatlas.model.glob`` fits all of a text.

    Args:
        text: ``None`` is SQL's NULL.
        pattern: The pattern.
        any_case: Whether without regard to case.

    Returns:
        Whether it does; ``None`` for ``None``.

    Raises:
        RunAtlasError: The work of this thread was ended meanwhile.

    Example:
        >>> fits_pattern("a baseline", "a*[l]ine", 0), fits_pattern("A", "a", 0), fits_pattern("A", "a", 1)
        (True, False, True)
    """
    if text is None:
        return None
    work = current.work
    check = None if work is None else partial(work.check, writes=False)
    return fits(text, pattern, any_case=bool(any_case), check=check)


def _is_in(needle: _Needle, text: str) -> bool:
    folded = text.translate(needle.table)
    found = folded.find(needle.text)
    while not needle.exact and found >= 0:
        there = text[found : found + len(needle.part)]
        if all(there[place] in variants(character) for place, character in enumerate(needle.part)):
            return True
        found = folded.find(needle.text, found + 1)
    return found >= 0

"""Patterns of file names over texts: read here, fitted here and as SQL, in time that a text's length bounds.

``*`` stands for any characters, ``?`` for one, ``[abc]`` and ``[a-c]`` for one of these, ``[!abc]`` for one that is
none of these, anything else for itself; ``[*]`` is a star. A pattern fits the whole of a text, as in Python's
``fnmatch.fnmatchcase``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache

import attrs

__all__ = ["GLOB_MAX", "GlobPart", "escape_glob", "fits", "parse_glob"]

GLOB_MAX = 1000
"""How long a pattern may be."""

_STARS_MAX = 10
_RANGE_MAX = 256
_SLICE = 1 << 14


@attrs.frozen
class GlobPart:
    """What one place of a pattern takes.

    Attributes:
        kind: ``any`` characters, ``one`` character, one of a ``set``, or one that is none of it: ``other``.
        characters: The set.
    """

    kind: str
    characters: frozenset[str] = frozenset()


def escape_glob(text: str) -> str:
    """Return the pattern that fits a text and nothing else.

    Example:
        >>> escape_glob("a*[b]")
        'a[*][[]b]'
    """
    return "".join(f"[{character}]" if character in "*?[" else character for character in text)


@lru_cache(maxsize=256)
def parse_glob(pattern: str, *, any_case: bool = False) -> tuple[GlobPart, ...]:
    """Read a pattern.

    Args:
        pattern: The pattern.
        any_case: Whether a character also stands for its lower and upper form where these are one character.

    Raises:
        ValueError: It is too long, or has too many stars or too wide a range.

    Example:
        >>> [part.kind for part in parse_glob("a?[b-c]*")]
        ['set', 'one', 'set', 'any']
    """
    if len(pattern) > GLOB_MAX:
        raise ValueError(f"a pattern may have {GLOB_MAX} characters, this one has {len(pattern):,}")
    parts: list[GlobPart] = []
    place = 0
    while place < len(pattern):
        character = pattern[place]
        place += 1
        if character == "*":
            if not (parts and parts[-1].kind == "any"):
                parts.append(GlobPart("any"))
        elif character == "?":
            parts.append(GlobPart("one"))
        elif character == "[" and (end := pattern.find("]", place + 1 + (pattern[place : place + 1] == "!"))) > 0:
            parts.append(_read_set(pattern[place:end], any_case=any_case))
            place = end + 1
        else:
            parts.append(GlobPart("set", _forms(character) if any_case else frozenset(character)))
    if sum(part.kind == "any" for part in parts) > _STARS_MAX:
        raise ValueError(f"a pattern may have {_STARS_MAX} stars")
    return tuple(parts)


def _read_set(inner: str, *, any_case: bool) -> GlobPart:
    negated = inner.startswith("!")
    inner = inner[negated:]
    characters: set[str] = set()
    place = 0
    while place < len(inner):
        first = last = inner[place]
        place += 1
        if inner[place : place + 1] == "-" and place + 1 < len(inner):
            last = inner[place + 1]
            place += 2
        if ord(last) - ord(first) >= _RANGE_MAX or last < first:
            raise ValueError(f"[{first}-{last}] is no range of up to {_RANGE_MAX} characters")
        characters |= {chr(code) for code in range(ord(first), ord(last) + 1)}
    if any_case:
        characters |= {form for character in characters for form in _forms(character)}
    return GlobPart("other" if negated else "set", frozenset(characters))


def _forms(character: str) -> frozenset[str]:
    return frozenset(form for form in (character, character.lower(), character.upper()) if len(form) == 1)


@attrs.frozen
class _Steps:
    """A pattern as numbers: bit n of a number is about the n-th of what takes one character.

    Attributes:
        takers: By character, what takes it.
        others: What takes every character that has none of its own.
        stays: Before which of them any characters may stand.
        end: The bit that is set when all were passed.
    """

    takers: dict[str, int]
    others: int
    stays: int
    end: int


@lru_cache(maxsize=256)
def _steps(pattern: str, *, any_case: bool) -> _Steps:
    parts = parse_glob(pattern, any_case=any_case)
    taking: defaultdict[str, int] = defaultdict(int)
    refusing: defaultdict[str, int] = defaultdict(int)
    others, stays, bit = 0, 0, 1
    for part in parts:
        if part.kind == "any":
            stays |= bit
            continue
        if part.kind != "set":
            others |= bit
        for character in part.characters:
            (taking if part.kind == "set" else refusing)[character] |= bit
        bit <<= 1
    known = taking.keys() | refusing.keys()
    takers = {one: taking.get(one, 0) | others & ~refusing.get(one, 0) for one in known}
    return _Steps(takers, others, stays, bit)


def fits(text: str, pattern: str, *, any_case: bool = False, check: Callable[[], None] | None = None) -> bool:
    """Tell whether a pattern fits the whole of a text, in time that grows with the text alone.

    Args:
        text: The text.
        pattern: The pattern.
        any_case: Whether a character also stands for its lower and upper form.
        check: Called now and then; ends the work by raising.

    Example:
        >>> fits("run-7", "run-[0-9]"), fits("Run-7", "run-*"), fits("Run-7", "run-*", any_case=True)
        (True, False, True)
    """
    steps = _steps(pattern, any_case=any_case)
    taker, others, stays = steps.takers.get, steps.others, steps.stays
    reached = 1
    for start in range(0, len(text), _SLICE):
        if check is not None:
            check()
        for character in text[start : start + _SLICE]:
            reached = (reached & taker(character, others)) << 1 | reached & stays
            if not reached:
                return False
    return reached & steps.end != 0

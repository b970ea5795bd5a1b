"""How long something is, as people write it: ``12h``, ``30d``, ``2w``, ``1y6m``."""

from __future__ import annotations

import re

from runatlas.errors import shortened

__all__ = ["HOUR_MS", "parse_duration"]

HOUR_MS = 3_600_000
_UNITS = {"y": 365 * 24, "m": 30 * 24, "w": 7 * 24, "d": 24, "h": 1}
"""Hours of each unit of a duration, in the order that they are written in."""

_HOURS_MAX = 1000 * _UNITS["y"]
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>[0-9]{{1,6}}){unit})?" for unit in _UNITS), re.ASCII)
_MEANT = re.compile(
    r"(?P<count>[0-9]{1,6})\s*(?P<unit>y(?:(?:ea)?rs?)?|m(?:o(?:nths?)?)?|w(?:(?:ee)?ks?)?|d(?:ays?)?|h(?:(?:ou)?rs?)?)"
    r"(?![a-z])(?:\s|,|\band\b)*",
    re.ASCII,
)


def parse_duration(text: str, *, argument: str = "duration") -> int:
    """Read a duration: years of 365 days, months of 30 days, weeks, days and hours, in this order.

    Args:
        text: Such as ``12h``, ``30d``, ``2w`` or ``1y6m``; ``m`` is months, as in restic.
        argument: What the caller names the text, for the message of an error.

    Returns:
        Milliseconds.

    Raises:
        TypeError: ``text`` is not a string.
        ValueError: It is no duration, none at all, or of more than a thousand years.

    Example:
        >>> parse_duration("1d12h") / 3_600_000
        36.0
    """
    if not isinstance(text, str):
        raise TypeError(f"{argument}: expected text such as '30d', got {type(text).__name__}")
    found = _DURATION.fullmatch(text.strip())
    hours = sum(_UNITS[unit] * int(count) for unit, count in found.groupdict().items() if count) if found else 0
    if not hours:
        meant = _meant_duration(text)
        right = f"{meant!r}" if meant else "such as '12h', '30d', '2w' or '1y6m' (years, months, weeks, days, hours)"
        raise ValueError(f"{argument}: {shortened(repr(text))} is no duration; write {right}")
    if hours > _HOURS_MAX:
        raise ValueError(f"{argument}: {shortened(repr(text))} is too long; write 1000y at the most")
    return hours * HOUR_MS


def _meant_duration(text: str) -> str:
    """Write the duration that somebody meant: ``30 days``, ``1 month and 2 weeks``; ``""`` where that is not clear."""
    counts: dict[str, int] = {}
    place, text = 0, text.strip().lower()
    while (found := _MEANT.match(text, place)) and found["unit"][0] not in counts:
        counts[found["unit"][0]] = int(found["count"])
        place = found.end()
    clear = place == len(text) and all(counts.values())
    return "".join(f"{counts[unit]}{unit}" for unit in _UNITS if unit in counts) if clear else ""

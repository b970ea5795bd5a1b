"""Times of this protocol: ISO 8601 text of runs and projects, with up to nine digits of a second."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from runatlas.errors import ValidationError
from runatlas.model.instant import iso_text as model_iso_text

__all__ = ["iso_text", "read_instant"]

_TIME = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def iso_text(time_ms: int | None) -> str | None:
    """Write a time, in UTC.

    Example:
        >>> iso_text(1767323045678), iso_text(None)
        ('2026-01-02T03:04:05.678Z', None)
    """
    return None if time_ms is None else model_iso_text(time_ms)


def read_instant(value: object, name: str) -> int:
    """Read a time as Unix milliseconds; one without a zone is in UTC.

    Raises:
        ValidationError: It is none.

    Example:
        >>> read_instant("2026-01-02T03:04:05.678901234Z", "create_time")
        1767323045678
        >>> read_instant("2026-01-02T11:04:05+08:00", "create_time")
        1767323045000
    """
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValidationError(f"{name}: expected a time such as 2026-01-02T03:04:05.678Z")
    try:
        seconds = _second_ms(found[1], (found[3] or "Z").replace("Z", "+00:00"))
    except (ValueError, OverflowError) as error:
        raise ValidationError(f"{name}: {value!r} is no time") from error
    return seconds + int((found[2] or "0").ljust(3, "0")[:3])


@lru_cache(maxsize=4096)
def _second_ms(text: str, zone: str) -> int:
    """Points come many a second: each second is read once."""
    return (datetime.fromisoformat(text + zone) - _EPOCH) // _MS

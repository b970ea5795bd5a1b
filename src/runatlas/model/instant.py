"""Unix milliseconds as people read them: ISO 8601 text with ``Z``, and aware datetimes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["iso_text", "iso_text_if", "moment", "parse_iso", "to_milliseconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(time_ms: int) -> datetime:
    """Return a point in time as an aware datetime in UTC.

    Args:
        time_ms: Unix milliseconds.
    """
    return _EPOCH + timedelta(milliseconds=time_ms)


def to_milliseconds(time: datetime) -> int:
    """Return an aware datetime as Unix milliseconds; what is smaller is cut off.

    Args:
        time: The point in time.

    Example:
        >>> to_milliseconds(moment(1767323045678))
        1767323045678
    """
    return (time - _EPOCH) // timedelta(milliseconds=1)


def iso_text(time_ms: int) -> str:
    """Return a point in time as ISO 8601 text.

    Args:
        time_ms: Unix milliseconds.

    Example:
        >>> iso_text(1767323045678)
        '2026-01-02T03:04:05.678Z'
    """
    return moment(time_ms).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def iso_text_if(time_ms: int | None) -> str | None:
    """Return a point in time as ISO 8601 text; ``None`` if it never came."""
    return None if time_ms is None else iso_text(time_ms)


def parse_iso(text: str) -> datetime:
    """Read ISO 8601 text; without a zone it stays naive.

    Raises:
        ValueError: It is none.

    Example:
        >>> parse_iso("2026-01-02T03:04:05Z").isoformat()
        '2026-01-02T03:04:05+00:00'
    """
    return datetime.fromisoformat(text.strip().replace("z", "Z"))

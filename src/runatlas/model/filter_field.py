"""The names by which filters call what a run has, and the values that fit each.

Text filters (``runatlas.model.filter_language``) and dict filters (``runatlas.model.filter_rule``) share these rules.
"""

from __future__ import annotations

from datetime import UTC, datetime

from runatlas.model.filters import Field, Statistic
from runatlas.model.instant import parse_iso
from runatlas.model.run import OWN_FIELDS, FieldKind
from runatlas.model.text import did_you_mean

__all__ = [
    "BLANK_TEXTS",
    "STABLE_FIELDS",
    "STATISTIC_NAMES",
    "find_stable_name",
    "instant_ms",
    "make_stable_field",
]

STABLE_FIELDS: dict[str, FieldKind] = {name: field.kind for name, field in OWN_FIELDS.items() if field.kind is not None}
"""The run's own fields that filters know, and their kinds."""

_ALIASES = {alias: name for name, field in OWN_FIELDS.items() for alias in field.aliases}
"""Names of other systems; ``tags`` is as good a name as ``labels``."""

STATISTIC_NAMES: dict[str, Statistic] = {
    "last": "last",
    "latest": "last",
    "min": "min",
    "max": "max",
    "avg": "avg",
    "mean": "avg",
    "std": "std",
    "median": "median",
    "count": "count",
    "first_step": "first_step",
    "last_step": "last_step",
}
"""What may follow a metric's key, and the statistic it means."""

BLANK_TEXTS = {name for name, field in OWN_FIELDS.items() if field.blank}
"""Fields of text of which a run has none when it is empty: ``is None`` asks for that."""

_SECONDS_BELOW = 100_000_000_000
"""As milliseconds this is March 1973: any smaller number is seconds, or no time at all."""


def find_stable_name(name: str) -> str | None:
    """Return our name of a run's own field, or ``None`` if there is no such field.

    Example:
        >>> find_stable_name("createdAt")
        'created_at'
    """
    return name if name in STABLE_FIELDS else _ALIASES.get(name)


def make_stable_field(name: str) -> Field:
    """Make the field of a name that ``find_stable_name`` knows.

    Raises:
        ValueError: It does not; the sentence suggests the nearest name.
    """
    found = find_stable_name(name)
    if found is None:
        known = [*STABLE_FIELDS, *_ALIASES]
        hint = did_you_mean(name, known) or f"; it has {', '.join(STABLE_FIELDS)}"
        raise ValueError(f"a run has no field {name!r}{hint}")
    return Field("STABLE", found)


def instant_ms(value: str | int | float | datetime) -> int:
    """Return a point in time as Unix milliseconds.

    Args:
        value: ISO 8601 text, an aware datetime (either is UTC if it names no zone), or Unix milliseconds.

    Raises:
        ValueError: It is no time, or a number too small to be milliseconds.

    Example:
        >>> instant_ms("2026-01-02T03:04:05Z")
        1767323045000
    """
    if isinstance(value, (int, float)):
        return _check_milliseconds(value)
    if isinstance(value, str):
        try:
            value = parse_iso(value)
        except ValueError:
            raise ValueError(f"{value!r} is no time; write '2026-01-02' or '2026-01-02T15:04:05Z'") from None
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    since = value - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def _check_milliseconds(value: int | float) -> int:
    if isinstance(value, bool) or not _SECONDS_BELOW <= abs(value) < 2**63:
        raise ValueError(f"{value!r} is no time in Unix milliseconds; write it as '2026-01-02T15:04:05Z'")
    return int(value)

"""Pages by keyset: a cursor holds the sort keys of the last item that was given out."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from runatlas.errors import ValidationError
from runatlas.model.codec import dumps, loads
from runatlas.model.page import PAGE_LIMIT, Page, PageRequest
from runatlas.model.text import is_storable

__all__ = ["check_page", "make_page", "read_cursor", "write_cursor"]

Row = TypeVar("Row")
Item = TypeVar("Item")

Key = str | int | float | None
_OFFSET_MAX = 2**53


def check_page(page: PageRequest) -> None:
    """Check what is asked for.

    Raises:
        ValidationError: The limit or the offset is out of bounds, or there is an offset and a cursor.
    """
    if not 1 <= page.limit <= PAGE_LIMIT:
        raise ValidationError(f"limit: a page has 1 to {PAGE_LIMIT} items, got {page.limit}")
    if not 0 <= page.offset <= _OFFSET_MAX:
        raise ValidationError(f"offset: expected 0 or more, got {page.offset}")
    if page.cursor is not None and page.offset:
        raise ValidationError("offset: a page is after a cursor or skips items, not both")


def write_cursor(listing: str, keys: Sequence[Key]) -> str:
    """Make a cursor.

    Args:
        listing: What is listed and in which order; a cursor fits its own listing only.
        keys: The sort keys of the last item.
    """
    return base64.urlsafe_b64encode(dumps([_digest(listing), *keys]).encode()).decode().rstrip("=")


def read_cursor(cursor: str, listing: str, kinds: Sequence[str]) -> list[Any]:
    """Read a cursor.

    Args:
        cursor: What ``write_cursor`` made.
        listing: As given there.
        kinds: What each key may be: ``int``, ``number`` or ``text``; a ``?`` after it allows ``None``.

    Raises:
        ValidationError: It is not one of this listing.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = loads(base64.urlsafe_b64decode(padded))
    except (ValueError, binascii.Error) as error:
        raise _unknown(cursor) from error
    own = _digest(listing)
    if not isinstance(found, list) or not found or not isinstance(found[0], str) or len(found[0]) != len(own):
        raise _unknown(cursor)
    if found[0] != own:
        raise ValidationError(f"cursor: {cursor[:100]!r} is of another listing, filter or order")
    if len(found) != len(kinds) + 1:
        raise _unknown(cursor)
    keys = found[1:]
    if not all(_fits(key, kind) for key, kind in zip(keys, kinds, strict=True)):
        raise _unknown(cursor)
    return keys


def _digest(listing: str) -> str:
    return hashlib.blake2s(listing.encode(errors="replace"), digest_size=8).hexdigest()


_NUMBER_BITS = 1024
"""How long a whole number may be that is compared with doubles."""


def _fits(key: Any, kind: str) -> bool:
    if key is None:
        return kind.endswith("?")
    if kind.startswith("text"):
        return isinstance(key, str) and is_storable(key)
    if isinstance(key, bool) or not isinstance(key, (int, float)):
        return False
    if kind.startswith("number"):
        return isinstance(key, float) or key.bit_length() < _NUMBER_BITS
    return isinstance(key, int) and abs(key) < 2**63


def _unknown(cursor: str) -> ValidationError:
    return ValidationError(f"cursor: {cursor[:100]!r} is not one that this listing gave out")


def make_page(
    rows: Sequence[Row],
    limit: int,
    *,
    item: Callable[[Row], Item],
    cursor: Callable[[Row], str],
    total: int | None = None,
) -> Page[Item]:
    """Make a page of rows of which one more was read than asked for.

    Args:
        rows: Up to ``limit + 1`` rows.
        limit: How many were asked for.
        item: Makes the record of a row.
        cursor: Makes the cursor that points behind a row.
        total: How many the listing has.
    """
    shown = rows[:limit]
    more = cursor(shown[-1]) if len(rows) > limit else None
    return Page(tuple(item(row) for row in shown), more, total)

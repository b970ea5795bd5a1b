"""A page of a listing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, Literal, TypeVar

import attrs

from runatlas.errors import ResponseFormatError

__all__ = ["PAGE_LIMIT", "Order", "Page", "PageRequest", "each_item", "following"]

T = TypeVar("T")

Order = Literal["ASC", "DESC"]

PAGE_LIMIT = 1000
"""The most items that one page carries."""


@attrs.frozen
class PageRequest:
    """Which page is asked for: after a cursor (from the page before), or skipping ``offset`` items.

    Attributes:
        limit: How many items at the most, 1 to ``PAGE_LIMIT``.
        cursor: ``Page.next_cursor`` of the page before; ``None`` for the first.
        offset: Items to skip, for numbered pages; only without ``cursor``.
        with_total: Whether ``Page.total`` and ``Page.notes`` are wanted (they cost a count).
    """

    limit: int = 100
    cursor: str | None = None
    offset: int = 0
    with_total: bool = False


@attrs.frozen
class Page(Generic[T]):
    """Some items of a listing, and where the next ones begin.

    Attributes:
        items: The items, in the listing's order.
        next_cursor: Opaque; ``None`` when nothing comes after.
        total: How many the whole listing has; ``None`` unless asked for.
        notes: What the listing asks for and nothing has, such as a mistyped key of a filter; empty unless asked for.
    """

    items: tuple[T, ...]
    next_cursor: str | None = None
    total: int | None = None
    notes: tuple[str, ...] = ()


def following(asked: str | None, told: str | None) -> str | None:
    """Return the cursor of the next page.

    Args:
        asked: The cursor of the page that came; ``None`` for the first.
        told: Its ``next_cursor``.

    Raises:
        ResponseFormatError: It is the cursor of the same page: following it would never end.

    Example:
        >>> following(None, "more"), following("more", None)
        ('more', None)
    """
    if told is not None and told == asked:
        raise ResponseFormatError(f"the page at the cursor {told[:80]!r} names itself as the next one")
    return told


def each_item(read: Callable[[PageRequest], Page[T]], *, limit: int = PAGE_LIMIT) -> Iterator[T]:
    """Read a listing to its end, a page when the one before is used up.

    Args:
        read: Reads one page.
        limit: How many items a page has at the most.

    Example:
        >>> pages = {None: Page((1, 2), "more"), "more": Page((3,))}
        >>> list(each_item(lambda page: pages[page.cursor]))
        [1, 2, 3]
    """
    cursor: str | None = None
    while True:
        page = read(PageRequest(limit=limit, cursor=cursor))
        yield from page.items
        cursor = following(cursor, page.next_cursor)
        if cursor is None:
            return

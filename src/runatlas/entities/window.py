"""Which part of a listing is wanted: everything, one numbered page, or the first so many."""

from __future__ import annotations

import attrs

from runatlas.entities.argument import flag, whole
from runatlas.model.page import PAGE_LIMIT

__all__ = ["PAGE_SIZE", "Window", "make_window"]

PAGE_SIZE = 100
"""How many items a page has unless told otherwise (document 004)."""


@attrs.frozen
class Window:
    """Items ``offset`` to ``offset + bound`` of a listing.

    Attributes:
        bound: How many items at the most; ``None`` for all that follow.
        page, size: The page's number from 1 and its size, as reported.
    """

    offset: int = 0
    bound: int | None = None
    page: int = 1
    size: int = PAGE_SIZE

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self.offset == 0 and self.bound is None

    def length(self, total: int) -> int:
        """Return how many items of ``total`` lie in it."""
        rest = max(total - self.offset, 0)
        return rest if self.bound is None else min(rest, self.bound)


def make_window(
    *,
    page: int | None = None,
    size: int | None = None,
    all: bool = False,
    limit: int | None = None,
) -> Window:
    """Make the window that the arguments of document 004 mean.

    Without ``page`` and ``size`` it is everything. With one of them it is that page (page 1, size 100 unless given),
    with ``all`` everything from that page on. ``limit`` bounds whatever it is.

    Args:
        page: The page's number, from 1.
        size: Items a page, 1 to 1000.
        all: Whether to go on to the end.
        limit: How many items at the most.

    Raises:
        TypeError: One of them has another type.
        ValueError: One of them is out of bounds.

    Example:
        >>> make_window(page=2, size=50)
        Window(offset=50, bound=50, page=2, size=50)
    """
    number = 1 if page is None else whole(page, "page", least=1)
    length = PAGE_SIZE if size is None else whole(size, "size", least=1, most=PAGE_LIMIT)
    most = None if limit is None else whole(limit, "limit", least=0)
    bound = None
    if not flag(all, "all") and (page is not None or size is not None):
        bound = length
    if most is not None:
        bound = most if bound is None else min(bound, most)
    return Window(offset=(number - 1) * length, bound=bound, page=number, size=length)

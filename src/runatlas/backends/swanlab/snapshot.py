"""Listings that were read once and are given out page by page, so that nothing that changes meanwhile is left out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import TTLCache

from runatlas.errors import ValidationError
from runatlas.model.page import PAGE_LIMIT, PageRequest
from runatlas.process.fork import ProcessLock

__all__ = ["Snapshots"]

T = TypeVar("T")

_KEPT = 16
_KEEP_S = 900.0


class Snapshots(Generic[T]):
    """Keeps the last listings, each under a name that is part of its cursors; thread-safe."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = ProcessLock()
        self._kept: TTLCache[str, tuple[Hashable, list[T]]] = TTLCache(_KEPT, _KEEP_S, timer=clock)

    def page(
        self, question: Hashable, request: PageRequest, load: Callable[[], list[T]]
    ) -> tuple[list[T], str | None, int]:
        """Return a page of a listing.

        Args:
            question: What is listed; a cursor belongs to its question.
            request: Which page; the first one reads the listing.
            load: Reads the listing.

        Returns:
            The page's items, the cursor of the next page (``None`` when there is none), and how many there are in all.

        Raises:
            ValidationError: The request is none, or its cursor is not one of this listing, or too old.
        """
        if not 1 <= request.limit <= PAGE_LIMIT or request.offset < 0:
            raise ValidationError(f"page: limit is 1 to {PAGE_LIMIT} and offset 0 or more")
        if request.cursor is None:
            name, begin, items = uuid.uuid4().hex, request.offset, load()
        else:
            name, begin, items = self._resume(question, request)
        end = begin + request.limit
        cursor = None
        if end < len(items):
            cursor = f"{name}:{end}"
            with self._lock:
                self._kept[name] = question, items
        return items[begin:end], cursor, len(items)

    def _resume(self, question: Hashable, request: PageRequest) -> tuple[str, int, list[T]]:
        name, _, place = str(request.cursor).partition(":")
        with self._lock:
            asked, items = self._kept.get(name, (None, []))
        if asked != question or request.offset or not (place.isascii() and place.isdigit()):
            raise ValidationError("page: the cursor is none that this listing gave out lately; begin again")
        return name, int(place), items

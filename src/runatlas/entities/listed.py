"""Collections that a backend answers whole, because they are short."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar

from runatlas.entities.base import Entity
from runatlas.entities.collection import Collection
from runatlas.model.page import Page, PageRequest

__all__ = ["ListedCollection"]

E = TypeVar("E", bound="Entity[Any]")
R = TypeVar("R")


class ListedCollection(Collection[E, R]):
    """A collection read in one request, whatever part of it is wanted."""

    @abstractmethod
    def _list(self) -> Sequence[R]:
        """Ask the backend for all of it."""

    def _read(self, page: PageRequest) -> Page[R]:
        items = tuple(self._list())
        start = page.offset if page.cursor is None else int(page.cursor)
        end = start + page.limit
        return Page(items[start:end], str(end) if end < len(items) else None, len(items))

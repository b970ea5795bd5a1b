"""How much of a page its parts may fill: a page has 300 kilobytes at the most, whatever people recorded.

What is counted are bytes as they are written: escaped, and in UTF-8. Each part of a page has a room of its own, so that
one cannot crowd out another, and says what did not go into it and where that is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

import attrs
from markupsafe import Markup

from runatlas.display import markup
from runatlas.model.page import Page

__all__ = ["Filled", "Room", "filled", "fitting_lines", "fitting_page"]

T = TypeVar("T")


class Room:
    """What a part of a page may still fill."""

    def __init__(self, most: int, *, beside: int = 0) -> None:
        """Have all of it.

        Args:
            most: How many bytes it is.
            beside: How many bytes each piece has around it that are not shown to ``takes``.
        """
        self._left = most
        self._beside = beside

    def takes(self, *texts: str) -> bool:
        """Tell whether a piece goes in, and spend what it fills; after one that does not, none does.

        Args:
            texts: The texts of the piece as they are written.

        Example:
            >>> room = Room(10)
            >>> room.takes("&lt;"), room.takes("1234567"), room.takes("1")
            (True, False, False)
        """
        size = sum(len(_bytes(text)) for text in texts) + self._beside
        self._left = self._left - size if size <= self._left else -1
        return self._left >= 0


@attrs.frozen
class Filled(Generic[T]):
    """Of many things those that went onto a page.

    Attributes:
        items: The first of them.
        columns: How each is written: by each of the ways to write it, in the order of the items.
        left: How many did not go in.
    """

    items: tuple[T, ...]
    columns: tuple[tuple[Markup, ...], ...]
    left: int


def filled(items: Sequence[T], most: int, *ways: Callable[[T], str]) -> Filled[T]:
    """Write things until their room is full; what is written of one in several places of a page counts together.

    Args:
        items: The things.
        most: How many bytes they may fill.
        ways: Each writes one of them, as a macro of a template does.

    Example:
        >>> found = filled(["a", "<b>", "c"], 10, lambda text: str(Markup.escape(text)))
        >>> found.items, found.left
        (('a', '<b>'), 1)
    """
    room = Room(most)
    rows: list[tuple[Markup, ...]] = []
    for item in items:
        written = tuple(Markup(way(item).strip()) for way in ways)  # noqa: S704 - macros escape what they are given
        if not room.takes(*written):
            break
        rows.append(written)
    columns = tuple(zip(*rows, strict=True)) if rows else ((),) * len(ways)
    return Filled(tuple(items[: len(rows)]), columns, len(items) - len(rows))


def fitting_page(
    read: Callable[[int], Page[T]], limit: int, room: Room, texts: Callable[[T], Iterable[str]]
) -> Page[T]:
    """Read a page of a listing of which all goes in; its cursor leads to what does not.

    Args:
        read: Reads a page of so many items.
        limit: How many at the most.
        room: Where they go.
        texts: Those of an item as they are written.
    """
    found = read(limit)
    count = 0
    for item in found.items:
        if not room.takes(*texts(item)):
            break
        count += 1
    return found if count == len(found.items) else read(max(count, 1))


def fitting_lines(said: str, most: int) -> Markup:
    """Show lines as they were printed, as many characters as go in.

    Args:
        said: The lines.
        most: How many bytes they may fill.
    """
    count = min(len(said), most)
    shown = markup.lines(said, count).text
    while count and (size := len(_bytes(shown))) > most:
        count = count * most // (size + most // 20)
        shown = markup.lines(said, count).text
    return Markup(shown)  # noqa: S704 - made of escaped texts


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")

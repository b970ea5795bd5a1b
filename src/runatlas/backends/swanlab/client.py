"""What every part of this backend asks its server with: JSON in, JSON out, kept in memory for a while; and the word for
what these servers cannot do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from runatlas.backends.http.answer import Answer
from runatlas.backends.http.cache import MOVING_S, AnswerCache
from runatlas.backends.http.record_client import JSON, RecordClient, json_body, make_path
from runatlas.backends.http.session import Request
from runatlas.backends.swanlab.document import Document
from runatlas.backends.swanlab.session import SwanlabSession
from runatlas.errors import NotSupportedError, ValidationError
from runatlas.model.page import PAGE_LIMIT, Page, PageRequest

__all__ = ["SwanlabClient", "at", "cut_page", "unsupported"]

T = TypeVar("T")

at = partial(make_path, "/api")
"""Put an address of this protocol together."""

_PAGE = 100
"""The largest page that these servers give."""


class SwanlabClient:
    """Turns calls into requests of this protocol.

    Attributes:
        session: The way to the server.
    """

    def __init__(self, session: SwanlabSession, cache: AnswerCache | None) -> None:
        self.session = session
        self._records = RecordClient(session, cache)

    def get(self, address: str, *, scope: str = "", keep: float = MOVING_S) -> Any:
        """Ask for something."""
        return self._records.read(Request("GET", address), Answer.json, scope=scope, keep=lambda _: keep)

    def query(self, address: str, body: Any, *, scope: str = "", keep: float = MOVING_S) -> Any:
        """Ask for something that a body describes."""
        request = Request("POST", address, json_body(body), JSON)
        return self._records.read(request, Answer.json, scope=scope, keep=lambda _: keep)

    def write(self, method: str, address: str, body: Any = None, *, scope: str = "", repeatable: bool = True) -> Any:
        """Change something; ``None`` comes back when the server says no more than that it did."""
        return _if_any(self.write_told(method, address, body, scope=scope, repeatable=repeatable))

    def write_told(
        self, method: str, address: str, body: Any = None, *, scope: str = "", repeatable: bool = True
    ) -> Answer:
        """Change something where the status of the answer tells what was done."""
        data = None if body is None else json_body(body)
        return self._records.write(method, address, data, _whole, scope=scope, is_keyed=False, repeatable=repeatable)

    def forget(self, scope: str = "") -> None:
        """Forget what is known about a workspace, or ``workspace/project``."""
        self._records.forget(scope)

    def page(
        self,
        request: PageRequest,
        address: Callable[[int, int], str],
        read: Callable[[Document], T],
        *,
        scope: str = "",
    ) -> Page[T]:
        """Read some items of a listing that has numbered pages.

        Args:
            request: Which items; a cursor is the number of items before them.
            address: Names a page, by its number from 1 and its size.
            read: Makes a record of an item.
            scope: What it is about.
        """
        begin = _position(request)
        end = begin + request.limit
        items: list[T] = []
        number, total = begin // _PAGE, 0
        while True:
            found = Document.read(self.get(address(number + 1, _PAGE), scope=scope), "the page")
            listed = found.objects("list")
            total = found.whole("total", number * _PAGE + len(listed))
            start = number * _PAGE
            items += [read(item) for place, item in enumerate(listed, start) if begin <= place < end]
            number += 1
            if not listed or number * _PAGE >= min(end, total):
                break
        more = begin + len(items) < total and len(items) == request.limit
        cursor = str(begin + len(items)) if more else None
        return Page(tuple(items), cursor, total if request.with_total else None)


def _whole(answer: Answer) -> Answer:
    return answer


def _if_any(answer: Answer) -> Any:
    return answer.json() if answer.body else None


def _position(request: PageRequest) -> int:
    """Return how many items lie before a page.

    Raises:
        ValidationError: The request is none.
    """
    if not 1 <= request.limit <= PAGE_LIMIT or request.offset < 0:
        raise ValidationError(f"page: limit is 1 to {PAGE_LIMIT} and offset 0 or more")
    if request.cursor is None:
        return request.offset
    if request.offset or not (request.cursor.isascii() and request.cursor.isdigit()):
        raise ValidationError("page: the cursor is none that this listing gave out")
    return int(request.cursor)


def cut_page(items: list[T], page: PageRequest) -> Page[T]:
    """Take a page out of a whole listing."""
    begin = _position(page)
    end = begin + page.limit
    cursor = str(end) if end < len(items) else None
    return Page(tuple(items[begin:end]), cursor, len(items) if page.with_total else None)


def unsupported(what: str, instead: str = "") -> NotSupportedError:
    """Make the error for something that these servers have no request for.

    Args:
        what: It, as the subject of a sentence.
        instead: What can be done.
    """
    return NotSupportedError(f"a SwanLab server has no {what}" + (f"; {instead}" if instead else ""))

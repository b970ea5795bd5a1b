"""Somebody at a browser: signed in by a cookie, who sends the forms that pages show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

import attrs
import requests

__all__ = ["Person", "shown_text", "token_of"]

_TOKEN = re.compile(r'name="token" value="(\w{64})"')
_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL)
_PATIENCE_S = 60


def token_of(page: str) -> str:
    """Return the token that the forms of a page carry."""
    found = _TOKEN.search(page)
    assert found is not None, page
    return found[1]


def shown_text(page: str) -> str:
    """Return what a page says, in one line."""
    return " ".join(unescape(_TAG.sub(" ", page)).split())


@attrs.frozen(eq=False)
class Person:
    """A session of pages.

    Attributes:
        origin: Of the server.
        session: Holds the cookies.
    """

    origin: str
    session: requests.Session = attrs.field(factory=requests.Session)

    @classmethod
    def with_key(cls, origin: str, key: str) -> Person:
        """Sign in with a key."""
        made = cls(origin)
        made.send("/sign-in", {"key": key}).raise_for_status()
        assert made.session.cookies
        return made

    def visit(self, path: str) -> requests.Response:
        """Look at a page, wherever it leads."""
        return self.session.get(self.origin + path, timeout=_PATIENCE_S)

    def send(
        self, path: str, form: Mapping[str, str] | None = None, *, seen_on: str = "", follows: bool = True
    ) -> requests.Response:
        """Send a form.

        Args:
            path: Where it goes.
            form: What is filled in.
            seen_on: The page that shows it; its own address if that is not told.
            follows: Whether to go on to where the answer leads.
        """
        filled = {"token": token_of(self.visit(seen_on or path).text), **(form or {})}
        return self.session.post(self.origin + path, filled, timeout=_PATIENCE_S, allow_redirects=follows)

"""What every piece of HTML of ours must be: valid, static, and closed in itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from tinyhtml5.parser import HTMLParser as StandardParser

__all__ = ["check_html", "text_of"]

_ATTRIBUTES = {
    "th": {"scope", "style"},
    "svg": {"role", "aria-label", "width", "height", "viewbox"},
    "path": {"d", "fill", "stroke", "stroke-width", "stroke-linecap"},
    "img": {"src", "alt", "style"},
    **{tag: {"style"} for tag in ("div", "p", "td", "ul", "pre", "figure", "span")},
    **{
        tag: set()
        for tag in ("strong", "table", "thead", "tbody", "tr", "details", "summary", "li", "figcaption", "br")
    },
}
"""The elements there are, and what each may say: nothing that runs, nothing that is fetched, no names that collide."""
_EMPTY = {"img", "br"}
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|bmp);base64,[A-Za-z0-9+/]*=*")
_PATH = re.compile(r"(M-?\d+\.\d -?\d+\.\d(L-?\d+\.\d -?\d+\.\d)+)+")
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class _Reader(HTMLParser):
    """Reads tags one by one, since a lenient parser closes what was left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _ATTRIBUTES, tag
        said = dict(attrs)
        assert said.keys() <= _ATTRIBUTES[tag], (tag, said)
        assert _PICTURE.fullmatch(said.get("src") or "data:image/png;base64,")
        assert _PATH.fullmatch(said.get("d") or "M0.0 0.0L0.0 0.0")
        assert "url(" not in (said.get("style") or "")
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def check_html(html: str) -> str:
    """Check that a piece is valid HTML5, and only such as has nothing to run and nothing to fetch.

    Returns:
        What is read in it.
    """
    html.encode()
    assert not _UNSEEN.search(html), _UNSEEN.findall(html)
    parser = StandardParser()
    parser.parse(f"<!DOCTYPE html><html lang='en'><head><title>.</title></head><body>{html}</body></html>")
    assert not parser.errors, parser.errors
    return text_of(html)


def text_of(html: str) -> str:
    """Return what is read in a piece, tag by tag."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open, reader.open
    return " ".join(reader.words)

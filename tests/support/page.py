"""What every piece of HTML of ours must be: valid, static, and closed in itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from tinyhtml5.parser import HTMLParser as StandardParser

__all__ = ["check_html", "check_page", "text_of"]

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


_PAGE = {
    "meta": {"charset", "name", "content"},
    "html": {"lang"},
    **{tag: set() for tag in ("head", "title", "style", "body", "h1", "footer", "defs")},
}
_DRAWN = {
    "svg": {"width", "height", "viewbox", "version"},
    "path": {"d"},
    "use": {"href", "x", "y"},
    "image": {"href", "x", "y", "width", "height"},
    "rect": {"x", "y", "width", "height"},
    "g": set(),
    "clippath": set(),
    "circle": {"cx", "cy", "r"},
}
"""What stands in a page of its own beside that, and in its charts, whose parts have names."""
_OWN_PART = re.compile(r"#c\d+-\d+|data:image/png;base64,[A-Za-z0-9+/]*=*")


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
        self._enter(tag)

    def _enter(self, tag: str) -> None:
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


class _PageReader(_Reader):
    """Reads a page of its own, with charts in it."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.sealed: list[str] = []

    def handle_decl(self, decl: str) -> None:
        assert decl == "DOCTYPE html"

    def handle_comment(self, data: str) -> None:
        assert "head" in self.open
        self.sealed.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if "svg" not in self.open and tag not in {*_PAGE, "svg"}:
            super().handle_starttag(tag, attrs)
            return
        said = {name: value or "" for name, value in attrs}
        wanted = {**_ATTRIBUTES, **_PAGE, **_DRAWN}[tag]
        if "svg" in (*self.open, tag):
            wanted = wanted | {"id", "style", "clip-path", "transform"}
        assert said.keys() <= wanted, (tag, said)
        if "id" in said:
            assert said["id"] not in self.ids
            self.ids.add(said["id"])
        assert _OWN_PART.fullmatch(said.get("href", "#c0-0")), said
        assert re.fullmatch(r"url\(#c\d+-\d+\)", said.get("clip-path", "url(#c0-0)")), said
        assert "url(" not in said.get("style", "")
        if tag != "meta":
            self._enter(tag)


def check_page(html: str) -> str:
    """Check that a page is valid HTML5, has nothing to run and nothing to fetch, and that no two parts have one name.

    Returns:
        What is read in it.
    """
    html.encode()
    assert not _UNSEEN.search(html), _UNSEEN.findall(html)
    parser = StandardParser()
    parser.parse(html)
    assert not parser.errors, parser.errors
    reader = _PageReader()
    reader.feed(html)
    reader.close()
    assert not reader.open, reader.open
    assert len(reader.sealed) == 1
    assert "url(" not in html.replace("url(#", "")
    assert "@import" not in html
    return " ".join(reader.words)

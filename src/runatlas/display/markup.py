"""HTML made of plain values: whatever is not HTML already is escaped, bounded, and says what was left out.

It is readable without its inline styles, which some sites take away, on light and dark pages and in print. It has no
scripts, no addresses and no ids, so that any number of pieces stand on one page.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import zip_longest
from typing import Any

import attrs

from runatlas.terminal import counted, more_of, printable, printable_lines

__all__ = [
    "Html",
    "anything",
    "block",
    "facts",
    "failure",
    "folded",
    "heading",
    "is_empty",
    "joined",
    "lasting",
    "lines",
    "more",
    "note",
    "number",
    "rows_of",
    "table",
    "text",
    "tree",
    "unbroken",
    "value",
    "when",
    "written",
]

LONG = 400
"""How many characters of a text are shown."""
_CELL, _SLACK, _SHORT = 64, 16, 40
"""How many characters of a text a cell has; cutting off fewer than the slack would gain nothing.

A column of short ones keeps each in one line.
"""
_LEAVES = 100
_DEPTH = 12
_WHOLE_BITS = 400
_ROWS = 20
_NONCHARACTERS = "".join(chr(plane + last) for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))
_NO_CHARACTER = re.compile(f"[\ufdd0-\ufdef{_NONCHARACTERS}]")
_LINE = "rgba(127,127,127,.45)"
"""A grey that is seen on light and on dark pages."""
_LEFT = ' style="text-align:left"'
_WORD = ' style="text-align:left;white-space:nowrap"'
_RIGHT = ' style="text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"'


@attrs.frozen
class Html:
    """Text that is HTML already; anything else that the functions here are given is escaped.

    Attributes:
        is_number: Whether it shows a number: a column of numbers is aligned at their ends.
    """

    text: str
    is_number: bool = False

    def _mime_(self) -> tuple[str, str]:
        return "text/html", self.text


def text(said: str, most: int = LONG) -> Html:
    r"""Show a text in one line.

    Args:
        said: What somebody wrote.
        most: How many characters of it are shown.

    Example:
        >>> text("<b>" + chr(0)).text, text("abcdef", 4).text
        ('&lt;b&gt;\\x00', 'abcd… and 2 more characters')
    """
    shown = printable(said[:most])
    if len(shown) > 2 * most:  # what is not to be seen takes up to ten characters to write out
        most //= 10
        shown = printable(said[:most])
    left = len(said) - most
    return Html(_escaped(shown) + (f"… and {counted(left, 'more character')}" if left > 0 else ""))


def lines(said: str, most: int) -> Html:
    """Show lines as they were printed.

    Args:
        said: The lines.
        most: How many characters of them are shown.
    """
    left = len(said) - most
    # The parser drops a line's end right behind the tag.
    shown = f'<pre style="white-space:pre-wrap;margin:0">\n{_escaped(printable_lines(said[:most]))}</pre>'
    return joined(Html(shown), note(f"… and {counted(left, 'more character')}") if left > 0 else None)


def value(given: object, most: int = _CELL) -> Html:
    """Show a plain value in one line.

    Args:
        given: The value; HTML is taken as it is.
        most: How many characters of it are shown.

    Example:
        >>> value(None).text, value(0.1).text, value({"a": [1, "x"]}).text
        ('None', '0.1', '{a: [1, x]}')
    """
    if isinstance(given, Html):
        return given
    if isinstance(given, datetime):
        return unbroken(given.isoformat(" ", "seconds").removesuffix("+00:00"))
    if not isinstance(given, str):
        return text(written(given, most), 2 * most)
    if most >= LONG:
        return text(given, most)
    if len(given) <= most + _SLACK:
        return text(given, most + _SLACK)
    return Html(f"{text(given[:most], most).text}… (+{len(given) - most:,})")


def written(given: object, most: int = _CELL) -> str:
    """Write a plain value, no longer than anybody reads: what is left out is ``…``, and of what size it is.

    Args:
        given: The value.
        most: How many characters of it are written.

    Example:
        >>> written(list(range(100)), 8), written(10**5000)
        ('[0, 1, 2… (100)', 'a whole number of 16,610 bits')
    """
    made = ""
    for piece in _pieces(given, _DEPTH):
        made += piece
        if len(made) > most and not isinstance(given, int):
            size = f" ({len(given):,})" if isinstance(given, Collection) else ""
            return f"{made[:most]}…{size}"
    return made


def lasting(seconds: float | None) -> str:
    """Write how long something lasted; ``""`` if that is not known.

    Example:
        >>> lasting(0.25), lasting(75), lasting(7_500), lasting(200_000)
        ('0.25 s', '1 min 15 s', '2 h 5 min', '2 d 7 h')
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = int(seconds)
    for size, unit, part, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= size:
            return f"{whole // size:,} {unit} {whole % size // part} {name}"
    return f"{whole // 60} min {whole % 60} s"


def when(iso: str | None) -> Html | None:
    """Show a time to the second, in one line; ``None`` if there is none.

    Args:
        iso: ISO 8601 text in UTC.

    Example:
        >>> "2026-01-02 03:04:05" in when("2026-01-02T03:04:05.678Z").text
        True
    """
    return None if iso is None else unbroken(iso[:19].replace("T", " "))


def unbroken(said: str) -> Html:
    """Show a few words that stay in one line."""
    return Html(f'<span style="white-space:nowrap">{text(said).text}</span>')


def number(given: float | None) -> Html:
    """Show a measured number by six digits; ``None`` is nothing.

    Example:
        >>> number(1 / 3).text, number(float("nan")).text, number(None).text
        ('0.333333', 'nan', '')
    """
    shown = "" if given is None else f"{given:.6g}" if isinstance(given, float) else written(given, _CELL)
    return Html(shown, is_number=True)


def joined(*parts: Html | None) -> Html:
    """Put parts one after another; ``None`` is no part."""
    return Html("".join(part.text for part in parts if part is not None))


def block(content: Html) -> Html:
    """Return what one object shows as a whole."""
    return Html(f'<div style="overflow-x:auto;line-height:1.4">{content.text}</div>')


def heading(title: str | Html, *details: str) -> Html:
    """Return the first line: what it is, and the most that can be said of it in a few words."""
    said = "".join(f" · {text(detail).text}" for detail in details if detail)
    return Html(f"<p><strong>{value(title, LONG).text}</strong>{said}</p>")


def note(said: str | Html) -> Html:
    """Return a remark, such as what was left out."""
    return Html(f'<p style="opacity:.75;margin:.3em 0">{value(said, 2 * LONG).text}</p>')


def more(left: int, noun: str) -> Html | None:
    """Return the remark that things were left out; ``None`` if none were."""
    return note(more_of(left, noun)) if left > 0 else None


def failure(sentence: str, kind: str = "") -> Html:
    """Return the box that a failure is told in.

    Args:
        sentence: What went wrong.
        kind: What kind of failure it is.
    """
    named = f"<strong>{text(kind).text}</strong>: " if kind else ""
    style = f"border:1px solid {_LINE};border-left:4px solid #c0392b;padding:.4em .8em;margin:.4em 0"
    return Html(f'<div style="{style}">{named}{text(sentence, 2 * LONG).text}</div>')


def folded(title: str | Html, content: Html) -> Html:
    """Return a part that is opened with a click."""
    return Html(f"<details><summary>{value(title, LONG).text}</summary>{content.text}</details>")


def table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> Html:
    """Return a table; a cell of ``None``, or of an empty list, is empty, and columns of numbers are aligned right.

    Args:
        head: The names of the columns; those with nothing in any row are left out.
        rows: As many cells each, or fewer.
    """
    columns = [(name, cells) for name, *cells in zip_longest(head, *rows) if not (cells and all(map(is_empty, cells)))]
    sides = [_RIGHT if _are_numbers(cells) else _WORD if _are_short(cells) else _LEFT for _, cells in columns]
    names = "".join(
        f'<th scope="col"{side}>{value(name).text}</th>' for (name, _), side in zip(columns, sides, strict=True)
    )
    lines = zip(*(cells for _, cells in columns), strict=True)
    body = "".join("<tr>" + "".join(map(_cell, line, sides)) + "</tr>" for line in lines)
    return Html(f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>")


def facts(named: Mapping[str, object]) -> Html:
    """Return what is known of a thing, a line each; what is ``None`` or empty is left out."""
    rows = "".join(
        f'<tr><th scope="row"{_LEFT}>{value(name).text}</th><td{_LEFT}>{value(held, LONG).text}</td></tr>'
        for name, held in named.items()
        if not (held is None or (isinstance(held, (str, Collection)) and not held))
    )
    return Html(f"<table><tbody>{rows}</tbody></table>" if rows else "")


def tree(nested: Mapping[Any, Any] | Sequence[Any]) -> Html:
    """Return nested values as a folded tree: the first hundred, and how many more there are.

    Args:
        nested: A mapping or a sequence of plain values.
    """
    return _branch(nested, [_LEAVES], 0)


def rows_of(records: Sequence[Any]) -> Html:
    """Return records of one kind as a table of their fields, but for what they keep to themselves."""
    shown = records[:_ROWS]
    names = [field.name for field in attrs.fields(type(shown[0])) if field.repr]
    body = table(names, ([getattr(record, name) for name in names] for record in shown))
    return joined(body, more(len(records) - len(shown), "row"))


def anything(given: object) -> Html:
    """Show what a call answered: a value, a record, or many.

    Args:
        given: What nobody else knows how to show.
    """
    kind = type(given)
    if attrs.has(kind):
        return facts({field.name: getattr(given, field.name) for field in attrs.fields(kind) if field.repr})
    if isinstance(given, Mapping) and given:
        return tree(given)
    if isinstance(given, (list, tuple)) and given:
        return rows_of(given) if attrs.has(type(given[0])) and len(set(map(type, given))) == 1 else tree(given)
    return Html(f"<p>{value(given, LONG).text}</p>")


def is_empty(given: object) -> bool:
    """Tell whether a cell has nothing to show."""
    held = given.text if isinstance(given, Html) else given
    return held is None or (isinstance(held, Collection) and not held)


def _is_number(given: object) -> bool:
    if isinstance(given, Html):
        return given.is_number
    return isinstance(given, (int, float)) and not isinstance(given, bool)


def _are_numbers(column: Sequence[object]) -> bool:
    there = [given for given in column if not is_empty(given)]
    return bool(there) and all(map(_is_number, there))


def _are_short(column: Sequence[object]) -> bool:
    """Tell whether a column has names and figures, which a break would part."""
    return all(is_empty(given) or (isinstance(given, str) and len(given) <= _SHORT) for given in column)


def _cell(given: object, side: str) -> str:
    return f"<td{side}>{'' if is_empty(given) else value(given).text}</td>"


def _escaped(shown: str) -> str:
    return escape(_NO_CHARACTER.sub(lambda found: f"\\u{ord(found.group()):x}", shown))


def _pieces(given: object, depth: int) -> Iterator[str]:
    if isinstance(given, str):
        yield given[:LONG]
    elif isinstance(given, int) and given.bit_length() > _WHOLE_BITS:
        yield f"a whole number of {given.bit_length():,} bits"
    elif isinstance(given, (bytes, bytearray)):
        yield counted(len(given), "byte")
    elif not isinstance(given, (Mapping, list, tuple)):
        yield str(given)
    elif depth == 0:
        yield "…"
    else:
        is_mapping = isinstance(given, Mapping)
        yield "{" if is_mapping else "["
        for place, item in enumerate(given):
            yield ", " if place else ""
            yield from _pieces(item, depth - 1)
            if isinstance(given, Mapping):
                yield ": "
                yield from _pieces(given[item], depth - 1)
        yield "}" if is_mapping else "]"


def _branch(nested: Mapping[Any, Any] | Sequence[Any], left: list[int], depth: int) -> Html:
    pairs = nested.items() if isinstance(nested, Mapping) else enumerate(nested)
    leaves: list[str] = []
    for name, held in pairs:
        if left[0] <= 0:
            break
        left[0] -= 1
        is_branch = isinstance(held, (Mapping, list, tuple)) and len(held) > 0
        if is_branch and depth < _DEPTH and not _is_short(held):
            title = Html(f"<strong>{value(name).text}</strong> ({len(held):,})")
            leaves.append(f"<li>{folded(title, _branch(held, left, depth + 1)).text}</li>")
        else:
            leaves.append(f"<li><strong>{value(name).text}</strong>: {value(held, LONG).text}</li>")
    if len(nested) > len(leaves):
        leaves.append(f"<li>… and {len(nested) - len(leaves):,} more</li>")
    return Html(f'<ul style="list-style:none;margin:0;padding-left:1.2em">{"".join(leaves)}</ul>')


def _is_short(held: Collection[Any]) -> bool:
    """Tell whether a list is read best in one line."""
    is_flat = not any(isinstance(item, (Mapping, list, tuple)) for item in held)
    return is_flat and not isinstance(held, Mapping) and len(held) <= _ROWS

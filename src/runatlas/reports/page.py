"""A report as one page of HTML that needs nothing else: no script, no request, its charts within it."""

from __future__ import annotations

import re

import attrs

from runatlas.display.markup import Html, facts, folded, heading, joined, more, note, table, text, tree
from runatlas.reports.content import Cell, Content, cells
from runatlas.reports.seal import make_seal, with_seal
from runatlas.terminal import counted

__all__ = ["inline_svg", "make_page", "show_content"]

_NOTEBOOK_ROWS = 20
_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;background:#fff;color:#1b1b1b}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem}
table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}
th,td{padding:.25rem .7rem;border-bottom:1px solid #8884}
thead th{border-bottom:2px solid #888}
figure{margin:1.5rem 0;background:#fff;color:#1b1b1b;break-inside:avoid;width:fit-content;max-width:100%}
figure svg{max-width:100%;height:auto;stroke-linejoin:round;stroke-linecap:butt}
footer{margin-top:2rem;font-size:.85rem}
@media(prefers-color-scheme:dark){body{background:#16181c;color:#e4e4e4}}
@media screen and (prefers-color-scheme:dark){figure{background:#d3d8de;padding:.5rem;border-radius:.3rem}
figure svg{display:block;mix-blend-mode:multiply}}
@media print{body{max-width:none;margin:0;background:#fff;color:#000}table{display:table}tr{break-inside:avoid}}
"""
_BEFORE_SVG = re.compile(r"^.*?(?=<svg[ >])", re.DOTALL)
_LEFT_OUT = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->|<style\b.*?</style>", re.DOTALL)
_BASE64 = re.compile(r'(?<=;base64,)[^"]*')
_XLINK = re.compile(r"""\s+xmlns(?::\w+)?="[^"]*"|(?<=\s)xlink(?=:href=)""")
_ID = re.compile(r'(?<=\sid=")[^"]+(?=")')
_REFERENCE = re.compile(r'(?<=\shref="#)[^"]+(?=")|(?<=url\(#)[^)"]+(?=\))')


def make_page(content: Content) -> str:
    """Write a page: valid HTML, in which what others wrote is text, also on dark screens and on paper.

    Args:
        content: What it says.
    """
    title = text(content.title, 400).text
    charts = "".join(
        f"<figure>{svg}<figcaption>{text(name).text}</figcaption></figure>\n" if name else f"<figure>{svg}</figure>\n"
        for name, svg in content.charts
    )
    said = "".join(f"<p>{text(part, 4000).text}</p>\n" for part in content.paragraphs)
    before = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n<!-- "
    )
    spec = folded("what this report was asked for", tree(content.origin.get("spec", {})))
    after = (
        f" -->\n</head>\n<body>\n<h1>{title}</h1>\n{said}"
        f"{_table(content, cells(content)).text}\n{joined(*map(note, content.said)).text}\n{charts}"
        f"<footer>{facts(content.facts).text}\n{spec.text}</footer>\n</body>\n</html>\n"
    )
    return with_seal(attrs.evolve(make_seal(content), drawn=content.drawn), before, after)


def show_content(content: Content) -> Html:
    """Show a report in a notebook: its first rows, and what is to be known of them.

    Args:
        content: What it says.
    """
    count = f"{counted(len(content.rows), 'row')} x {counted(len(content.columns), 'column')}"
    few = attrs.evolve(content, rows=content.rows[:_NOTEBOOK_ROWS])
    left = more(len(content.rows) - _NOTEBOOK_ROWS, "row")
    marked = cells(content)[:_NOTEBOOK_ROWS]
    said = map(note, content.paragraphs)
    return joined(heading(content.title, count), *said, _table(few, marked), left, *map(note, content.notes))


def _table(content: Content, rows: list[list[Cell]]) -> Html:
    made = table([column.title for column in content.columns], (map(_cell, row) for row in rows))
    return Html(made.text.replace("</tr>", "</tr>\n"))  # a line each row: what others wrote has no tags


def _cell(cell: Cell) -> Html:
    shown = text(cell.text).text
    return Html(f"<strong>{shown}</strong>" if cell.is_best else shown, is_number=cell.is_number)


def inline_svg(svg: str, prefix: str) -> str:
    """Return a picture as it may stand within a page, beside others: without comments and with ids of its own.

    Args:
        svg: What matplotlib wrote.
        prefix: What its ids begin with.

    Example:
        >>> inline_svg('<?xml version="1.0"?><svg xmlns="x"><g id="a"/><use xlink:href="#a"/></svg>', "c1-")
        '<svg><g id="c1-0"/><use href="#c1-0"/></svg>'
    """
    drawn = _LEFT_OUT.sub("", _BEFORE_SVG.sub("", svg, count=1))
    drawn = _BASE64.sub(lambda found: "".join(found[0].split()), drawn)
    drawn = " ".join(drawn.split()).replace("> <", "><").replace("<defs></defs>", "")
    drawn = _XLINK.sub("", drawn).replace(" :href=", " href=")
    names: dict[str, str] = {}
    drawn = _ID.sub(lambda found: names.setdefault(found[0], f"{prefix}{len(names)}"), drawn)
    return _REFERENCE.sub(lambda found: names.get(found[0], f"{prefix}none"), drawn).strip()

"""A report as a table of a document: Markdown, also in a part of a file that holds other things, and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from runatlas.errors import ValidationError
from runatlas.file_access import replacing
from runatlas.process.file_lock import alone_with
from runatlas.reports.content import Cell, Content, cells
from runatlas.reports.seal import FILE_MAX, make_seal, with_seal
from runatlas.terminal import printable

__all__ = ["make_latex", "make_markdown", "marks_of", "put_between"]

_ACTIVE = re.compile(r"^[-+=%](?!\d)|[\\`*_{}\[\]<>#|~$&]|:(?=[/a-zA-Z_+])|(?<=[wW]{3})\.")
"""What Markdown, with the tables, formulas and links of code hosts, may take for more than a letter."""
_NAME = re.compile(r"[\w.-]{1,100}", re.ASCII)
_BEGIN = re.compile(rb"<!-- runatlas:begin ([\w.-]{1,100}) -->")
_MARK = re.compile(r"<!-- runatlas:(?:begin|end) [\w.-]{1,100} -->")
_NAMED = 5
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "-": "-{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    **{letter: f"\\{letter}" for letter in "{}$&#%_"},
}
_SYMBOLS = {"±": r"$\pm$", "∞": r"$\infty$", "\N{EN DASH}": "--", "…": r"\ldots{}", "%": r"\%"}


def make_markdown(content: Content) -> str:
    """Write a table of Markdown, with its title, its notes, and what it takes to check it.

    Args:
        content: What it says.
    """
    rows = cells(content)
    sides = _sides(content, rows)
    lines = [
        f"### {_plain(content.title)}",
        "",
        *(part for said in content.paragraphs for part in (_plain(said), "")),
        _line([_plain(column.title) for column in content.columns]),
        _line(["---:" if side == "r" else "---" for side in sides]),
        *(_line([_marked(cell, _plain, "**{}**") for cell in row]) for row in rows),
        "",
        *(f"- {_plain(said)}" for said in (*content.said, *_facts(content))),
        "",
    ]
    return with_seal(make_seal(content), "\n".join(lines) + "\n<!-- ", " -->\n")


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is, in one line."""
    return _ACTIVE.sub(lambda found: f"\\{found[0]}", printable(text))


def _facts(content: Content) -> list[str]:
    return [f"{name}: {said}" for name, said in content.facts.items() if said]


def _sides(content: Content, rows: Sequence[Sequence[Cell]]) -> str:
    """Return at which side each column is aligned: numbers at the right."""
    numbers = (any(row[place].is_number for row in rows) for place in range(len(content.columns)))
    return "".join("r" if is_number else "l" for is_number in numbers)


def _marked(cell: Cell, write: Callable[[str], str], bold: str) -> str:
    return bold.format(write(cell.text)) if cell.is_best else write(cell.text)


def _begin_mark(name: str) -> str:
    """Return the line behind which a report of that name stands in a file.

    Raises:
        ValueError: It cannot be a name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"name: expected letters, digits, '_', '.' and '-', 100 at the most, got {name!r}")
    return f"<!-- runatlas:begin {name} -->"


def _end_mark(name: str) -> str:
    """Return the line before which it ends."""
    return _begin_mark(name).replace(":begin", ":end")


def marks_of(path: Path) -> list[str]:
    """Return the names of the markers that a file has."""
    with path.open("rb") as file:
        return [found[1].decode() for found in _BEGIN.finditer(file.read(FILE_MAX))]


def put_between(path: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of a file, all of it or nothing; its mode and the rest stay.

    Args:
        path: The file.
        name: The markers' name.
        text: What takes the place.

    Raises:
        OSError: The file cannot be read or written.
        ValidationError: It has no such markers, or some more than once, or others are between them.
    """
    with alone_with(path):
        with path.open("rb") as file:
            held = file.read(FILE_MAX + 1)
        if len(held) > FILE_MAX:
            raise ValidationError(f"{path} is larger than {FILE_MAX:,} bytes")
        made = _with_between(path, held, name, text)
        with replacing(path.resolve()) as file:
            file.write(made)


def _with_between(path: Path, held: bytes, name: str, text: str) -> bytes:
    begin, end = _begin_mark(name), _end_mark(name)
    try:
        document = held.decode()
    except UnicodeDecodeError:
        raise ValidationError(f"{path} is no UTF-8, and so no Markdown") from None
    if document.count(begin) != 1 or document.count(end) != 1 or document.find(end) < document.find(begin):
        known = ", ".join(sorted({found[1].decode() for found in _BEGIN.finditer(held)} - {name})[:_NAMED])
        raise ValidationError(
            f"{path} needs one line {begin!r} and below it one line {end!r}: what stands between them is replaced"
            + (f"; it has markers named {known}" if known else "")
        )
    before, _, rest = document.partition(begin)
    between, _, after = rest.partition(end)
    if other := _MARK.search(between):
        raise ValidationError(f"{path}: {other[0]!r} stands between the markers {name}, and would be lost")
    newline = "\r\n" if "\r\n" in document else "\n"
    body = f"\n{text}".replace("\n", newline)
    return f"{before}{begin}{body}{end}{after}".encode()


def make_latex(content: Content) -> str:
    r"""Write a table for LaTeX with the package ``booktabs``: bold is the best, and what cannot be told from it.

    Args:
        content: What it says.
    """
    rows = cells(content)
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{_tex(content.title)}}}",
        f"  \\begin{{tabular}}{{{_sides(content, rows)}}}",
        "    \\toprule",
        _tex_row(_tex(column.title) for column in content.columns),
        "    \\midrule",
        *(_tex_row(_marked(cell, _tex, "\\textbf{{{}}}") for cell in row) for row in rows),
        "    \\bottomrule",
        "  \\end{tabular}",
        *(f"  \\par\\footnotesize {_tex(said)}" for said in content.said),
        "\\end{table}",
        *(f"% {printable(said)}" for said in _facts(content)),
    ]
    return with_seal(make_seal(content), "\n".join(lines) + "\n% ", "\n")


def _tex_row(texts: Iterable[str]) -> str:
    return f"    {' & '.join(texts)} \\\\"


def _tex(text: str) -> str:
    """Return a text that LaTeX sets as it is."""
    return "".join(_LATEX.get(letter) or _SYMBOLS.get(letter) or letter for letter in printable(text))

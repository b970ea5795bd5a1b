"""The text of a filter as Python's parser sees it, and errors that point at a column of it."""

from __future__ import annotations

import ast
import re
import unicodedata

from runatlas.errors import shortened
from runatlas.model.text import find_unstorable

__all__ = ["TEXT_MAX", "FilterSyntaxError", "FilterText", "point_at"]

TEXT_MAX = 20_000
_DEPTH_MAX = 60
_SHOWN = 60
_LINE_BREAK = re.compile(r"\r\n|[\n\r\v\f]")
_FOREIGN_WORDS = {"&&": "and", "||": "or", "!": "not", "=": "=="}
"""Words of other languages, and ours."""

_FOREIGN = re.compile(r"&&|\|\||!(?!=)|(?<![=!<>:])=(?!=)")
_OPERATORS = {"and", "or", "not", "in", "is"}
_FOREIGN_OPERATOR = re.compile(r"(?<![\w.])(and|or|not|in|is|like|ilike|contains)(?=\s)", re.IGNORECASE)
_CONTAINING = "a part of a text is asked for as in 'wide' in name"
_KEYWORD_AFTER_DOT = re.compile(
    r"\.\s*(and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import"
    r"|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield|None|True|False)\b"
)


class FilterSyntaxError(ValueError):
    """A filter or an order that cannot be read.

    Attributes:
        reason: What is wrong, and what would be right.
        text: The text as it was given.
        place: Where in it, from 1.
        line, column: The same as a line, and a place in that line.
    """

    def __init__(self, reason: str, text: str, place: int, argument: str = "filters") -> None:
        self.reason = reason
        self.text = text
        self.place = place
        self.argument = argument
        lines = _LINE_BREAK.split(text)
        before = _LINE_BREAK.split(text[: place - 1])
        self.line = len(before)
        self.column = len(before[-1]) + 1
        where = f"column {self.column}" if len(lines) == 1 else f"line {self.line}, column {self.column}"
        super().__init__(f"{argument}: {shortened(reason)} ({where})\n{point_at(lines[self.line - 1], self.column)}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason, self.text, self.place, self.argument)


def point_at(line: str, column: int) -> str:
    """Return the part of a line around a column, from 1, with a caret below it."""
    start = max(0, column - 1 - _SHOWN)
    shown = "".join(c if c.isprintable() else " " for c in line[start : column - 1 + _SHOWN])
    head = "..." if start else ""
    tail = "..." if column - 1 + _SHOWN < len(line) else ""
    width = sum(map(_cells, shown[: column - 1 - start]))
    return f"    {head}{shown}{tail}\n    {' ' * (len(head) + width)}^"


def _cells(character: str) -> int:
    """Return how many columns of a terminal a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class FilterText:
    """A text, parsed and not yet understood.

    Attributes:
        text: As it was given.
        tree: Python's tree of it.
    """

    def __init__(self, text: str, argument: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"{argument}: expected a string, got {type(text).__name__}")
        self.text = text
        self._argument = argument
        self._check_characters()
        # Python ends an expression at a line break and minds indentation; a filter does neither.
        self._indent = len(text) - len(text.lstrip())
        self._line = re.sub(r"[\n\r\v\f]", " ", text)[self._indent :]
        self._data = self._line.encode()
        self.tree = self._parse()
        self._check_texts()
        self._check_depth()

    def name_after(self, node: ast.Attribute) -> str:
        """Return the name after a dot as it was written: Python's parser makes some characters into others."""
        if self._line.isascii():
            return node.attr
        end = node.value.end_col_offset
        written = self._data[end : node.end_col_offset].decode(errors="ignore").rpartition(".")[2].strip()
        return written if unicodedata.normalize("NFKC", written) == node.attr else node.attr

    def error(self, reason: str, node: ast.AST | None = None, *, column: int = 1) -> FilterSyntaxError:
        """Make the error that points at a node (of ``a.b`` at ``b``), or at a place counted from 1."""
        if isinstance(node, (ast.expr, ast.keyword)):
            offset = node.col_offset
            if isinstance(node, ast.Attribute) and node.end_col_offset is not None:
                offset = max(offset, node.end_col_offset - len(self.name_after(node).encode()))
            column = self._indent + len(self._data[:offset].decode(errors="ignore")) + 1
        return FilterSyntaxError(reason, self.text, column, self._argument)

    def _check_characters(self) -> None:
        if not self.text.strip():
            raise self.error("the text is empty")
        if len(self.text) > TEXT_MAX:
            raise self.error(
                f"{len(self.text):,} characters are too many, {TEXT_MAX:,} are allowed", column=TEXT_MAX + 1
            )
        place = find_unstorable(self.text)
        if place is not None:
            raise self.error(f"the character {self.text[place]!r} is not allowed", column=place + 1)

    def _parse(self) -> ast.expr:
        try:
            return ast.parse(self._line, mode="eval").body
        except SyntaxError as error:
            raise self._explain(error) from None
        except (ValueError, MemoryError, RecursionError):
            raise self.error("this is nested too deeply, or a number is too long") from None

    def _explain(self, error: SyntaxError) -> FilterSyntaxError:
        at = min(max(error.offset or 1, 1), len(self._line) + 1) - 1
        for keyword in _KEYWORD_AFTER_DOT.finditer(self._line):
            if keyword.start() <= at <= keyword.start(1):
                name, column = keyword.group(1), self._indent + keyword.start(1) + 1
                return self.error(f"{name!r} is a word of the language; write ['{name}'] instead", column=column)
        for found in _FOREIGN.finditer(self._line):
            if found.start() <= at < found.end():
                right = _FOREIGN_WORDS[found.group()]
                return self.error(
                    f"write {right!r} instead of {found.group()!r}", column=self._indent + found.start() + 1
                )
        for found in _FOREIGN_OPERATOR.finditer(self._line):
            word, right = found.group(), found.group().lower()
            if (word != right or right not in _OPERATORS) and found.start() <= at <= found.end() + 1:
                reason = f"write {right!r} instead of {word!r}" if right in _OPERATORS else _CONTAINING
                return self.error(reason, column=self._indent + found.start() + 1)
        column = self._indent + at + 1
        return self.error(f"this cannot be read: {error.msg}", column=column)

    def _check_texts(self) -> None:
        """Refuse what Python's parser, or the line made for it, would drop or change: nothing is read past.

        These are ``#`` outside of texts, with all that follows it, and line breaks inside.
        """
        if "#" not in self._line and len(_LINE_BREAK.split(self.text.strip())) == 1:
            return
        spans = sorted(
            (node.col_offset, node.end_col_offset or 0)
            for node in ast.walk(self.tree)
            if isinstance(node, (ast.Constant, ast.JoinedStr))
        )
        offset = at = 0
        for place, character in enumerate(self._line):
            while at < len(spans) and spans[at][1] <= offset:
                at += 1
            is_inside = at < len(spans) and spans[at][0] <= offset
            if character == "#" and not is_inside:
                raise self.error("'#' is not allowed outside of text", column=self._indent + place + 1)
            if is_inside and self.text[self._indent + place] in "\n\r\v\f":
                raise self.error("a line break inside of text is written \\n", column=self._indent + place + 1)
            offset += len(character.encode())

    def _check_depth(self) -> None:
        """Refuse a deep tree here, so that nothing that walks it needs to mind the depth."""
        level: list[ast.AST] = [self.tree]
        for _ in range(_DEPTH_MAX):
            level = [child for node in level for child in ast.iter_child_nodes(node)]
            if not level:
                return
        place = next((node for node in level if isinstance(node, ast.expr)), None)
        raise self.error(f"this is nested too deeply, {_DEPTH_MAX} levels are allowed", place)

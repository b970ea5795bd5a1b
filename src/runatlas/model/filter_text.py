"""The text of a filter as Python's parser sees it, and errors that point at a column of it."""

from __future__ import annotations

import ast
import re

__all__ = ["TEXT_MAX", "FilterSyntaxError", "FilterText"]

TEXT_MAX = 20_000
_DEPTH_MAX = 60
_SHOWN = 60
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
        column: Where in it, from 1.
    """

    def __init__(self, reason: str, text: str, column: int, argument: str = "filters") -> None:
        self.reason = reason
        self.text = text
        self.column = column
        self.argument = argument
        super().__init__(f"{argument}: {reason} (column {column})\n{_point_at(text, column)}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason, self.text, self.column, self.argument)


def _point_at(text: str, column: int) -> str:
    """Return the part of the text around a column with a caret below it."""
    start = max(0, column - 1 - _SHOWN)
    line = "".join(c if c.isprintable() else " " for c in text[start : column - 1 + _SHOWN])
    head = "..." if start else ""
    tail = "..." if column - 1 + _SHOWN < len(text) else ""
    return f"    {head}{line}{tail}\n    {' ' * (len(head) + column - 1 - start)}^"


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
        self._line = re.sub(r"\s", " ", text)[self._indent :]
        self.tree = self._parse()
        self._check_comments()
        self._check_depth()

    def error(self, reason: str, node: ast.AST | None = None, *, column: int = 1) -> FilterSyntaxError:
        """Make the error that points at a node (of ``a.b`` at ``b``), or at a column counted from 1."""
        if isinstance(node, (ast.expr, ast.keyword)):
            offset = node.col_offset
            if isinstance(node, ast.Attribute) and node.end_col_offset is not None:
                offset = max(offset, node.end_col_offset - len(node.attr.encode()))
            column = self._indent + len(self._line.encode()[:offset].decode(errors="ignore")) + 1
        return FilterSyntaxError(reason, self.text, column, self._argument)

    def _check_characters(self) -> None:
        if not self.text.strip():
            raise self.error("the text is empty")
        if len(self.text) > TEXT_MAX:
            raise self.error(
                f"{len(self.text):,} characters are too many, {TEXT_MAX:,} are allowed", column=TEXT_MAX + 1
            )
        for place, character in enumerate(self.text):
            if character == "\x00" or "\ud800" <= character <= "\udfff":
                raise self.error(f"the character {character!r} is not allowed", column=place + 1)

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

    def _check_comments(self) -> None:
        """Refuse ``#``: Python's parser drops what follows it, and a part of a filter must never be dropped."""
        if "#" not in self._line:
            return
        data = self._line.encode()
        inside = [
            range(node.col_offset, node.end_col_offset or 0)
            for node in ast.walk(self.tree)
            if isinstance(node, (ast.Constant, ast.JoinedStr))
        ]
        for place in (place for place, byte in enumerate(data) if byte == ord("#")):
            if not any(place in span for span in inside):
                raise self.error(
                    "'#' is not allowed outside of text", column=self._indent + len(data[:place].decode()) + 1
                )

    def _check_depth(self) -> None:
        """Refuse a deep tree here, so that nothing that walks it needs to mind the depth."""
        level: list[ast.AST] = [self.tree]
        for _ in range(_DEPTH_MAX):
            level = [child for node in level for child in ast.iter_child_nodes(node)]
            if not level:
                return
        place = next((node for node in level if isinstance(node, ast.expr)), None)
        raise self.error(f"this is nested too deeply, {_DEPTH_MAX} levels are allowed", place)

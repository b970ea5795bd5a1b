"""What SQL of both engines needs beside SQLAlchemy: lists as one parameter, code-point order, matching without case.

The constructs compile to each engine's own form, so that a statement is written once. Values always travel as bound
parameters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import BigInteger, Connection, Integer, TableValuedAlias, Text, bindparam, func, literal, literal_column
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import Boolean, TypeDecorator, TypeEngine

from runatlas.errors import ConflictError
from runatlas.model.glob import GlobPart, parse_glob
from runatlas.model.text import is_storable
from runatlas.server.store.substring import variants

__all__ = [
    "Connection",
    "code_points",
    "contains",
    "fits_glob",
    "has_text",
    "listed",
    "listing",
    "member_of",
    "one_of",
    "rows",
    "unique",
]

Condition: TypeAlias = "ColumnElement[bool]"


def rows(connection: Connection, statement: Executable, values: Mapping[str, Any] | None = None) -> list[Any]:
    """Run a query and return plain tuples, past SQLAlchemy's row objects and value processors.

    Only for columns that the drivers return as they are: numbers, text, bytes; booleans come as 0/1 or bool.
    """
    cursor = connection.execute(statement, values).cursor
    return [] if cursor is None else list(cursor.fetchall())


@contextmanager
def unique(message: str) -> Iterator[None]:
    """Turn a broken uniqueness inside into a ``ConflictError``: another transaction may have been quicker."""
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(message) from error


def listing(dialect: Dialect, items: Iterable[int | str]) -> Any:
    """Return a list as the one parameter that ``member_of`` takes: JSON for SQLite, an array for PostgreSQL.

    What no engine can hold is left out, as it can stand for nothing: SQLite reads a text in JSON up to a NUL only, and
    would find another one; PostgreSQL refuses the whole query.
    """
    found = list(items)
    text = json.dumps(found)
    if "\\u0000" in text or "\\ud" in text:
        found = [item for item in found if not isinstance(item, str) or is_storable(item)]
        text = json.dumps(found)
    return found if dialect.name == "postgresql" else text


class _ListParameter(TypeDecorator[Any]):
    """A Python list as one parameter: JSON text for SQLite, an array for PostgreSQL."""

    impl = Text
    cache_ok = True

    def __init__(self, item: type[TypeEngine[Any]]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(ARRAY(self.item()))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return listing(dialect, value)


_WHOLE, _TEXTS = _ListParameter(BigInteger), _ListParameter(Text)


class _Test(FunctionElement[bool]):
    """A condition with an SQL form of its own."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: OperatorType | None = None) -> ColumnElement[bool]:  # type: ignore[override]  # noqa: ARG002
        """Stay as it is in a WHERE: with SQLAlchemy's ``… = 1`` behind it, SQLite uses no index."""
        return self


class _MemberOf(_Test):
    inherit_cache = True


@compiles(_MemberOf)
def _member_of_json(element: _MemberOf, compiler: SQLCompiler, **kw: Any) -> str:
    column, items = element.clauses
    tested, table = compiler.process(column, **kw), f"json_each({compiler.process(items, **kw)})"
    return f"{tested} IN (SELECT value FROM {table})"  # noqa: S608 - made of compiled clauses, values are bound


@compiles(_MemberOf, "postgresql")
def _member_of_array(element: _MemberOf, compiler: SQLCompiler, **kw: Any) -> str:
    column, items = element.clauses
    return f"{compiler.process(column, **kw)} = ANY ({compiler.process(items, **kw)})"


class _HasText(_Test):
    inherit_cache = True


@compiles(_HasText)
def _has_text_json(element: _HasText, compiler: SQLCompiler, **kw: Any) -> str:
    column, sought = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{sought} IN (SELECT value FROM json_each({column}))"  # noqa: S608 - made of compiled clauses


@compiles(_HasText, "postgresql")
def _has_text_jsonb(element: _HasText, compiler: SQLCompiler, **kw: Any) -> str:
    column, sought = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{sought} IN (SELECT jsonb_array_elements_text(CAST({column} AS JSONB)))"


def has_text(column: ColumnElement[str], sought: str) -> ColumnElement[bool]:
    """Test whether a column that holds a JSON list of texts has one of them.

    Args:
        column: The column.
        sought: The text.
    """
    return _HasText(column, literal(sought, Text()))


def member_of(
    column: ColumnElement[Any], name: str, value: Iterable[int | str] | None = None, *, whole: bool | None = None
) -> ColumnElement[bool]:
    """Test whether a column is in a list of any length that travels as one parameter.

    Args:
        column: A column of whole numbers or of text.
        name: The parameter's name.
        value: The list; ``None`` when it comes with the execution.
        whole: Whether the list is one of whole numbers; as the column's type says if left out.
    """
    kind = _WHOLE if whole or (whole is None and isinstance(column.type, Integer)) else _TEXTS
    if value is None:
        return _MemberOf(column, bindparam(name, type_=kind))
    return _MemberOf(column, bindparam(name, list(value), type_=kind, unique=True))


def one_of(column: ColumnElement[Any], words: Iterable[str]) -> ColumnElement[bool]:
    """Test for words that are fixed in the code: cheaper than parameters, whose number varies."""
    known = list(words)
    if not all(word.isalnum() for word in known):
        raise ValueError("words: only letters and digits can be part of a statement")
    return column.in_([literal_column(f"'{word}'") for word in known])


class Listed(NamedTuple):
    """A table made of a list of row ids, with its columns."""

    table: TableValuedAlias
    value: ColumnElement[int]
    position: ColumnElement[int]


def listed(connection: Connection, ids: Sequence[int]) -> Listed:
    """Make a table of row ids that remembers their order."""
    parameter = bindparam("listed", list(ids), type_=_ListParameter(BigInteger), unique=True)
    if connection.dialect.name == "postgresql":
        table = func.unnest(parameter).table_valued("value", with_ordinality="position").render_derived()
        return Listed(table, table.c.value, table.c.position)
    table = func.json_each(parameter).table_valued("value", "key")
    return Listed(table, table.c.value, table.c.key)


class _CodePoints(FunctionElement[str]):
    type = Text()
    inherit_cache = True


@compiles(_CodePoints)
def _binary(element: _CodePoints, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(_CodePoints, "postgresql")
def _collated(element: _CodePoints, compiler: SQLCompiler, **kw: Any) -> str:
    return f'({compiler.process(element.clauses, **kw)} COLLATE "C")'


def code_points(text: ColumnElement[Any]) -> ColumnElement[str]:
    """Compare a text by code points, as Python does, whatever collation the database has."""
    return _CodePoints(text)


_SMALL = 50_000
"""Up to how many characters of a text, times those of a part, are compared by ``GLOB``: some milliseconds."""


def _glob(part: str) -> str:
    pieces = []
    for character in part:
        known = variants(character)
        special = len(known) > 1 or character in "*?["
        pieces.append(f"[{''.join(sorted(known))}]" if special else character)
    return "*" + "".join(pieces) + "*"


def _regex(part: str) -> str:
    pieces = []
    for character in part:
        known = variants(character)
        if len(known) > 1:
            pieces.append(f"[{''.join(sorted(known))}]")
        else:
            pieces.append("\\" + character if character.isascii() and not character.isalnum() else character)
    return "".join(pieces)


class _Pattern(TypeDecorator[Any]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return _regex(value) if dialect.name == "postgresql" else _glob(value)


class _Fits(_Test):
    """A text, a pattern as the database reads it, and what is asked of Python where that would take long."""

    inherit_cache = True

    def __init__(self, function: str, text: ColumnElement[Any], pattern: ColumnElement[Any], *asked: Any) -> None:
        super().__init__(literal_column(function), text, pattern, *asked)


@compiles(_Fits)
def _fits_either_way(element: _Fits, compiler: SQLCompiler, **kw: Any) -> str:
    # GLOB takes as long as both lengths multiplied and cannot be interrupted, but is the fastest for short texts.
    function, text, pattern, *asked = (compiler.process(clause, **kw) for clause in element.clauses)
    small = f"length({text}) * length({asked[0]}) <= {_SMALL}"
    return f"(CASE WHEN {small} THEN {text} GLOB {pattern} ELSE {function}({text}, {', '.join(asked)}) END)"


@compiles(_Fits, "postgresql")
def _fits_regex(element: _Fits, compiler: SQLCompiler, **kw: Any) -> str:
    _, text, pattern, *_ = element.clauses
    return f"({compiler.process(text, **kw)} ~ {compiler.process(pattern, **kw)})"


_PATTERN = _Pattern()


def contains(text: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """Test whether a text has a part, without regard to case.

    A character matches itself, its lower and its upper form where these are one character: both engines get a
    pattern of character sets (``GLOB``, ``~``), so that they agree beyond ASCII too and nothing in ``part`` is
    special.
    """
    pattern = bindparam("pattern", part, type_=_PATTERN, unique=True)
    return _Fits("has_part", text, pattern, bindparam("part", part, unique=True))


def _glob_sets(parts: Iterable[GlobPart]) -> str:
    """Write a pattern as SQLite's ``GLOB`` reads it: ``]`` and ``-`` come first in a set and ``^`` last."""
    pieces = {"any": "*", "one": "?"}
    return "".join(pieces.get(part.kind) or _glob_set(part) for part in parts)


def _glob_set(part: GlobPart) -> str:
    characters = part.characters
    if part.kind == "set" and len(characters) == 1 and characters.isdisjoint("*?["):
        return next(iter(characters))
    first = "".join(character for character in "]-" if character in characters)
    last = "^" if "^" in characters else ""
    return f"[{'^' * (part.kind == 'other')}{first}{''.join(sorted(characters - set(']-^')))}{last}]"


def _regex_sets(parts: Iterable[GlobPart]) -> str:
    """Write a pattern as PostgreSQL's regular expressions read it; every character as its number."""
    pieces = {"any": ".*", "one": "."}
    return "^" + "".join(pieces.get(part.kind) or _regex_set(part) for part in parts) + "$"


def _regex_set(part: GlobPart) -> str:
    written = "".join(f"\\U{ord(character):08X}" for character in sorted(part.characters))
    return written if part.kind == "set" and len(part.characters) == 1 else f"[{'^' * (part.kind == 'other')}{written}]"


class _GlobPattern(TypeDecorator[Any]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return _regex_sets(value) if dialect.name == "postgresql" else _glob_sets(value)


_GLOB_PATTERN = _GlobPattern()


def fits_glob(text: ColumnElement[Any], pattern: str, *, any_case: bool) -> ColumnElement[bool]:
    """Test whether a pattern of ``runatlas.model.glob`` fits all of a text."""
    parts = parse_glob(pattern, any_case=any_case)
    asked: tuple[ColumnElement[Any], ...] = (bindparam("part", pattern, unique=True), literal(int(any_case)))
    return _Fits("fits_pattern", text, bindparam("pattern", parts, type_=_GLOB_PATTERN, unique=True), *asked)

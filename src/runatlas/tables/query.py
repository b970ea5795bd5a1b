"""A question in SQL, which DuckDB answers over tables that are read only as far as it asks for them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from difflib import get_close_matches
from itertools import chain, count
from threading import Lock
from typing import Any, overload

import attrs
from arro3.core import Array, DataType, RecordBatch, RecordBatchReader, Schema, Table

from runatlas.display.markup import Html, joined, note
from runatlas.errors import RunAtlasError, ValidationError
from runatlas.extra import load_extra
from runatlas.model.instant import to_milliseconds
from runatlas.model.missing_key import MissingKeyError
from runatlas.model.text import did_you_mean
from runatlas.tables.frame import ArrowFrame

__all__ = ["Query", "QueryTable", "Source"]

_INT64, _FLOAT64, _MILLISECONDS = DataType.int64(), DataType.float64(), DataType.timestamp("ms", tz="UTC")
_SETTINGS = {
    "enable_external_access": "false",  # no file, no network, no other database
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",  # no variable of this process is a table
    "memory_limit": "2GB",
    "temp_directory": "",
}
_ROWS_MAX = 10_000_000
_NO_TABLE = re.compile(r'Table with name (.+?) does not exist!(?:\s+Did you mean "[^"]*"\?)?')
_NO_COLUMN = re.compile(r'Referenced column "([^"]+)" not found|does not have a column named "([^"]+)"')
_NEAR_MAX = 3
_MOMENT_S = 0.1
_WHOLE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|BIGNUM")
_LARGE = {"HUGEINT", "UHUGEINT", "UBIGINT", "BIGNUM"}
_NESTED = re.compile(r".*\]|(STRUCT|MAP|UNION|VARIANT|JSON)\b.*", re.DOTALL)
_BY_TEXT = {"query", "query_table"}
"""Functions that read a table whose name may be put together."""

_JOINS = {"INNER": (True, True), "LEFT": (False, True), "RIGHT": (True, False), "FULL": (False, False)}
"""Of which side a join leaves out the rows that its condition does not fit: of the left, of the right."""


class Source:
    """A table that is read when DuckDB asks for it.

    Args:
        schema: Its columns.
        batches: Reads it.
    """

    def __init__(self, schema: Schema, batches: Callable[[], Iterator[RecordBatch]]) -> None:
        self._schema = schema
        self._batches = batches
        self.error: RunAtlasError | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(self._schema.names)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return RecordBatchReader.from_batches(self._schema, self._read()).__arrow_c_stream__(requested_schema)

    def _read(self) -> Iterator[RecordBatch]:
        try:
            yield from self._batches()
        except RunAtlasError as error:
            self.error = error  # DuckDB passes on its sentence only
            raise


class QueryTable(ArrowFrame, Sequence[dict[str, Any]]):
    """The answer to a question in SQL: ``table[0]["key"]``, ``table.column("key")``.

    Whole numbers are int64, or float64 where one is too large, all other numbers float64, times milliseconds in UTC;
    lists and structures are their JSON text, anything else text. ``notes`` say which keys no run has.
    """

    notes: tuple[str, ...] = ()

    def _told(self) -> Html:
        return joined(*map(note, self.notes), super()._told())

    def column(self, name: str) -> list[Any]:
        """Return one column's values, ``None`` where there is none.

        Args:
            name: The column's name.

        Raises:
            KeyError: There is no such column.
        """
        if name not in self._table.column_names:
            raise MissingKeyError(name, self.columns)
        return list(self._table[name].to_pylist())

    def json(self) -> list[dict[str, Any]]:
        """Return the rows as plain values; times are Unix milliseconds."""
        return [{name: _milliseconds(held) for name, held in row.items()} for row in self]

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[position] for position in range(len(self))[index]]
        position = range(len(self))[index]
        row = self._table.slice(position, 1)
        return {name: row[name].to_pylist()[0] for name in row.column_names}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        names = self._table.column_names
        for batch in self._table.to_batches():
            columns = [batch[name].to_pylist() for name in names]
            yield from (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))

    def __len__(self) -> int:
        return int(self._table.num_rows)


class Query:
    """A question in SQL: one ``select``, which reaches nothing but the tables that it is given.

    Args:
        text: The question.

    Raises:
        ImportError: DuckDB is not installed.
        ValidationError: It is no ``select``, or more than one statement.
    """

    def __init__(self, text: str) -> None:
        self._duckdb = load_extra("duckdb", "sql()")
        self._text = text
        self._connection = self._duckdb.connect(":memory:", config=_SETTINGS)
        self._connection.execute("SET TimeZone='UTC'")
        self._connection.execute("SET lock_configuration=true")
        try:
            statements = self._connection.extract_statements(text)
        except self._duckdb.Error as error:
            raise ValidationError(f"sql: {error}", code=400) from error
        kinds = [statement.type.name for statement in statements]
        if kinds != ["SELECT"]:
            told = "nothing" if not kinds else f"{len(kinds)} statements" if len(kinds) > 1 else kinds[0]
            raise ValidationError(f"sql: expected one SELECT, got {told}; it reads, and changes nothing", code=400)

    def names(self, table: str) -> bool:
        """Tell whether the question may read a table."""
        return re.search(rf"\b{table}\b", self._text, re.IGNORECASE) is not None

    def texts_of(self, table: str, column: str) -> tuple[str, ...] | None:
        """Return all texts that a column of a table may have in what the question looks at.

        Args:
            table: The table.
            column: One of its columns, of texts.

        Returns:
            The texts that the question compares it with; ``None`` if any of its parts may look at others.
        """
        ((told,),) = self._connection.execute("SELECT json_serialize_sql(?)", [self._text]).fetchall()
        tree = json.loads(told)
        found = [texts for part in _parts(tree) for texts in part.texts_of(table, column)]
        known = [texts for texts in found if texts is not None]
        is_everywhere = len(known) == _count_of(tree, table)  # what a pivot stands on is in no ``from``
        if not found or not is_everywhere or _is_named_elsewhere(tree, re.compile(rf"\b{table}\b", re.IGNORECASE)):
            return None
        return tuple(sorted(set().union(*known)))

    def run(self, tables: Mapping[str, Source | Callable[[], Source]]) -> QueryTable:
        """Answer it.

        Args:
            tables: The tables by name; what is called makes one, if the question names it.

        Raises:
            RunAtlasError: A table could not be read.
            ValidationError: DuckDB refuses the question, or the answer is too large.
        """
        sources = {
            name: table if isinstance(table, Source) else table()
            for name, table in tables.items()
            if isinstance(table, Source) or self.names(name)
        }
        try:
            for name, source in sources.items():
                self._connection.register(name, source)
            return self._interruptible(self._answer)
        except self._duckdb.Error as error:
            for source in sources.values():
                if source.error is not None:
                    raise source.error from None
            columns = sources["runs"].columns if "runs" in sources else ()
            raise ValidationError(f"sql: {_explained(str(error), tuple(tables), columns)}", code=400) from None
        finally:
            self._connection.close()

    def _interruptible(self, answer: Callable[[], QueryTable]) -> QueryTable:
        """Let a thread answer: DuckDB looks for an interrupt from outside far more often than for a signal."""
        gate = Lock()
        found: Future[QueryTable] | None = None

        def work() -> QueryTable:
            with gate:
                if found is None:
                    raise InterruptedError  # while it was asked: nobody waits
            return answer()

        with ThreadPoolExecutor(1) as pool:
            try:
                with gate:
                    found = pool.submit(work)
                return found.result()
            except BaseException:
                while found is not None and not found.done():  # what has not begun yet begins without the interrupt
                    self._connection.interrupt()
                    wait([found], timeout=_MOMENT_S)
                raise

    def _answer(self) -> QueryTable:
        asked = self._bound()
        names, kinds = _distinct(asked.columns), [*map(str, asked.types)]
        pairs = enumerate(zip(names, kinds, strict=True), 1)
        plain = asked.project(", ".join(_plain(f"#{place}", kind, name) for place, (name, kind) in pairs))
        found = plain.limit(_ROWS_MAX + 1).materialize()
        if found.shape[0] > _ROWS_MAX:
            raise ValidationError(f"sql: the answer has more than {_ROWS_MAX:,} rows; limit or group them")
        table = Table.from_arrow(found)
        columns = [_column(table.column(place), kind) for place, kind in enumerate(kinds)]
        return QueryTable(Table.from_arrays(columns, names=names))

    def _bound(self) -> Any:
        try:
            return self._connection.sql(self._text)
        except self._duckdb.Error:
            self._connection.execute(self._text)  # fails for the same reason, and says at which place
            raise


@attrs.frozen
class _Part:
    """One ``from`` with the conditions that hold for its rows.

    Attributes:
        tables: The tables, by the name that they go by.
        conditions: Conditions, with the names of those tables of which they leave out rows.
    """

    tables: Mapping[str, str]
    conditions: Sequence[tuple[dict[str, Any], frozenset[str]]]
    is_single: bool

    def texts_of(self, table: str, column: str) -> Iterator[set[str] | None]:
        """Yield of each place where a table stands the texts that its column may have; ``None`` for any."""
        for alias, name in self.tables.items():
            if name != table:
                continue
            names = {(alias, column), *([(column,)] if self.is_single else [])}
            known = (_texts(condition, names) for condition, of in self.conditions if alias in of)
            yield next((texts for texts in known if texts is not None), None)


def _parts(tree: Any) -> Iterator[_Part]:
    """Yield every ``from`` of a question, however deep."""
    if isinstance(tree, list):
        for item in tree:
            yield from _parts(item)
    elif isinstance(tree, dict):
        if "from_table" in tree and isinstance(tree["from_table"], dict):
            yield _part(tree["from_table"], tree.get("where_clause"))
        for item in tree.values():
            yield from _parts(item)


def _count_of(tree: Any, table: str) -> int:
    """Count the places of a question at which a table stands."""
    if isinstance(tree, list):
        return sum(_count_of(item, table) for item in tree)
    if not isinstance(tree, dict):
        return 0
    is_it = tree.get("type") == "BASE_TABLE" and tree["table_name"].lower() == table
    return is_it + sum(_count_of(item, table) for item in tree.values())


def _is_named_elsewhere(tree: Any, table: re.Pattern[str]) -> bool:
    """Tell whether a table may be read in another way than by a ``from``, such as ``query_table('points')``."""
    if isinstance(tree, str):
        return table.search(tree) is not None
    if isinstance(tree, list):
        return any(_is_named_elsewhere(item, table) for item in tree)
    if not isinstance(tree, dict) or tree.get("type") in {"BASE_TABLE", "COLUMN_REF"}:
        return False
    if tree.get("function_name") in _BY_TEXT:
        return True
    return any(_is_named_elsewhere(item, table) for name, item in tree.items() if name != "alias")


def _part(source: dict[str, Any], where: Any) -> _Part:
    tables: dict[str, str] = {}
    conditions: list[tuple[dict[str, Any], frozenset[str]]] = []

    def visit(node: dict[str, Any]) -> tuple[frozenset[str], bool]:
        """Return what stands in a source, and whether all that is known of it holds."""
        if node["type"] == "BASE_TABLE":
            alias = (node["alias"] or node["table_name"]).lower()
            tables[alias] = node["table_name"].lower()
            is_plain = not node["sample"] and not node["column_name_alias"]
            return frozenset([alias]), is_plain
        if node["type"] != "JOIN":
            return frozenset(), True
        left, right = visit(node["left"]), visit(node["right"])
        sides = _JOINS.get(node["join_type"])
        if sides is None or node["ref_type"] not in {"REGULAR", "CROSS"}:
            return left[0] | right[0], False
        fitting = frozenset().union(*(names for (names, _), holds in zip((left, right), sides, strict=True) if holds))
        conditions.extend((condition, fitting) for condition in _conjuncts(node["condition"]))
        return left[0] | right[0], left[1] and right[1]

    names, is_plain = visit(source)
    conditions += [(condition, names) for condition in _conjuncts(where)]
    return _Part(tables, conditions if is_plain else (), source["type"] == "BASE_TABLE")


def _conjuncts(condition: Any) -> Iterator[dict[str, Any]]:
    """Yield the conditions that all hold."""
    if not isinstance(condition, dict):
        return
    if condition["type"] == "CONJUNCTION_AND":
        for child in condition["children"]:
            yield from _conjuncts(child)
    else:
        yield condition


def _texts(condition: dict[str, Any], names: set[tuple[str, ...]]) -> set[str] | None:
    """Return the texts that a condition leaves to a column; ``None`` if it says no such thing."""
    kind = condition["type"]
    if kind == "CONJUNCTION_OR":
        parts = [_texts(child, names) for child in condition["children"]]
        known = [part for part in parts if part is not None]
        return set().union(*known) if len(known) == len(parts) else None
    if kind == "COMPARE_EQUAL":
        sides = [condition["left"], condition["right"]]
        sides.sort(key=lambda side: side["type"] != "COLUMN_REF")
    elif kind == "COMPARE_IN":
        sides = condition["children"]
    else:
        return None
    column, values = sides[0], sides[1:]
    if column["type"] != "COLUMN_REF" or tuple(map(str.lower, column["column_names"])) not in names:
        return None
    literals = [value.get("literal") or {} for value in values]
    if any(literal.get("kind") != "STRING" for literal in literals):
        return None
    return {literal["text"] for literal in literals}


def _milliseconds(held: Any) -> Any:
    return to_milliseconds(held) if isinstance(held, datetime) else held


def _distinct(names: Iterable[str]) -> list[str]:
    """Return names of columns of which no two are equal."""
    found: dict[str, None] = {}
    for name in names:
        free = (f"{name}_{number}" for number in count(1))
        found[next(each for each in chain([name], free) if each not in found)] = None
    return list(found)


def _plain(column: str, kind: str, name: str) -> str:
    """Return the expression that makes a column one of the types that tables have."""
    base = kind.partition("(")[0]
    known = {"DOUBLE": "DOUBLE", "FLOAT": "DOUBLE", "DECIMAL": "DOUBLE", "DATE": "TIMESTAMP"}
    if base in {"VARCHAR", "BOOLEAN", *_LARGE} or base.startswith("TIMESTAMP"):
        made = column
    elif _NESTED.fullmatch(kind):
        made = f"CAST(to_json({column}) AS VARCHAR)"
    else:
        made = f"CAST({column} AS {'BIGINT' if _WHOLE.fullmatch(base) else known.get(base, 'VARCHAR')})"
    quoted = name.replace('"', '""')
    return f'{made} AS "{quoted}"'


def _column(column: Any, kind: str) -> Any:
    """Return a column of an answer in one of the types that tables have."""
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return column.cast(_MILLISECONDS)
    if kind not in _LARGE:
        return column
    numbers = [None if value is None else int(value) for value in column.to_pylist()]
    fits = all(number is None or -(2**63) <= number < 2**63 for number in numbers)
    return Array(numbers, _INT64) if fits else Array([n if n is None else float(n) for n in numbers], _FLOAT64)


def _near(name: str, columns: Sequence[str]) -> list[str]:
    """Return the columns of configs and last values whose names are nearly this one, in quotes."""
    known: dict[str, list[str]] = {}
    for column in columns:
        _, dot, rest = column.partition(".")
        if dot:
            known.setdefault(rest, []).append(f'"{column}"')
    bare = name.removeprefix("summary.").removeprefix("config.")
    return [column for near in get_close_matches(bare, list(known)) for column in known[near]]


def _explained(sentence: str, tables: Sequence[str], columns: Sequence[str]) -> str:
    """Say with a sentence of DuckDB what there is: it knows tables of its own, and takes a dot for a table's."""
    if re.search(r'"(config|summary)" not found', sentence):
        return f'{sentence}\na column whose name has a dot is written in quotes: "config.lr"'
    if absent := _NO_TABLE.search(sentence):
        there = f"There are {', '.join(tables)}{did_you_mean(absent[1], tables)}"
        return sentence.replace(absent[0], f"Table with name {absent[1]} does not exist! {there}")
    if lacking := _NO_COLUMN.search(sentence):
        name = lacking[1] or lacking[2]
        near = [f'"{column}"' for column in columns if column.endswith(f".{name}")] or _near(name, columns)
        meant = " or ".join(near[:_NEAR_MAX])
        return f"{sentence}\ndid you mean {meant}? a name with a dot is written in quotes" if near else sentence
    return sentence

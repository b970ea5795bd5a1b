"""Pages of runs as the JSON that clients read, put together by the database: no column of a run becomes an object.

What a run says of itself is worked out of its columns by one expression. Of a run that has ended it is kept beside
them, in ``runs.shown``, since it seldom changes: each UPDATE of the row takes it away in the same statement, as the
table declares, and who ends or changes runs has it made anew before the transaction ends. Where it is missing the
expression is worked out again. What changes with other rows is no part of it: names of people and projects, last
values, folders, and whether a run that goes on is still heard of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    LargeBinary,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    update,
)

from runatlas.model.codec import dumps
from runatlas.model.run import OWN_FIELDS, OwnField
from runatlas.server.store.latest import LATEST, latest_text, read_latest
from runatlas.server.store.liveness import STATE
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.run_home import find_homes, find_people
from runatlas.server.store.run_order import LAST, RunOrder
from runatlas.server.store.schema import runs
from runatlas.server.store.statement import Connection, listing, member_of, rows

__all__ = ["TOLD_PARTS", "is_default", "keep_shown", "last_values", "list_texts", "shown_problem"]

TOLD_PARTS = frozenset({"config", "summary"})
"""What texts of runs may have beside the run's own fields."""

_MARK = "\x01"
"""Stands around what is put in afterwards: JSON has no such character."""

_ALWAYS = {"id", "cuid", "name", "labels", "created_at", "updated_at"}
_CHANGED = OWN_FIELDS["updated_at"].attribute
_FOLDER = OWN_FIELDS["folder_id"]
_FIELDS = [field for field in OWN_FIELDS.values() if field.column and field.name not in {"state", "folder_id"}]


_LAST = Prepared(select(*LAST).where(runs.c.cuid == bindparam("cuid")), "cuid")


def list_texts(
    connection: Connection,
    condition: ColumnElement[bool],
    order: RunOrder,
    *,
    after: Sequence[Any] | None,
    limit: int,
    offset: int,
    parts: Collection[str],
) -> tuple[bytes, int]:
    """Read the records of runs that meet a condition as one text, with commas between them.

    What another program wrote into a config may make it no JSON, or other records than were counted.

    Args:
        connection: An open transaction.
        condition: Over ``runs``.
        order: Their order, of no keys of its own.
        after: Values of ``order`` of the run before.
        limit: How many runs.
        offset: How many to skip.
        parts: Which of ``TOLD_PARTS`` the records carry.

    Returns:
        The text, and how many runs there are.
    """
    told = _record(connection.dialect.name, frozenset(parts)).label("told")
    page = order.apply(select(told).where(condition), after).limit(limit).offset(offset).subquery("page")
    ((text, count),) = rows(connection, select(_joined(connection.dialect.name, page.c.told), func.count()))
    whole = text.encode() if isinstance(text, str) else text or b""
    return _filled(connection, whole), count


def last_values(connection: Connection, cuid: str) -> list[int]:
    """Return the values of a cursor behind a run, in an order of no keys of its own."""
    return list(map(int, _LAST.first(connection, cuid)))


def _joined(dialect: str, told: ColumnElement[str]) -> ColumnElement[Any]:
    if dialect == "postgresql":
        return func.string_agg(told, literal_column("','"))
    # As bytes, whatever they are: letters that are none are for the reader of the JSON to find.
    return cast(func.group_concat(told), LargeBinary)


def _filled(connection: Connection, text: bytes) -> bytes:
    """Put in what stands in other rows, one statement a kind."""
    mark = _MARK.encode()
    if text.startswith(b"{" + mark):
        # Most pages are of one person's runs in one project, and of no run that is asked for its series.
        first = text[2 : text.index(mark, 2)]
        text = text.replace(mark + first + mark, _places(connection, {first: first.decode().split(",")})[first])
    if mark not in text:
        return text
    pieces = text.split(mark)
    marks = pieces[1::2]
    if not all(before.endswith((b"{", b'"summary":')) for before in pieces[:-1:2]):
        raise ValueError("a mark that is none of ours")
    wanted = set(marks)
    places = {mark: mark.decode().split(",") for mark in wanted if b"," in mark}
    missing = [int(mark) for mark in wanted if mark not in places]
    known = _places(connection, places)
    for key, values in zip(missing, read_latest(connection, missing, [None] * len(missing)), strict=True):
        known[b"%d" % key] = latest_text(values).encode()
    pieces[1::2] = map(known.__getitem__, marks)
    return b"".join(pieces)


def _places(connection: Connection, places: Mapping[bytes, Sequence[str]]) -> dict[bytes, bytes]:
    """Say which projects and people runs belong to, given the numbers of both."""
    homes = find_homes(connection, {int(project) for project, _ in places.values()})
    people = find_people(connection, {int(user) for _, user in places.values() if user})
    said = {}
    for mark, (project, user) in places.items():
        home, person = homes[int(project)], people.get(int(user)) if user else None
        names: dict[str, Any] = {"workspace": home.workspace, "project": home.project, "project_cuid": home.cuid}
        if person is not None:
            names["user"] = {"username": person.username, "name": person.name}
        said[mark] = dumps(names)[1:-1].encode()
    return said


@lru_cache(maxsize=16)
def _record(dialect: str, parts: frozenset[str]) -> ColumnElement[str]:
    """Make the expression of a run's record; it is NULL for a config that is not written as ours are."""
    rest = [_unless_default(dialect, _FOLDER)]
    if "config" in parts:
        rest.append(f"CASE WHEN {_begins('runs.config')} THEN ',\"config\":' || runs.config END")
    if "summary" in parts:
        frozen = f"{LATEST.removesuffix(')')} AND {_begins('data')})"
        rest.append(f"',\"summary\":' || coalesce({frozen}, '{_MARK}' || runs.id || '{_MARK}')")
    rest.append("'}'")
    return func.coalesce(_kept(dialect), _shown(dialect, STATE)).concat(literal_column(" || ".join(rest), Text()))


def _kept(dialect: str) -> ColumnElement[str]:
    """Return what is kept of a run, unless an earlier version of this program changed it, which knows nothing of it."""
    find = "strpos" if dialect == "postgresql" else "instr"
    said = f"'\"{_CHANGED}\":' || runs.{OWN_FIELDS['updated_at'].column} || ','"
    return literal_column(f"CASE WHEN {find}(runs.shown, {said}) > 0 THEN runs.shown END", Text())


def _begins(column: str) -> str:
    return f"substr({column}, 1, 1) = '{{'"


def _shown(dialect: str, state: ColumnElement[str]) -> ColumnElement[str]:
    """Make the expression of what ``runs.shown`` keeps: fields that are no default, and some in any case."""
    always = [f"',\"{field.attribute}\":' || {_value(dialect, field)}" for field in _FIELDS if field.name in _ALWAYS]
    others = [_unless_default(dialect, field) for field in _FIELDS if field.name not in _ALWAYS]
    place = f"'{{{_MARK}' || runs.project_id || ',' || coalesce(CAST(runs.user_id AS TEXT), '') || '{_MARK},"
    head = literal_column(f'{place}"state":"\'', Text())
    return head.concat(state).concat(literal_column(" || ".join(["'\"'", *always, *others]), Text()))


def _value(dialect: str, field: OwnField) -> str:
    """Make the expression of a field as JSON; tuples are kept as such."""
    column, kind = f"runs.{field.column}", runs.c[field.column].type
    if isinstance(kind, Boolean):
        return f"CASE WHEN {column} THEN 'true' ELSE 'false' END"
    if isinstance(field.default, tuple) or isinstance(kind, Integer):
        return column
    return f"CAST(to_json({column}) AS TEXT)" if dialect == "postgresql" else f"json_quote({column})"


def _unless_default(dialect: str, field: OwnField) -> str:
    return f"CASE WHEN {is_default(field)} THEN '' ELSE ',\"{field.attribute}\":' || {_value(dialect, field)} END"


def is_default(field: OwnField) -> str:
    """Return the condition that a run has the default of a field."""
    if isinstance(field.default, bool):
        return f"runs.{field.column}" if field.default else f"NOT runs.{field.column}"
    wanted = (
        "IS NULL" if field.default is None else f"= '{'[]' if isinstance(field.default, tuple) else field.default}'"
    )
    return f"runs.{field.column} {wanted}"


@lru_cache(maxsize=2)
def _keep(dialect: str) -> Prepared:
    ended = runs.c.state != literal_column("'RUNNING'")
    statement = update(runs).values(shown=_shown(dialect, runs.c.state)).where(member_of(runs.c.id, "runs"), ended)
    return Prepared(statement, "runs")


def keep_shown(connection: Connection, run_keys: Iterable[int]) -> None:
    """Keep beside runs that have ended what they say of themselves: the last that a transaction does to them."""
    _keep(connection.dialect.name).run(connection, listing(connection.dialect, run_keys))


def shown_problem(connection: Connection, run_pk: int) -> str:
    """Say what is wrong with what is kept of a run, if anything is."""
    said = _shown(connection.dialect.name, runs.c.state)
    found = rows(connection, select(runs.c.id).where(runs.c.id == run_pk, runs.c.shown != said))
    return "what is kept of it for listings is not what its row says" if found else ""

"""Pages of runs as JSON, a few texts a run: no column of it becomes an object.

What a run says of itself is worked out of its columns by one expression. Of a run that has ended it is kept beside
them, in ``runs.shown``, since it seldom changes: each UPDATE of the row takes it away in the same statement, as the
table declares, and who ends or changes runs has it made anew before the transaction ends. Where it is missing, or the
row is of another time (an earlier version of this program, which knows nothing of it, changed it), the expression is
worked out again. What changes with other rows is no part of it: names of people and projects, last values, folders,
and whether a run that goes on is still heard of.

A listing of ten thousand runs takes half as long if it reads few columns: SQLite and Python need more time for a number
than for a hundred letters. So a text says by numbers where the run lies and who made it, where its record has names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any

import attrs
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    select,
    tuple_,
    update,
)

from runatlas.model.codec import dumps, encode_json
from runatlas.model.run import OWN_FIELDS, OwnField
from runatlas.server.store.latest import latest_text, read_latest
from runatlas.server.store.liveness import STATE, moment
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.run_home import find_homes, find_people
from runatlas.server.store.run_order import LAST, RunOrder
from runatlas.server.store.schema import runs
from runatlas.server.store.selection import Scope
from runatlas.server.store.statement import Connection, listing, member_of, rows

__all__ = [
    "TOLD_PARTS",
    "RunTexts",
    "is_default",
    "keep_shown",
    "list_texts",
    "name_places",
    "shown_problem",
    "whole_texts",
]

TOLD_PARTS = frozenset({"config", "summary"})
"""What texts of runs may have beside the run's own fields."""

_ALWAYS = {"id", "cuid", "name", "labels", "created_at", "updated_at"}
_HEAD = '{"workspace":"","project":"'
_BEHIND_PLACE = ',"state":'
"""What stands before the place in a text, and behind its quotation mark."""

_NUMBER_BITS = 63
"""How long the number of a row may be; none is negative."""

_LAST_OF = Prepared(select(*LAST).where(runs.c.id == bindparam("run")), "run")
_FOLDER = OWN_FIELDS["folder_id"]
_FIELDS = [field for field in OWN_FIELDS.values() if field.column and field.name not in {"state", "folder_id"}]


@attrs.frozen
class RunTexts:
    """A page of runs, a column for each piece of their JSON.

    Attributes:
        keys: Row ids of the runs.
        folders: The folders that they lie in.
        own: What each says of itself: its record, with its place where the project's name stands.
        configs: Their configs; ``None`` unless these are wanted.
        latest: What is kept of their last values; ``None`` unless these are wanted.
        next_values: Cursor values of the last of them; ``None`` if no run follows.
    """

    keys: Sequence[int]
    folders: Sequence[str | None]
    own: Sequence[str]
    configs: Sequence[str] | None
    latest: Sequence[str | None] | None
    next_values: list[Any] | None


def list_texts(
    connection: Connection,
    scope: Scope,
    narrowed: ColumnElement[bool] | None,
    order: RunOrder,
    *,
    after: Sequence[Any] | None,
    limit: int,
    offset: int,
    parts: Collection[str],
) -> RunTexts | None:
    """Read the texts of runs that meet a condition; what another program wrote among them may be anything.

    Args:
        connection: An open transaction.
        scope: Where they lie.
        narrowed: The condition over ``runs``, that of the scope in it; ``None`` for all of the scope.
        order: Their order, of no keys of its own.
        after: Values of ``order`` of the run before.
        limit: How many runs.
        offset: How many to skip.
        parts: Which of ``TOLD_PARTS`` are wanted.

    Returns:
        The texts; ``None`` if there are no runs.
    """
    dialect, wanted = connection.dialect.name, frozenset(parts)
    if narrowed is None and scope.project_id is not None:
        newest = _newest(dialect, wanted, follows=after is not None)
        found = newest.all(connection, moment.horizon_ms, scope.project_id, *_bounds(after), limit + 1, offset)
    else:
        statement = _wanted(dialect, wanted).where(scope.condition if narrowed is None else narrowed)
        found = rows(connection, order.apply(statement, after).limit(limit + 1).offset(offset))
    if not found:
        return None
    keys, folders, own, configs, latest = zip(*found[:limit], strict=True)
    return RunTexts(
        keys,
        folders,
        own,
        configs if "config" in parts else None,
        latest if "summary" in parts else None,
        _LAST_OF.first(connection, keys[-1]) if len(found) > limit else None,
    )


@lru_cache(maxsize=16)
def _newest(dialect: str, parts: frozenset[str], *, follows: bool) -> Prepared:
    """Make the statement that lists all runs of a project, as most listings do: making it anew took a tenth of them."""
    bounds = [bindparam(column.name, type_=column.type) for column in LAST] if follows else []
    statement = _wanted(dialect, parts).where(runs.c.project_id == bindparam("project"), runs.c.trash_id.is_(None))
    if bounds:
        statement = statement.where(tuple_(*LAST) < tuple_(*bounds))
    statement = statement.order_by(*(column.desc() for column in LAST))
    statement = statement.limit(bindparam("limit")).offset(bindparam("offset"))
    return Prepared(statement, "horizon_ms", "project", *(bound.key for bound in bounds), "limit", "offset")


def _bounds(after: Sequence[Any] | None) -> tuple[Any, ...]:
    if after is None:
        return ()
    pin, *others = after
    return bool(pin), *others


def name_places(connection: Connection, places: Collection[str]) -> dict[str, dict[str, Any]]:
    """Name the project and the user whose numbers texts of runs have where their records have names.

    Returns:
        Of each field of a record that says where a run belongs, its value by place.

    Raises:
        KeyError: There is no such project.
        ValueError: That is no place.
    """
    numbers = {place: tuple(int(number or 0) for number in place.split(",")) for place in places}
    if any(number >> _NUMBER_BITS for both in numbers.values() for number in both):
        raise ValueError("no row has such a number, and PostgreSQL ends the transaction that asks for it")
    found = find_homes(connection, {project for project, _ in numbers.values()})
    people = find_people(connection, {user for _, user in numbers.values() if user})
    homes = {place: found[project] for place, (project, _) in numbers.items()}
    return {
        "workspace": {place: home.workspace for place, home in homes.items()},
        "project": {place: home.project for place, home in homes.items()},
        "project_cuid": {place: home.cuid for place, home in homes.items()},
        "user": {place: people.get(user) for place, (_, user) in numbers.items()},
    }


def whole_texts(connection: Connection, page: RunTexts) -> list[str]:
    """Put the records of a page together, as clients read them.

    Raises:
        KeyError: A run lies in no project.
        ValueError: One does not come out as JSON of a run.
    """
    heads, _, tails = zip(*map(str.partition, page.own, repeat(_BEHIND_PLACE)), strict=True)
    if not all(map(str.endswith, tails, repeat("}"))):
        raise ValueError("one of the texts is cut off")
    columns: list[Sequence[Any]] = [_said(connection, heads), [tail[:-1] for tail in tails]]
    record = f"{{%s{_BEHIND_PLACE}%s"
    if any(page.folders):
        columns.append([f',"{_FOLDER.attribute}":{dumps(folder)}' if folder else "" for folder in page.folders])
        record += "%s"
    if page.configs is not None:
        columns.append(_objects(page.configs))
        record += ',"config":%s'
    if page.latest is not None:
        columns.append(_objects(_latest_texts(connection, page.keys, page.latest)))
        record += ',"summary":%s'
    return list(map(f"{record}}}".__mod__, zip(*columns, strict=True)))


def _objects(texts: Sequence[str]) -> Sequence[str]:
    if not all(map(str.startswith, texts, repeat("{"))):
        raise ValueError("one of the texts is no object")
    return texts


def _latest_texts(connection: Connection, keys: Sequence[int], held: Sequence[str | None]) -> list[str]:
    missing = [key for key, text in zip(keys, held, strict=True) if not isinstance(text, str)]
    known = dict(zip(missing, map(latest_text, read_latest(connection, missing, [None] * len(missing))), strict=True))
    return [known[key] if text is None else text for key, text in zip(keys, held, strict=True)]


def _said(connection: Connection, heads: Sequence[str]) -> list[str]:
    """Say which projects and people runs belong to, of what their texts begin with."""
    places = {head: head.removeprefix(_HEAD).removesuffix('"') for head in set(heads)}
    named = name_places(connection, set(places.values()))
    said = {}
    for head, place in places.items():
        names = {name: values[place] for name, values in named.items() if values[place] is not None}
        said[head] = encode_json(names).decode()[1:-1]
    return list(map(said.__getitem__, heads))


@lru_cache(maxsize=16)
def _wanted(dialect: str, parts: frozenset[str]) -> Select[Any]:
    """Make the query of all that is read of each run; what is not wanted is NULL."""
    kept = literal_column("CASE WHEN runs.shown_as_of_ms = runs.updated_at_ms THEN runs.shown END", Text())
    wanted = ["runs.config" if "config" in parts else "NULL", "runs.latest" if "summary" in parts else "NULL"]
    told = func.coalesce(kept, _shown(dialect, STATE))
    return select(runs.c.id, runs.c[_FOLDER.column], told, literal_column(", ".join(wanted)))


def _shown(dialect: str, state: ColumnElement[str]) -> ColumnElement[str]:
    """Make the expression of what ``runs.shown`` keeps: fields that are no default, and some in any case."""
    always = [f"',\"{field.attribute}\":' || {_value(dialect, field)}" for field in _FIELDS if field.name in _ALWAYS]
    others = [_unless_default(dialect, field) for field in _FIELDS if field.name not in _ALWAYS]
    place = "runs.project_id || ',' || coalesce(CAST(runs.user_id AS TEXT), '')"
    head = literal_column(f"'{_HEAD}' || {place} || '\"{_BEHIND_PLACE}\"'", Text())
    return head.concat(state).concat(literal_column(" || ".join(["'\"'", *always, *others, "'}'"]), Text()))


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


def _has_texts(dialect: str) -> ColumnElement[bool]:
    """Make the condition that no text of a run is bytes: of these SQLite makes no JSON, but ends the statement."""
    texts = [f"typeof(runs.{field.column}) <> 'blob'" for field in _FIELDS if "json_quote" in _value("sqlite", field)]
    return literal_column("TRUE" if dialect == "postgresql" else f"({' AND '.join(texts)})", Boolean())


def is_default(field: OwnField) -> str:
    """Return the condition that a run has the default of a field."""
    if isinstance(field.default, bool):
        return f"runs.{field.column}" if field.default else f"NOT runs.{field.column}"
    wanted = (
        "IS NULL" if field.default is None else f"= '{'[]' if isinstance(field.default, tuple) else field.default}'"
    )
    return f"runs.{field.column} {wanted}"


@lru_cache(maxsize=4)
def _keep(dialect: str, *, some: bool) -> Prepared:
    ended = runs.c.state != literal_column("'RUNNING'")
    kept = {"shown": _shown(dialect, runs.c.state), "shown_as_of_ms": runs.c.updated_at_ms}
    statement = update(runs).values(kept).where(ended, _has_texts(dialect))
    return Prepared(statement.where(member_of(runs.c.id, "runs")), "runs") if some else Prepared(statement)


def keep_shown(connection: Connection, run_keys: Iterable[int] | None = None) -> None:
    """Keep beside runs that have ended what they say of themselves: the last that a transaction does to them.

    One with damaged texts keeps nothing, and no other waits for it.

    Args:
        connection: The transaction.
        run_keys: The runs; ``None`` for all.
    """
    given = [] if run_keys is None else [listing(connection.dialect, run_keys)]
    _keep(connection.dialect.name, some=run_keys is not None).run(connection, *given)


def shown_problem(connection: Connection, run_pk: int) -> str:
    """Say what is wrong with what is kept of a run, if anything is."""
    has_texts = _has_texts(connection.dialect.name)
    said = case((has_texts, _shown(connection.dialect.name, runs.c.state)))
    is_wrong = and_(runs.c.shown_as_of_ms == runs.c.updated_at_ms, runs.c.shown != said)
    for are_texts, is_other in rows(connection, select(has_texts, is_wrong).where(runs.c.id == run_pk)):
        if not are_texts:
            return "one of its texts is bytes"
        if is_other:
            return "what is kept for listings is not what its row says; set its state to what it is, to make it anew"
    return ""

"""Pages of runs as JSON, a few texts a run: no column of it becomes an object.

What a run says of itself is worked out of its columns by one expression. Of a run that has ended it is kept beside
them, in ``runs.shown``, since it seldom changes: each UPDATE of the row takes it away in the same statement, as the
table declares, and who ends or changes runs has it made anew before the transaction ends. Where it is missing the
expression is worked out again. What changes with other rows is no part of it: names of people and projects, last
values, folders, and whether a run that goes on is still heard of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from operator import contains
from typing import Any

import attrs
from sqlalchemy import Boolean, ColumnElement, Integer, Select, Text, func, literal_column, select, update

from runatlas.model.account import UserRef
from runatlas.model.codec import dumps
from runatlas.model.run import OWN_FIELDS, OwnField
from runatlas.server.store.latest import LATEST, latest_text, read_latest
from runatlas.server.store.liveness import STATE
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.run_home import Home, find_homes, find_people
from runatlas.server.store.run_order import LAST, RunOrder
from runatlas.server.store.schema import runs
from runatlas.server.store.statement import Connection, listing, member_of, rows

__all__ = ["TOLD_PARTS", "RunTexts", "is_default", "keep_shown", "list_texts", "shown_problem", "whole_texts"]

TOLD_PARTS = frozenset({"config", "summary"})
"""What texts of runs may have beside the run's own fields."""

_MARK = "\x01"
"""Stands around the numbers of a run's project and user: JSON has no such letter."""

_ALWAYS = {"id", "cuid", "name", "labels", "created_at", "updated_at"}
_CHANGED = OWN_FIELDS["updated_at"].attribute
_FOLDER = OWN_FIELDS["folder_id"]
_FIELDS = [field for field in OWN_FIELDS.values() if field.column and field.name not in {"state", "folder_id"}]


@attrs.frozen
class RunTexts:
    """A page of runs, a column for each piece of their JSON.

    Attributes:
        keys: Row ids of the runs.
        places: Numbers of the project of each and of the user who made it.
        named: What these numbers stand for.
        changed: When they changed last, in Unix milliseconds.
        own: What each says of itself: names and values as in an object, with a comma before them and no braces.
        configs: Their configs; ``None`` unless these are wanted.
        latest: The rows of their last values, ``None`` for a run without one; ``None`` unless these are wanted.
        next_values: Cursor values of the last of them; ``None`` if no run follows.
    """

    keys: Sequence[int]
    places: Sequence[tuple[int, int | None]]
    named: Mapping[tuple[int, int | None], tuple[Home, UserRef | None]]
    changed: Sequence[int]
    own: Sequence[str]
    configs: Sequence[str] | None
    latest: Sequence[str | None] | None
    next_values: list[Any] | None


def list_texts(
    connection: Connection,
    condition: ColumnElement[bool],
    order: RunOrder,
    *,
    after: Sequence[Any] | None,
    limit: int,
    offset: int,
    parts: Collection[str],
) -> RunTexts | None:
    """Read the texts of runs that meet a condition; what another program wrote among them may be no JSON.

    Args:
        connection: An open transaction.
        condition: Over ``runs``.
        order: Their order, of no keys of its own.
        after: Values of ``order`` of the run before.
        limit: How many runs.
        offset: How many to skip.
        parts: Which of ``TOLD_PARTS`` are wanted.

    Returns:
        The texts; ``None`` if there are no runs.

    Raises:
        KeyError: A run lies in no project.
        ValueError: What is kept of a run is damaged.
    """
    wanted = _wanted(connection.dialect.name, frozenset(parts))
    found = rows(connection, order.apply(wanted.where(condition), after).limit(limit + 1).offset(offset))
    if not found:
        return None
    *last, projects, users, changed, folders, told, configs, latest = zip(*found[:limit], strict=True)
    homes, people = find_homes(connection, set(projects)), find_people(connection, set(users) - {None})
    places = list(zip(projects, users, strict=True))
    named = {(project, user): (homes[project], people.get(user)) for project, user in set(places)}
    marked = {place: len(_mark(*place)) for place in named}
    own = [text[marked[place] :] for text, place in zip(told, places, strict=True)]
    if any(folders):
        own = [
            f'{text},"{_FOLDER.attribute}":{dumps(folder)}' if folder else text
            for text, folder in zip(own, folders, strict=True)
        ]
    return RunTexts(
        last[-1],
        places,
        named,
        changed,
        own,
        configs if "config" in parts else None,
        latest if "summary" in parts else None,
        [column[-1] for column in last] if len(found) > limit else None,
    )


def _mark(project: int, user: int | None) -> str:
    """Return what a text of a run begins with that lies in a project, and was made by a user."""
    return f"{{{_MARK}{project},{'' if user is None else user}{_MARK}"


def whole_texts(connection: Connection, page: RunTexts) -> list[str]:
    """Put the records of a page together, as clients read them.

    Raises:
        ValueError: One does not come out as JSON of a run, or an earlier version of this program, which knew nothing of
            what is kept of a run, changed it.
    """
    # With the comma behind it, or a time would be taken for one that it begins.
    if not all(map(contains, map("%s,".__mod__, page.own), [f'"{_CHANGED}":{time_ms},' for time_ms in page.changed])):
        raise ValueError("what is kept of a run is not what it says now")
    columns: list[Sequence[Any]] = [_place_texts(page), page.own]
    record = "{%s%s"
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


def _place_texts(page: RunTexts) -> list[str]:
    """Say which projects and people runs belong to."""
    said = {}
    for place, (home, person) in page.named.items():
        names: dict[str, Any] = {"workspace": home.workspace, "project": home.project, "project_cuid": home.cuid}
        if person is not None:
            names["user"] = {"username": person.username, "name": person.name}
        said[place] = dumps(names)[1:-1]
    return list(map(said.__getitem__, page.places))


@lru_cache(maxsize=16)
def _wanted(dialect: str, parts: frozenset[str]) -> Select[Any]:
    """Make the query of all that is read of each run; what is not wanted is NULL."""
    told = func.coalesce(runs.c.shown, _shown(dialect, STATE))
    config, latest = "runs.config" if "config" in parts else "NULL", LATEST if "summary" in parts else "NULL"
    own = (runs.c.project_id, runs.c.user_id, runs.c.updated_at_ms, runs.c[_FOLDER.column])
    return select(*LAST, *own, told, literal_column(f"{config}, {latest}"))


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

"""Runs as records, read a page at a time without a query a run."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import repeat
from operator import attrgetter, itemgetter
from types import NoneType
from typing import Any

import attrs
from sqlalchemy import ColumnElement, Select, func, literal_column, select
from sqlalchemy.exc import DatabaseError

from runatlas.errors import ResponseFormatError
from runatlas.model.codec import context_text, decode_all, loads, loads_all
from runatlas.model.compact import fill
from runatlas.model.config_name import parts_of
from runatlas.model.fast_json import raw_objects
from runatlas.model.filters import Field, Statistic
from runatlas.model.run import OWN_FIELDS, OwnField, Profile, RunRecord
from runatlas.model.series import NUMERIC_TYPES
from runatlas.process.garbage_collector import collector_paused
from runatlas.server.store.failure import decoding
from runatlas.server.store.latest import read_latest
from runatlas.server.store.liveness import state_of
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.run_home import find_homes, find_people
from runatlas.server.store.run_order import RunOrder
from runatlas.server.store.run_text import TOLD_PARTS, RunTexts, is_default, list_texts, name_places, whole_texts
from runatlas.server.store.schema import run_profiles, runs, series
from runatlas.server.store.selection import Scope
from runatlas.server.store.statement import Connection, listing, member_of, one_of, rows
from runatlas.server.store.summary import average, deviation

__all__ = ["RunPage", "count_runs", "list_runs", "read_runs"]


@attrs.frozen
class RunPage:
    """Up to one run more than was asked for, and the cursor values of the last of those asked for."""

    records: Sequence[RunRecord]
    next_values: list[Any] | None


_DAMAGE: dict[str, tuple[type[Exception], ...]] = {
    "sqlite": (ValueError, KeyError, TypeError, ResponseFormatError, DatabaseError, sqlite3.Error),
    "postgresql": (ValueError, KeyError, TypeError, ResponseFormatError),
}
"""How texts of runs turn out to be damaged; what PostgreSQL holds has the types of its columns.

Behind the first row, what ``rows`` reads fails in the driver's own words.
"""

_C = runs.c
_STORED = [field for field in OWN_FIELDS.values() if field.column]
_SELDOM = (
    "show",
    "baseline",
    "archived",
    "protected",
    "protected_reason",
    "colors",
    "pinned_at_ms",
    "error",
    "folder_id",
)
"""Columns that most runs have their defaults in: they are read of the others only."""
_COLUMNS = ("id", "project_id", "user_id", *(field.column for field in _STORED if field.column not in _SELDOM))
_OTHERS = [field for field in _STORED if field.column in _SELDOM]
_OTHERS_OF = Prepared(select(_C.id, *(_C[field.column] for field in _OTHERS)).where(member_of(_C.id, "runs")), "runs")
_LAST = [_COLUMNS.index(name) for name in ("pin", "created_at_ms", "id")]
"""Where the last three values of every order stand."""
_ATTRIBUTES = [field.name for field in attrs.fields(RunRecord)]
_READ_OF: dict[Statistic, tuple[str, ...]] = {
    "last": ("last_value",),
    "min": ("min_value",),
    "max": ("max_value",),
    "avg": ("finite_count", "value_sum", "min_value", "max_value"),
    "std": ("finite_count", "value_sum_squares", "min_value", "max_value"),
    "count": ("count",),
    "first_step": ("first_step",),
    "last_step": ("last_step",),
}
"""The columns of series that a statistic is made of."""
_MADE_BY: dict[Statistic, Callable[..., float | None]] = {"avg": average, "std": deviation}
_PROFILES = Prepared(
    select(run_profiles.c.run_pk, run_profiles.c.metadata, run_profiles.c.requirements, run_profiles.c.conda).where(
        member_of(run_profiles.c.run_pk, "runs")
    ),
    "runs",
)


def list_runs(
    connection: Connection,
    scope: Scope,
    narrowed: ColumnElement[bool] | None,
    order: RunOrder,
    *,
    after: Sequence[Any] | None,
    limit: int,
    offset: int,
    parts: Collection[str],
    statistics: Sequence[Field] = (),
    config_keys: Sequence[str] | None = None,
    as_text: bool = False,
) -> RunPage:
    """Read a page of the runs that meet a condition.

    Args:
        connection: An open transaction.
        scope: Where they lie.
        narrowed: The condition over ``runs``, that of the scope in it; ``None`` for all of the scope.
        order: Their order.
        after: Values of ``order`` of the run before the page.
        limit: How many runs.
        offset: How many to skip.
        parts: What the records carry beside the run's own fields.
        statistics: Which statistics of metrics they carry.
        config_keys: Which names in configs are looked at; ``None`` for all.
        as_text: Whether records may stay JSON texts, checked: for who only passes them on.
    """
    if not order.keys and not statistics and config_keys is None and TOLD_PARTS.issuperset(parts):
        # What is damaged is read by column, which says what is wrong with which run.
        with suppress(*_DAMAGE[connection.dialect.name]), collector_paused():
            page = list_texts(connection, scope, narrowed, order, after=after, limit=limit, offset=offset, parts=parts)
            return RunPage([], None) if page is None else _told(connection, page, as_text=as_text)
    keys = [key.value for key in order.keys]
    # In an order that has to be made, SQLite would carry the last values of all runs along.
    names = _names(parts, with_latest=not keys)
    condition = scope.condition if narrowed is None else narrowed
    statement = order.apply(select(*keys, _own(names)).where(condition), after)
    with collector_paused():
        found = rows(connection, statement.limit(limit + 1).offset(offset))
        shown = [row[len(keys) :] for row in found[:limit]] if keys else found[:limit]
        more = [*found[limit - 1][: len(keys)], *map(shown[-1].__getitem__, _LAST)] if len(found) > limit else None
        return RunPage(
            _records(connection, _columns(names, shown), parts, statistics, config_keys, as_text=as_text),
            more and _plain(more),
        )


def _told(connection: Connection, page: RunTexts, *, as_text: bool) -> RunPage:
    records: Any = raw_objects(whole_texts(connection, page)) if as_text else _of_texts(connection, page)
    return RunPage(records, page.next_values and _plain(page.next_values))


def _of_texts(connection: Connection, page: RunTexts) -> list[RunRecord]:
    records = decode_all(page.own, RunRecord)
    places = list(map(attrgetter("project"), records))
    for name, said in name_places(connection, set(places)).items():
        fill(records, name, map(said.__getitem__, places) if len(said) > 1 else repeat(*said.values()))
    if any(page.folders):
        fill(records, "folder_id", page.folders)
    if page.configs is not None:
        fill(records, "config", _configs(page.configs, None, as_text=False))
    if page.latest is not None:
        fill(records, "summary", read_latest(connection, page.keys, page.latest))
    return records


def read_runs(connection: Connection, run_keys: Sequence[int], parts: Collection[str]) -> list[RunRecord]:
    """Read runs by row id, in their order."""
    names = _names(parts, with_latest=True)
    found = {row[0]: row for row in _by_key(names).all(connection, listing(connection.dialect, run_keys))}
    return _records(connection, _columns(names, [found[key] for key in run_keys if key in found]), parts)


def count_runs(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Count the runs that meet a condition."""
    statement: Select[Any] = select(func.count()).select_from(runs).where(condition)
    return int(rows(connection, statement)[0][0])


def _names(parts: Collection[str], *, with_latest: bool) -> tuple[str, ...]:
    """Return what is read of each run in one statement."""
    latest = with_latest and "summary" in parts
    return (*_COLUMNS, "is_plain", *(["config"] if "config" in parts else []), *(["latest"] if latest else []))


@lru_cache(maxsize=16)
def _own(names: tuple[str, ...]) -> ColumnElement[Any]:
    """Make one piece of text of all columns: to label each would take most of the time of making a statement."""
    is_plain = " AND ".join(map(is_default, _OTHERS))
    return literal_column(", ".join(is_plain if name == "is_plain" else f"runs.{name}" for name in names))


@lru_cache(maxsize=16)
def _by_key(names: tuple[str, ...]) -> Prepared:
    """Make the statement that reads these columns of runs by row id."""
    return Prepared(select(_own(names)).select_from(runs).where(member_of(_C.id, "runs")), "runs")


def _columns(names: Sequence[str], found: Sequence[Any]) -> dict[str, Sequence[Any]]:
    return dict(zip(names, zip(*found, strict=True), strict=True)) if found else {}


def _plain(values: list[Any]) -> list[Any]:
    """Cursor values as both engines would answer them: PostgreSQL has booleans."""
    return [int(value) if isinstance(value, bool) else value for value in values]


def _records(
    connection: Connection,
    held: Mapping[str, Sequence[Any]],
    parts: Collection[str],
    statistics: Sequence[Field] = (),
    config_keys: Sequence[str] | None = None,
    *,
    as_text: bool = False,
) -> list[RunRecord]:
    with decoding("rows of runs", "the store"):
        if "config" in held:
            held = {**held, "config": _configs(held["config"], config_keys, as_text=as_text)}
        return _decoded(connection, held, parts, statistics) if held else []


def _configs(texts: Sequence[str], config_keys: Sequence[str] | None, *, as_text: bool) -> Sequence[Any]:
    if as_text and config_keys is None:
        with suppress(ValueError):  # of one that another program wrote, in words that are not ours
            return raw_objects(texts)
    configs = loads_all(texts)
    for kind in set(map(type, configs)) - {dict, NoneType}:
        raise TypeError(f"a config is a {kind.__name__}")
    return configs if config_keys is None else parts_of(configs, config_keys)


def _decoded(
    connection: Connection,
    held: Mapping[str, Sequence[Any]],
    parts: Collection[str],
    statistics: Sequence[Field],
) -> list[RunRecord]:
    keys = held["id"]
    none = [None] * len(keys)
    homes = find_homes(connection, set(held["project_id"]))
    people = find_people(connection, set(held["user_id"]) - {None})
    profiles = _profiles(connection, keys) if "profile" in parts else None
    lying = [homes[key] for key in held["project_id"]]
    values: dict[str, Iterable[Any]] = {
        field.attribute: _read(field, held[field.column]) for field in _STORED if field.column in held
    }
    values |= _seldom(connection, keys, held["is_plain"])
    values |= {
        "state": [
            state if state != "RUNNING" else state_of(state, heard_ms, made_ms)
            for state, heard_ms, made_ms in zip(
                held["state"], held["heartbeat_at_ms"], held["created_at_ms"], strict=True
            )
        ],
        "workspace": [home.workspace for home in lying],
        "project": [home.project for home in lying],
        "project_cuid": [home.cuid for home in lying],
        "user": map(people.get, held["user_id"]),
        "config": held.get("config", none),
        "summary": read_latest(connection, keys, held.get("latest")) if "summary" in parts else none,
        "profile": none if profiles is None else [profiles.get(key) or Profile() for key in keys],
        "statistics": read_statistics(connection, keys, statistics) if statistics else none,
    }
    return list(map(RunRecord, *(values[name] for name in _ATTRIBUTES)))


def _seldom(connection: Connection, keys: Sequence[int], are_plain: Sequence[Any]) -> dict[str, Iterable[Any]]:
    """Return the fields that most runs have their defaults in, by attribute."""
    others = [key for key, is_plain in zip(keys, are_plain, strict=True) if not is_plain]
    if not others:
        return {field.attribute: [field.default] * len(keys) for field in _OTHERS}
    read, *columns = zip(*_OTHERS_OF.all(connection, listing(connection.dialect, others)), strict=True)
    decoded = map(_read, _OTHERS, columns)
    found = dict(zip(read, zip(*decoded, strict=True), strict=True))
    defaults = tuple(field.default for field in _OTHERS)
    of_all = zip(*(found.get(key, defaults) for key in keys), strict=True)
    return {field.attribute: column for field, column in zip(_OTHERS, of_all, strict=True)}


def _read(field: OwnField, held: Sequence[Any]) -> Iterable[Any]:
    """Read a column: SQLite has no booleans, and tuples are JSON text."""
    if isinstance(field.default, bool):
        return map(bool, held)
    return map(_texts, held) if isinstance(field.default, tuple) else held


@lru_cache(maxsize=1024)  # runs of a sweep have the same few
def _texts(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(loads(text))


def read_statistics(
    connection: Connection, keys: Sequence[int], fields: Sequence[Field]
) -> Iterable[tuple[float | None, ...]]:
    """Read statistics of metrics of runs, all in one statement.

    Args:
        connection: An open transaction.
        keys: Row ids of runs.
        fields: The statistics.

    Returns:
        What each run has of them; ``None`` for nothing.
    """
    read = tuple(sorted({name for field in fields for name in _READ_OF[field.stat]}))
    columns: list[dict[int, float]] = [{} for _ in fields]
    wanted: dict[tuple[str, str], list[tuple[dict[int, float], Callable[..., Any], Callable[..., Any] | None]]] = {}
    for column, field in zip(columns, fields, strict=True):
        series_of = (field.key, context_text(tuple(sorted(field.context))))
        picked: Callable[[Any], Any] = itemgetter(*(_BEHIND + read.index(name) for name in _READ_OF[field.stat]))
        wanted.setdefault(series_of, []).append((column, picked, _MADE_BY.get(field.stat)))
    dialect = connection.dialect
    chosen = listing(dialect, keys), listing(dialect, {key for key, _ in wanted})
    for row in _reading(read).each(connection, *chosen):
        for column, picked, made_by in wanted.get(row[1:_BEHIND], ()):
            value = picked(row) if made_by is None else made_by(*picked(row))
            column[row[0]] = math.nan if value is None else float(value)
    return zip(*(map(column.get, keys) for column in columns), strict=True)


_BEHIND = 3


@lru_cache(maxsize=64)
def _reading(read: tuple[str, ...]) -> Prepared:
    """Make the statement that reads columns of series of points, behind the run, the key and the context."""
    statement = select(*(series.c[name] for name in ("run_pk", "key", "context", *read))).where(
        member_of(series.c.run_pk, "runs"),
        member_of(series.c.key, "keys"),
        one_of(series.c.column_type, NUMERIC_TYPES),
        series.c.count > literal_column("0"),
    )
    return Prepared(statement, "runs", "keys")


def _profiles(connection: Connection, keys: Sequence[int]) -> Mapping[int, Profile]:
    found = _PROFILES.all(connection, listing(connection.dialect, keys))
    return {key: Profile(loads(metadata), requirements, conda) for key, metadata, requirements, conda in found}

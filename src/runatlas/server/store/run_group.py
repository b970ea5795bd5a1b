"""Runs counted by the values that they have."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Subquery, Text, and_, func, literal, select

from runatlas.model.config_name import number_of
from runatlas.model.filters import Field
from runatlas.model.run import OWN_FIELDS
from runatlas.model.run_group import (
    GROUPS_MAX,
    GroupValue,
    RunGroupRecord,
    RunValues,
    count_groups,
    group_value,
    too_many_groups,
)
from runatlas.process.garbage_collector import collector_paused
from runatlas.server.store.liveness import STATE
from runatlas.server.store.run_column import NUMBER_COLUMNS, TEXT_COLUMNS, scalar_series, statistic
from runatlas.server.store.run_record import read_statistics
from runatlas.server.store.schema import run_configs, runs, series
from runatlas.server.store.statement import Connection, rows

__all__ = ["group_runs", "list_values"]

_ROWS_MAX = 10 * GROUPS_MAX
"""Values that are equal may come in several forms, and a group in several states."""

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def group_runs(
    connection: Connection, condition: ColumnElement[bool], fields: Sequence[Field]
) -> tuple[RunGroupRecord, ...]:
    """Count the runs that meet a condition by their values: numbers come first, then texts, and what has none last.

    Args:
        connection: An open transaction.
        condition: Over ``runs``.
        fields: What they are grouped by.

    Raises:
        ValidationError: There are too many groups, their values are too long, or one that no filter can ask for.
    """
    inner, keys = _grouped(condition, fields)
    counted = func.count(), func.min(inner.c.created), func.max(inner.c.created)
    statement = select(*counted, inner.c.state, *keys).group_by(*keys, inner.c.state)
    # Read row by row: values may be long, and no more is held of them than may be told.
    with connection.execute(statement.limit(_ROWS_MAX + 1), execution_options={"stream_results": True}) as found:
        return count_groups(_records(fields, found))


def list_values(
    connection: Connection,
    condition: ColumnElement[bool],
    fields: Sequence[Field],
    metrics: Sequence[Field],
    limit: int,
) -> list[RunValues]:
    """Read what the newest runs that meet a condition have in fields and metrics, and nothing else of them.

    Args:
        connection: An open transaction.
        condition: Over ``runs``.
        fields: What they are grouped by.
        metrics: Statistics of metrics.
        limit: How many runs.
    """
    inner, keys = _grouped(condition, fields)
    own = (inner.c[name] for name in ("pk", "run_id", "cuid", "state", "created"))
    statement = select(*own, *keys).order_by(inner.c.pk.desc()).limit(limit)
    with collector_paused():
        found = rows(connection, statement)
        held = read_statistics(connection, [row[0] for row in found], metrics) if metrics else repeat(())
        known: dict[Any, GroupValue] = {}
        return [
            RunValues(run_id, cuid, state, created, _values(fields, parts, known), values)
            for (_, run_id, cuid, state, created, *parts), values in zip(found, held, strict=False)
        ]


def _grouped(condition: ColumnElement[bool], fields: Sequence[Field]) -> tuple[Subquery, list[ColumnElement[Any]]]:
    """Return a query over the runs that meet a condition, and those of its columns that tell their groups."""
    whole: FromClause = runs
    parts: list[ColumnElement[Any]] = []
    for field in fields:
        table = {"CONFIG": run_configs.alias(), "SCALAR": series.alias()}.get(field.type)
        if table is not None:
            whole = whole.outerjoin(table, _joins(table, field))
        parts += _parts(field, table)
    named = [part.label(f"part{place}") for place, part in enumerate(parts)]
    own = runs.c.id.label("pk"), runs.c.run_id, runs.c.cuid, STATE.label("state"), runs.c.created_at_ms.label("created")
    inner = select(*named, *own).select_from(whole).where(condition).subquery()
    return inner, [inner.c[part.name] for part in named]


def _records(fields: Sequence[Field], found: Iterable[Any]) -> Iterator[RunGroupRecord]:
    known: dict[Any, GroupValue] = {}
    for number, (count, first, last, state, *parts) in enumerate(found):
        if number == _ROWS_MAX:
            raise too_many_groups()
        yield RunGroupRecord(_values(fields, parts, known), count, {state: count}, first, last)


def _joins(table: FromClause, field: Field) -> ColumnElement[bool]:
    picked = table.c.key == literal(field.key, Text()) if field.type == "CONFIG" else scalar_series(table, field)
    return and_(table.c.run_pk == runs.c.id, picked)


def _parts(field: Field, table: FromClause | None) -> list[ColumnElement[Any]]:
    """Return the two expressions that tell what a run has in a field: of which kind it is, and what it is."""
    if table is None:
        is_text = field.key in TEXT_COLUMNS
        return [literal("text" if is_text else "number", Text()), (TEXT_COLUMNS | NUMBER_COLUMNS)[field.key]]
    if field.type == "CONFIG":
        return [table.c.kind, table.c.text]
    return [table.c.last_kind, statistic(table, field)]


def _values(fields: Sequence[Field], parts: Sequence[Any], known: dict[Any, GroupValue]) -> tuple[GroupValue, ...]:
    """Read the values of a row; ``known`` are those that were read before."""
    values = []
    for place, field in enumerate(fields):
        asked = (place, *parts[2 * place : 2 * place + 2])
        if asked not in known:
            known[asked] = _value(field, *asked[1:])
        values.append(known[asked])
    return tuple(values)


def _value(field: Field, kind: str | None, held: Any) -> GroupValue:
    """Return what runs have, as a filter asks for it.

    Args:
        field: What is asked for.
        kind: Of a config's row, or of the last value of a series; ``None`` where there is none.
        held: A number, a text, or how the config's row writes it.
    """
    if kind in {None, "null", "sect", "none"}:
        return None
    if field.type == "SCALAR":
        return math.nan if kind == "nan" else float(held)
    if field.type == "CONFIG":
        return _config_value(field, str(kind), held)
    is_flag = OWN_FIELDS[field.key].kind == "bool" and held is not None
    return bool(held) if is_flag else held


def _config_value(field: Field, kind: str, text: str) -> GroupValue:
    if kind == "nan":
        return math.nan
    if kind == "bool":
        return text == "true"
    if kind == "num":
        return _SPECIAL[text] if text in _SPECIAL else number_of(text)
    if kind != "json":
        return text
    try:
        # Of lists, ``list_text`` wrote one element a line.
        return group_value(field, json.loads(f"[{','.join(text.split(chr(10))[1:-1])}]"))
    except (ValueError, RecursionError):
        return group_value(field, [{}])

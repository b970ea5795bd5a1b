"""Keys, labels and kinds of values that a filter names and no run has: mistyped, most likely."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs
from sqlalchemy import ColumnElement, Select, Text, literal, select

from runatlas.model.config_name import number_of
from runatlas.model.filters import Comparison, Field, Filter, Not
from runatlas.model.text import did_you_mean
from runatlas.server.store.run_column import scalar_series
from runatlas.server.store.schema import run_configs, run_labels, runs, series
from runatlas.server.store.selection import Scope
from runatlas.server.store.statement import Connection, one_of, rows

__all__ = ["unknown_keys"]

_MEMBER_OPERATORS = {"EQ", "NEQ", "IN", "NOT IN", "CONTAIN"}
"""Those that ask whether a run has a label."""

_NUMERIC, _TEXTUAL = ("num", "bool", "nan"), ("str", "nstr", "date")
_HELD = {"num": "numbers", "nan": "numbers", "bool": "true and false", "json": "lists", "sect": "sections"}
"""What runs have in a config, by the kind of the value; the others are texts."""

_NAMED_MAX = 20
_KNOWN_MAX = 2000


def unknown_keys(
    connection: Connection,
    scope: Scope,
    wanted: Filter | None,
    *,
    fields: Iterable[Field] = (),
    trashed: bool = False,
) -> tuple[str, ...]:
    """Say which configs, metrics and labels are named that no run there has; nothing where there are no runs.

    A config that is compared with text where runs have numbers, or the other way round, is told too.

    Args:
        connection: An open transaction.
        scope: Where they are looked for.
        wanted: A filter that names them.
        fields: Others that are named, as for an order.
        trashed: Whether also those count that only runs in the trash have.

    Returns:
        A sentence for each.
    """
    asked = (*(() if wanted is None else _named(wanted)), *(field for field in fields if field.type != "STABLE"))
    keys = (one if isinstance(one, str) else attrs.evolve(one, stat="last") for one in asked)
    named = list(dict.fromkeys(keys))[:_NAMED_MAX]
    live = scope.condition
    if not named or not rows(connection, select(runs.c.id).where(live).limit(1)):
        return ()
    reached = scope.condition_with_trash if trashed else live
    compared = {} if wanted is None else _compared(wanted)
    told = (
        _odd_kind(connection, reached, one, compared.get(one, ()))
        if _is_known(connection, reached, one)
        else _describe(connection, live, one)
        for one in named
    )
    return tuple(filter(None, told))


def _comparisons(wanted: Filter) -> Iterator[Comparison]:
    if isinstance(wanted, Comparison):
        yield wanted
        return
    for item in (wanted.item,) if isinstance(wanted, Not) else wanted.items:
        yield from _comparisons(item)


def _named(wanted: Filter) -> Iterator[Field | str]:
    """Name the fields that runs may have or not, and as text the labels."""
    for one in _comparisons(wanted):
        if one.field.type != "STABLE":
            yield one.field
        elif one.field.key == "labels" and one.field.stat != "len" and one.op in _MEMBER_OPERATORS:
            values = one.value if isinstance(one.value, tuple) else (one.value,)
            yield from (value for value in values if isinstance(value, str))


def _compared(wanted: Filter) -> dict[Field | str, list[str | float]]:
    """Return the configs that are compared with nothing but texts or nothing but numbers, and with which."""
    found: dict[Field, list[Any]] = {}
    for one in _comparisons(wanted):
        if one.field.type == "CONFIG":
            values = one.value if isinstance(one.value, tuple) and one.op in {"IN", "NOT IN"} else (one.value,)
            is_open = one.lenient or one.field.stat == "len" or one.op == "CONTAIN"
            found.setdefault(attrs.evolve(one.field, stat="last"), []).extend([None] if is_open else values)
    return {
        field: values
        for field, values in found.items()
        if values and any(all(isinstance(value, kind) for value in values) for kind in (str, (int, float)))
    }


def _is_known(connection: Connection, reached: ColumnElement[bool], named: Field | str) -> bool:
    there: Select[Any]
    if isinstance(named, str):
        there = select(run_labels.c.run_pk).where(
            run_labels.c.run_pk == runs.c.id, run_labels.c.label == literal(named, Text())
        )
    elif named.type == "CONFIG":
        there = select(run_configs.c.run_pk).where(
            run_configs.c.run_pk == runs.c.id, run_configs.c.key == literal(named.key, Text())
        )
    else:
        there = select(series.c.run_pk).where(series.c.run_pk == runs.c.id, scalar_series(series, named))
    found = select(runs.c.id).where(reached, there.correlate(runs).exists()).limit(1)
    return bool(rows(connection, found))


def _odd_kind(
    connection: Connection, reached: ColumnElement[bool], named: Field | str, values: Sequence[str | float]
) -> str:
    """Say that a config is compared with texts where runs have none but numbers, or the other way round."""
    if not values or isinstance(named, str):
        return ""
    c, first = run_configs.c, values[0]
    kinds = _TEXTUAL if isinstance(first, str) else _NUMERIC
    there = select(c.kind).join(runs, c.run_pk == runs.c.id).where(reached, c.key == literal(named.key, Text()))
    if rows(connection, there.where(one_of(c.kind, kinds)).limit(1)):
        return ""
    others = rows(connection, there.where(c.kind != "null").limit(1))
    if not others:
        return ""
    held = _HELD.get(others[0][0], "texts")
    what, hint = "number", ""
    if isinstance(first, str):
        is_number = held == "numbers" and number_of(first) is not None
        what, hint = "text", f"; write {first.strip()} without quotes" if is_number else ""
    return f"config {named.key!r} has no {what} such as {first!r} in any run here, but {held}{hint}"


def _describe(connection: Connection, live: ColumnElement[bool], named: Field | str) -> str:
    if isinstance(named, str):
        table, column = run_labels, run_labels.c.label
    else:
        table = run_configs if named.type == "CONFIG" else series
        column = table.c.key
    known = select(column).distinct().join(runs, table.c.run_pk == runs.c.id).where(live)
    names = [row[0] for row in rows(connection, known.limit(_KNOWN_MAX))]
    if isinstance(named, str):
        return f"no run here has the label {named!r}{did_you_mean(named, names)}"
    what = "config" if named.type == "CONFIG" else "metric"
    if named.key in names:
        return f"no run here has a {what} {named.key!r}{' in that context' if named.context else ''}"
    hint = _other_kind(connection, live, named) or did_you_mean(named.key, names)
    return f"no run here has a {what} {named.key!r}{hint}"


def _other_kind(connection: Connection, live: ColumnElement[bool], named: Field) -> str:
    """Suggest the config that is called as a metric that no run has, and the other way round."""
    table, prefix = (series, "summary") if named.type == "CONFIG" else (run_configs, "config")
    there = select(table.c.run_pk).where(table.c.run_pk == runs.c.id, table.c.key == literal(named.key, Text()))
    found = rows(connection, select(runs.c.id).where(live, there.correlate(runs).exists()).limit(1))
    return f", did you mean {f'{prefix}.{named.key}'!r}?" if found else ""

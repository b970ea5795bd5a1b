"""Keys that a filter names and no run has: mistyped, most likely."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Text, literal, select

from runatlas.model.filter_field import did_you_mean
from runatlas.model.filters import Comparison, Field, Filter, Not
from runatlas.server.store.run_column import scalar_series
from runatlas.server.store.schema import run_configs, runs, series
from runatlas.server.store.selection import Scope
from runatlas.server.store.statement import Connection, rows

__all__ = ["unknown_keys"]

_FIELDS_MAX = 20
_KNOWN_MAX = 2000


def unknown_keys(connection: Connection, scope: Scope, wanted: Filter) -> tuple[str, ...]:
    """Say which configs and metrics a filter names that no run there has; nothing where there are no runs.

    Args:
        connection: An open transaction.
        scope: Where the filter looks.
        wanted: The filter.

    Returns:
        A sentence for each.
    """
    fields = [field for field in dict.fromkeys(_fields(wanted)) if field.type != "STABLE"][:_FIELDS_MAX]
    if not fields or not rows(connection, select(runs.c.id).where(scope.condition).limit(1)):
        return ()
    return tuple(_describe(connection, scope, field) for field in fields if not _is_known(connection, scope, field))


def _fields(wanted: Filter) -> Iterator[Field]:
    if isinstance(wanted, Comparison):
        yield wanted.field
    else:
        for item in (wanted.item,) if isinstance(wanted, Not) else wanted.items:
            yield from _fields(item)


def _is_known(connection: Connection, scope: Scope, field: Field) -> bool:
    if field.type == "CONFIG":
        there = select(run_configs.c.run_pk).where(
            run_configs.c.run_pk == runs.c.id, run_configs.c.key == literal(field.key, Text())
        )
    else:
        there = select(series.c.run_pk).where(series.c.run_pk == runs.c.id, scalar_series(series, field))
    found = select(runs.c.id).where(scope.condition, there.correlate(runs).exists()).limit(1)
    return bool(rows(connection, found))


def _describe(connection: Connection, scope: Scope, field: Field) -> str:
    table = run_configs if field.type == "CONFIG" else series
    known = select(table.c.key).distinct().join(runs, table.c.run_pk == runs.c.id).where(scope.condition)
    keys = [row[0] for row in rows(connection, known.limit(_KNOWN_MAX))]
    hint = did_you_mean(field.key, keys)
    what = "config" if field.type == "CONFIG" else "metric"
    where = " in that context" if field.context and field.key in keys else ""
    return f"no run here has a {what} {field.key!r}{where}{hint if field.key not in keys else ''}"

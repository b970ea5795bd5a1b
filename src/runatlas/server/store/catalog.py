"""Statements about what series a run has."""

from __future__ import annotations

from sqlalchemy import select

from runatlas.model.codec import loads, make_context
from runatlas.model.series import Context
from runatlas.server.store.schema import series
from runatlas.server.store.statement import Connection, code_points, rows

__all__ = ["run_catalog"]

_SCALAR = ("FLOAT", "BOOLEAN", "STRING")


def run_catalog(connection: Connection, run_pk: int) -> list[tuple[str, Context, int]]:
    """Read a run's scalar series: key, context and number of points, by key, then in the order they appeared."""
    statement = (
        select(series.c.key, series.c.context, series.c.count)
        .where(series.c.run_pk == run_pk, series.c.column_type.in_(_SCALAR), series.c.count > 0)
        .order_by(code_points(series.c.key), series.c.id)
    )
    return [(key, make_context(loads(text)) if text else (), count) for key, text, count in rows(connection, statement)]

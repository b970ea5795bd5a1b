"""The columns and expressions behind the fields of runs."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    FromClause,
    Integer,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
)

from runatlas.errors import ValidationError
from runatlas.model.codec import context_text
from runatlas.model.filters import Field
from runatlas.model.run import OWN_FIELDS
from runatlas.model.series import NUMERIC_TYPES
from runatlas.server.store.liveness import STATE
from runatlas.server.store.schema import projects, runs, users
from runatlas.server.store.statement import one_of

__all__ = [
    "INTEGER_STATISTICS",
    "NULLABLE_COLUMNS",
    "NUMBER_COLUMNS",
    "TEXT_COLUMNS",
    "is_nan",
    "scalar_series",
    "statistic",
]

INTEGER_STATISTICS = ("count", "first_step", "last_step")

_INFINITY: ColumnElement[float] = literal(math.inf, Double())

_USERNAME = select(users.c.username).where(users.c.id == runs.c.user_id).correlate(runs).scalar_subquery()
_PROJECT = select(projects.c.name).where(projects.c.id == runs.c.project_id).correlate(runs).scalar_subquery()
_DURATION = (runs.c.finished_at_ms - runs.c.created_at_ms) / literal(1000.0, Double())

_PLAIN = [field for field in OWN_FIELDS.values() if field.column and not isinstance(field.default, tuple)]

TEXT_COLUMNS: dict[str, ColumnElement[Any]] = {
    **{field.name: runs.c[field.column] for field in _PLAIN if field.kind == "text"},
    "state": STATE,
    "project": _PROJECT,
    "user": _USERNAME,
}
NUMBER_COLUMNS: dict[str, ColumnElement[Any]] = {
    **{field.name: cast(runs.c[field.column], Integer) for field in _PLAIN if field.kind == "bool"},
    **{field.name: runs.c[field.column] for field in _PLAIN if field.kind in {"time", "int"}},
    "duration": _DURATION,
}
NULLABLE_COLUMNS = {"user", "duration", *(field.name for field in _PLAIN if runs.c[field.column].nullable)}


def scalar_series(table: FromClause, field: Field) -> ColumnElement[bool]:
    """Make the condition that picks a ``SCALAR`` field's series out of a run's."""
    context = context_text(tuple(sorted(field.context)))
    return and_(
        table.c.key == literal(field.key, Text()),
        table.c.context == literal(context, Text()),
        one_of(table.c.column_type, NUMERIC_TYPES),
        table.c.count > literal_column("0"),
    )


def _deviation(c: Any) -> ColumnElement[Any]:
    """The population standard deviation of what is not NaN; NULL also where it is NaN itself: over an infinity."""
    infinite = or_(c.min_value == -_INFINITY, c.max_value == _INFINITY)
    return case((infinite, null()), else_=func.sqrt(c.value_sum_squares / func.nullif(c.finite_count, 0)))


def is_nan(table: FromClause, field: Field) -> ColumnElement[bool]:
    """Make the condition that a ``SCALAR`` field's statistic, of a series that has it, is NaN."""
    c = table.c
    low, high = c.min_value == -_INFINITY, c.max_value == _INFINITY
    known: dict[str, ColumnElement[bool]] = {
        "last": c.last_kind == "nan",
        "avg": and_(low, high),
        "std": or_(low, high),
    }
    return func.coalesce(known.get(field.stat, false()), false())


def _average(c: Any) -> ColumnElement[Any]:
    """The mean of what is not NaN; NULL also where it is NaN itself: over both infinities."""
    low, high = c.min_value == -_INFINITY, c.max_value == _INFINITY
    infinite = ((and_(low, high), null()), (low, -_INFINITY), (high, _INFINITY))
    return case(*infinite, else_=c.value_sum / func.nullif(c.finite_count, 0))


def statistic(table: FromClause, field: Field) -> ColumnElement[Any]:
    """Make the expression of a ``SCALAR`` field's statistic.

    Raises:
        ValidationError: There is no such statistic.
    """
    c = table.c
    known: dict[str, ColumnElement[Any]] = {
        "last": c.last_value,
        "min": c.min_value,
        "max": c.max_value,
        "avg": _average(c),
        "std": _deviation(c),
        "count": c.count,
        "first_step": c.first_step,
        "last_step": c.last_step,
    }
    if field.stat not in known:
        raise ValidationError(f"filter: {field.key!r} has no statistic {field.stat!r}")
    return known[field.stat]

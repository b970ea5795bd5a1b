"""Medians: no row keeps them, so they are taken from all points of a series when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import ColumnElement, select

from runatlas.model.codec import context_text
from runatlas.model.filters import Field
from runatlas.server.store.failure import damage_error
from runatlas.server.store.point_chunk import ChunkError
from runatlas.server.store.point_reading import SeriesHead, decode_all, find_scalar_series, read_series, run_paths
from runatlas.server.store.schema import runs
from runatlas.server.store.statement import Connection, rows

__all__ = ["medians_of", "medians_of_runs"]


def medians_of(connection: Connection, heads: Sequence[SeriesHead], where: str = "the store") -> dict[int, float]:
    """Return the medians of series, without the NaN in them, by row; series of nothing else are left out.

    Args:
        connection: An open transaction.
        heads: The series.
        where: What an error calls the store.

    Raises:
        StoreError: Points are damaged.
    """
    medians: dict[int, float] = {}
    for head, held in read_series(connection, heads):
        try:
            values = decode_all(head, held).values
        except ChunkError as error:
            path = run_paths(connection, {head.run_pk})[head.run_pk]
            raise damage_error(f"the points of {head.key!r} of {path}", where, error) from error
        known = values[~np.isnan(values)]
        if len(known):
            with np.errstate(invalid="ignore"):  # between -Inf and Inf lies NaN
                medians[head.id] = float(np.median(known))
    return medians


def medians_of_runs(connection: Connection, candidates: ColumnElement[bool], field: Field) -> Mapping[int, float]:
    """Return the medians of one metric by the row of the run; runs without one are left out.

    Args:
        connection: An open transaction.
        candidates: The condition over ``runs`` of those that are looked at.
        field: The metric.

    Raises:
        StoreError: Points are damaged.
    """
    run_pks = [row[0] for row in rows(connection, select(runs.c.id).where(candidates))]
    context = context_text(tuple(sorted(field.context)))
    found = find_scalar_series(connection, run_pks, keys=(field.key,), context=context, column_class=None)
    heads = {head.id: head for head in (SeriesHead(*row) for row in found)}
    return {heads[id_].run_pk: median for id_, median in medians_of(connection, list(heads.values())).items()}

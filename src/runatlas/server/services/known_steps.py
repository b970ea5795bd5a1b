"""Series that have one point a step: what was sent before is left out, so that sending again does no harm.

Steps that lie behind the last one of their series, as they do while a run goes on, need no look at what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from runatlas.errors import StoreError
from runatlas.server.services.batch import Identity, Incoming
from runatlas.server.store.point_chunk import ChunkError, Floats, Points, Whole
from runatlas.server.store.point_reading import held_values
from runatlas.server.store.series import SeriesRow, find_series
from runatlas.server.store.statement import Connection

__all__ = ["first_of_steps", "without_known"]


def first_of_steps(series: Mapping[Identity, Incoming]) -> dict[Identity, Incoming]:
    """Keep the first of several points of one step."""
    return {
        identity: said if said.points is None else said._replace(points=_first_of_steps(said.points))
        for identity, said in series.items()
    }


def without_known(
    connection: Connection, run_pk: int, series: dict[Identity, Incoming], *, by_value: bool
) -> dict[Identity, Incoming]:
    """Leave out the points that their series have; ``series`` itself comes back when there are none.

    Args:
        connection: An open transaction.
        run_pk: The run's row.
        series: What is to be appended.
        by_value: Whether a series has a point if the last value of its step is the same; else, if it has the step.

    Raises:
        StoreError: What is stored is damaged.
    """
    known = find_series(connection, run_pk, {key for key, _ in series})
    fresh = dict(series)
    changed = False
    for identity, said in series.items():
        row = known.get(identity)
        if said.points is None or row is None or row.summary is None:
            continue
        kept = _unknown(connection, row, said.points, by_value=by_value)
        if kept is not None:
            changed = True
            fresh[identity] = said._replace(points=_chosen(said.points, kept))
    return fresh if changed else series


def _first_of_steps(points: Points) -> Points:
    steps = points.steps
    if len(steps) < 2 or (steps[1:] > steps[:-1]).all():
        return points
    _, first = np.unique(steps, return_index=True)
    return points if len(first) == len(steps) else points.take(np.sort(first))


def _unknown(connection: Connection, row: SeriesRow, points: Points, *, by_value: bool) -> Whole | None:
    """Return the places of the points that a series lacks; ``None`` if it lacks all of them."""
    steps = points.steps
    low, high = int(steps.min()), int(steps.max())
    if row.summary is None or low > row.summary.last.step:
        return None
    try:
        held, values = held_values(connection, row.id, low, high)
    except ChunkError as error:
        raise StoreError(f"the points of {row.key!r} are damaged: {error}") from error
    repeated = np.isin(steps, held)
    if by_value and repeated.any():
        repeated = _same(points, held, values)
    return np.flatnonzero(~repeated) if repeated.any() else None


def _same(points: Points, held: Whole, values: Floats) -> npt.NDArray[np.bool_]:
    """Tell of each point whether it repeats the one before it at its step; values count bit by bit."""
    last = dict(zip(held.tolist(), values.view(np.int64).tolist(), strict=True))
    found = []
    for step, value in zip(points.steps.tolist(), points.values.view(np.int64).tolist(), strict=True):
        found.append(last.get(step) == value)
        last[step] = value
    return np.array(found, bool)


def _chosen(points: Points, kept: Whole) -> Points | None:
    return points.take(kept) if len(kept) else None

"""Series that have one point a step: what was sent before is left out, so that sending again does no harm.

Steps that lie behind the last one of their series, as they do while a run goes on, need no look at what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from runatlas.errors import StoreError
from runatlas.server.services.batch import Identity, Incoming
from runatlas.server.store.chunk import ChunkError, Points, Whole
from runatlas.server.store.point import held_steps
from runatlas.server.store.series import SeriesRow, find_series
from runatlas.server.store.statement import Connection

__all__ = ["first_of_steps", "without_known_steps"]


def first_of_steps(series: Mapping[Identity, Incoming]) -> dict[Identity, Incoming]:
    """Keep the first of several points of one step."""
    return {
        identity: said if said.points is None else said._replace(points=_first_of_steps(said.points))
        for identity, said in series.items()
    }


def without_known_steps(
    connection: Connection, run_pk: int, series: dict[Identity, Incoming]
) -> dict[Identity, Incoming]:
    """Leave out the points whose steps their series have; ``series`` itself comes back when there are none.

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
        kept = _unknown(connection, row, said.points.steps)
        if kept is not None:
            changed = True
            fresh[identity] = said._replace(points=_chosen(said.points, kept))
    return fresh if changed else series


def _first_of_steps(points: Points) -> Points:
    steps = points.steps
    if len(steps) < 2 or (steps[1:] > steps[:-1]).all():
        return points
    _, first = np.unique(steps, return_index=True)
    return points if len(first) == len(steps) else _taken(points, np.sort(first))


def _unknown(connection: Connection, row: SeriesRow, steps: Whole) -> Whole | None:
    """Return the places of the steps that a series lacks; ``None`` if it lacks all of them."""
    low, high = int(steps.min()), int(steps.max())
    if row.summary is None or low > row.summary.last.step:
        return None
    try:
        held = held_steps(connection, row.id, low, high)
    except ChunkError as error:
        raise StoreError(f"the points of {row.key!r} are damaged: {error}") from error
    repeated = np.isin(steps, held)
    return np.flatnonzero(~repeated) if repeated.any() else None


def _chosen(points: Points, kept: Whole) -> Points | None:
    return _taken(points, kept) if len(kept) else None


def _taken(points: Points, kept: Whole) -> Points:
    ids = points.event_ids
    part = points.part(kept)
    return part if ids is None else attrs.evolve(part, event_ids=tuple(ids[place] for place in kept.tolist()))

"""Events without a step: each is given the one after the last of its series, in the order of arrival."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from runatlas.server.services.batch import NO_STEP, Identity, Incoming
from runatlas.server.store.point_chunk import Points, Whole
from runatlas.server.store.series import find_series
from runatlas.server.store.statement import Connection

__all__ = ["number_steps", "stepless_ids"]

_LAST = 2**63 - 1


def stepless_ids(series: Mapping[Identity, Incoming]) -> set[str]:
    """Return the ids of the events of a batch that have no step."""
    return {
        event_id
        for said in series.values()
        if said.points is not None and said.points.event_ids is not None and _has_gaps(said.points)
        for event_id, step in zip(said.points.event_ids, said.points.steps.tolist(), strict=True)
        if event_id is not None and step == NO_STEP
    }


def number_steps(connection: Connection, run_pk: int, series: dict[Identity, Incoming]) -> dict[Identity, Incoming]:
    """Give steps to the events that have none; nobody else may be writing to the run."""
    wanting = {key for (key, _), said in series.items() if said.points is not None and _has_gaps(said.points)}
    if not wanting:
        return series
    known = find_series(connection, run_pk, wanting)
    numbered = dict(series)
    for identity, said in series.items():
        if said.points is not None and _has_gaps(said.points):
            row = known.get(identity)
            last = -1 if row is None or row.summary is None else row.summary.last.step
            steps = _numbered(said.points.steps, last)
            numbered[identity] = said._replace(points=attrs.evolve(said.points, steps=steps))
    return numbered


def _has_gaps(points: Points) -> bool:
    return bool((points.steps == NO_STEP).any())


def _numbered(steps: Whole, last: int) -> Whole:
    found: Whole = steps.copy()
    for place, step in enumerate(steps.tolist()):
        if step == NO_STEP:
            last = found[place] = min(last + 1, _LAST)
        else:
            last = max(last, step)
    return found

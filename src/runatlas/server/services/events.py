"""Events: points with all that came with them, for protocols that give back what they were sent word for word."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from runatlas.model.batch_check import EVENT_ID_MAX, check_length
from runatlas.model.codec import dumps, loads
from runatlas.model.ids import RunPath
from runatlas.model.series import Context
from runatlas.server.services.access import require_run
from runatlas.server.services.caller import Caller
from runatlas.server.services.series_walk import read_context
from runatlas.server.store.engine import Store
from runatlas.server.store.event import (
    add_events,
    keep_long_context,
    known_events,
    long_contexts_of,
    received_times,
    stepless_events,
)
from runatlas.server.store.failure import damage_error
from runatlas.server.store.point_chunk import ChunkError, Floats, Points, Whole
from runatlas.server.store.point_reading import SeriesChunks, SeriesHead, decode_all, find_scalar_series, read_series
from runatlas.server.store.run_version import RunVersion, versions_of
from runatlas.server.store.series import lock_run

__all__ = ["EventSeries", "Events"]


@attrs.frozen(eq=False)
class EventSeries:
    """A series' points in the order of arrival.

    Attributes:
        event_ids: ``None`` for a point that came without one.
        stepless: Which of the points came without a step.
    """

    key: str
    context: Context
    steps: Whole
    times_ms: Whole
    values: Floats
    event_ids: tuple[str | None, ...]
    stepless: npt.NDArray[np.bool_]


class Events:
    """What may be done with events."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_series(self, caller: Caller, run: RunPath, keys: Collection[str] | None = None) -> Iterator[EventSeries]:
        """Read the scalar series of a run, by key and context, one after another.

        Args:
            caller: Who asks.
            run: The run.
            keys: Only these; ``None`` for all.

        Raises:
            NotFoundError: There is no such run.
            StoreError: The points of a series are damaged.
        """
        with self._store.read() as connection:
            run_pk = require_run(connection, caller, run, "read").id
            found = find_scalar_series(connection, [run_pk], keys=keys, context=None, column_class=None)
            stepless = stepless_events(connection, run_pk)
        return self._read(sorted((SeriesHead(*row) for row in found), key=lambda head: head[2:4]), stepless)

    def _read(self, heads: list[SeriesHead], stepless: frozenset[str]) -> Iterator[EventSeries]:
        for known in heads:
            # A connection a series: whoever takes the points may be slow.
            with self._store.read() as connection:
                now = find_scalar_series(
                    connection, [known.run_pk], keys=(known.key,), context=known.context, column_class=None
                )
                read = [*read_series(connection, [SeriesHead(*row) for row in now])]
            for head, held in read:
                yield _series(self._store, head, held, stepless)

    def received_times(self, caller: Caller, run: RunPath, ids: Collection[str]) -> dict[str, int]:
        """Return when events of a run arrived, by id; those it does not know are left out.

        Raises:
            NotFoundError: There is no such run.
        """
        with self._store.read() as connection:
            return received_times(connection, require_run(connection, caller, run, "read").id, ids)

    def earlier_versions(self, caller: Caller, run: RunPath) -> list[RunVersion]:
        """Return what the run's description and config were before they were replaced as a whole, oldest first.

        Raises:
            NotFoundError: There is no such run.
        """
        with self._store.read() as connection:
            return versions_of(connection, require_run(connection, caller, run, "read").id)

    def claim(self, caller: Caller, run: RunPath, event_id: str) -> bool:
        """Remember an event that is no point; false when it was applied before.

        Raises:
            NotFoundError: There is no such run.
            PermissionDeniedError: The caller may not write to it.
            ValidationError: No engine can hold the id.
        """
        check_length(event_id, "id of the event", EVENT_ID_MAX)
        with self._store.write() as connection:
            run_pk = require_run(connection, caller, run, "write").id
            lock_run(connection, run_pk)
            if known_events(connection, run_pk, [event_id]):
                return False
            add_events(connection, run_pk, [event_id], self._store.clock())
            return True

    def keep_metadata(self, caller: Caller, run: RunPath, metadata: dict[str, Any]) -> str:
        """Keep what is too long for a context, and return the digest that stands for it.

        Raises:
            NotFoundError: There is no such run.
            PermissionDeniedError: The caller may not write to it.
        """
        text = dumps(metadata)
        canonical = json.dumps(metadata, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        with self._store.write() as connection:
            run_pk = require_run(connection, caller, run, "write").id
            keep_long_context(self._store, connection, run_pk, digest, text)
        return digest

    def kept_metadata(self, caller: Caller, run: RunPath) -> dict[str, dict[str, Any]]:
        """Return what ``keep_metadata`` kept for a run, by digest.

        Raises:
            NotFoundError: There is no such run.
        """
        with self._store.read() as connection:
            found = long_contexts_of(connection, require_run(connection, caller, run, "read").id)
        return {digest: loads(text) for digest, text in found.items()}


def _series(store: Store, head: SeriesHead, held: SeriesChunks, stepless: frozenset[str]) -> EventSeries:
    try:
        points: Points = decode_all(head, held)
    except ChunkError as error:
        raise damage_error(f"the points of {head.key!r}", store.location, error) from error
    ids = points.event_ids or (None,) * len(points)
    gaps = np.zeros(len(points), bool)
    if stepless:
        gaps = np.array([event_id in stepless for event_id in ids], bool)
    return EventSeries(head.key, read_context(head.context), points.steps, points.times_ms, points.values, ids, gaps)

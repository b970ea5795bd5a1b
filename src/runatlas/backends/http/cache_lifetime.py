"""For how long an answer may be kept: long for runs that are over, moments for what still changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice

from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.run import RunRecord, RunSelection
from runatlas.process.fork import ProcessLock

__all__ = ["FINISHED_S", "MOVING_S", "SETTLED_S", "RunStates"]

FINISHED_S = 300.0
"""Of a run that is over."""

MOVING_S = 2.0
"""Of a run that is going on, and of listings, which grow."""

SETTLING_S = 60.0
"""How long ago a run that is over must have changed last to be kept like one."""

SETTLED_S = 60.0
"""Of the server and the caller."""

_KNOWN_MAX = 10_000
"""Ids, about 300 bytes each; of runs beyond these nothing is known, which costs a request."""

_ENDS = frozenset({"FINISHED", "CRASHED", "ABORTED"})


class RunStates:
    """Remembers which runs are over, from the records that came by; thread-safe.

    A run that is over may still get something: what a process of it brings late, or its spool. So one that changed a
    moment ago counts as going on, and one that changed since it was noted makes what is kept of it stale.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._lock = ProcessLock()
        self._clock = clock
        self._wall_clock = wall_clock
        self._over: dict[tuple[str, str, str], tuple[float, int]] = {}

    def note(self, records: Iterable[RunRecord]) -> set[ProjectPath]:
        """Remember the state of these runs, under both their ids.

        Returns:
            The projects of those that changed after they were noted as over.
        """
        now, settled_ms = self._clock(), (self._wall_clock() - SETTLING_S) * 1000
        stale: set[ProjectPath] = set()
        with self._lock:
            for record in records:
                for name in (record.id, record.cuid):
                    key = (record.workspace, record.project, name)
                    before = self._over.pop(key, None)
                    if before is not None and before[1] != record.updated_at_ms:
                        stale.add(record.project_path)
                    if record.state in _ENDS and record.updated_at_ms <= settled_ms:
                        # At the end: the first ones are the oldest.
                        self._over[key] = (now, record.updated_at_ms)
            for key in list(islice(self._over, max(0, len(self._over) - _KNOWN_MAX))):
                del self._over[key]
        return stale

    def _is_over(self, key: tuple[str, str, str], now: float) -> bool:
        noted = self._over.get(key)
        return noted is not None and now < noted[0] + FINISHED_S

    def keep_run(self, path: RunPath) -> float:
        """Return for how long what belongs to this run may be kept."""
        now = self._clock()
        with self._lock:
            over = self._is_over((path.workspace, path.project, path.run), now)
        return FINISHED_S if over else MOVING_S

    def keep_selection(self, selection: RunSelection) -> float:
        """Return for how long what belongs to these runs may be kept: long only for named runs, all of them over."""
        if selection.project is None or not selection.ids or selection.filter is not None or selection.search:
            return MOVING_S
        place, now = (selection.workspace, selection.project), self._clock()
        with self._lock:
            over = all(self._is_over((*place, name), now) for name in selection.ids)
        return FINISHED_S if over else MOVING_S

    def forget(self) -> None:
        """Remember nothing."""
        with self._lock:
            self._over.clear()

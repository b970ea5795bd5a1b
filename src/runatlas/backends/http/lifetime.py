"""For how long an answer may be kept: long for runs that are over, moments for what still changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from cachetools import TTLCache

from runatlas.model.ids import RunPath
from runatlas.model.run import RunRecord, RunSelection

__all__ = ["FINISHED_S", "MOVING_S", "SETTLED_S", "RunStates"]

FINISHED_S = 300.0
"""Of a run that is over."""

MOVING_S = 2.0
"""Of a run that is going on, and of listings, which grow."""

SETTLED_S = 60.0
"""Of the server and the caller."""

_KNOWN_MAX = 10_000
"""Ids, about 700 bytes each; of runs beyond these nothing is known, which costs a request."""


class RunStates:
    """Remembers which runs are over, from the records that came by; thread-safe."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._over: TTLCache[tuple[str, str, str], bool] = TTLCache(_KNOWN_MAX, FINISHED_S, timer=clock)

    def note(self, records: Iterable[RunRecord]) -> None:
        """Remember the state of these runs, under both their ids."""
        with self._lock:
            for record in records:
                over = record.state in {"FINISHED", "CRASHED", "ABORTED"}
                for name in {record.id, record.cuid}:
                    self._over[record.workspace, record.project, name] = over

    def keep_run(self, path: RunPath) -> float:
        """Return for how long what belongs to this run may be kept."""
        with self._lock:
            over = self._over.get((path.workspace, path.project, path.run), False)
        return FINISHED_S if over else MOVING_S

    def keep_selection(self, selection: RunSelection) -> float:
        """Return for how long what belongs to these runs may be kept: long only for named runs, all of them over."""
        if selection.project is None or not selection.ids or selection.filter is not None or selection.search:
            return MOVING_S
        place = (selection.workspace, selection.project)
        with self._lock:
            over = all(self._over.get((*place, name), False) for name in selection.ids)
        return FINISHED_S if over else MOVING_S

    def forget(self) -> None:
        """Remember nothing."""
        with self._lock:
            self._over.clear()

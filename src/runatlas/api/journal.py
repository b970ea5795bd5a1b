"""The journal of all that a caller may read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from runatlas.entities.argument import text
from runatlas.entities.backend_handle import BackendHandle, UsesBackend
from runatlas.entities.change import Change, Changes, make_changes
from runatlas.entities.run import Run
from runatlas.entities.runs import Runs
from runatlas.model.ids import RunPath, plain_path

__all__ = ["audit", "change"]


def audit(  # noqa: D417 - nobody gives self
    self: UsesBackend,
    path: str | None = None,
    *,
    runs: Runs | Sequence[Run | str] | None = None,
    by: str | None = None,
    kind: str | None = None,
    since: datetime | str | None = None,
    limit: int | None = None,
) -> Changes:
    """List what was changed, newest first: who did it, when, by which door, to which runs, and what takes it back.

    Args:
        path: Of a workspace, a project or a run; ``None`` for all that the caller may read.
        runs: Only what reached one of these runs: what ``runs()`` returned, or a list of runs or their paths.
        by: Only what that user did.
        kind: Only changes of that kind: ``update``, ``move``, ``protect``, ``delete``, ``cut``, ``restore``, ….
        since: Only what was done from then on: a time, ISO 8601 text, or how long ago, such as ``7d``.
        limit: How many at the most.

    Returns:
        The changes, each with ``undo()``.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is out of bounds or unknown.
    """
    place = None if path is None else partial(str, plain_path(text(path, "path").strip("/")))
    chosen = None if runs is None else partial(_cuids, self._handle, _as_runs(runs))
    return make_changes(self._handle, place, by=by, kind=kind, since=since, limit=limit, runs=chosen)


def change(self: UsesBackend, change_id: str) -> Change:  # noqa: D417 - nobody gives self
    """Return a change, lazily; ``undo()`` takes it back.

    Args:
        change_id: Its id, as ``audit()`` and ``runatlas audit`` show it.

    Raises:
        TypeError: It is no string.
        ValueError: It is empty.
    """
    return Change(self._handle, text(change_id, "change_id"))


def _as_runs(runs: Any) -> Runs | tuple[Run | RunPath, ...]:
    if isinstance(runs, Runs):
        return runs
    if isinstance(runs, (str, bytes)) or not isinstance(runs, Sequence):
        raise TypeError(f"runs: expected a list of runs or paths, got {type(runs).__name__}")
    return tuple(
        item if isinstance(item, Run) else RunPath.named(item, argument=f"runs[{index}]")
        for index, item in enumerate(runs)
    )


def _cuids(handle: BackendHandle, runs: Runs | tuple[Run | RunPath, ...]) -> tuple[str, ...]:
    return tuple((Run(handle, item) if isinstance(item, RunPath) else item).cuid for item in runs)

"""Runs of a project as a caller may name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.collection import Window
from runatlas.entities.run import Run
from runatlas.entities.run_query import Filters, make_run_query, select_ids
from runatlas.entities.runs import Runs
from runatlas.model.filters import And, Comparison, Not, Or
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunQuery

__all__ = ["RunChoice", "choose_runs"]

RunChoice: TypeAlias = Runs | Filters | Sequence[str | Run]
"""Runs as a collection, a filter, or a list of runs, ids or paths."""


def choose_runs(handle: BackendHandle, project: ProjectPath, runs: RunChoice | None) -> Runs:
    """Return the runs that are meant.

    Args:
        handle: The way to the backend.
        project: Their project.
        runs: ``None`` for all, a filter, a collection, or a list of runs, ids or paths; an empty list means none.

    Raises:
        TypeError: It is something else.
        ValueError: It cannot be understood, or a run is not of this project.
    """
    if isinstance(runs, Runs):
        return runs
    if runs is None or isinstance(runs, (str, And, Or, Not, Comparison)):
        return Runs(handle, Window(), make_run_query(project, runs))
    if isinstance(runs, Sequence) and runs and all(isinstance(item, Mapping) for item in runs):
        return Runs(handle, Window(), make_run_query(project, cast("Sequence[Mapping[str, Any]]", runs)))
    return Runs(handle, Window(), RunQuery(select_ids(project, runs, "runs")))

"""The runs that a caller means: a filter, a collection, or a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from runatlas.entities.gateway import Gateway
from runatlas.entities.run import Run
from runatlas.entities.run_query import Filters, make_run_query
from runatlas.entities.runs import Runs
from runatlas.entities.window import Window
from runatlas.model.filters import And, Comparison, Not, Or
from runatlas.model.ids import ProjectPath, RunPath, validate_run_id
from runatlas.model.run import RunQuery, RunSelection

__all__ = ["RunChoice", "choose_runs", "select_ids"]

RunChoice: TypeAlias = Runs | Filters | Sequence[str | Run]
"""Runs as a collection, a filter, or a list of runs, ids or paths."""


def choose_runs(gateway: Gateway, project: ProjectPath, runs: RunChoice | None) -> Runs:
    """Return the runs that are meant.

    Args:
        gateway: The way to the backend.
        project: Their project.
        runs: ``None`` for all, a filter, a collection, or a list of runs, ids or paths; an empty list means none.

    Raises:
        TypeError: It is something else.
        ValueError: It cannot be understood, or a run is not of this project.
    """
    if isinstance(runs, Runs):
        return runs
    if runs is None or isinstance(runs, (str, And, Or, Not, Comparison)):
        return Runs(gateway, Window(), make_run_query(project, runs))
    if isinstance(runs, Sequence) and runs and all(isinstance(item, Mapping) for item in runs):
        return Runs(gateway, Window(), make_run_query(project, cast("Sequence[Mapping[str, Any]]", runs)))
    return Runs(gateway, Window(), RunQuery(select_ids(project, runs, "runs")))


def select_ids(project: ProjectPath, runs: object, argument: str) -> RunSelection:
    """Return a list of runs as a selection.

    Args:
        project: Their project.
        runs: Runs, ids or paths.
        argument: What the caller named them.

    Raises:
        TypeError: It is no list of those.
        ValueError: An id or path is malformed, or of another project.
    """
    if isinstance(runs, (str, bytes)) or not isinstance(runs, Sequence):
        raise TypeError(f"{argument}: expected a list of runs or ids, got {type(runs).__name__}")
    ids = (_run_id(project, item, f"{argument}[{index}]") for index, item in enumerate(runs))
    return RunSelection(project.workspace, project.project, ids=tuple(dict.fromkeys(ids)))


def _run_id(project: ProjectPath, item: Any, argument: str) -> str:
    if isinstance(item, Run):
        path = item.run_path
    elif isinstance(item, str) and "/" in item:
        path = RunPath.parse(item, argument=argument)
    else:
        return validate_run_id(item, argument=argument)
    if path.project_path != project:
        raise ValueError(f"{argument}: {path} is not a run of {project}")
    return path.run

"""The part of ``Api`` about models, comparisons, reports and the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import attrs

from runatlas.entities.argument import text
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.change import Change, Changes, make_changes
from runatlas.entities.collection import make_window
from runatlas.entities.metric_reading import MetricRequest, make_metric_request, read_metrics
from runatlas.entities.model import Model, Models
from runatlas.entities.report_check import ReportCheck, check_report
from runatlas.entities.run import Run
from runatlas.entities.runs import Runs
from runatlas.model.codec import make_context
from runatlas.model.ids import RunPath, plain_path, validate_workspace_name
from runatlas.model.ranges import RangeQuery
from runatlas.model.run import RunSelection
from runatlas.model.series import Context, SummaryRecord
from runatlas.response import ApiResponse
from runatlas.tables.metric import MetricTable, Reading, make_metric_table
from runatlas.tables.statistic import Statistics

__all__ = ["ApiCuration"]

_Group = tuple[str, str, str, "Context | None"]


class ApiCuration:
    """What an ``Api`` does beside the way from workspaces to columns."""

    _handle: BackendHandle

    def check_report(self, path: str | Path) -> ApiResponse[ReportCheck]:
        """Compute every number of a report again, from the runs as they are now.

        The store that this ``Api`` reads is asked, with the caller's rights; what the file names is no address.

        Args:
            path: What ``report.to_html``, ``to_markdown`` or ``to_latex`` wrote.

        Returns:
            Whether it ``holds``, and the ``differences``: each number that is another one now, rows that are gone or
            new, and whether the file was altered.

        Raises:
            ImportError: What intervals or charts need is not installed.
            OSError: The file cannot be read.
            ValidationError: It is no report.
        """
        return ApiResponse.of(lambda: check_report(self._handle, Path(path)))

    def models(self, workspace: str | None = None) -> Models:
        """Return the models registered in a workspace, by name.

        Args:
            workspace: Its name; ``None`` for the caller's own.

        Raises:
            TypeError: It is no string.
            ValueError: It cannot be a name.
        """
        return Models(
            self._handle,
            make_window(),
            None if workspace is None else validate_workspace_name(workspace, argument="workspace"),
        )

    def model(self, path: str) -> Model:
        """Return a registered model, lazily.

        Args:
            path: ``workspace/name``.

        Raises:
            TypeError: It is no string.
            ValueError: It does not have two parts.
        """
        workspace, slash, name = text(path, "path").removeprefix("/").partition("/")
        if not slash or not name or "/" in name:
            raise ValueError(f"path: {path!r} is not a model path; write 'workspace/name'")
        return Model(self._handle, validate_workspace_name(workspace, argument="path"), name)

    def audit(
        self,
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

    def change(self, change_id: str) -> Change:
        """Return a change, lazily; ``undo()`` takes it back.

        Args:
            change_id: Its id, as ``audit()`` and ``runatlas audit`` show it.

        Raises:
            TypeError: It is no string.
            ValueError: It is empty.
        """
        return Change(self._handle, text(change_id, "change_id"))

    def compare(
        self,
        series: Iterable[tuple[Run | str, str] | tuple[Run | str, str, Mapping[str, Any]]],
        sample: int = 1500,
        all: bool = False,
        range_query: RangeQuery | Mapping[str, Any] | None = None,
    ) -> ApiResponse[MetricTable[tuple[str, str]]]:
        """Read chosen series of chosen runs into one table: one request for each key and project among them.

        Args:
            series: ``(run, key)`` or ``(run, key, context)`` each; a run is an entity or its path.
            sample: Points a series at the most, up to 1500. Ignored with ``all`` or ``range_query``.
            all: Whether every point is wanted.
            range_query: A range of each series.

        Returns:
            Series by run id and key; runs of the same id in two projects go by their cuids.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds, or there is no series.
        """
        request = make_metric_request(
            None, sample=sample, all=all, range_query=range_query, context=None, ignore_timestamp=False
        )
        groups = _grouped(series)
        return ApiResponse.of(lambda: make_metric_table(self._read(groups, request)))

    def _read(self, groups: Mapping[_Group, Sequence[str]], request: MetricRequest) -> Reading:
        readings = []
        for (workspace, project, key, context), ids in groups.items():
            selection = RunSelection(workspace, project, ids=tuple(ids))
            wanted = attrs.evolve(request, keys=(key,), context=context)
            readings.append(read_metrics(self._handle, selection, wanted, project_id=str))
        blocks = tuple(block for reading in readings for block in reading.blocks)
        return attrs.evolve(
            readings[0],
            blocks=blocks,
            keys=None,
            statistics=Statistics(partial(_load_all, [reading.statistics for reading in readings])),
        )


def _run_path(path: str, argument: str) -> RunPath:
    return RunPath.named(path, argument=argument)


def _as_runs(runs: Any) -> Runs | tuple[Run | RunPath, ...]:
    if isinstance(runs, Runs):
        return runs
    if isinstance(runs, (str, bytes)) or not isinstance(runs, Sequence):
        raise TypeError(f"runs: expected a list of runs or paths, got {type(runs).__name__}")
    return tuple(
        item if isinstance(item, Run) else _run_path(item, f"runs[{index}]") for index, item in enumerate(runs)
    )


def _cuids(handle: BackendHandle, runs: Runs | tuple[Run | RunPath, ...]) -> tuple[str, ...]:
    return tuple((Run(handle, item) if isinstance(item, RunPath) else item).cuid for item in runs)


def _load_all(statistics: Iterable[Statistics]) -> Iterator[SummaryRecord]:
    return chain.from_iterable(item.load() for item in statistics)


def _grouped(series: Iterable[Any]) -> dict[_Group, list[str]]:
    groups: dict[_Group, list[str]] = {}
    for place, item in enumerate(series):
        if not isinstance(item, (tuple, list)) or len(item) not in {2, 3}:
            raise TypeError(f"series[{place}]: expected (run, key) or (run, key, context)")
        run, key = item[0], text(item[1], f"series[{place}]")
        path = run.run_path if isinstance(run, Run) else _run_path(run, f"series[{place}]")
        context = make_context(item[2]) if len(item) == 3 else None
        groups.setdefault((path.workspace, path.project, key, context), []).append(path.run)
    if not groups:
        raise ValueError("series: name at least one")
    return groups

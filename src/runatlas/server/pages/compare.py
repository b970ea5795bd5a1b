"""Runs of a project held against each other: what differs in their configs, their results, curves and media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import attrs

from runatlas.errors import ValidationError
from runatlas.model.media import MediaItem, MediaQuery
from runatlas.model.page import PAGE_LIMIT, PageRequest
from runatlas.model.project import ProjectRecord
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.model.run_value import flatten
from runatlas.model.series import Context, SummaryQuery, SummaryRecord
from runatlas.server.pages.address import project_address
from runatlas.server.pages.asset import plotly_version
from runatlas.server.pages.config_tree import is_same
from runatlas.server.pages.curves.points import read_view, series_name
from runatlas.server.pages.page import count_of, page, project_path
from runatlas.server.pages.run_view import own_link
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["show_comparison"]

_RUNS = 20
_SAME, _CHARTS, _MEDIA = 200, 20, 12
_CONFIG_CELLS, _RESULT_CELLS = 800, 500
"""How many values of configs and results are shown of all runs together, as far as the page has room."""
_ABSENT = object()
_SEARCH = 200
_SUMMARIES = 10_000


@attrs.frozen
class ConfigRow:
    """A name of the configs that differs, and what each run has there."""

    name: str
    held: tuple[Any, ...]
    is_there: tuple[bool, ...]
    is_other: tuple[bool, ...]


@attrs.frozen
class Result:
    """What a metric of a run amounts to, and how far its last value is from the baseline's."""

    summary: SummaryRecord
    delta: float | None


@attrs.frozen
class ResultRow:
    """A metric, and what each run has of it; ``None`` for one that has none."""

    key: str
    context: Context
    results: tuple[Result | None, ...]

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return series_name(self.key, self.context)


@attrs.frozen
class MediaRow:
    """A key of media, and the last that each run logged."""

    key: str
    shown: tuple[tuple[int, MediaItem] | None, ...]


def show_comparison(call: EndpointCall) -> Answer:
    """Show runs beside each other: the query names ``runs``, by their ids, and may name the ``baseline``.

    Raises:
        NotFoundError: There is no such project.
    """
    path = project_path(call)
    project = call.services.projects.get_project(call.user, path)
    asked = list(dict.fromkeys(name for text in call.values("runs") for name in text.split(",") if name))
    problem, runs = "", list[RunRecord]()
    if len(asked) > _RUNS:
        problem = f"{len(asked)} runs were asked for; compare 2 to {_RUNS}"
    else:
        runs, missing = _find(call, project, asked)
        if missing:
            problem = f"the project has no run {', '.join(missing[:5])}; it may have been deleted"
        elif len(runs) < 2:
            problem = "tick 2 runs or more in the project's table to compare them"
    baseline = _baseline(runs, call.value("baseline"))
    search = (call.value("metric") or "").strip()[:_SEARCH]
    differing, same = _configs(runs, baseline)
    results = _results(call, project, runs, baseline)
    fitting = [row for row in results if search.casefold() in row.key.casefold()]
    skip = count_of(call, "skip") or 0
    names, metrics = (cells // max(len(runs), 2) for cells in (_CONFIG_CELLS, _RESULT_CELLS))
    return page(
        call,
        "compare.html",
        project=project,
        runs=runs,
        baseline=baseline,
        problem=problem,
        asked=",".join(run.cuid for run in runs),
        search=search,
        address=f"{project_address(path)}/compare",
        curves=f"{project_address(path)}/curves",
        differing=differing[:names],
        more_differing=max(len(differing) - names, 0),
        same=same[:_SAME],
        more_same=max(len(same) - _SAME, 0),
        results=fitting[skip : skip + metrics],
        fitting=len(fitting),
        skip=skip,
        total=len(results),
        drawn=_drawn(fitting[skip : skip + metrics]),
        media=_media(call, runs),
        view=read_view(call),
        plotly=plotly_version(),
        now_ms=call.services.store.clock(),
    )


def _drawn(results: Sequence[ResultRow]) -> frozenset[str]:
    """Return the names of the rows beside which a chart is drawn: the first of each key."""
    first = {row.key: row.name for row in reversed(results)}
    return frozenset(list(reversed(first.values()))[:_CHARTS])


def _find(call: EndpointCall, project: ProjectRecord, asked: Sequence[str]) -> tuple[list[RunRecord], list[str]]:
    """Find runs in the order they were asked for, and the names of those that are not there."""
    if not asked:
        return [], []
    selection = RunSelection(project.workspace, project.name, ids=tuple(asked))
    try:
        found = call.services.runs.list_runs(call.user, RunQuery(selection, page=PageRequest(limit=2 * _RUNS))).items
    except ValidationError:
        return [], list(asked)
    by_name = {run.id: run for run in found} | {run.cuid: run for run in found}
    runs = {by_name[name].cuid: by_name[name] for name in asked if name in by_name}
    return list(runs.values()), [name for name in asked if name not in by_name]


def _baseline(runs: Sequence[RunRecord], asked: str | None) -> int:
    """Return the place of the run that the others are held against: asked for, marked as one, or the first."""
    for place, run in enumerate(runs):
        if asked in {run.id, run.cuid}:
            return place
    return next((place for place, run in enumerate(runs) if run.baseline), 0)


def _configs(runs: Sequence[RunRecord], baseline: int) -> tuple[list[ConfigRow], list[tuple[str, Any]]]:
    """Part the names of configs into those where the runs differ and those where all have the same."""
    configs = [dict(flatten(run.config or {})) for run in runs]
    differing, same = [], []
    for name in dict.fromkeys(name for config in configs for name in config):
        held = [config.get(name, _ABSENT) for config in configs]
        known = held[baseline]
        is_other = tuple(not is_same(value, known) for value in held)
        if any(is_other):
            is_there = tuple(value is not _ABSENT for value in held)
            shown = tuple(None if value is _ABSENT else value for value in held)
            differing.append(ConfigRow(name, shown, is_there, is_other))
        else:
            same.append((name, known))
    return differing, same


def _results(call: EndpointCall, project: ProjectRecord, runs: Sequence[RunRecord], baseline: int) -> list[ResultRow]:
    """Hold the metrics against those of the baseline; those that most runs have come first."""
    if not runs:
        return []
    selection = RunSelection(project.workspace, project.name, ids=tuple(run.cuid for run in runs))
    found: dict[tuple[str, Context], dict[str, SummaryRecord]] = {}
    for summary in _summaries(call, selection):
        found.setdefault((summary.key, summary.context), {})[summary.run] = summary
    rows = []
    for (key, context), by_run in sorted(found.items(), key=lambda item: (-len(item[1]), item[0][0])):
        known = by_run.get(runs[baseline].cuid)
        results = tuple(_result(by_run.get(run.cuid), known) for run in runs)
        rows.append(ResultRow(key, context, results))
    return rows


def _summaries(call: EndpointCall, selection: RunSelection) -> list[SummaryRecord]:
    found: list[SummaryRecord] = []
    cursor: str | None = None
    while len(found) < _SUMMARIES:
        request = PageRequest(limit=PAGE_LIMIT, cursor=cursor)
        query = SummaryQuery(selection, median=False, column_class="CUSTOM", page=request)
        listed = call.services.points.read_summaries(call.user, query)
        found += listed.items
        cursor = listed.next_cursor
        if cursor is None:
            break
    return found


def _result(summary: SummaryRecord | None, known: SummaryRecord | None) -> Result | None:
    if summary is None:
        return None
    if known is None or known is summary:
        return Result(summary, None)
    delta = summary.latest.value - known.latest.value
    return Result(summary, delta if isfinite(delta) else None)


def _media(call: EndpointCall, runs: Sequence[RunRecord]) -> list[MediaRow]:
    """Put the last media of the runs beside each other."""
    found: dict[str, dict[int, tuple[int, MediaItem]]] = {}
    for place, run in enumerate(runs):
        for record in call.services.media.list_media(call.user, run.path, MediaQuery()).items:
            if record.items:
                item = record.items[0]
                link = None if item.url is None else own_link(call, item.url)
                found.setdefault(record.key, {})[place] = (record.step, attrs.evolve(item, url=link))
    keys = sorted(found, key=lambda key: (-len(found[key]), key))[:_MEDIA]
    return [MediaRow(key, _placed(found[key], len(runs))) for key in keys]


def _placed(by_place: Mapping[int, tuple[int, MediaItem]], count: int) -> tuple[tuple[int, MediaItem] | None, ...]:
    return tuple(by_place.get(place) for place in range(count))

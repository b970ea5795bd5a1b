"""The page of a run: its metrics, their curves, and its config."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby, islice

import attrs

from runatlas.model.codec import dumps
from runatlas.model.filters import Comparison, Field
from runatlas.model.ids import is_cuid
from runatlas.model.page import PAGE_LIMIT, PageRequest
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.model.series import PointQuery, SummaryQuery, SummaryRecord
from runatlas.server.pages.address import project_address, run_address
from runatlas.server.pages.config_tree import config_tree
from runatlas.server.pages.curves import read_view, series_label
from runatlas.server.pages.page import redirect
from runatlas.server.pages.run_view import RunView, run_page, view_run
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["SHOWN", "find_run", "run_overview", "series_name", "show_run"]

SHOWN = 100
"""How many metrics are shown at once."""
_SEARCH = 200
_KEYS_LENGTH, _OPTION = 10_000, 100
_SPARK_POINTS = 60
_SPARK_SERIES, _SPARK_TOTAL = 20, 200_000
_OPEN = 24


@attrs.frozen
class Metric:
    """A metric of a run; ``course`` is what it went through in a few points, ``None`` where a script asks for it."""

    summary: SummaryRecord
    course: tuple[float, ...] | None

    @property
    def name(self) -> str:
        """What tells it from the others of its run."""
        return series_name(self.summary)

    @property
    def label(self) -> str:
        """What its curve is called."""
        return series_label(self.summary.key, self.summary.context)


@attrs.frozen
class Section:
    """Metrics whose keys begin alike.

    Attributes:
        name: What comes before the first slash.
        keys: The keys, each with the series it has.
    """

    name: str
    keys: tuple[tuple[str, tuple[SummaryRecord, ...]], ...]
    is_open: bool


def show_run(call: EndpointCall) -> Answer:
    """Show a run: what is known of it, its metrics and their curves, and its config."""
    return run_overview(call, view_run(call))


def run_overview(call: EndpointCall, view: RunView, *, problem: str = "", status: int = 200) -> Answer:
    """Answer with the first page of a run.

    Args:
        call: Who asks.
        view: The run.
        problem: What was wrong with what was to be changed.
        status: The HTTP status.
    """
    search = (call.value("metric") or "").strip()[:_SEARCH]
    found = _summaries(call, view.run)
    fitting = [each for each in found if search.casefold() in each.key.casefold()]
    shown = _fitting(fitting)
    baseline = _baseline(call, view)
    return run_page(
        call,
        view,
        "run.html",
        tab="",
        status=status,
        problem=problem,
        metrics=_courses(call, view.run, shown),
        sections=_sections(shown),
        search=search,
        total=len(found),
        fitting=len(fitting),
        keys=[key for key in dict.fromkeys(each.key for each in found) if len(key) <= _OPTION][:SHOWN],
        curves=f"{project_address(view.project.path)}/curves",
        view=read_view(call),
        config=config_tree(view.run.config or {}, None if baseline is None else baseline.config or {}),
        baseline=baseline,
    )


def _summaries(call: EndpointCall, run: RunRecord) -> tuple[SummaryRecord, ...]:
    query = SummaryQuery(_only(run), median=False, column_class="CUSTOM", page=PageRequest(limit=PAGE_LIMIT))
    return call.services.points.read_summaries(call.user, query).items


def _fitting(summaries: Sequence[SummaryRecord]) -> Sequence[SummaryRecord]:
    """Return as many as go onto a page, where the longest keys take the most room."""
    used = accumulate(len(each.key) for each in summaries)
    return summaries[: min(SHOWN, sum(1 for size in islice(used, SHOWN) if size <= _KEYS_LENGTH) or 1)]


def _courses(call: EndpointCall, run: RunRecord, summaries: Sequence[SummaryRecord]) -> list[Metric]:
    """Add the courses where reading them is little work; a script asks for others when they are seen."""
    points = sum(each.count or 0 for each in summaries)
    if not summaries or len(summaries) > _SPARK_SERIES or points > _SPARK_TOTAL:
        return [Metric(each, None) for each in summaries]
    keys = tuple(dict.fromkeys(each.key for each in summaries))
    block = call.services.points.read_points(
        call.user, PointQuery(_only(run), keys=keys, sample=_SPARK_POINTS, column_class="CUSTOM")
    )
    values = block.values.to_pylist()
    courses = {(part.key, part.context): tuple(values[part.start : part.start + part.length]) for part in block.series}
    return [Metric(each, courses.get((each.key, each.context), ())) for each in summaries]


def _sections(summaries: Iterable[SummaryRecord]) -> list[Section]:
    """Put metrics together whose keys have the same part before the first slash; those without one come first."""
    prefixed = sorted(summaries, key=lambda each: (_prefix(each.key), each.key))
    made: list[Section] = []
    before = 0
    for name, members in groupby(prefixed, key=lambda each: _prefix(each.key)):
        keys = tuple((key, tuple(each)) for key, each in groupby(members, key=lambda each: each.key))
        made.append(Section(name, keys, is_open=not made or before + len(keys) <= _OPEN))
        before += len(keys)
    return made


def series_name(summary: SummaryRecord) -> str:
    """Return what tells a series from the others of its run, for scripts."""
    return hashlib.sha256(dumps([summary.key, dict(summary.context)]).encode()).hexdigest()[:16]


def _prefix(key: str) -> str:
    before, slash, _ = key.partition("/")
    return before if slash else ""


def _baseline(call: EndpointCall, view: RunView) -> RunRecord | None:
    """Return the run of the project that others are held against; ``None`` if there is none, or it is this one."""
    run = view.run
    selection = RunSelection(run.workspace, run.project, filter=Comparison(Field("STABLE", "baseline"), "EQ", True))
    query = RunQuery(selection, parts=("config",), page=PageRequest(limit=1))
    found = call.services.runs.list_runs(call.user, query).items
    return found[0] if found and found[0].cuid != run.cuid else None


def _only(run: RunRecord) -> RunSelection:
    return RunSelection(run.workspace, run.project, ids=(run.cuid,))


def find_run(call: EndpointCall) -> Answer:
    """Lead from an address that has a run's id alone to its page."""
    name = call.params["run"]
    if is_cuid(name):
        return redirect(run_address(call.services.runs.locate_runs(call.user, [name])[name]))
    return redirect(run_address(call.services.repository.find_run(call.user, name, parts=()).path))

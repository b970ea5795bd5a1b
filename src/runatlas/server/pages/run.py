"""The page of a run."""

from __future__ import annotations

import attrs

from runatlas.model.ids import is_cuid
from runatlas.model.run import RunRecord, RunSelection
from runatlas.model.series import PointQuery, SummaryQuery, SummaryRecord
from runatlas.server.pages.address import run_address
from runatlas.server.pages.page import page, redirect, run_path
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["find_run", "show_run"]

_SPARK_POINTS = 60
_SERIES = 200


@attrs.frozen
class Metric:
    """A metric of a run, and the course of it in a few points."""

    summary: SummaryRecord
    course: tuple[float, ...]


def show_run(call: EndpointCall) -> Answer:
    """Show a run: what is known of it, its config, and its metrics."""
    run = call.services.runs.get_run(call.user, run_path(call))
    return page(
        call,
        "run.html",
        run=run,
        project=call.services.projects.get_project(call.user, run.project_path),
        metrics=_metrics(call, run),
        now_ms=call.services.store.clock(),
    )


def _metrics(call: EndpointCall, run: RunRecord) -> list[Metric]:
    selection = RunSelection(run.workspace, run.project, ids=(run.cuid,))
    summaries = call.services.points.read_summaries(
        call.user, SummaryQuery(selection, median=False, column_class="CUSTOM")
    )
    block = call.services.points.read_points(
        call.user, PointQuery(selection, sample=_SPARK_POINTS, column_class="CUSTOM")
    )
    values = block.values.to_pylist()
    courses = {(part.key, part.context): tuple(values[part.start : part.start + part.length]) for part in block.series}
    return [Metric(summary, courses.get((summary.key, summary.context), ())) for summary in summaries.items[:_SERIES]]


def find_run(call: EndpointCall) -> Answer:
    """Lead from an address that has a run's id alone to its page."""
    name = call.params["run"]
    if is_cuid(name):
        return redirect(run_address(call.services.runs.locate_runs(call.user, [name])[name]))
    return redirect(run_address(call.services.repository.find_run(call.user, name, parts=()).path))

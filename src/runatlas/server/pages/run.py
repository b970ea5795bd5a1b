"""The page of a run: its metrics, their curves, and its config."""

from __future__ import annotations

from runatlas.model.filters import Comparison, Field
from runatlas.model.ids import is_cuid
from runatlas.model.page import PageRequest
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.server.pages.address import project_address, run_address
from runatlas.server.pages.config_tree import config_tree
from runatlas.server.pages.curves.points import read_view
from runatlas.server.pages.page import redirect
from runatlas.server.pages.run_metrics import read_metrics, with_courses
from runatlas.server.pages.run_view import RunView, run_page, view_run
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["find_run", "run_overview", "show_run"]


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
    listed = read_metrics(call, view.run, "CUSTOM")
    baseline = _baseline(call, view)
    return run_page(
        call,
        view,
        "run.html",
        tab="",
        status=status,
        problem=problem,
        metrics=with_courses(call, view.run, listed.metrics),
        listed=listed,
        curves=f"{project_address(view.project.path)}/curves",
        view=read_view(call),
        config=config_tree(view.run.config or {}, None if baseline is None else baseline.config or {}),
        baseline=baseline,
    )


def _baseline(call: EndpointCall, view: RunView) -> RunRecord | None:
    """Return the run of the project that others are held against; ``None`` if there is none, or it is this one."""
    run = view.run
    selection = RunSelection(run.workspace, run.project, filter=Comparison(Field("STABLE", "baseline"), "EQ", True))
    query = RunQuery(selection, parts=("config",), page=PageRequest(limit=1))
    found = call.services.runs.list_runs(call.user, query).items
    return found[0] if found and found[0].cuid != run.cuid else None


def find_run(call: EndpointCall) -> Answer:
    """Lead from an address that has a run's id alone to its page."""
    name = call.params["run"]
    if is_cuid(name):
        return redirect(run_address(call.services.runs.locate_runs(call.user, [name])[name]))
    return redirect(run_address(call.services.repository.find_run(call.user, name, parts=()).path))

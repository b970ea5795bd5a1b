"""What the machine did while a run went on, and what it was."""

from __future__ import annotations

from runatlas.model.page import PAGE_LIMIT, PageRequest
from runatlas.model.run import Profile, RunSelection
from runatlas.model.series import SummaryQuery
from runatlas.server.pages.address import project_address
from runatlas.server.pages.curves import read_view
from runatlas.server.pages.run_view import run_page, view_run
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["show_system"]

_SYSTEM = 100


def show_system(call: EndpointCall) -> Answer:
    """Show what the machine did, and what it was."""
    shown = view_run(call)
    run = shown.run
    selection = RunSelection(run.workspace, run.project, ids=(run.cuid,))
    query = SummaryQuery(selection, median=False, column_class="SYSTEM", page=PageRequest(limit=PAGE_LIMIT))
    found = call.services.points.read_summaries(call.user, query).items
    return run_page(
        call,
        shown,
        "run_system.html",
        tab="system",
        summaries=found[:_SYSTEM],
        total=len(found),
        keys=list(dict.fromkeys(each.key for each in found[:_SYSTEM])),
        curves=f"{project_address(shown.project.path)}/curves",
        view=read_view(call),
        profile=run.profile or Profile(),
    )

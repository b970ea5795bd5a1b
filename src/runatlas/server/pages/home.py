"""The first pages: workspaces and projects, and the caller's runs of all projects."""

from __future__ import annotations

import attrs

from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectQuery
from runatlas.server.pages.page import page, recording_place, workspace_name
from runatlas.server.pages.run_list import run_list
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["show_home", "show_runs", "show_workspace"]

_PROJECTS, _WORKSPACES = 50, 100


def show_home(call: EndpointCall) -> Answer:
    """Show the caller's workspaces and projects, the latest first."""
    return _projects(call, None)


def show_workspace(call: EndpointCall) -> Answer:
    """Show a workspace and its projects."""
    return _projects(call, workspace_name(call))


def _projects(call: EndpointCall, workspace: str | None) -> Answer:
    search = (call.value("search") or "")[:200]
    request = PageRequest(limit=_PROJECTS, cursor=call.value("after") or None)
    # The total of a listing costs a count, which the first page is worth.
    query = ProjectQuery(
        workspace,
        search=search or None,
        page=attrs.evolve(request, with_total=request.cursor is None),
    )
    found = call.services.projects.list_projects(call.user, query)
    shown = None if workspace is None else call.services.workspaces.get_workspace(call.user, workspace)
    workspaces = call.services.workspaces.list_workspaces(call.user, None, PageRequest(limit=_WORKSPACES))
    return page(
        call,
        "home.html",
        projects=sorted(found.items, key=lambda project: project.last_change_ms, reverse=True),
        total=found.total,
        following=found.next_cursor,
        workspace=shown,
        workspaces=workspaces.items,
        search=search,
        address=call.raw_path,
        place=recording_place(call),
    )


def show_runs(call: EndpointCall) -> Answer:
    """Show the caller's runs of all projects, newest first."""
    return page(call, "runs.html", listing=run_list(call, call.user.username, None))

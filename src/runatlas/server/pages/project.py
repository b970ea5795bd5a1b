"""The page of a project: its runs as a table."""

from __future__ import annotations

from runatlas.errors import NotFoundError
from runatlas.model.change import LASTING, ChangeRecord
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectQuery
from runatlas.model.run import RunSelection
from runatlas.server.pages.address import project_address
from runatlas.server.pages.asset import plotly_version
from runatlas.server.pages.page import Form, count_of, is_visitor, page, project_path, recording_place, redirect
from runatlas.server.pages.run_curves import run_curves
from runatlas.server.pages.run_groups import run_groups
from runatlas.server.pages.run_list import run_list
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["find_project", "project_page", "show_project"]

_PROJECTS, _TYPED_MAX = 50, 500


def show_project(call: EndpointCall) -> Answer:
    """Show a project and its runs."""
    return project_page(call)


def project_page(call: EndpointCall, *, refusal: str = "", status: int = 200, typed: Form | None = None) -> Answer:
    """Show a project and its runs, and what became of a form on that page.

    Args:
        call: Who asks; the query says which runs are shown.
        refusal: Why something was not done; ``""`` if nothing was refused.
        status: The HTTP status.
        typed: What was filled in and ticked, to go on with.
    """
    path = project_path(call)
    project = call.services.projects.get_project(call.user, path)
    writes = project.role in {"OWNER", "MEMBER"} and not is_visitor(call.user)
    everything = RunSelection(path.workspace, path.project)
    listing = run_list(call, path.workspace, path.project, project.metrics)
    return page(
        call,
        "project.html",
        status=status,
        project=project,
        listing=listing,
        grouped=run_groups(call, listing, everything),
        curves=run_curves(call, listing, everything),
        plotly=plotly_version(),
        address=project_address(path),
        refusal=refusal,
        typed={name: values[-1][:_TYPED_MAX] for name, values in (typed or {}).items()},
        ticked={name for text in (typed or {}).get("run", ()) for name in text.split()},
        writes=writes,
        others=_others(call, path) if writes else (),
        change=_change(call),
        lasting_kinds=LASTING,
        same=count_of(call, "same"),
        place=recording_place(call),
    )


def _others(call: EndpointCall, path: ProjectPath) -> tuple[str, ...]:
    """Name projects that runs may be moved to."""
    query = ProjectQuery(path.workspace, detail=False, page=PageRequest(limit=_PROJECTS))
    found = call.services.projects.list_projects(call.user, query).items
    return tuple(other.name for other in found if other.path != path)


def _change(call: EndpointCall) -> ChangeRecord | None:
    """Return the change that led to the page; ``None`` if there is none that the caller may see."""
    name = call.value("done")
    try:
        return call.services.changes.get_change(call.user, name[:100]) if name else None
    except NotFoundError:
        return None


def find_project(call: EndpointCall) -> Answer:
    """Lead from an address that has an experiment's id alone to its project's page."""
    wanted = call.params["experiment"]
    for project in call.services.repository.list_projects(call.user):
        if wanted in {project.cuid, project.name}:
            return redirect(project_address(project.path))
    raise NotFoundError("there is nothing at this address")

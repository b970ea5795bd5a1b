"""The page of a project: its runs as a table."""

from __future__ import annotations

from runatlas.errors import NotFoundError
from runatlas.server.pages.address import project_address
from runatlas.server.pages.page import page, project_path, redirect
from runatlas.server.pages.run_list import run_list
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["find_project", "show_project"]


def show_project(call: EndpointCall) -> Answer:
    """Show a project and its runs."""
    path = project_path(call)
    project = call.services.projects.get_project(call.user, path)
    listing = run_list(call, path.workspace, path.project)
    return page(call, "project.html", project=project, listing=listing, address=call.raw_path)


def find_project(call: EndpointCall) -> Answer:
    """Lead from an address that has an experiment's id alone to its project's page."""
    wanted = call.params["experiment"]
    for project in call.services.repository.list_projects(call.user):
        if wanted in {project.cuid, project.name}:
            return redirect(project_address(project.path))
    raise NotFoundError("there is nothing at this address")

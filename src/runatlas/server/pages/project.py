"""The page of a project: its runs as a table."""

from __future__ import annotations

from runatlas.server.pages.page import page, project_path
from runatlas.server.pages.run_list import run_list
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["show_project"]


def show_project(call: EndpointCall) -> Answer:
    """Show a project and its runs."""
    path = project_path(call)
    project = call.services.projects.get_project(call.user, path)
    listing = run_list(call, path.workspace, path.project)
    return page(call, "project.html", project=project, listing=listing, address=call.raw_path)

"""Routes of projects."""

from __future__ import annotations

from runatlas.model.ids import ProjectPath
from runatlas.model.page import Page
from runatlas.model.project import ProjectDraft, ProjectPatch, ProjectQuery, ProjectRecord
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["routes"]

routes = RouteTable("projects")


@routes.add("POST", "/projects/query", errors=(404,))
def list_projects(services: Services, caller: Caller, body: ProjectQuery) -> Page[ProjectRecord]:
    """List projects."""
    return services.projects.list_projects(caller, body)


@routes.add("POST", "/projects", statuses=(201,), errors=(403, 404, 409), write=True)
def create_project(services: Services, caller: Caller, body: ProjectDraft) -> ProjectRecord:
    """Make a project."""
    return services.projects.create_project(caller, body)


@routes.add("GET", "/projects/{workspace}/{project}", errors=(404,))
def get_project(services: Services, caller: Caller, path: ProjectPath) -> ProjectRecord:
    """Return a project with its counts."""
    return services.projects.get_project(caller, path)


@routes.add("PATCH", "/projects/{workspace}/{project}", errors=(403, 404, 409))
def update_project(services: Services, caller: Caller, path: ProjectPath, body: ProjectPatch) -> ProjectRecord:
    """Change a project."""
    return services.projects.update_project(caller, path, body)

"""Routes of projects."""

from __future__ import annotations

from typing import Any, get_args

from runatlas.errors import ConflictError, ValidationError
from runatlas.model.ids import ProjectPath, project_names
from runatlas.model.project import ProjectDraft, ProjectQuery, ProjectRecord, Visibility
from runatlas.server.dialects.swanlab.account import project_sort
from runatlas.server.dialects.swanlab.body import (
    answer,
    listed,
    page_request,
    project_path,
    read_object,
    workspace_name,
)
from runatlas.server.dialects.swanlab.record import project_object
from runatlas.server.services.validation import checked
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import text

__all__ = ["create_project", "delete_project", "find_or_create_project", "get_project", "list_projects"]


def list_projects(call: EndpointCall) -> Answer:
    """List a workspace's projects."""
    request = page_request(call)
    query = ProjectQuery(
        workspace=workspace_name(call.params["workspace"]),
        sort=project_sort(call),
        search=call.value("search") or None,
        detail=(call.value("detail") or "True").lower() != "false",
        page=request,
    )
    found = call.services.projects.list_projects(call.user, query)
    return listed([project_object(project) for project in found.items], found, request)


def get_project(call: EndpointCall) -> Answer:
    """Return a project."""
    return answer(project_object(call.services.projects.get_project(call.user, project_path(call))))


def create_project(call: EndpointCall) -> Answer:
    """Make a project; one that is there already is told with a conflict, as trackers expect it.

    Without a workspace it is the caller's own. One without a name is what clients send that could not see theirs.
    """
    body = read_object(call)
    own = body.get("username") is None
    project, created = _make(call, body, call.user.username if own else workspace_name(text(body, "username")))
    return answer(project_object(project), 201 if created else 409)


def find_or_create_project(call: EndpointCall) -> Answer:
    """Make a project, or find it."""
    project, created = _make(call, read_object(call), workspace_name(call.params["workspace"]))
    return answer(project_object(project), 201 if created else 200)


def _make(call: EndpointCall, body: dict[str, Any], workspace: str) -> tuple[ProjectRecord, bool]:
    name, title = checked(project_names, text(body, "name"), "name")
    draft = ProjectDraft(
        name, workspace, title=title, description=text(body, "description", ""), visibility=_visibility(body)
    )
    projects = call.services.projects
    try:
        return projects.create_project(call.user, draft), True
    except ConflictError:
        return projects.get_project(call.user, ProjectPath(workspace, draft.name)), False


def _visibility(body: dict[str, Any]) -> Visibility:
    wanted = text(body, "visibility", "PRIVATE")
    for known in get_args(Visibility):
        if known == wanted:
            return known  # type: ignore[no-any-return]
    raise ValidationError("visibility: expected PUBLIC or PRIVATE")


def delete_project(call: EndpointCall) -> Answer:
    """Move a project with its runs to the trash."""
    call.services.trash.delete_project(call.user, project_path(call))
    return Answer(status=204)

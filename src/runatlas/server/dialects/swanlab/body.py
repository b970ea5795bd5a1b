"""What requests of this protocol carry, checked."""

from __future__ import annotations

from typing import Any

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.codec import encode_json
from runatlas.model.ids import (
    ProjectPath,
    RunPath,
    project_names,
    validate_run_id,
    validate_workspace_name,
)
from runatlas.model.page import PAGE_LIMIT, Page, PageRequest
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import json_object, whole
from runatlas.server.wire.payload import parse_json

__all__ = [
    "answer",
    "listed",
    "page_request",
    "project_path",
    "query_number",
    "read_json",
    "read_object",
    "run_path",
    "workspace_name",
]

_SIZE = 20
_PAGE_MAX = 2**40


def answer(value: Any, status: int = 200) -> Answer:
    """Answer JSON."""
    return Answer(encode_json(value), status)


def read_json(call: EndpointCall) -> Any:
    """Read the body.

    Raises:
        ValidationError: It is no JSON.
    """
    return parse_json(call.body)


def read_object(call: EndpointCall) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ValidationError: It is none.
    """
    return json_object(read_json(call), "the body")


def page_request(call: EndpointCall) -> PageRequest:
    """Read ``page`` (from 1) and ``size``.

    Raises:
        ValidationError: One is out of bounds.
    """
    size = query_number(call, "size", _SIZE, PAGE_LIMIT)
    page = query_number(call, "page", 1, _PAGE_MAX)
    return PageRequest(limit=size, offset=(page - 1) * size, with_total=True)


def query_number(call: EndpointCall, name: str, default: int, most: int, least: int = 1) -> int:
    """Read a whole number of the query.

    Raises:
        ValidationError: It is none, or out of bounds.
    """
    given = call.value(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) <= 18):
        raise ValidationError(f"{name}: expected a whole number")
    return whole({name: int(given)}, name, least, most)


def listed(items: list[Any], page: Page[Any], request: PageRequest) -> Answer:
    """Answer a numbered page."""
    total = page.total or 0
    return answer({"list": items, "total": total, "pages": -(-total // request.limit), "size": request.limit})


def workspace_name(name: str) -> str:
    """Check a workspace's name; what can be none is not there.

    Raises:
        NotFoundError: It can be none.
    """
    try:
        return validate_workspace_name(name)
    except ValueError as error:
        raise NotFoundError(f"there is no workspace {name!r}") from error


def project_path(call: EndpointCall) -> ProjectPath:
    """Return the project that the address names.

    Raises:
        NotFoundError: It can be no project.
    """
    workspace, project = workspace_name(call.params["workspace"]), call.params["project"]
    try:
        return ProjectPath(workspace, project_names(project)[0])
    except ValueError as error:
        raise NotFoundError(f"there is no project {workspace}/{project}") from error


def run_path(call: EndpointCall) -> RunPath:
    """Return the run that the address names, by its id or cuid.

    Raises:
        NotFoundError: It can be no run.
    """
    path = project_path(call)
    try:
        return path.run(validate_run_id(call.params["run"]))
    except ValueError as error:
        raise NotFoundError(f"project {path} has no run {call.params['run']!r}") from error

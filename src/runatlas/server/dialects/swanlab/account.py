"""Routes of health, login, users, workspaces and the installation."""

from __future__ import annotations

from typing import Any, get_args

from runatlas.errors import AuthenticationError, ValidationError
from runatlas.model.account import UserRecord, WorkspaceRecord, WorkspaceType
from runatlas.model.codec import encode
from runatlas.model.page import each_item
from runatlas.model.project import ProjectQuery, ProjectSort
from runatlas.server.dialects.swanlab.body import answer, listed, page_request, read_object, workspace_name
from runatlas.server.dialects.swanlab.instant import iso_text
from runatlas.server.dialects.swanlab.record import group_object, project_object, user_object
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.credential import bearer_or_basic
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import objects, text

__all__ = [
    "create_users",
    "get_group",
    "get_instance",
    "get_profile",
    "get_usage",
    "list_all_groups",
    "list_all_projects",
    "list_all_users",
    "list_groups",
    "list_own_groups",
    "log_in",
    "ping",
    "project_sort",
    "secret_of",
]

_PROFILE = ("bio", "url", "institution", "school", "email", "location")
_USERS_MAX = 100


def secret_of(headers: Any) -> str | None:
    """Find the session in the cookie ``sid``, else an API key in ``Authorization``, with a scheme or without."""
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == "sid" and value:
            return str(value)
    given = headers.get("authorization", "").strip()
    return bearer_or_basic(headers) if " " in given else given or None


def ping(_: EndpointCall) -> Answer:
    """Tell that the server is there."""
    return Answer(b"OK", media_type="text/plain; charset=utf-8")


def log_in(call: EndpointCall) -> Answer:
    """Begin a session: the bare key in ``Authorization``, a session's token in the answer."""
    services = call.services
    if call.user.is_owner:
        login = services.login_tokens.make_open(call.user)
    else:
        key = secret_of({"authorization": call.headers.get("authorization", "")})
        if key is None:
            raise AuthenticationError("an API key is needed: send it as 'authorization'")
        login = services.login_tokens.make(key)
    user = services.accounts.get_user(login.caller)
    told = {"username": user.username, "name": user.name or user.username}
    return answer({"sid": login.token, "expiredAt": iso_text(login.expires_at_ms), "userInfo": told})


def get_profile(call: EndpointCall) -> Answer:
    """Return what the caller tells of itself."""
    user: UserRecord = call.services.accounts.get_user(call.user)
    return answer({name: getattr(user, name) for name in _PROFILE})


def _groups(call: EndpointCall, username: str) -> list[WorkspaceRecord]:
    return list(each_item(lambda page: call.services.workspaces.list_workspaces(call.user, username, page)))


def list_groups(call: EndpointCall) -> Answer:
    """List the workspaces of a user, as a bare list."""
    username = workspace_name(call.params["username"])
    return answer([group_object(group) for group in _groups(call, username)])


def list_own_groups(call: EndpointCall) -> Answer:
    """List the caller's workspaces."""
    found = [group_object(group) for group in _groups(call, call.user.username)]
    return answer({"list": found, "total": len(found)})


def get_group(call: EndpointCall) -> Answer:
    """Return a workspace."""
    username = workspace_name(call.params["username"])
    group = group_object(call.services.workspaces.get_workspace(call.user, username))
    return answer({**group, "profile": {**dict.fromkeys(_PROFILE, ""), **group["profile"]}})


def get_instance(call: EndpointCall) -> Answer:
    """Tell what the server is."""
    server = call.services.accounts.get_server(call.user)
    told = {name: getattr(server, name) for name in ("enabled", "expired", "root", "plan", "seats")}
    return answer(told)


def list_all_users(call: EndpointCall) -> Answer:
    """List every user."""
    request = page_request(call)
    found = call.services.admin.list_users(call.user, request, search=call.value("search"))
    return listed([user_object(user) for user in found.items], found, request)


def create_users(call: EndpointCall) -> Answer:
    """Make users, all of them or none."""
    wanted = objects(read_object(call).get("users"), "users", _USERS_MAX)
    named = [(text(user, "username"), text(user, "password")) for user in wanted]
    made = call.services.admin.create_users(call.user, named)
    return answer({"users": [user_object(user) for user in made]}, 201)


def list_all_projects(call: EndpointCall) -> Answer:
    """List every project."""
    request = page_request(call)
    query = ProjectQuery(
        workspace=call.value("group") or None,
        sort=project_sort(call),
        search=call.value("search"),
        state=call.value("state") or None,
        creator=call.value("creator") or None,
        page=request,
    )
    found = call.services.admin.list_all_projects(call.user, query)
    return listed([project_object(project) for project in found.items], found, request)


def list_all_groups(call: EndpointCall) -> Answer:
    """List every workspace."""
    request = page_request(call)
    found = call.services.admin.list_all_workspaces(
        call.user,
        request,
        search=call.value("search"),
        workspace_type=_workspace_type(call.value("type") or None),
        sort=call.value("sort") or None,
    )
    return listed([group_object(group) for group in found.items], found, request)


def get_usage(call: EndpointCall) -> Answer:
    """Count everything."""
    return answer(encode(call.services.admin.get_usage(call.user)))


def project_sort(call: EndpointCall) -> ProjectSort:
    """Read the order of projects: latest update first, unless another is asked for.

    Raises:
        ValidationError: There is no such order.
    """
    wanted = call.value("sort") or "update"
    for known in get_args(ProjectSort):
        if known == wanted:
            return known  # type: ignore[no-any-return]
    raise ValidationError("sort: expected create or name")


def _workspace_type(wanted: str | None) -> WorkspaceType | None:
    if wanted is None:
        return None
    for known in get_args(WorkspaceType):
        if known == wanted:
            return known  # type: ignore[no-any-return]
    raise ValidationError("type: expected PERSON or TEAM")

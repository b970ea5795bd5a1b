"""What administrators look at: users and their keys, and how much there is."""

from __future__ import annotations

from runatlas.errors import ApiStatusError, NotFoundError
from runatlas.model.account import KeyRecord
from runatlas.model.page import PageRequest
from runatlas.server.pages.address import user_address, with_query
from runatlas.server.pages.page import is_confirmed, last_of, page, read_form, redirect
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["make_user", "make_user_key", "revoke_user_key", "show_administration", "show_user", "show_user_key"]

_USERS, _SEARCH = 50, 200
_KEYS, _REVOKED = 200, 20
_DONE = {"revoked": "The key was revoked: nothing can be done with it any more.", "made": "The user was made."}


def show_administration(call: EndpointCall) -> Answer:
    """Show the users, and how much there is of everything.

    Raises:
        PermissionDeniedError: The caller is no administrator.
    """
    return _administration(call, "")


def _administration(call: EndpointCall, problem: str, name: str = "", *, status: int = 200) -> Answer:
    cursor, search = call.value("after") or None, (call.value("search") or "")[:_SEARCH]
    request = PageRequest(limit=_USERS, cursor=cursor, with_total=cursor is None)
    users = call.services.admin.list_users(call.user, request, search=search or None)
    return page(
        call,
        "administration.html",
        status=status,
        users=users.items,
        total=users.total,
        following=users.next_cursor,
        search=search,
        usage=call.services.admin.get_usage(call.user),
        server=call.services.accounts.get_server(call.user),
        name=name,
        problem=problem,
    )


def make_user(call: EndpointCall) -> Answer:
    """Make a user, with a password or without."""
    form = read_form(call)
    name = last_of(form, "username").strip()
    try:
        call.services.admin.create_user(call.user, name, last_of(form, "password") or None)
    except ApiStatusError as error:
        if error.code in {403, 404}:
            raise
        return _administration(call, error.message, name, status=error.code)
    return redirect(with_query(user_address(name), done="made"))


def show_user(call: EndpointCall) -> Answer:
    """Show the keys of a user."""
    name = call.params["username"]
    keys = call.services.accounts.list_keys(call.user, name)
    return page(
        call,
        "user.html",
        username=name,
        keys=[key for key in keys if key.revoked_at_ms is None][: -_KEYS - 1 : -1],
        revoked=[key for key in keys if key.revoked_at_ms is not None][: -_REVOKED - 1 : -1],
        address=user_address(name),
        done=_DONE.get(call.value("done") or "", ""),
    )


def make_user_key(call: EndpointCall) -> Answer:
    """Make a key for a user and show its secret, which no later page does."""
    read_form(call)
    name = call.params["username"]
    return page(call, "new_key.html", made=call.services.accounts.create_key(call.user, name), back=user_address(name))


def show_user_key(call: EndpointCall) -> Answer:
    """Ask whether a user's key is to be revoked."""
    return _key(call, "")


def _key(call: EndpointCall, problem: str, *, status: int = 200) -> Answer:
    back = user_address(call.params["username"])
    return page(call, "key.html", status=status, key=_find_key(call), problem=problem, back=back)


def revoke_user_key(call: EndpointCall) -> Answer:
    """Revoke a key of a user, once that was confirmed."""
    if not is_confirmed(read_form(call)):
        return _key(call, "nothing was revoked: tick that it is meant", status=422)
    call.services.accounts.revoke_key(call.user, _find_key(call).id)
    return redirect(with_query(user_address(call.params["username"]), done="revoked"))


def _find_key(call: EndpointCall) -> KeyRecord:
    for key in call.services.accounts.list_keys(call.user, call.params["username"]):
        if key.id == call.params["key"]:
            return key
    raise NotFoundError("the user has no such key")

"""What administrators look at: users and their keys, and how much there is."""

from __future__ import annotations

from runatlas.errors import ApiStatusError
from runatlas.model.page import PageRequest
from runatlas.server.pages import keys
from runatlas.server.pages.address import user_address, with_query
from runatlas.server.pages.page import is_confirmed, last_of, page, read_form, redirect
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = [
    "make_user",
    "make_user_key",
    "reset_password",
    "revoke_user_key",
    "show_administration",
    "show_user",
    "show_user_key",
]

_USERS, _SEARCH = 50, 200
_DONE = {"revoked": keys.KEY_REVOKED, "made": "The user was made."}


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
        owner=call.services.owner().username,
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
    return _user(call, "")


def _user(call: EndpointCall, problem: str, *, status: int = 200) -> Answer:
    name = call.params["username"]
    return page(
        call,
        "user.html",
        status=status,
        username=name,
        **keys.key_tables(call.services.accounts.list_keys(call.user, name)),
        address=user_address(name),
        owner=call.services.owner().username,
        done=_DONE.get(call.value("done") or "", ""),
        problem=problem,
    )


def make_user_key(call: EndpointCall) -> Answer:
    """Make a key for a user and show its secret, which no later page does."""
    read_form(call)
    name = call.params["username"]
    return page(call, "new_key.html", made=call.services.accounts.create_key(call.user, name), back=user_address(name))


def show_user_key(call: EndpointCall) -> Answer:
    """Ask whether a user's key is to be revoked."""
    name = call.params["username"]
    return keys.show(call, user_address(name), name)


def revoke_user_key(call: EndpointCall) -> Answer:
    """Revoke a key of a user, once that was confirmed."""
    name = call.params["username"]
    return keys.revoke(call, user_address(name), name)


def reset_password(call: EndpointCall) -> Answer:
    """Give a user a one-time password, once that was confirmed, and show it, which no later page does."""
    name = call.params["username"]
    if not is_confirmed(read_form(call)):
        return _user(call, "nothing was changed: tick that it is meant", status=422)
    made = call.services.accounts.reset_password(call.user, name)
    return page(call, "new_password.html", made=made, back=user_address(name), address=f"{call.user.origin}/sign-in")

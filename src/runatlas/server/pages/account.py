"""The caller's own account: the profile, the keys, the password, and where one is signed in."""

from __future__ import annotations

import attrs

from runatlas.errors import ApiStatusError
from runatlas.model.account import UserPatch
from runatlas.server.pages import keys
from runatlas.server.pages.address import with_query
from runatlas.server.pages.page import last_of, page, read_form, redirect, with_pause
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = [
    "PROFILE",
    "change_password",
    "change_profile",
    "end_sessions",
    "make_key",
    "revoke_key",
    "show_account",
    "show_key",
]

PROFILE = {
    "name": "Name",
    "email": "Email",
    "institution": "Institution",
    "school": "School",
    "location": "Location",
    "url": "Website",
    "bio": "About",
}
"""The fields of a profile, and what people call them."""

_FIELD_MAX = 2000
_DONE = {
    "profile": "Your profile was changed.",
    "password": "Your password was changed. You are signed in here, and nowhere else any more.",
    "revoked": keys.KEY_REVOKED,
    "session": "You are signed out there.",
    "others": "You are signed in here, and nowhere else any more.",
}


def show_account(call: EndpointCall) -> Answer:
    """Show the caller's profile, keys and sessions, and the forms that change them."""
    return _account(call)


def _account(call: EndpointCall, problem: str = "", wrong: str = "", *, status: int = 200) -> Answer:
    """Show the account.

    Args:
        call: Who asks.
        problem: What is wrong with a form that was sent.
        wrong: Which form that is.
        status: The HTTP status.
    """
    accounts = call.services.accounts
    return page(
        call,
        "account.html",
        status=status,
        user=accounts.get_user(call.user),
        fields=PROFILE,
        most=_FIELD_MAX,
        **keys.key_tables(accounts.list_keys(call.user)),
        sessions=call.services.sessions.list_sessions(call.user),
        has_password=accounts.has_password(call.user),
        is_open=not accounts.has_accounts(),
        done=_DONE.get(call.value("done") or "", ""),
        problem=problem,
        wrong=wrong,
    )


def change_profile(call: EndpointCall) -> Answer:
    """Change what is told of the caller."""
    form = read_form(call)
    told = {name: last_of(form, name)[:_FIELD_MAX].strip() for name in PROFILE if name in form}
    try:
        call.services.accounts.update_user(call.user, attrs.evolve(UserPatch(), **told))
    except ApiStatusError as error:
        return _account(call, error.message, "profile", status=error.code)
    return redirect(with_query("/account", done="profile"))


def change_password(call: EndpointCall) -> Answer:
    """Change the caller's password, which ends all sessions but this one."""
    form = read_form(call)
    new = last_of(form, "new")
    if new != last_of(form, "again"):
        return _account(call, "the new password was not the same both times", "password", status=422)
    try:
        call.services.accounts.change_password(call.user, last_of(form, "old"), new)
    except ApiStatusError as error:
        return with_pause(_account(call, error.message, "password", status=error.code), error)
    return redirect(with_query("/account", done="password"))


def make_key(call: EndpointCall) -> Answer:
    """Make a key and show its secret, which no later page does."""
    read_form(call)
    return page(call, "new_key.html", made=call.services.accounts.create_key(call.user), back="/account")


def show_key(call: EndpointCall) -> Answer:
    """Ask whether a key is to be revoked."""
    return keys.show(call, "/account")


def revoke_key(call: EndpointCall) -> Answer:
    """Revoke a key of the caller, once that was confirmed."""
    return keys.revoke(call, "/account")


def end_sessions(call: EndpointCall) -> Answer:
    """End a session of the caller, or all but the one that asks.

    Raises:
        NotFoundError: The caller has no such session.
    """
    named = last_of(read_form(call), "session")
    if named:
        call.services.sessions.end(call.user, named)
    else:
        call.services.sessions.end_others(call.user)
    return redirect(with_query("/account", done="session" if named else "others"))

"""Signing in with a key, or with a name and a password, and out again."""

from __future__ import annotations

import re
import secrets
from contextlib import suppress

import attrs

from runatlas.errors import ApiStatusError, NotFoundError, ValidationError
from runatlas.server.pages.address import safe_next
from runatlas.server.pages.page import (
    Form,
    cookie_name,
    cookie_of,
    is_own_form,
    is_visitor,
    last_of,
    page,
    parse_form,
    read_form,
    redirect,
    with_pause,
)
from runatlas.server.services.caller import VISITOR
from runatlas.server.services.sessions import SESSION_MS, OneTimePasswordError, Session
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["choose_password", "show_sign_in", "sign_in", "sign_out"]

_NAME_MAX = 100
_PASSWORD_MAX = 1024
_MISSING = "fill in a key, or a name and a password"
_STALE = (
    "the form was loaded too long ago, or this browser keeps no cookies, which signing in needs; nothing was done, "
    "here is a new one"
)
_OTHER = "the new password was not the same both times"
_VISIT_BYTES = 32
_VISIT = re.compile(r"[0-9A-Za-z_-]{43}")
_BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "Chrome/": "Chrome",
    "CriOS/": "Chrome",
    "Safari/": "Safari",
}
"""What browsers say of themselves; many say the names of those further down, too."""

_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iOS",
    "iPad": "iPadOS",
    "Windows": "Windows",
    "Mac OS": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


def show_sign_in(call: EndpointCall) -> Answer:
    """Show the form; who is signed in already goes on."""
    following = safe_next(call.value("next"))
    if not is_visitor(call.user):
        return redirect(following)
    return _form(call, following)


def sign_in(call: EndpointCall) -> Answer:
    """Begin a session, or tell what is wrong."""
    form = parse_form(call)
    following = safe_next(last_of(form, "next"))
    secret, name = last_of(form, "key").strip(), last_of(form, "username").strip()
    password = last_of(form, "password")
    if not _is_of_visit(call, form):
        return _form(call, following, _STALE, name, status=403)
    if not secret and not (name and password):
        return _form(call, following, _MISSING, name, status=422)
    sessions, browser = call.services.sessions, _browser(call)
    try:
        if secret:
            session = sessions.begin(secret, browser)
        else:
            session = sessions.begin_with_password(name, password, address=call.address, browser=browser)
    except OneTimePasswordError:
        return _form(call, following, name=name, chooses=True, given=password)
    except ApiStatusError as error:
        return _refused(call, following, error, name)
    return _begun(call, session, following)


def choose_password(call: EndpointCall) -> Answer:
    """Exchange a one-time password, and begin a session, or tell what is wrong."""
    form = parse_form(call)
    following, name = safe_next(last_of(form, "next")), last_of(form, "username").strip()
    given, new = last_of(form, "password"), last_of(form, "new")
    if not _is_of_visit(call, form):
        return _form(call, following, _STALE, name, status=403, chooses=True)
    if new != last_of(form, "again"):
        return _form(call, following, _OTHER, name, status=422, chooses=True, given=given)
    try:
        session = call.services.sessions.choose_password(name, given, new, address=call.address, browser=_browser(call))
    except ValidationError as error:  # of the new one
        return _form(call, following, error.message, name, status=error.code, chooses=True, given=given)
    except ApiStatusError as error:
        return _refused(call, following, error, name, chooses=True)
    return _begun(call, session, following)


def sign_out(call: EndpointCall) -> Answer:
    """End the session; who has none any more is not asked for the token of it."""
    gone = {"set-cookie": f"{cookie_name(call.headers)}=; Max-Age=0; {_attributes(call)}"}
    if is_visitor(call.user):
        return redirect("/sign-in", gone)
    read_form(call)
    _end_own(call)
    return redirect("/sign-in", gone)


def _end_own(call: EndpointCall) -> None:
    if call.user.session_id is not None:
        with suppress(NotFoundError):  # somebody was quicker
            call.services.sessions.end(call.user, call.user.session_id)


def _begun(call: EndpointCall, session: Session, following: str) -> Answer:
    """Hand over a session in the place of the one that the browser had, if any."""
    _end_own(call)
    cookie = f"{cookie_name(call.headers)}={session.token}; Max-Age={SESSION_MS // 1000}; {_attributes(call)}"
    return redirect(following, {"set-cookie": cookie})


def _refused(call: EndpointCall, following: str, error: ApiStatusError, name: str, *, chooses: bool = False) -> Answer:
    return with_pause(_form(call, following, error.message, name, status=error.code, chooses=chooses), error)


def _form(
    call: EndpointCall,
    following: str,
    problem: str = "",
    name: str = "",
    *,
    status: int = 200,
    chooses: bool = False,
    given: str = "",
) -> Answer:
    """Show the form, bound to a cookie of this browser: another site cannot fill in what belongs to the cookie.

    Args:
        call: Who asks.
        following: Where to go on.
        problem: What was wrong with what was filled in.
        name: The name that was filled in.
        status: The HTTP status.
        chooses: Whether it is the form that chooses a password.
        given: The one-time password that came with this form or the last one, so that it is typed once.
    """
    visit = _visit(call)
    kept = visit or secrets.token_urlsafe(_VISIT_BYTES)
    shown = page(
        call,
        "choose_password.html" if chooses else "sign_in.html",
        status=status,
        following=following,
        problem=problem,
        name=name[:_NAME_MAX],
        proof=_proof(call, kept),
        given=given if len(given) <= _PASSWORD_MAX else "",
    )
    if visit is not None:
        return shown
    return attrs.evolve(
        shown, headers={**shown.headers, "set-cookie": f"{_visit_name(call)}={kept}; {_attributes(call)}"}
    )


def _visit_name(call: EndpointCall) -> str:
    return f"{cookie_name(call.headers)}-visit"


def _visit(call: EndpointCall) -> str | None:
    """Return what the browser was given with the first form; ``None`` where it shows nothing of the kind."""
    held = cookie_of(call.headers, _visit_name(call))
    return held if held is not None and _VISIT.fullmatch(held) else None


def _proof(call: EndpointCall, visit: str) -> str:
    return call.services.sessions.form_token(VISITOR, f"sign in {visit}")


def _is_of_visit(call: EndpointCall, form: Form) -> bool:
    visit = _visit(call)
    return visit is not None and is_own_form(form, _proof(call, visit))


def _attributes(call: EndpointCall) -> str:
    secure = "; Secure" if (call.user.origin or "").startswith("https:") else ""
    return f"Path=/; HttpOnly; SameSite=Lax{secure}"


def _browser(call: EndpointCall) -> str:
    """Say in what a session is seen, as its user would."""
    agent = "".join(letter for letter in call.headers.get("user-agent", "") if letter.isprintable())
    named = [name for said, name in _BROWSERS.items() if said in agent]
    on = [name for said, name in _SYSTEMS.items() if said in agent]
    if not named:
        return agent or "an unknown browser"
    return f"{named[0]} on {on[0]}" if on else named[0]

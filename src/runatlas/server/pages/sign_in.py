"""Signing in with a key, or with a name and a password, and out again."""

from __future__ import annotations

from runatlas.errors import AuthenticationError, RateLimitedError
from runatlas.server.pages.address import safe_next
from runatlas.server.pages.page import cookie_name, is_visitor, last_of, page, read_form, redirect
from runatlas.server.services.sessions import SESSION_MS, Session
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["show_sign_in", "sign_in", "sign_out"]

_NAME_MAX = 100
_MISSING = "fill in a key, or a name and a password"


def show_sign_in(call: EndpointCall) -> Answer:
    """Show the form; who is signed in already goes on."""
    following = safe_next(call.value("next"))
    if not is_visitor(call.user):
        return redirect(following)
    return _form(call, following)


def sign_in(call: EndpointCall) -> Answer:
    """Begin a session, or tell what is wrong."""
    form = read_form(call)
    following = safe_next(last_of(form, "next"))
    secret, name = last_of(form, "key").strip(), last_of(form, "username").strip()
    password = last_of(form, "password")
    if not secret and not (name and password):
        return _form(call, following, _MISSING, name, status=422)
    sessions = call.services.sessions
    try:
        session = sessions.begin(secret) if secret else sessions.begin_with_password(name, password)
    except (AuthenticationError, RateLimitedError) as error:
        return _form(call, following, error.message, name, status=error.code)
    return redirect(following, {"set-cookie": _cookie(call, session)})


def sign_out(call: EndpointCall) -> Answer:
    """Take the session out of the browser; what somebody copied of it ends with its key, its password, or its time."""
    read_form(call)
    return redirect("/sign-in", {"set-cookie": f"{cookie_name(call.headers)}=; Max-Age=0; {_attributes(call)}"})


def _form(call: EndpointCall, following: str, problem: str = "", name: str = "", *, status: int = 200) -> Answer:
    return page(call, "sign_in.html", status=status, following=following, problem=problem, name=name[:_NAME_MAX])


def _cookie(call: EndpointCall, session: Session) -> str:
    return f"{cookie_name(call.headers)}={session.token}; Max-Age={SESSION_MS // 1000}; {_attributes(call)}"


def _attributes(call: EndpointCall) -> str:
    secure = "; Secure" if (call.user.origin or "").startswith("https:") else ""
    return f"Path=/; HttpOnly; SameSite=Lax{secure}"

"""Signing in with a key, or with a name and a password, and out again."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from cachetools import TTLCache

from runatlas.errors import AuthenticationError
from runatlas.server.pages.address import safe_next
from runatlas.server.pages.page import cookie_name, is_visitor, page, read_form, redirect
from runatlas.server.services.sessions import SESSION_MS, Session
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["Attempts", "SignIn", "sign_out"]

_NAME_TRIES, _ALL_TRIES = 10, 200
_WINDOW_S = 300.0
_TOO_MANY = "too many attempts failed; wait five minutes, or sign in with a key"
_MISSING = "fill in a key, or a name and a password"


class Attempts:
    """Counts what failed of late, for each name and in all: a password must not be found by trying."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed: TTLCache[str, int] = TTLCache(maxsize=10_000, ttl=_WINDOW_S)

    def are_too_many(self, name: str) -> bool:
        """Tell whether another attempt has to wait."""
        with self._lock:
            return self._failed.get(_named(name), 0) >= _NAME_TRIES or self._failed.get("all", 0) >= _ALL_TRIES

    def fail(self, name: str) -> None:
        """Count one that failed."""
        with self._lock:
            for each in (_named(name), "all"):
                self._failed[each] = self._failed.get(each, 0) + 1


def _named(name: str) -> str:
    return f"name {name[:100]}"


class SignIn:
    """The page where one signs in."""

    def __init__(self) -> None:
        self._attempts = Attempts()

    def show(self, call: EndpointCall) -> Answer:
        """Show the form; who is signed in already goes on."""
        following = safe_next(call.value("next"))
        if not is_visitor(call.user):
            return redirect(following)
        return _form(call, following)

    def perform(self, call: EndpointCall) -> Answer:
        """Begin a session, or tell what is wrong."""
        form = read_form(call)
        following = safe_next(_last(form.get("next", ())))
        secret, name = _last(form.get("key", ())).strip(), _last(form.get("username", ())).strip()
        password = _last(form.get("password", ()))
        if not secret and not (name and password):
            return _form(call, following, _MISSING, name, status=422)
        if not secret and self._attempts.are_too_many(name):
            return _form(call, following, _TOO_MANY, name, status=429)
        sessions = call.services.sessions
        try:
            session = sessions.begin(secret) if secret else sessions.begin_with_password(name, password)
        except AuthenticationError as error:
            self._attempts.fail("" if secret else name)
            return _form(call, following, error.message, name, status=401)
        return redirect(following, {"set-cookie": _cookie(call, session)})


def sign_out(call: EndpointCall) -> Answer:
    """Forget the session."""
    read_form(call)
    return redirect("/sign-in", {"set-cookie": f"{cookie_name(call.headers)}=; Max-Age=0; {_attributes(call)}"})


def _form(call: EndpointCall, following: str, problem: str = "", name: str = "", *, status: int = 200) -> Answer:
    return page(call, "sign_in.html", status=status, following=following, problem=problem, name=name)


def _cookie(call: EndpointCall, session: Session) -> str:
    return f"{cookie_name(call.headers)}={session.token}; Max-Age={SESSION_MS // 1000}; {_attributes(call)}"


def _attributes(call: EndpointCall) -> str:
    secure = "; Secure" if (call.user.origin or "").startswith("https:") else ""
    return f"Path=/; HttpOnly; SameSite=Lax{secure}"


def _last(values: Iterable[str]) -> str:
    return next(reversed([*values]), "")

"""One page as an answer, and who gets to see it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from http import cookies
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote

import attrs
from litestar.types import ASGIApp

from runatlas.errors import ApiStatusError, NotFoundError, PermissionDeniedError, RateLimitedError, ValidationError
from runatlas.model.codec import dumps
from runatlas.model.ids import ProjectPath, RunPath, is_cuid
from runatlas.model.trash import TrashRecord
from runatlas.server.pages.address import with_query
from runatlas.server.pages.template import rendered
from runatlas.server.services.attempts import ATTEMPTS_WINDOW_S, TooManyAttemptsError
from runatlas.server.services.caller import VISITOR, Caller
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.credential import bearer_or_basic
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.failure import Failure, failure_of
from runatlas.terminal import printable

__all__ = [
    "HEADERS",
    "Form",
    "Page",
    "cookie_name",
    "cookie_of",
    "count_of",
    "credential",
    "for_members",
    "is_confirmed",
    "is_own_form",
    "is_visitor",
    "last_of",
    "page",
    "parse_form",
    "project_path",
    "read_form",
    "recording_place",
    "redirect",
    "render_failure",
    "run_path",
    "telling",
    "whole_of",
    "with_pause",
    "workspace_name",
]

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self'; connect-src 'self'; font-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    # Browsers send the origin of a form along only where they may tell where it came from.
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
}
_HTML = "text/html; charset=utf-8"
_PORT = re.compile(r":(\d{1,5})$")
_FIELDS_MAX = 5000
_DIGITS = 18
_HERE_MAX = 16_000
_IN_ADDRESSES = "/?&=%#:@!$'()*+,;~"

Page: TypeAlias = Callable[[EndpointCall], "Answer | ASGIApp"]
Form: TypeAlias = Mapping[str, list[str]]
_TITLES = {
    401: "Sign in first",
    403: "Not allowed",
    404: "Nothing here",
    429: "Too many requests",
    503: "Busy",
    507: "No room",
}


def cookie_name(headers: Mapping[str, str]) -> str:
    """Return what the cookie of a session is called: browsers give those of one host to all of its ports."""
    port = _PORT.search(headers.get("host", ""))
    return f"runatlas-{port[1] if port else 'session'}"


def credential(headers: Mapping[str, str]) -> str | None:
    """Find what a request shows of its caller: a key in ``Authorization``, else the cookie of a session."""
    shown = bearer_or_basic(headers)
    return cookie_of(headers, cookie_name(headers)) if shown is None else shown


def cookie_of(headers: Mapping[str, str], name: str) -> str | None:
    """Return what a cookie holds; ``None`` if there is none of that name, or nothing in it."""
    try:
        found = cookies.SimpleCookie(headers.get("cookie", "")).get(name)
    except cookies.CookieError:
        return None
    return found.value if found is not None and found.value else None


def token_of(call: EndpointCall) -> str:
    """Return what a form of this caller has to carry."""
    return call.services.sessions.form_token(call.user, credential(call.headers) or "")


def page(call: EndpointCall, template: str, *, status: int = 200, **context: Any) -> Answer:
    """Answer with a page.

    Args:
        call: Who asks.
        template: Its name.
        status: The HTTP status.
        context: What the template shows beside the caller.
    """
    query = call.query_string.decode("latin-1")
    body = rendered(
        template,
        caller=None if is_visitor(call.user) else call.user,
        here=call.raw_path + (f"?{query}" if 0 < len(query) <= _HERE_MAX else ""),
        token=token_of(call),
        **context,
    )
    return Answer(body, status, _HTML, HEADERS)


def with_pause(answer: Answer, error: ApiStatusError) -> Answer:
    """Add when to try again to a page that tells of an error, where it was tried too often."""
    if not isinstance(error, RateLimitedError):
        return answer
    pause_s = ATTEMPTS_WINDOW_S if isinstance(error, TooManyAttemptsError) else 1
    return attrs.evolve(answer, headers={**answer.headers, "retry-after": str(pause_s)})


def redirect(address: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Send a browser to another address, where it asks with GET."""
    location = quote(address, safe=_IN_ADDRESSES)  # a header takes no other letters
    return Answer(b"", 303, _HTML, {**HEADERS, "location": location, **(headers or {})})


def for_members(function: Page) -> Page:
    """Make a page that visitors have to sign in for."""

    def answer(call: EndpointCall) -> Answer | ASGIApp:
        if is_visitor(call.user):
            query = call.query_string.decode("latin-1")
            asked = call.raw_path + (f"?{query}" if query else "")
            return redirect(with_query("/sign-in", next=asked if call.method != "POST" else None))
        return function(call)

    return answer


def is_visitor(caller: Caller) -> bool:
    """Tell whether nothing is known of who asks."""
    return caller.user_id == VISITOR.user_id


def read_form(call: EndpointCall) -> Form:
    """Read a form that one of our pages showed.

    Args:
        call: A POST.

    Returns:
        The values of each field, in order, without the token.

    Raises:
        ValidationError: It is no form, or has too many fields.
        PermissionDeniedError: It does not carry the token that the page was given.
    """
    form = parse_form(call)
    if not is_own_form(form, token_of(call)):
        raise PermissionDeniedError("the form was not filled in on a page of this session; go back and load it again")
    return {name: values for name, values in form.items() if name != "token"}


def is_own_form(form: Form, token: str) -> bool:
    """Tell whether a form carries the token that its page was given."""
    return hmac.compare_digest(last_of(form, "token").encode(), token.encode())


def parse_form(call: EndpointCall) -> Form:
    """Read a form, whoever made it.

    Args:
        call: A POST.

    Returns:
        The values of each field, in order.

    Raises:
        ValidationError: It is no form, or has too many fields.
    """
    if call.media_type != "application/x-www-form-urlencoded":
        raise ValidationError("a form is sent as application/x-www-form-urlencoded", code=415)
    try:
        pairs = parse_qsl(call.body.decode("utf-8"), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError as error:
        raise ValidationError("the form cannot be read, or has too many fields", code=400) from error
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def is_confirmed(form: Form) -> bool:
    """Tell whether what cannot be undone is meant."""
    return last_of(form, "confirmed") == "yes"


def last_of(form: Form, name: str) -> str:
    """Return what a field of a form has, where it is there once: the last value, or nothing."""
    return form.get(name, [""])[-1]


def whole_of(call: EndpointCall, name: str) -> int | None:
    """Return a whole number of the address; ``None`` if it is not there.

    Raises:
        ValidationError: It is no such number.
    """
    said = (call.value(name) or "").strip()
    if not said:
        return None
    digits = said.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS):
        raise ValidationError(f"{name}: expected a whole number such as 100, got {printable(said[:50])!r}")
    return int(said)


def count_of(call: EndpointCall, name: str) -> int | None:
    """Return a number of the address that counts something; ``None`` if it is not there.

    Raises:
        ValidationError: It is no such number.
    """
    found = whole_of(call, name)
    if found is not None and found < 0:
        raise ValidationError(f"{name}: expected 0 or more, got {found}")
    return found


def workspace_name(call: EndpointCall) -> str:
    """Return the workspace of an address.

    Raises:
        NotFoundError: It is no such address.
    """
    found = call.params["workspace"]
    if not found.startswith("@"):
        raise NotFoundError("there is nothing at this address")
    return found[1:]


def project_path(call: EndpointCall) -> ProjectPath:
    """Return the project of an address.

    Raises:
        NotFoundError: It is no such address.
    """
    try:
        return ProjectPath.parse(f"{workspace_name(call)}/{call.params['project']}")
    except ValueError as error:
        raise NotFoundError("there is nothing at this address") from error


def run_path(call: EndpointCall) -> RunPath:
    """Return the run of an address.

    Raises:
        NotFoundError: It is no such address.
    """
    project = project_path(call)
    try:
        return project.run(call.params["run"])
    except ValueError as error:
        raise NotFoundError("there is nothing at this address") from error


def telling(function: Page) -> Page:
    """Make a page that tells what goes wrong to who asks: with their menu, and with what they can do about it."""

    def answer(call: EndpointCall) -> Answer | ASGIApp:
        try:
            return function(call)
        except ApiStatusError as error:
            failure = failure_of(error)
            if failure is None or failure.status >= 500:
                raise
            return _failed(call, failure)

    return answer


def _failed(call: EndpointCall, failure: Failure) -> Answer:
    entry = _deletion(call) if failure.status == 404 else None
    title = "In the trash" if entry is not None else _title(failure)
    shown = page(call, "failure.html", status=failure.status, title=title, failure=failure, entry=entry)
    return attrs.evolve(shown, headers={**shown.headers, **_without_challenge(failure.headers)})


def _deletion(call: EndpointCall) -> TrashRecord | None:
    """Find what took the run or the project of an address; ``None`` if nothing did, or not for the caller to know."""
    run, find = call.params.get("run", ""), call.services.trash.find_entry
    if is_visitor(call.user):
        return None
    if "project" not in call.params:
        return find(call.user, run) if is_cuid(run) else None
    try:
        return find(call.user, run_path(call) if run else project_path(call))
    except NotFoundError:
        return None


def recording_place(call: EndpointCall) -> dict[str, str | None]:
    """Return where the caller's programs record, and whose the projects are that name no workspace.

    The ``directory`` is of its owner, as Python writes it; others name the server's ``origin``.
    """
    caller, store = call.user, call.services.store
    open_to = str(store.directory) if store.dialect == "sqlite" else caller.origin
    return {"own": caller.username, "origin": caller.origin, "directory": dumps(open_to) if caller.is_owner else None}


def render_failure(failure: Failure) -> Answer:
    """Write a failure as a page, of a request of which nothing is known."""
    body = rendered("failure.html", title=_title(failure), failure=failure, caller=None, here="/", token="", entry=None)
    return Answer(body, failure.status, _HTML, {**HEADERS, **_without_challenge(failure.headers)})


def _title(failure: Failure) -> str:
    return _TITLES.get(failure.status, "Something went wrong" if failure.status >= 500 else "That does not work")


def _without_challenge(headers: Mapping[str, str]) -> dict[str, str]:
    """Leave out what makes browsers ask for a password in a window of their own."""
    return {name: value for name, value in headers.items() if name != "www-authenticate"}

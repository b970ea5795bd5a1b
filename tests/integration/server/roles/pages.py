"""The pages in the table of roles: who is not known is a visitor, and is sent to sign in where visitors see nothing."""

from __future__ import annotations

import hashlib
import re
import secrets
from functools import cache

import requests
from integration.server.roles.row import (
    ADMINISTRATOR,
    ANYONE,
    NOBODY,
    OWN,
    PUBLIC,
    PURGE,
    READ,
    READ_WORKSPACE,
    RESTORE,
    SEE_WORKSPACE,
    WRITE,
    WRITE_WORKSPACE,
    Access,
    Door,
    Make,
    Row,
    bearer,
    no_credentials,
    refused,
)
from integration.server.roles.world import LAB, PROJECT, RUN, Request, World

from runatlas.model.ids import new_cuid
from runatlas.server.pages.template import asset_version

__all__ = ["PAGES", "SIGN_IN_FIRST"]

_UNKNOWN = (*NOBODY, "token", "other")
"""Of whom pages know nothing: an ingestion key writes to a run, and is nobody's who looks at pages."""

SIGN_IN_FIRST = 303


def _visited(access: Access) -> Access:
    """Return what visitors get of a page that answers whoever asks: nothing of what is private."""
    return access.but(**dict.fromkeys(_UNKNOWN, 404))


def _signed_in(access: Access) -> Access:
    return access.but(**dict.fromkeys(_UNKNOWN, SIGN_IN_FIRST))


def _page(route: str, access: Access, *, success: int = 200, note: str = "", run: str = RUN, query: str = "") -> Row:
    """Ask for a page of what is private; ``cuid`` for a run is the run's cuid."""

    def make(world: World, _: str) -> Request:
        names = {"workspace": f"@{LAB}", "project": PROJECT, "run": world.lab.cuid if run == "cuid" else run}
        names |= {
            "username": "extra",
            "experiment": PROJECT,
            "part": "overview",
            "version": asset_version(),
            "name": "style.css",
            "form": "csv",
        }
        address = route.partition(" ")[2].format_map(names)
        return Request(f"{address}?{query}" if query else address)

    return Row(route, access, make, frozenset({success}), note=note)


_TOKEN = re.compile(rb'name="token" value="(\w{64})"')


@cache
def _token(origin: str, key: str | None) -> str:
    """Return what forms of a caller have to carry, as a page shows it."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    for path in ("/", "/sign-in"):
        found = _TOKEN.search(requests.get(origin + path, headers=headers, timeout=60).content)
        if found is not None:
            return found[1].decode()
    raise AssertionError("no page shows a token")


def _filled(world: World, name: str, request: Request) -> Request:
    """Put the caller's own token into a form."""
    form = request.options.get("data")
    if not isinstance(form, dict):
        return request
    token = _token(world.server.origin, world.keys.get(name))
    return Request(request.path, {**request.options, "data": {**form, "token": token}})


def _form(route: str, access: Access, make: Make, *, success: int = 303, note: str = "") -> Row:
    """Send a form, whose token is the caller's; done, it leads to a page."""
    return Row(route, _signed_in(access), make, frozenset({success}), note=note)


def _filled_in(path: str, **form: str) -> Make:
    return lambda *_: Request(path, {"data": {"token": "", **form}})


def _asked(path: str) -> Make:
    return lambda *_: Request(path)


def _new_user(_: World, __: str) -> Request:
    return Request("/administration/users", {"data": {"token": "", "username": new_cuid()}})


def _of_user_key(action: str = "", **form: str) -> Make:
    """Ask for a key of somebody, as an administrator may, or do something with it."""

    def make(world: World, _: str) -> Request:
        made = world.make("POST", "keys", "boss", json={"username": "extra"})["key"]["id"]
        return Request(f"/administration/users/extra/keys/{made}{action}", {"data": form} if action else {})

    return make


def _of_key(action: str = "", **form: str) -> Make:
    """Ask for a key of olga's, or do something with it."""

    def make(world: World, _: str) -> Request:
        made = world.make("POST", "keys", json={})["key"]["id"]
        return Request(f"/account/keys/{made}{action}", {"data": form} if action else {})

    return make


def _of_entry(action: str = "", **form: str) -> Make:
    """Ask for a deletion, or do something with it."""

    def make(world: World, _: str) -> Request:
        return Request(f"/trash/{world.new_deletion()}{action}", {"data": form} if action else {})

    return make


def _of_project(action: str, **form: str) -> Make:
    """Do something with the private run, which is none of what the page changes for good."""

    def make(world: World, _: str) -> Request:
        fields = {name: held.format(run=world.lab.cuid) for name, held in form.items()}
        return Request(f"/@{LAB}/{PROJECT}{action}", {"data": {"token": "", **fields}})

    return make


_RUN_PAGES = "/{workspace}/{project}/runs/{run}"
_PARTS = ("chart", "media", "figure", "logs", "lines", "system", "files", "history", "record", "state")


def _of_run(action: str, **form: str) -> Make:
    """Send a form of a run's page."""

    def make(world: World, _: str) -> Request:
        return Request(f"/@{LAB}/{PROJECT}/runs/{RUN}/{action}", {"data": {"token": "", **form}})

    return make


_NOTHING = hashlib.sha256(b"([], (), ())").hexdigest()
"""What is told of a plan that deletes nothing."""


def _undoing(world: World, _: str) -> Request:
    selection = {"workspace": LAB, "project": PROJECT, "ids": [RUN]}
    draft = {"selection": selection, "patch": {"labels_added": [f"t{secrets.token_hex(8)}"]}}
    change = world.make("POST", "runs/update", json=draft)["change_id"]
    return Request(f"/@{LAB}/{PROJECT}/undo", {"data": {"token": "", "change": change}})


def _revoked(world: World, _: str) -> Request:
    held = world.make("POST", f"runs/{LAB}/{PROJECT}/{RUN}/ingestion-keys", json={"name": new_cuid()})
    return _of_run("keys/revoke", key=held["key"]["id"])(world, "")


ROWS = (
    _page("GET /", PUBLIC),
    _page("GET /{workspace}", _visited(SEE_WORKSPACE)),
    _page("GET /{workspace}/{project}", _visited(READ)),
    _page("GET /{workspace}/{project}/curves", _visited(READ), query="runs=occult&keys=loss"),
    _page("GET /{workspace}/{project}/curves.svg", _visited(READ), query="runs=occult&keys=loss"),
    _page("GET /{workspace}/{project}/report", _visited(READ)),
    _page("GET /{workspace}/{project}/report/{form}", _visited(READ)),
    _page("GET /{workspace}/{project}/runs.csv", _signed_in(READ)),
    _page("GET /{workspace}/{project}/runs.parquet", _signed_in(READ)),
    _form("POST /{workspace}/{project}/runs", WRITE, _of_project("/runs", do="tag", text="x", run="{run}")),
    _form(
        "POST /{workspace}/{project}/delete-runs",
        WRITE,
        _of_project("/delete-runs", which="all", filter="name == 'nothing'", plan=_NOTHING),
    ),
    _form("POST /{workspace}/{project}/undo", WRITE, _undoing),
    _page("GET /{workspace}/{project}/runs/{run}", _visited(READ)),
    _page("GET /{workspace}/{project}/runs/{run}", _visited(READ), note="by cuid", run="cuid"),
    _page("GET /{workspace}/{project}/compare", _visited(READ)),
    *(_page(f"GET {_RUN_PAGES}/{part}", _visited(READ)) for part in _PARTS),
    _form(f"POST {_RUN_PAGES}/edit", WRITE, _of_run("edit", name="whisper")),
    _form(f"POST {_RUN_PAGES}/mark", WRITE, _of_run("mark", pin="no")),
    _form(f"POST {_RUN_PAGES}/notes", WRITE, _of_run("notes", text="whisper")),
    Row(f"POST {_RUN_PAGES}/keys", _signed_in(WRITE), _of_run("keys", name="whisper", hours="1")),
    _form(f"POST {_RUN_PAGES}/keys/revoke", WRITE, _revoked),
    _page("GET /runs", _signed_in(ANYONE)),
    _page("GET /runs/{run}", _visited(READ), success=303, run="cuid"),
    _page("GET /runs/{run}/{part}", _visited(READ), success=303, run="cuid"),
    _page("GET /experiments/{experiment}", _signed_in(OWN), success=303),
    _page("GET /experiments/{experiment}/{part}", _signed_in(OWN), success=303),
    _page("GET /dashboard/experiments/{run}", _visited(READ), success=303, run="cuid"),
    _page("GET /account", _signed_in(ANYONE)),
    _form("POST /account", ANYONE, _filled_in("/account", bio="here")),
    _form("POST /account/password", ANYONE, _filled_in("/account/password", new="long enough", again="long enough")),
    _form("POST /account/sessions", ANYONE, _filled_in("/account/sessions")),
    _form("POST /account/keys", ANYONE, _filled_in("/account/keys"), success=200),
    Row("GET /account/keys/{key}", _signed_in(OWN), _of_key()),
    _form("POST /account/keys/{key}/revoke", OWN, _of_key("/revoke", token="", confirmed="yes")),
    _page("GET /administration", _signed_in(ADMINISTRATOR)),
    _form("POST /administration/users", ADMINISTRATOR, _new_user),
    _page("GET /administration/users/{username}", _signed_in(ADMINISTRATOR)),
    _form(
        "POST /administration/users/{username}/keys",
        ADMINISTRATOR,
        _filled_in("/administration/users/extra/keys"),
        success=200,
    ),
    _form(
        "POST /administration/users/{username}/password",
        ADMINISTRATOR,
        _filled_in("/administration/users/extra/password", confirmed="yes"),
        success=200,
    ),
    Row("GET /administration/users/{username}/keys/{key}", _signed_in(ADMINISTRATOR), _of_user_key()),
    _form(
        "POST /administration/users/{username}/keys/{key}/revoke",
        ADMINISTRATOR,
        _of_user_key("/revoke", token="", confirmed="yes"),
    ),
    _page("GET /models", _signed_in(ANYONE)),
    Row("GET /models/{workspace}/{name}", _signed_in(READ_WORKSPACE), _asked(f"/models/{LAB}/whisper")),
    _form(
        "POST /models/{workspace}/{name}",
        WRITE_WORKSPACE,
        _filled_in(f"/models/{LAB}/whisper", version="1", stage="staging"),
    ),
    _page("GET /usage", _signed_in(ANYONE)),
    Row("GET /usage", _signed_in(SEE_WORKSPACE), _asked(f"/usage?path={LAB}"), note="of a workspace"),
    _page("GET /trash", _signed_in(ANYONE)),
    _page("GET /trash/purge", _signed_in(ANYONE)),
    Row("GET /trash/{entry}", _signed_in(RESTORE), _of_entry()),
    _form("POST /trash/{entry}/restore", RESTORE, _of_entry("/restore", token="")),
    _form("POST /trash/{entry}/purge", PURGE, _of_entry("/purge", token="", confirmed="yes")),
    _form("POST /trash/purge", ANYONE, _filled_in("/trash/purge", confirmed="yes", shown="0 0 0")),
    _page("GET /sign-in", _signed_in(ANYONE).but(**dict.fromkeys(_UNKNOWN, 200)), success=303),
    _page("POST /sign-in", refused(415)),
    _page("POST /sign-in/password", refused(415)),
    _page("POST /sign-out", _signed_in(refused(415))),
    _page("GET /static/{version}/{name}", PUBLIC),
    _page("GET /static/plotly/{version}/plotly.js", refused(404)),
    _page("GET /favicon.ico", refused(404)),
)


def _is_failure(status: int, body: bytes) -> bool:
    if status == SIGN_IN_FIRST:
        return not body
    return body.startswith(b"<!doctype html>") and b"</html>" in body


PAGES = Door("pages", ROWS, bearer, _is_failure, no_credentials, is_json=False, fill=_filled)

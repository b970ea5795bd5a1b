"""The pages in the table of roles: who is not known is a visitor, and is sent to sign in where visitors see nothing."""

from __future__ import annotations

from integration.server.roles.row import (
    ANYONE,
    NOBODY,
    OWN,
    PUBLIC,
    READ,
    SEE_WORKSPACE,
    Access,
    Door,
    Row,
    bearer,
    no_credentials,
    refused,
)
from integration.server.roles.world import LAB, PROJECT, RUN, Request, World

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


def _page(route: str, access: Access, *, success: int = 200, note: str = "", run: str = RUN) -> Row:
    """Ask for a page of what is private; ``cuid`` for a run is the run's cuid."""

    def make(world: World, _: str) -> Request:
        names = {"workspace": f"@{LAB}", "project": PROJECT, "run": world.lab.cuid if run == "cuid" else run}
        names |= {"experiment": PROJECT, "part": "overview", "version": asset_version(), "name": "style.css"}
        return Request(route.partition(" ")[2].format_map(names))

    return Row(route, access, make, frozenset({success}), note=note)


ROWS = (
    _page("GET /", PUBLIC),
    _page("GET /{workspace}", _visited(SEE_WORKSPACE)),
    _page("GET /{workspace}/{project}", _visited(READ)),
    _page("GET /{workspace}/{project}/runs/{run}", _visited(READ)),
    _page("GET /{workspace}/{project}/runs/{run}", _visited(READ), note="by cuid", run="cuid"),
    _page("GET /{workspace}/{project}/runs/{run}/chart", _visited(READ)),
    _page("GET /runs", _signed_in(ANYONE)),
    _page("GET /runs/{run}", _visited(READ), success=303, run="cuid"),
    _page("GET /runs/{run}/{part}", _visited(READ), success=303, run="cuid"),
    _page("GET /experiments/{experiment}", _signed_in(OWN), success=303),
    _page("GET /experiments/{experiment}/{part}", _signed_in(OWN), success=303),
    _page("GET /dashboard/experiments/{run}", _visited(READ), success=303, run="cuid"),
    _page("GET /sign-in", _signed_in(ANYONE).but(**dict.fromkeys(_UNKNOWN, 200)), success=303),
    _page("POST /sign-in", refused(415)),
    _page("POST /sign-out", refused(415)),
    _page("GET /static/{version}/{name}", PUBLIC),
    _page("GET /static/plotly/{version}/plotly.js", refused(404)),
    _page("GET /favicon.ico", refused(404)),
)


def _is_failure(status: int, body: bytes) -> bool:
    if status == SIGN_IN_FIRST:
        return not body
    return body.startswith(b"<!doctype html>") and b"</html>" in body


PAGES = Door("pages", ROWS, bearer, _is_failure, no_credentials, is_json=False)

"""Which function answers which path. Paths are split before they are decoded: a name may have slashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal, TypeAlias
from urllib.parse import unquote_to_bytes

import attrs
from litestar.types import ASGIApp

from runatlas.errors import ApiStatusError, NotFoundError, PermissionDeniedError, ValidationError
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall, performed_once
from runatlas.server.wire.payload import parse_json

__all__ = ["Access", "Route", "dispatch"]

Access = Literal["organization", "experiment", "any"]
"""Who may call a route: API keys only; also a token of the experiment in its path; whoever is known."""

Function: TypeAlias = Callable[[EndpointCall], "Answer | ASGIApp"]


@attrs.frozen
class Route:
    """A route.

    Attributes:
        path: With ``{name}`` for a part of it that is a parameter.
        writes: Whether it changes something: then it is one transaction, and done once an ``Idempotency-Key``.
        large: Whether its bodies may be as large as a batch's.
    """

    method: str
    path: str
    function: Function
    access: Access = "organization"
    writes: bool = False
    large: bool = False

    def match(self, parts: list[str]) -> dict[str, str] | None:
        """Return the parameters of a path, ``None`` if it is another one."""
        pattern = self.path.strip("/").split("/")
        if len(pattern) != len(parts):
            return None
        found = {}
        for name, part in zip(pattern, parts, strict=True):
            if name.startswith("{"):
                found[name.strip("{}")] = part
            elif name != part:
                return None
        return found


def dispatch(routes: Iterable[Route], body_limit: int) -> Function:
    """Make the function that answers all routes.

    Args:
        routes: The routes.
        body_limit: How large the body of an ordinary route may be.

    Returns:
        What an endpoint takes.
    """
    table = list(routes)

    def answer(call: EndpointCall) -> Answer | ASGIApp:
        parts = _parts(call.raw_path)
        at_path = [(route, params) for route in table if (params := route.match(parts)) is not None]
        if not at_path:
            raise NotFoundError("there is nothing at this address")
        method = "GET" if call.method == "HEAD" else call.method
        for route, params in at_path:
            if route.method == method:
                return _answer(route, attrs.evolve(call, params=params), body_limit)
        raise ApiStatusError("this address does not take that method", code=405)

    return answer


def _parts(raw_path: str) -> list[str]:
    path = raw_path.partition("?")[0].strip("/")
    try:
        return [unquote_to_bytes(part).decode() for part in path.split("/")]
    except UnicodeDecodeError:
        raise ValidationError("the path is not UTF-8") from None


def _answer(route: Route, call: EndpointCall, body_limit: int) -> Answer | ASGIApp:
    own = call.user.run_cuid
    if own is not None and route.access != "any":
        if route.access == "organization":
            raise PermissionDeniedError("this needs an API key: an ingestion key can write to its experiment only")
        if call.params["experiment"] != own:
            raise PermissionDeniedError("the ingestion key is one of another experiment")
    if not route.large and len(call.body) > body_limit:
        raise ValidationError(f"the body is larger than {body_limit} bytes", code=413)
    if not route.writes:
        return route.function(call)
    with call.services.store.together():
        return _once(route, call)


def _once(route: Route, call: EndpointCall) -> Answer | ASGIApp:
    if "idempotency-key" not in call.headers:
        return route.function(call)
    return performed_once(call, _fingerprint(call), partial(route.function, call))


def _fingerprint(call: EndpointCall) -> str:
    """Tell requests apart by what their bodies mean, not by how they are written."""
    meant = json.dumps(parse_json(call.body) if call.body else None, sort_keys=True)
    told = f"{call.method} {call.raw_path} {sorted(call.query)} {call.user.run_cuid}\n{meant}"
    return hashlib.sha256(told.encode()).hexdigest()

"""From the routes of the table to handlers of the application."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import partial
from typing import Any

import attrs
from litestar import Request
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from runatlas.model.codec import encode_json
from runatlas.server.dialects.native.health import HealthCheck
from runatlas.server.dialects.native.parameter import parse_query
from runatlas.server.dialects.native.route import Route
from runatlas.server.services.caller import Caller
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.body_limit import Limits
from runatlas.server.wire.endpoint import EndpointCall, make_endpoint, make_options_handler, methods_of, performed_once

__all__ = ["make_handlers"]


def make_handlers(routes: Iterable[Route], limits: Limits) -> list[HTTPRouteHandler]:
    """Make the handlers that serve the routes, and one that tells which methods each path takes.

    Args:
        routes: The routes.
        limits: How large bodies may be.

    Returns:
        Litestar handlers.
    """
    table = list(routes)
    methods: dict[str, list[str]] = {}
    for route in table:
        methods.setdefault(_litestar_path(route.path), []).extend(methods_of(route.method))
    handlers = [_aside_handler(route) if route.aside else _handler(route, limits) for route in table]
    return [*handlers, make_options_handler(methods, public=True)]


def _litestar_path(path: str) -> str:
    return path.replace("}", ":str}")


def _aside_handler(route: Route) -> HTTPRouteHandler:
    async def handle(request: Request[Caller, Any, State]) -> ASGIApp:
        health: HealthCheck = request.app.state.health
        return await health.answer(request.app.state.services)

    return HTTPRouteHandler(
        route.path,
        http_method=methods_of(route.method),
        status_code=200,
        name=route.function.__name__,
        opt={"public": route.public, "aside": True},
    )(handle)


def _handler(route: Route, limits: Limits) -> HTTPRouteHandler:
    has_body = route.body is not None
    return make_endpoint(
        route.method,
        _litestar_path(route.path),
        partial(_run, route),
        limit=getattr(limits, route.limit),
        public=route.public,
        streams=route.streams,
        consumes=route.consumes[0] if has_body and len(route.consumes) == 1 else None,
        has_body=has_body,
        in_parts=has_body and not route.public,
    )


def _run(route: Route, call: EndpointCall) -> Answer | ASGIApp:
    if call.query_string or route.takes_query:
        call = attrs.evolve(call, arguments=parse_query(call.query_string, route.parameters))
    # Before a transaction: others that write would wait while a large body is decoded.
    given = {name: read(call) for name, read in route.binders}
    # What streams is kept by its content: doing it twice is no harm, and it holds no transaction while it comes.
    if not route.write or route.streams or "idempotency-key" not in call.headers:
        return _perform(route, given)
    with call.services.store.together(shared=True):
        return performed_once(call, _fingerprint(call), partial(_perform, route, given))


def _fingerprint(call: EndpointCall) -> str:
    digest = hashlib.sha256(f"{call.method} {call.path} {sorted(call.arguments.items())}\n".encode())
    digest.update(call.body)
    return digest.hexdigest()


def _perform(route: Route, given: dict[str, Any]) -> Answer | ASGIApp:
    result = route.function(**given)
    if callable(result):
        return result  # type: ignore[no-any-return]
    status = route.statuses[0] if route.status_of is None else route.status_of(result)
    return Answer(b"" if result is None else encode_json(result), status)

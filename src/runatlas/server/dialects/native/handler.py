"""From a route of the table to a handler of the application."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Iterable
from typing import Any

import attrs
from litestar import Request
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Method

from runatlas.errors import ApiStatusError
from runatlas.server.dialects.native.parameter import parse_query
from runatlas.server.dialects.native.route import Call, Route
from runatlas.server.dialects.native.system import HealthCheck
from runatlas.server.services.caller import Caller
from runatlas.server.wire.answer import Answer, accepts_gzip, compressed
from runatlas.server.wire.body import read_body, require_size
from runatlas.server.wire.limit import Limits
from runatlas.server.wire.payload import encode_payload
from runatlas.server.wire.upload import Upload
from runatlas.server.wire.worker import Visit, answering, in_thread

__all__ = ["make_handlers"]

_BUFFER = 1 << 20
_BODY_HEADER = "runatlas-body"


def make_handlers(routes: Iterable[Route], limits: Limits) -> list[HTTPRouteHandler]:
    """Make the handlers that serve the routes, and one a path that tells which methods it takes.

    Args:
        routes: The routes.
        limits: How large bodies may be.

    Returns:
        Litestar handlers.
    """
    table = list(routes)
    methods: dict[str, list[str]] = {}
    for route in table:
        methods.setdefault(route.path, ["OPTIONS"]).extend(_methods(route))
    # First of all, for Litestar's own would list the methods of whatever it found first at a path.
    options = [_options_handler(path, taken) for path, taken in methods.items()]
    return options + [_handler(route, limits) for route in table]


def _methods(route: Route) -> list[Method]:
    return ["GET", "HEAD"] if route.method == "GET" else [route.method]


def _litestar_path(path: str) -> str:
    return path.replace("}", ":str}")


def _options_handler(path: str, methods: list[str]) -> HTTPRouteHandler:
    allow = ", ".join(sorted(methods))

    async def handle() -> ASGIApp:
        return Answer(status=204, headers={"allow": allow})

    return HTTPRouteHandler(
        _litestar_path(path), http_method="OPTIONS", status_code=200, name=f"options {path}", opt={"public": True}
    )(handle)


def _handler(route: Route, limits: Limits) -> HTTPRouteHandler:
    limit = getattr(limits, route.limit)

    async def answer_aside(request: Request[Caller, Any, State]) -> ASGIApp:
        health: HealthCheck = request.app.state.health
        return await health.answer(request.app.state.services)

    async def answer(request: Request[Caller, Any, State], visiting: Visit) -> ASGIApp:
        name = request.headers.get(_BODY_HEADER)
        if name is not None and route.body is not None and not route.public:
            _require_media_type(route, request)
            return await _use_parts(route, request, name, limit, visiting)
        if route.streams:
            return await _stream(route, request, limit, visiting)
        _require_media_type(route, request)
        body = await read_body(request, limit, visiting.hold) if route.body is not None else b""
        return await visiting.answer(_answer, route, _call(route, request, body))

    return HTTPRouteHandler(
        _litestar_path(route.path),
        http_method=_methods(route),
        status_code=200,
        name=route.function.__name__,
        opt={"public": route.public, "aside": route.aside},
    )(answer_aside if route.aside else answering(answer))


def _require_media_type(route: Route, request: Request[Caller, Any, State]) -> None:
    if route.body is None or len(route.consumes) != 1:
        return
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != route.consumes[0]:
        raise ApiStatusError(f"the body must be {route.consumes[0]}, not {given[:80] or 'of no type'}", code=415)


def _call(route: Route, request: Request[Caller, Any, State], body: bytes) -> Call:
    return Call(
        services=request.app.state.services,
        caller=request.scope.get("user"),
        method=route.method,
        path=request.scope["path"],
        params=request.scope["path_params"],
        query=parse_query(request.scope["query_string"], route.parameters),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
    )


def _answer(route: Route, call: Call) -> ASGIApp:
    answer: ASGIApp = _run(route, call)
    if isinstance(answer, Answer) and accepts_gzip(call.headers.get("accept-encoding", "")):
        return compressed(answer)
    return answer


def _run(route: Route, call: Call) -> Any:
    key = call.headers.get("idempotency-key") if route.write else None
    return _perform(route, call) if key is None else _perform_once(route, call, key)


def _perform_once(route: Route, call: Call, key: str) -> Answer:
    """Carry a write out unless that was done; only what was answered well is kept, a failure may be tried again.

    The effect and the answer are kept together or not at all. What streams is kept by its content, so that doing it
    twice is no harm, and holds no transaction while it comes.
    """
    if route.streams:
        return _perform(route, call)  # type: ignore[no-any-return]
    with call.services.store.together(shared=True):
        stored = call.services.idempotency.begin(call.caller, key, _fingerprint(call))
        if stored is not None:
            return Answer(stored.body, stored.status, headers={"idempotent-replayed": "true"})
        answer: Answer = _perform(route, call)
        call.services.idempotency.finish(call.caller, key, answer.status, answer.body)
        return answer


def _fingerprint(call: Call) -> str:
    digest = hashlib.sha256(f"{call.method} {call.path} {sorted(call.query.items())}\n".encode())
    digest.update(call.body)
    return digest.hexdigest()


def _perform(route: Route, call: Call) -> Any:
    result = route.run(call)
    if callable(result):
        return result
    status = route.statuses[0] if route.status_of is None else route.status_of(result)
    return Answer(b"" if result is None else encode_payload(result), status)


async def _use_parts(
    route: Route, request: Request[Caller, Any, State], name: str, limit: int, visiting: Visit
) -> ASGIApp:
    """Answer a request whose body came in parts before it; they are needed no more once it is done."""
    call = _call(route, request, b"")
    bodies = call.services.bodies
    size = await in_thread(bodies.size, call.caller, name, limit)
    if not route.streams:
        visiting.hold(size)

    def answer() -> ASGIApp:
        with bodies.open(call.caller, name) as file:
            whole = call.with_upload(file) if route.streams else attrs.evolve(call, body=file.read(size))
            made = _answer(route, whole)
        bodies.remove(call.caller, name)
        return made

    return await (visiting.upload(answer) if route.streams else visiting.answer(answer))


async def _stream(route: Route, request: Request[Caller, Any, State], limit: int, visiting: Visit) -> ASGIApp:
    require_size(request, limit)
    loop = asyncio.get_running_loop()
    call = _call(route, request, b"")
    with Upload(request.receive, loop, limit) as upload:
        reader = io.BufferedReader(upload, _BUFFER)
        return await visiting.upload(_answer, route, call.with_upload(reader))

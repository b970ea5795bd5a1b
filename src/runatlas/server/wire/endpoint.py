"""A plain function as a handler of the application: one call in, one answer out, away from the event loop."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import parse_qsl

import attrs
from litestar import Request
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Method

from runatlas.errors import AuthenticationError
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services
from runatlas.server.wire.answer import Answer, accepts_gzip, compressed
from runatlas.server.wire.body import PUBLIC_BODY, read_body, require_size
from runatlas.server.wire.upload import Upload
from runatlas.server.wire.worker import Visit, answering

__all__ = ["Endpoint", "EndpointCall", "make_endpoint"]

_BUFFER = 1 << 20


@attrs.frozen(eq=False)
class EndpointCall:
    """One request.

    Attributes:
        caller: Who asks; ``None`` on a public route.
        params: The parts of the path by name, decoded.
        query: The query's names and values in order, repeated names kept.
        headers: Lower-case names.
        body: The whole body; empty where it is streamed.
        upload: The streamed body, where the endpoint asks for it.
        raw_path: The path as it was sent, percent-encoded.
    """

    services: Services
    caller: Caller | None
    method: str
    params: Mapping[str, str]
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    raw_path: str
    upload: BinaryIO | None = None

    @property
    def user(self) -> Caller:
        """Who asks.

        Raises:
            AuthenticationError: Nobody known.
        """
        if self.caller is None:
            raise AuthenticationError("an API key is needed")
        return self.caller

    def values(self, name: str) -> list[str]:
        """Return all values of a parameter of the query."""
        return [value for found, value in self.query if found == name]

    def value(self, name: str) -> str | None:
        """Return the last value of a parameter of the query; ``None`` if it is not there."""
        found = self.values(name)
        return found[-1] if found else None


Endpoint: TypeAlias = Callable[[EndpointCall], "Answer | ASGIApp"]


def make_endpoint(
    method: Method,
    path: str,
    function: Endpoint,
    *,
    limit: int,
    public: bool = False,
    streams: bool = False,
    document_limit: int | None = None,
) -> HTTPRouteHandler:
    """Make a handler.

    Args:
        method: The HTTP method; a ``GET`` answers ``HEAD`` too.
        path: Litestar's form, such as ``/api/runs/{run:str}``.
        function: Called in a worker thread.
        limit: How large the body may be, inflated, in bytes.
        public: Whether no key is needed.
        streams: Whether the body is handed over as a stream, not as bytes.
        document_limit: How large a body may be that is JSON, and no file: it is handed over as bytes all the same.

    Returns:
        A Litestar handler.
    """

    async def answer(request: Request[Caller, Any, State], visiting: Visit) -> ASGIApp:
        most = PUBLIC_BODY if public else limit
        if streams:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if document_limit is None or kind != "application/json":
                return await _stream(function, request, limit, visiting)
            most = document_limit
        body = await read_body(request, most, visiting.hold)
        return await visiting.answer(_answer, function, _call(request, body))

    return HTTPRouteHandler(
        path,
        http_method=["GET", "HEAD"] if method == "GET" else [method],
        status_code=200,
        name=f"{method} {path}",
        opt={"public": public},
    )(answering(answer))


def _call(request: Request[Caller, Any, State], body: bytes) -> EndpointCall:
    scope = request.scope
    return EndpointCall(
        services=request.app.state.services,
        caller=scope.get("user"),
        method=request.method,
        params={name: str(value) for name, value in scope["path_params"].items()},
        query=tuple(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        raw_path=scope["raw_path"].decode("latin-1"),
    )


def _answer(function: Endpoint, call: EndpointCall) -> ASGIApp:
    answer = function(call)
    if isinstance(answer, Answer) and accepts_gzip(call.headers.get("accept-encoding", "")):
        return compressed(answer)
    return answer


async def _stream(function: Endpoint, request: Request[Caller, Any, State], limit: int, visiting: Visit) -> ASGIApp:
    require_size(request, limit)
    call = _call(request, b"")
    loop = asyncio.get_running_loop()
    with Upload(request.receive, loop, limit) as upload:
        streaming = attrs.evolve(call, upload=io.BufferedReader(upload, _BUFFER))
        return await visiting.upload(_answer, function, streaming)

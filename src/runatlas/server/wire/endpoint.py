"""A plain function as a handler of the application: one call in, one answer out, away from the event loop."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, BinaryIO, ClassVar, TypeAlias
from urllib.parse import parse_qsl

import attrs
from litestar import Request
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Method
from litestar.utils.signature import ParsedSignature

from runatlas.errors import ApiStatusError, AuthenticationError
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services
from runatlas.server.wire.answer import Answer, accepts_gzip, compressed
from runatlas.server.wire.body import PUBLIC_BODY, read_body, require_size
from runatlas.server.wire.inflating import inflated
from runatlas.server.wire.upload import Upload
from runatlas.server.wire.worker import Visit, answering, in_thread

__all__ = ["Endpoint", "EndpointCall", "make_endpoint", "make_options_handler", "methods_of", "performed_once"]

_BUFFER = 1 << 20
_BODY_HEADER = "runatlas-body"
_TYPE = re.compile(r":\w+}")


@attrs.frozen(eq=False)
class EndpointCall:
    """One request.

    Attributes:
        caller: Who asks; ``None`` on a public route.
        params: The parts of the path by name, decoded.
        query_string: The query as it was sent, without the ``?``.
        headers: Lower-case names.
        body: The whole body; empty where it is streamed.
        path: The path, decoded.
        raw_path: The path as it was sent, percent-encoded.
        address: Where it comes from, as a proxy that is believed tells it; ``""`` if that is not known.
        upload: The streamed body, where the endpoint asks for it.
        arguments: The values of the query by name, where the protocol declares which there are.
    """

    services: Services
    caller: Caller | None
    method: str
    params: Mapping[str, str]
    query_string: bytes
    headers: Mapping[str, str]
    body: bytes
    path: str
    raw_path: str
    address: str = ""
    upload: BinaryIO | None = None
    arguments: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def user(self) -> Caller:
        """Who asks.

        Raises:
            AuthenticationError: Nobody known.
        """
        if self.caller is None:
            raise AuthenticationError("an API key is needed")
        return self.caller

    @property
    def media_type(self) -> str:
        """The media type of the body, without parameters; empty when nothing is said of it."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        """The query's names and values in order, repeated names kept."""
        return parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True)

    def values(self, name: str) -> list[str]:
        """Return all values of a parameter of the query."""
        return [value for found, value in self.query if found == name]

    def value(self, name: str) -> str | None:
        """Return the last value of a parameter of the query; ``None`` if it is not there."""
        found = self.values(name)
        return found[-1] if found else None


Endpoint: TypeAlias = Callable[[EndpointCall], "Answer | ASGIApp"]


def methods_of(method: Method) -> list[Method]:
    """Return the methods that an endpoint of ``method`` answers: a ``GET`` answers ``HEAD`` too."""
    return ["GET", "HEAD"] if method == "GET" else [method]


def make_endpoint(
    method: Method,
    path: str,
    function: Endpoint,
    *,
    limit: int,
    public: bool = False,
    streams: bool = False,
    document_limit: int | None = None,
    consumes: str | None = None,
    has_body: bool = True,
    in_parts: bool = False,
    visitors: bool = False,
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
        consumes: The only media type that a body handed over as bytes may have; ``None`` for any.
        has_body: Whether a body is read at all.
        in_parts: Whether the body may have come in parts before the request, which then names it in a header.
        visitors: Whether it also answers callers of whom nothing is known, as such.

    Returns:
        A Litestar handler.
    """

    async def answer(request: Request[Caller, Any, State], visiting: Visit) -> ASGIApp:
        call = _call(request)
        name = call.headers.get(_BODY_HEADER) if in_parts else None
        as_document = document_limit is not None and call.media_type == "application/json"
        if streams and name is None and not as_document:
            return await _stream(function, request, call, limit, visiting)
        if consumes is not None and call.media_type != consumes:
            told = call.media_type[:80] or "of no type"
            raise ApiStatusError(f"the body must be {consumes}, not {told}", code=415)
        if name is not None:
            return await _use_parts(function, call, name, limit, visiting, streams=streams)
        most = document_limit if streams and document_limit is not None else PUBLIC_BODY if public else limit
        body = await read_body(request, most, visiting.hold) if has_body else b""
        return await visiting.answer(_answer, function, attrs.evolve(call, body=body))

    return _Handler(
        path,
        http_method=methods_of(method),
        status_code=200,
        name=f"{method} {path}",
        opt={"public": public, "visitors": visitors},
    )(answering(answer))


class _Handler(HTTPRouteHandler):
    """What answers a request: of one signature, which Litestar would read and make a model of once for each of them."""

    _signature: ClassVar[ParsedSignature | None] = None
    _model: ClassVar[type[Any] | None] = None

    @property
    def parsed_fn_signature(self) -> ParsedSignature:
        found = _Handler._signature
        if found is None:
            found = _Handler._signature = super().parsed_fn_signature
        return found

    @property
    def signature_model(self) -> type[Any]:
        found = _Handler._model
        if found is None:
            found = _Handler._model = super().signature_model
        return found


def make_options_handler(methods: Mapping[str, Iterable[str]], *, public: bool = False) -> HTTPRouteHandler:
    """Make a handler that tells which methods paths take.

    Args:
        methods: By path, as in ``make_endpoint``.
        public: Whether no key is needed.

    Returns:
        A Litestar handler.
    """
    allow = {_TYPE.sub("}", path): ", ".join(sorted({*taken, "OPTIONS"})) for path, taken in methods.items()}

    async def tell(request: Request[Caller, Any, State]) -> ASGIApp:
        return Answer(status=204, headers={"allow": allow[request.scope["path_template"]]})

    return HTTPRouteHandler(list(methods), http_method="OPTIONS", status_code=200, opt={"public": public})(tell)


def _call(request: Request[Caller, Any, State]) -> EndpointCall:
    scope = request.scope
    return EndpointCall(
        services=request.app.state.services,
        caller=scope.get("user"),
        method=request.method,
        params={name: str(value) for name, value in scope["path_params"].items()},
        query_string=scope["query_string"],
        headers={name.lower(): value for name, value in request.headers.items()},
        body=b"",
        path=scope["path"],
        raw_path=scope["raw_path"].decode("latin-1"),
        address=request.client.host if request.client else "",
    )


def _answer(function: Endpoint, call: EndpointCall) -> ASGIApp:
    answer = function(call)
    if isinstance(answer, Answer) and accepts_gzip(call.headers.get("accept-encoding", "")):
        return compressed(answer)
    return answer


async def _stream(
    function: Endpoint, request: Request[Caller, Any, State], call: EndpointCall, limit: int, visiting: Visit
) -> ASGIApp:
    require_size(request, limit)
    loop = asyncio.get_running_loop()
    with Upload(inflated(request.scope, request.receive), loop, limit) as upload:
        streaming = attrs.evolve(call, upload=io.BufferedReader(upload, _BUFFER))
        return await visiting.upload(_answer, function, streaming)


async def _use_parts(
    function: Endpoint, call: EndpointCall, name: str, limit: int, visiting: Visit, *, streams: bool
) -> ASGIApp:
    """Answer a request whose body came in parts before it; they are needed no more once it is done."""
    bodies = call.services.bodies
    size = await in_thread(bodies.size, call.user, name, limit)
    if not streams:
        visiting.hold(size)

    def answer() -> ASGIApp:
        with bodies.open(call.user, name) as file:
            whole = attrs.evolve(call, upload=file) if streams else attrs.evolve(call, body=file.read(size))
            made = _answer(function, whole)
        bodies.remove(call.user, name)
        return made

    return await (visiting.upload(answer) if streams else visiting.answer(answer))


def performed_once(call: EndpointCall, fingerprint: str, perform: Callable[[], Answer | ASGIApp]) -> Answer | ASGIApp:
    """Carry a write out, unless that was done under the request's ``Idempotency-Key``.

    Only what was answered well is kept, a failure may be tried again.

    Args:
        call: A request whose transaction is open: the effect and the answer are kept together or not at all.
        fingerprint: Tells it from others that may come with the same key.
        perform: Does it.
    """
    key = call.headers["idempotency-key"]
    requests = call.services.idempotency
    stored = requests.begin(call.user, key, fingerprint)
    if stored is not None:
        return Answer(stored.body, stored.status, headers={"idempotent-replayed": "true"})
    made = perform()
    if isinstance(made, Answer):
        requests.finish(call.user, key, made.status, made.body)
    return made

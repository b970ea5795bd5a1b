"""The table of our own routes: what the contract declares, and typed functions for what needs more than that."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal, TypeVar, get_args, get_type_hints

import attrs

from runatlas.backends.contract import Backend
from runatlas.backends.operation import Argument, Method, Operation, operations
from runatlas.backends.operation import Route as DeclaredRoute
from runatlas.errors import NotFoundError
from runatlas.model.ids import (
    ProjectPath,
    RunPath,
    validate_project_name,
    validate_run_id,
    validate_workspace_name,
)
from runatlas.model.page import PageRequest
from runatlas.server.dialects.native.parameter import Parameter, page_parameters, read_parameters
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.payload import decode_payload

__all__ = ["Route", "RouteTable", "declared_routes"]

F = TypeVar("F", bound=Callable[..., Any])

PREFIX = "/atlas/v1"


@attrs.frozen(eq=False)
class Route:
    """One operation of the protocol.

    Attributes:
        binders: How each argument of the function is read of a request: a ``ValidationError`` says that a parameter
            or the body does not fit, a ``NotFoundError`` that a part of the path can be no name.
        statuses: The success statuses; the first one unless ``status_of`` says otherwise.
        status_of: Tells the status of a result.
        errors: Error statuses that it may answer beside those every route may.
        body: The record in its JSON body; ``bytes`` for any other body; ``None`` for no body.
        consumes: The media types of its body.
        produces: The media types of its answer.
        answer: What it answers, for the document.
        write: Whether it creates or changes and honours ``Idempotency-Key``.
        public: Whether it needs no key.
        aside: Whether it is answered apart from all others, whatever those wait for.
        limit: Which of the server's bounds its body has.
    """

    method: Method
    path: str
    function: Callable[..., Any]
    tag: str
    parameters: tuple[Parameter, ...]
    binders: tuple[tuple[str, Callable[[EndpointCall], Any]], ...]
    answer: Any
    body: Any = None
    statuses: tuple[int, ...] = (200,)
    status_of: Callable[[Any], int] | None = None
    errors: tuple[int, ...] = ()
    consumes: tuple[str, ...] = ("application/json",)
    produces: tuple[str, ...] = ("application/json",)
    write: bool = False
    public: bool = False
    aside: bool = False
    streams: bool = False
    limit: Literal["body", "batch", "blob"] = "body"

    @functools.cached_property
    def takes_query(self) -> bool:
        """Whether it has parameters of the query."""
        return any(parameter.where == "query" for parameter in self.parameters)


class RouteTable:
    """The routes of one subject.

    Args:
        tag: The subject's name, in the document.
        prefix: What the paths of its routes lie below.
    """

    def __init__(self, tag: str, *, prefix: str = PREFIX) -> None:
        self.tag = tag
        self.prefix = prefix
        self.routes: list[Route] = []

    def add(self, method: Method, path: str, **options: Any) -> Callable[[F], F]:
        """Make a function a route.

        Its arguments are found by type: ``Services``, ``Caller`` and ``EndpointCall``; ``ProjectPath`` and ``RunPath``
        from the path's parts; a ``BinaryIO`` is the streamed body; and by name: ``body`` is the JSON body, names in
        ``path`` are its parts; ``PageRequest`` and everything else are parameters of the query.

        Args:
            method: The HTTP method.
            path: Below the table's prefix, with ``{name}`` parts.
            options: Other attributes of the ``Route``.

        Returns:
            A decorator that leaves the function as it is.
        """

        def added(function: F) -> F:
            hints = get_type_hints(function)
            answer = options.pop("answer", hints["return"])
            binders = tuple((name, _binder(name, hints[name], path)) for name in inspect.signature(function).parameters)
            options.setdefault("statuses", (204,) if answer is type(None) else (200,))
            options.setdefault("body", hints.get("body"))
            self.routes.append(
                Route(
                    method=method,
                    path=self.prefix + path,
                    function=function,
                    tag=self.tag,
                    parameters=read_parameters(function, hints, path),
                    binders=binders,
                    answer=answer,
                    streams=BinaryIO in hints.values(),
                    **options,
                )
            )
            return function

        return added


def declared_routes() -> list[Route]:
    """Return the routes that the contract declares."""
    return [_route_of(item, item.route) for item in operations(Backend) if item.route is not None]


def _route_of(item: Operation, route: DeclaredRoute) -> Route:
    """Make the route of an operation: the service of its name, called with its arguments."""
    answer = item.answer
    return Route(
        method=route.method,
        path=PREFIX + route.path,
        function=_service_of(item, None if route.answer is None else answer),
        tag=route.tag,
        parameters=tuple(_parameters_of(item, route)),
        binders=tuple(_binders_of(item)),
        answer=answer,
        body=item.body,
        statuses=(204,) if answer is type(None) else (route.status,),
        errors=route.errors,
        write=route.method == "POST" and route.changes and route.repeatable,
        limit="batch" if route.large else "body",
    )


def _service_of(item: Operation, wrap: Callable[[Any], Any] | None) -> Callable[..., Any]:
    in_order = [argument.name for argument in item.arguments if not argument.keyword_only]
    by_name = [argument.name for argument in item.arguments if argument.keyword_only]
    fields = [argument.name for argument in item.arguments if argument.place == "field"]
    subject, name_of_call = item.service, item.name

    @functools.wraps(item.function, updated=())
    def call(*, services: Services, caller: Caller, **values: Any) -> Any:
        values |= {name: getattr(values["body"], name) for name in fields}
        ask = getattr(getattr(services, subject), name_of_call)
        result = ask(caller, *(values[name] for name in in_order), **{name: values[name] for name in by_name})
        return result if wrap is None else wrap(result)

    return call


def _parameters_of(item: Operation, route: DeclaredRoute) -> Iterator[Parameter]:
    for name in route.segments:
        yield Parameter(name, str, "path", required=True)
    for argument in item.arguments:
        if argument.place == "page":
            yield from page_parameters()
        elif argument.place == "query":
            required = argument.default is inspect.Parameter.empty and type(None) not in get_args(argument.hint)
            default = None if argument.default is inspect.Parameter.empty else argument.default
            yield Parameter(argument.name, argument.hint, "query", required=required, default=default)


def _binders_of(item: Operation) -> Iterator[tuple[str, Callable[[EndpointCall], Any]]]:
    yield "services", _BINDERS[Services]
    yield "caller", _BINDERS[Caller]
    for argument in item.arguments:
        if argument.place != "field":
            yield argument.name, _argument_binder(item, argument)
    if any(argument.place == "field" for argument in item.arguments):
        yield "body", lambda call: decode_payload(call.body, item.body)


def _argument_binder(item: Operation, argument: Argument) -> Callable[[EndpointCall], Any]:
    name = argument.name
    if argument.place in {"path", "page"}:
        return _BINDERS[argument.hint]
    if argument.place == "segment":
        return (lambda call: _number(call.params[name])) if argument.hint is int else lambda call: call.params[name]
    if argument.place == "query":
        return lambda call: call.arguments[name]
    return lambda call: decode_payload(call.body, item.body)


def _number(text: str) -> int:
    """Read a number in an address; what is none is the number of nothing."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _binder(name: str, hint: Any, path: str) -> Callable[[EndpointCall], Any]:
    if hint in _BINDERS:
        return _BINDERS[hint]
    if name == "body":
        return lambda call: decode_payload(call.body, hint)
    if f"{{{name}}}" in path:
        return lambda call: call.params[name]
    return lambda call: call.arguments[name]


def _page(call: EndpointCall) -> PageRequest:
    given = call.arguments
    return PageRequest(given["limit"], given["cursor"], given["offset"], given["with_total"])


def _project_path(call: EndpointCall) -> ProjectPath:
    try:
        return ProjectPath(
            validate_workspace_name(call.params["workspace"]), validate_project_name(call.params["project"])
        )
    except ValueError as error:
        raise NotFoundError(f"there is no such project: {error}") from error


def _run_path(call: EndpointCall) -> RunPath:
    project = _project_path(call)
    try:
        return RunPath(project.workspace, project.project, validate_run_id(call.params["run"]))
    except ValueError as error:
        raise NotFoundError(f"there is no such run: {error}") from error


_BINDERS: dict[Any, Callable[[EndpointCall], Any]] = {
    BinaryIO: lambda call: call.upload,
    EndpointCall: lambda call: call,
    Caller: lambda call: call.user,
    PageRequest: _page,
    ProjectPath: _project_path,
    RunPath: _run_path,
    Services: lambda call: call.services,
}

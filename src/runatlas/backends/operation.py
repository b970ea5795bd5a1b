"""What one operation of the contract is: the rule that answers it, and its route in our own protocol.

Both sides of the wire and the store in process are made of this, and the OpenAPI document too.
"""

from __future__ import annotations

import abc
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeVar, get_type_hints

import attrs

from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.page import PageRequest

__all__ = [
    "CHANGE",
    "GUARDED",
    "PROJECT",
    "READ",
    "RUN",
    "Argument",
    "Envelope",
    "Keep",
    "Method",
    "Operation",
    "Route",
    "complete",
    "operation",
    "operations",
]

F = TypeVar("F", bound=Callable[..., Any])

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Keep = Literal["", "moving", "settled", "run", "selection"]
"""For how long a client may keep an answer: not at all, as what changes, as what hardly changes, or as the runs do."""

READ, GUARDED, CHANGE = (404,), (403, 404), (403, 404, 409)
"""What a read may answer, what one with rights of its own, and what a change."""

PROJECT = "/projects/{workspace}/{project}"
RUN = "/runs/{workspace}/{project}/{run}"


@attrs.frozen
class Envelope:
    """A JSON object that is nothing but the arguments or the result of one operation, and so is no record.

    Attributes:
        name: What the OpenAPI document calls it.
        about: Its description there.
        field: What it calls the result; of a body it is the arguments that have names.
    """

    name: str
    about: str
    field: str = ""

    def record(self, fields: Mapping[str, tuple[Any, Any]]) -> type:
        """Make the record of it.

        Args:
            fields: Type and default by name; the default is ``inspect.Parameter.empty`` where there is none.
        """
        made = {name: default for name, (_, default) in fields.items() if default is not inspect.Parameter.empty}
        hints = {name: hint for name, (hint, _) in fields.items()}
        return attrs.frozen(type(self.name, (), {"__doc__": self.about, "__annotations__": hints, **made}))


@attrs.frozen
class Route:
    """How an operation is asked for over HTTP.

    Attributes:
        path: Below ``/atlas/v1``; ``{workspace}/{project}`` and ``{run}`` are the parts of a path argument.
        tag: The subject it is filed under in the OpenAPI document.
        errors: Error statuses that it may answer beside those every route may.
        status: Of success.
        body: Names the object that the arguments make, where they are no record.
        answer: Names the object that the result makes, where it is no record.
        repeatable: Whether a repeat is told by its ``Idempotency-Key``; the answer is stored for that.
        keep: For how long a client may keep the answer.
        changes: Whether it changes anything; a POST does if that is said.
        large: Whether its body may be as large as a batch of points: a plan names all its runs.
    """

    method: Method
    path: str
    tag: str
    errors: tuple[int, ...] = ()
    status: int = 200
    body: Envelope | None = None
    answer: Envelope | None = None
    repeatable: bool = True
    keep: Keep = ""
    changes: bool = attrs.field()
    large: bool = False

    @changes.default
    def _is_no_read(self) -> bool:
        return self.method not in {"GET", "POST"}

    @property
    def segments(self) -> tuple[str, ...]:
        """The names in the path, in order."""
        return tuple(re.findall(r"{(\w+)}", self.path))


@attrs.frozen
class Argument:
    """An argument of an operation, and where it travels.

    Attributes:
        place: ``path`` for a project's or a run's path, ``segment`` for another part of the address, ``query``,
            ``page`` (four parameters of the query), ``body`` for the whole body and ``field`` for one of its names.
        default: ``inspect.Parameter.empty`` if it must be given.
    """

    name: str
    hint: Any
    place: Literal["path", "segment", "query", "page", "body", "field"]
    default: Any
    keyword_only: bool


@attrs.frozen(eq=False)
class Operation:
    """One method of the contract.

    Attributes:
        function: The method, whose docstring and types count.
        service: The attribute of ``Services`` that has the method of this name, which takes the caller first.
        makes_store: Whether a new store may begin with it.
        route: ``None`` for what has no route, or one that is written by hand on both sides.
    """

    function: Callable[..., Any]
    service: str
    makes_store: bool
    route: Route | None

    @property
    def name(self) -> str:
        """The method's name."""
        return self.function.__name__

    @functools.cached_property
    def answer(self) -> Any:
        """The type of what is answered: its result's, or the object that holds that."""
        result = get_type_hints(self.function)["return"]
        wrapped = None if self.route is None else self.route.answer
        return result if wrapped is None else wrapped.record({wrapped.field: (result, inspect.Parameter.empty)})

    @functools.cached_property
    def body(self) -> Any:
        """The type of the request's body; ``None`` if it has none."""
        fields = {item.name: (item.hint, item.default) for item in self.arguments if item.place == "field"}
        if self.route is not None and self.route.body is not None:
            return self.route.body.record(fields)
        return next((item.hint for item in self.arguments if item.place == "body"), None)

    @functools.cached_property
    def arguments(self) -> tuple[Argument, ...]:
        """Its arguments in order; it must have a route."""
        if self.route is None:
            raise TypeError(f"{self.name} has no route")
        hints = get_type_hints(self.function)
        given = list(inspect.signature(self.function).parameters.values())[1:]
        places = {item.name: self._place(self.route, item, hints[item.name]) for item in given}
        in_body = [name for name, place in places.items() if place == "field"]
        if self.route.body is None and in_body:
            (whole,) = in_body
            places[whole] = "body"
        return tuple(
            Argument(item.name, hints[item.name], places[item.name], item.default, item.kind is item.KEYWORD_ONLY)
            for item in given
        )

    @staticmethod
    def _place(route: Route, given: inspect.Parameter, hint: Any) -> Any:
        if hint in {ProjectPath, RunPath}:
            return "path"
        if given.name in route.segments:
            return "segment"
        if hint is PageRequest:
            return "page"
        # What is named stands beside a body that is one record.
        is_beside = route.body is None and given.kind is inspect.Parameter.KEYWORD_ONLY
        return "query" if route.method == "GET" or is_beside else "field"

    def bind(self, given: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        """Name the arguments of a call.

        Raises:
            TypeError: They do not fit.
        """
        values = {argument.name: argument.default for argument in self.arguments}
        values.update(zip(values, given, strict=False))
        values.update(named)
        if len(values) != len(self.arguments) or len(given) > len(values) or inspect.Parameter.empty in values.values():
            inspect.signature(self.function).bind(None, *given, **named)
        return values


def operation(service: str, route: Route | None = None, *, makes_store: bool = False) -> Callable[[F], F]:
    """Declare a method of the contract to be an operation; who implements the contract must have it.

    Args:
        service: The attribute of ``Services`` that has the method of this name.
        route: How it is asked for over HTTP.
        makes_store: Whether a new store may begin with it.

    Returns:
        A decorator that leaves the method as it is.
    """

    def declared(function: F) -> F:
        function.__isabstractmethod__ = True  # type: ignore[attr-defined]
        function.operation = Operation(function, service, makes_store, route)  # type: ignore[attr-defined]
        return function

    return declared


def operations(contract: type) -> Iterator[Operation]:
    """Yield the operations of a contract and its parts, each in the order of their declaration."""
    for part in contract.__mro__:
        for function in vars(part).values():
            found = getattr(function, "operation", None)
            if found is not None:
                yield found


def complete(kind: type, contract: type, make: Callable[[Operation], Callable[..., Any] | None]) -> None:
    """Give an implementation the operations that it does not have of its own.

    Args:
        kind: The class.
        contract: The contract that it implements.
        make: Makes the method of an operation; ``None`` where it cannot.
    """
    for item in operations(contract):
        method = make(item) if getattr(kind, item.name) is item.function else None
        if method is not None:
            functools.update_wrapper(method, item.function, updated=())
            setattr(kind, item.name, method)
    abc.update_abstractmethods(kind)

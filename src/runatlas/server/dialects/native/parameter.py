"""Parameters of paths and queries: declared by a function's signature, read strictly."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from types import NoneType
from typing import Any, BinaryIO, Literal, get_args, get_origin
from urllib.parse import parse_qsl

import attrs

from runatlas.errors import ValidationError
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.page import PageRequest

__all__ = ["Parameter", "page_parameters", "parse_query", "read_parameters"]

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_SPECIAL = {"services", "caller", "call", "body", "path"}
_FIELDS_MAX = 100
_TRUTH = {"true": True, "false": False}


@attrs.frozen
class Parameter:
    """A parameter of a route.

    Attributes:
        hint: Its type: text, ``int``, ``bool`` or a ``Literal`` of texts; maybe ``None`` too.
        required: Whether it must be given; those of paths always are.
    """

    name: str
    hint: Any
    where: Literal["path", "query"]
    required: bool
    default: Any = None


def read_parameters(function: Callable[..., Any], hints: Mapping[str, Any], path: str) -> tuple[Parameter, ...]:
    """Find the parameters that a function's signature declares.

    Args:
        function: The function behind a route.
        hints: The types of its arguments.
        path: The route's path, with ``{name}`` parts.

    Returns:
        Those of the path in its order, then those of the query.
    """
    found = [Parameter(name, str, "path", required=True) for name in re.findall(r"{(\w+)}", path)]
    for argument in inspect.signature(function).parameters.values():
        hint = hints[argument.name]
        if argument.name in _SPECIAL or f"{{{argument.name}}}" in path or hint in {ProjectPath, RunPath, BinaryIO}:
            continue
        if hint is PageRequest:
            found += page_parameters()
        else:
            required = argument.default is inspect.Parameter.empty
            default = None if required else argument.default
            found.append(Parameter(argument.name, hint, "query", required=required, default=default))
    return tuple(found)


def page_parameters() -> Iterator[Parameter]:
    """Yield the parameters of a page."""
    hints = {"limit": int, "cursor": str | None, "offset": int, "with_total": bool}
    for name, hint in hints.items():
        yield Parameter(name, hint, "query", required=False, default=getattr(PageRequest(), name))


def parse_query(query: bytes, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    """Read a query string.

    Args:
        query: As it came, without the ``?``.
        parameters: What the route takes.

    Returns:
        A value for each parameter of the query.

    Raises:
        ValidationError: A name is unknown, missing or given twice, or a value does not fit.
    """
    wanted = {parameter.name: parameter for parameter in parameters if parameter.where == "query"}
    found = {name: parameter.default for name, parameter in wanted.items()}
    if query:
        given: set[str] = set()
        for name, text in _pairs(query):
            if name not in wanted:
                raise ValidationError(f"unknown parameter {name[:80]!r}; this address takes {sorted(wanted) or 'none'}")
            if name in given:
                raise ValidationError(f"{name}: given twice")
            given.add(name)
            found[name] = _parse(wanted[name], text)
    for name, parameter in wanted.items():
        if parameter.required and found[name] is None:
            raise ValidationError(f"{name}: this parameter is needed")
    return found


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError:
        raise ValidationError(f"the query has more than {_FIELDS_MAX} parameters") from None


def _parse(parameter: Parameter, text: str) -> Any:
    kinds = [kind for kind in (get_args(parameter.hint) or (parameter.hint,)) if kind is not NoneType]
    if get_origin(parameter.hint) is Literal or get_origin(kinds[0]) is Literal:
        choices = get_args(parameter.hint if get_origin(parameter.hint) is Literal else kinds[0])
        if text not in choices:
            raise ValidationError(f"{parameter.name}: {text[:80]!r} is none of {', '.join(choices)}")
        return text
    if kinds[0] is int:
        if not _WHOLE.fullmatch(text):
            raise ValidationError(f"{parameter.name}: {text[:80]!r} is not a whole number")
        return int(text)
    if kinds[0] is bool:
        if text not in _TRUTH:
            raise ValidationError(f"{parameter.name}: {text[:80]!r} is neither true nor false")
        return _TRUTH[text]
    return text

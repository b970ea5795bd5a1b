"""The OpenAPI document, written from the same table that the requests are served from."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from http import HTTPStatus
from types import NoneType
from typing import Any

import attrs

from runatlas.model.version import VERSION
from runatlas.server.dialects.native.parameter import Parameter
from runatlas.server.dialects.native.route import Route
from runatlas.server.dialects.native.schema import PAGE_BOUNDS, Schema, SchemaBook

__all__ = ["ErrorDetail", "ErrorDocument", "make_document"]

_BINARY = {"type": "string", "format": "binary"}
_ALWAYS = (400, 403)


@attrs.frozen
class ErrorDetail:
    """What went wrong.

    Attributes:
        status: The HTTP status.
        type: The name of the error in the Python package.
        message: One sentence.
        code: Tells apart what shares a status.
    """

    status: int
    type: str
    message: str
    code: str | None = None


@attrs.frozen
class ErrorDocument:
    """The body of every failure."""

    error: ErrorDetail


def make_document(routes: Iterable[Route]) -> dict[str, Any]:
    """Write the document of all routes.

    Args:
        routes: The table.

    Returns:
        An OpenAPI 3.1 document as plain JSON values.
    """
    table = list(routes)
    book = SchemaBook([ErrorDocument, *(route.answer for route in table if route.answer is not bytes)])
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, book)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "RunAtlas",
            "version": VERSION,
            "description": "The protocol of a RunAtlas server. Times are Unix milliseconds; NaN and ±Inf are strings.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "security": [{"bearer": []}, {"basic": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in table)],
        "components": {
            "responses": _error_responses(table, book),
            "schemas": dict(sorted(book.components.items())),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
                "basic": {"type": "http", "scheme": "basic", "description": "An API key as the password."},
            },
        },
    }


def _operation(route: Route, book: SchemaBook) -> dict[str, Any]:
    text = inspect.getdoc(route.function) or ""
    made: dict[str, Any] = {
        "operationId": route.function.__name__,
        "tags": [route.tag],
        "summary": text.partition("\n\n")[0].replace("``", "`").replace("\n", " "),
        "parameters": [_parameter(parameter, book) for parameter in route.parameters],
        "responses": {str(status): _success(route, status, book) for status in route.statuses},
    }
    if route.write:
        made["parameters"].append(_IDEMPOTENCY_KEY)
    if route.body is not None:
        made["requestBody"] = {"required": True, "content": _content(route.consumes, route.body, book, body=True)}
    if route.public:
        made["security"] = []
    for status in sorted(_error_statuses(route)):
        made["responses"][str(status)] = {"$ref": f"#/components/responses/{_response_name(status)}"}
    return made


def _response_name(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "")


def _error_responses(routes: Iterable[Route], book: SchemaBook) -> dict[str, Any]:
    content = {"application/json": {"schema": book.answer(ErrorDocument)}}
    statuses = sorted(set().union(*map(_error_statuses, routes)))
    return {
        _response_name(status): {"description": HTTPStatus(status).phrase, "content": content} for status in statuses
    }


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and request again get the first answer again, and change nothing.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}


def _error_statuses(route: Route) -> set[int]:
    found = {*_ALWAYS, *route.errors}
    if not route.public:
        found.add(401)
    if any(parameter.where == "path" for parameter in route.parameters):
        found.add(404)
    if any(parameter.where == "query" for parameter in route.parameters):
        found.add(422)
    if route.body is not None:
        found |= {413, 415, 422}
    if route.write:
        found |= {409, 422}
    return found


def _parameter(parameter: Parameter, book: SchemaBook) -> dict[str, Any]:
    schema = book.body(parameter.hint)
    if parameter.where == "query":
        # An absent parameter is the null of a query.
        schema = _without_null(schema) | PAGE_BOUNDS.get(parameter.name, {})
        if parameter.default is not None:
            schema["default"] = parameter.default
    elif schema == {"type": "string"}:
        schema["minLength"] = 1
    return {"name": parameter.name, "in": parameter.where, "required": parameter.required, "schema": schema}


def _without_null(schema: Schema) -> Schema:
    if isinstance(schema.get("type"), list):
        return {**schema, "type": next(kind for kind in schema["type"] if kind != "null")}
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    return dict(options[0]) if len(options) == 1 else schema


def _success(route: Route, status: int, book: SchemaBook) -> dict[str, Any]:
    made: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if route.answer is not NoneType and status != 304:
        made["content"] = _content(route.produces, route.answer, book, body=False)
    return made


def _content(media_types: tuple[str, ...], hint: Any, book: SchemaBook, *, body: bool) -> dict[str, Any]:
    made = {}
    for media_type in media_types:
        if media_type != "application/json":
            made[media_type] = {"schema": dict(_BINARY)}
        else:
            made[media_type] = {"schema": book.body(hint) if body else book.answer(hint)}
    return made

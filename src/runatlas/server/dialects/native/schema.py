"""JSON schemas of records, as ``runatlas.model.codec`` writes and strictly reads them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from runatlas.model import codec
from runatlas.model.filters import And, Comparison, Not, Or
from runatlas.model.page import PAGE_LIMIT, PageRequest
from runatlas.model.run import RunRecord

__all__ = ["PAGE_BOUNDS", "Schema", "SchemaBook"]

Schema = dict[str, Any]

_INT64: Schema = {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1}
_SPECIAL_FLOAT = ["NaN", "Infinity", "-Infinity"]
_BASIC: dict[str, Schema] = {
    "Float": {
        "description": "A number; JSON has no NaN and no infinities, so these are texts.",
        "anyOf": [{"type": "number"}, {"type": "string", "enum": _SPECIAL_FLOAT}],
    },
    "Scalar": {
        "description": "Text, a number, a boolean or null.",
        "anyOf": [
            {"type": ["string", "number", "boolean", "null"]},
            {
                "type": "object",
                "properties": {"$float": {"type": "string", "enum": _SPECIAL_FLOAT}},
                "required": ["$float"],
                "additionalProperties": False,
            },
        ],
    },
}
_FLOAT, _SCALAR = ({"$ref": f"#/components/schemas/{name}"} for name in _BASIC)
_PLAIN: dict[Any, Schema] = {
    NoneType: {"type": "null"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: _INT64,
    float: _FLOAT,
    Any: {},
}
PAGE_BOUNDS: dict[str, Schema] = {
    "limit": {"minimum": 1, "maximum": PAGE_LIMIT},
    "offset": {"minimum": 0, "maximum": 2**53},
}
"""What the fields of ``PageRequest`` may be."""

_SCALAR_TYPES = {str, int, float, bool, NoneType}
_SPARSE = {RunRecord}
"""Records that are left in answers without what is as usual."""

_FILTERS = {Comparison: "comparison", And: "and", Or: "or", Not: "not"}
_ATTRIBUTE = re.compile(r"^    ([\w, ]+): (.*(?:\n {6,}.*)*)", re.MULTILINE)


class SchemaBook:
    """Schemas of records under their names.

    A record in an answer has all its fields, but a run may come without those that have their defaults; in a body only
    those without a default must be there, and no other may.
    A record that occurs in both has ``Input`` added to the second one's name.

    Args:
        answers: Every type that is answered, so that names do not depend on the order of asking.
    """

    def __init__(self, answers: list[Any]) -> None:
        self.components: dict[str, Schema] = dict(_BASIC)
        self._answered = {_name(kind) for hint in answers for kind in _records(hint, set())}

    def answer(self, hint: Any) -> Schema:
        """Return the schema of a type in an answer."""
        return self._of(hint, {}, body=False)

    def body(self, hint: Any) -> Schema:
        """Return the schema of a type in a body."""
        return self._of(hint, {}, body=True)

    def _of(self, hint: Any, variables: Mapping[Any, Any], *, body: bool) -> Schema:
        hint = variables.get(hint, hint) if isinstance(hint, TypeVar) else hint
        if hint in _PLAIN:
            return dict(_PLAIN[hint])
        origin, args = get_origin(hint), get_args(hint)
        if origin is Literal:
            return {"type": "string", "enum": list(args)}
        if origin in {Union, UnionType}:
            return self._union(args, variables, body=body)
        if origin in {tuple, list, dict}:
            return self._container(origin, args, variables, body=body)
        return self._record(hint, body=body)

    def _container(self, origin: Any, args: Any, variables: Mapping[Any, Any], *, body: bool) -> Schema:
        if origin is dict:
            values = self._of(args[1], variables, body=body)
            return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
        if origin is list or args[-1] is Ellipsis:
            return {"type": "array", "items": self._of(args[0], variables, body=body)}
        items = [self._of(item, variables, body=body) for item in args]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}

    def _union(self, args: tuple[Any, ...], variables: Mapping[Any, Any], *, body: bool) -> Schema:
        kinds = set(args)
        if kinds >= _SCALAR_TYPES:
            lists = kinds - _SCALAR_TYPES
            return {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]} if lists else dict(_SCALAR)
        if kinds - {NoneType} == {str}:
            return {"type": ["string", "null"]}
        options = [self._of(item, variables, body=body) for item in args]
        return {"anyOf": options}

    def _record(self, hint: Any, *, body: bool) -> Schema:
        kind = get_origin(hint) or hint
        if not attrs.has(kind):
            raise TypeError(f"{hint!r} has no place in the document")
        name = _name(hint) + ("Input" if body and _name(hint) in self._answered else "")
        if name not in self.components:
            self.components[name] = {}
            self.components[name] = self._fields(hint, kind, body=body)
        return {"$ref": f"#/components/schemas/{name}"}

    def _fields(self, hint: Any, kind: Any, *, body: bool) -> Schema:
        variables = dict(zip(getattr(kind, "__parameters__", ()), get_args(hint), strict=False))
        hints, notes = get_type_hints(kind), _notes(kind)
        properties: dict[str, Schema] = {}
        required = []
        for field in attrs.fields(kind):
            schema = self._of(hints[field.name], variables, body=body)
            if kind is PageRequest:
                schema |= PAGE_BOUNDS.get(field.name, {})
            if field.name in notes:
                schema = {**schema, "description": notes[field.name]}
            has_all = not body and kind not in _SPARSE
            if not has_all and field.default is not attrs.NOTHING and not isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
                schema = {**schema, "default": codec.encode(field.default)}
            properties[field.name] = schema
            if has_all or field.default is attrs.NOTHING:
                required.append(field.name)
        if kind in _FILTERS:
            properties = {"kind": {"type": "string", "const": _FILTERS[kind]}, **properties}
            required.insert(0, "kind")
        made: Schema = {"type": "object", "properties": properties, "description": _summary(kind)}
        if required:
            made["required"] = required
        if body:
            made["additionalProperties"] = False
        return made


def _name(hint: Any) -> str:
    inner = "".join(_name(item) for item in get_args(hint))
    return f"{inner}{(get_origin(hint) or hint).__name__}"


def _records(hint: Any, seen: set[Any]) -> Iterator[Any]:
    """Every record that a type holds, itself included."""
    kind = get_origin(hint) or hint
    for item in get_args(hint):
        yield from _records(item, seen)
    if isinstance(kind, type) and attrs.has(kind) and hint not in seen:
        seen.add(hint)
        yield hint
        for item in get_type_hints(kind).values():
            yield from _records(item, seen)


def _summary(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("``", "").replace("\n", " ")


def _notes(kind: type) -> dict[str, str]:
    """What the docstring's ``Attributes`` say of each field."""
    _, _, section = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    found = {}
    for names, text in _ATTRIBUTE.findall(section.partition("\n\n")[0]):
        for name in names.split(","):
            found[name.strip()] = " ".join(text.replace("``", "").replace("None", "null").split())
    return found

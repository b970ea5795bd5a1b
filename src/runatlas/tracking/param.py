"""What an object of any maker holds, as plain JSON: what is none is refused, unlike in a config."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import attrs

from runatlas.model.text import storable

__all__ = ["as_param"]


def as_param(value: Any, where: str) -> Any:
    """Return a value as plain JSON, copied: tuples and sets become lists, numbers of other libraries plain ones.

    Raises:
        TypeError: Something in it is no JSON value; the sentence says where.
    """
    if type(value) is str:
        return storable(value)
    if value is None or type(value) in {int, float, bool}:
        return value
    if isinstance(value, Mapping):
        return {_as_part(key, where): as_param(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
        return [as_param(item, f"{where}[{place}]") for place, item in enumerate(items)]
    return _as_other(value, where)


def _as_other(value: Any, where: str) -> Any:
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return as_param(convert(value), where)
    for name in ("json", "tolist"):
        method = getattr(value, name, None)
        if callable(method) and not isinstance(value, type):
            return as_param(method(), where)
    fields = _fields_of(value)
    if fields is None:
        raise TypeError(f"{where}: {type(value).__name__} is no JSON value")
    return as_param(fields, where)


_CONVERSIONS: tuple[tuple[type[Any], Callable[[Any], Any]], ...] = (
    (enum.Enum, lambda value: value.value),
    (str, str),
    (int, int),
    (float, float),
    (date, lambda value: value.isoformat()),
    (os.PathLike, os.fspath),
)
"""Kinds of values that have one plain form."""


def _fields_of(value: Any) -> dict[str, Any] | None:
    if isinstance(value, type) or callable(value):
        return None
    if attrs.has(type(value)):
        return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    own = getattr(value, "__dict__", None)
    # Only plain bags of values: an object of a library has more to it than its attributes.
    return dict(own) if own is not None and type(value).__name__ in {"Namespace", "SimpleNamespace"} else None


def _as_part(key: Any, where: str) -> str:
    if isinstance(key, str):
        return storable(key)
    if isinstance(key, enum.Enum) or key is None or isinstance(key, (bool, int, float)):
        return str(key.value if isinstance(key, enum.Enum) else key)
    raise TypeError(f"{where}: {type(key).__name__} is no key of a JSON object")

"""A run's params: nested JSON under dotted keys."""

from __future__ import annotations

import copy
import enum
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

import attrs

from runatlas.tracking.number import storable

__all__ = ["as_key", "as_param", "as_params", "change_params", "find_param"]


def as_params(config: Any, argument: str = "config") -> dict[str, Any]:
    """Return what a run was started with as plain JSON.

    Args:
        config: A mapping, or an object with fields: a namespace, a dataclass, attrs.
        argument: What to call it in messages.

    Raises:
        TypeError: It is none of these, or something in it is no JSON value.
    """
    plain = as_param(config, argument)
    if not isinstance(plain, dict):
        raise TypeError(f"{argument}: expected a dict or an object with fields, got {type(config).__name__}")
    return plain


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


def as_key(key: Any) -> str:
    """Return the dotted key of a param.

    Raises:
        TypeError: It is no string.
        ValueError: One of its parts is empty.
    """
    if not isinstance(key, str):
        raise TypeError(f"key: expected a string, got {type(key).__name__}")
    if not key or any(not part for part in key.split(".")):
        raise ValueError(f"key: {key!r} is no name or dotted path, such as 'hparams.lr'")
    return key


def find_param(params: Mapping[str, Any], key: str) -> Any:
    """Return what a dotted key names; a name with dots of its own counts as it was written.

    Raises:
        KeyError: There is no such param.
    """
    if key in params:
        return params[key]
    end = len(key)
    while (end := key.rfind(".", 0, end)) > 0:
        inner = params.get(key[:end])
        if isinstance(inner, Mapping):
            try:
                return find_param(inner, key[end + 1 :])
            except KeyError:
                continue
    raise KeyError(key)


def change_params(params: Mapping[str, Any], given: Mapping[str, Any], removed: Iterable[str]) -> dict[str, Any]:
    """Return params with dotted keys taken away, and then others set; objects merge, anything else replaces."""
    changed = copy.deepcopy(dict(params))
    for key in removed:
        _remove(changed, key)
    for key, value in given.items():
        holder, name = _place(changed, key)
        _merge(holder, {name: value})
    return changed


def _merge(params: dict[str, Any], given: Mapping[str, Any]) -> None:
    for key, value in given.items():
        held = params.get(key)
        if isinstance(held, dict) and isinstance(value, Mapping):
            _merge(held, value)
        else:
            params[key] = copy.deepcopy(value)


def _place(params: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """Where a dotted key is set, with objects on the way made."""
    if key in params or "." not in key:
        return params, key
    name, rest = key.split(".", 1)
    inner = params.get(name)
    if not isinstance(inner, dict):
        inner = params[name] = {}
    return _place(inner, rest)


def _remove(params: dict[str, Any], key: str) -> bool:
    """Take away what a dotted key names, and the objects that this leaves empty."""
    if key in params:
        del params[key]
        return True
    name, _, rest = key.partition(".")
    inner = params.get(name)
    if not rest or not isinstance(inner, dict) or not _remove(inner, rest):
        return False
    if not inner:
        del params[name]
    return True


def _as_part(key: Any, where: str) -> str:
    if isinstance(key, str):
        return storable(key)
    if isinstance(key, enum.Enum) or key is None or isinstance(key, (bool, int, float)):
        return str(key.value if isinstance(key, enum.Enum) else key)
    raise TypeError(f"{where}: {type(key).__name__} is no key of a JSON object")

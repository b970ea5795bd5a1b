"""What objects that are no mappings say by name: records, plain objects, and classes and modules of settings."""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import Any

import attrs

__all__ = ["attributes_of", "fields_of", "is_record", "settings_of"]


def is_record(value: Any) -> bool:
    """Return whether an object is of a class that lists its fields, or a namespace."""
    kind = type(value)
    if attrs.has(kind) or dataclasses.is_dataclass(kind) or hasattr(kind, "__struct_fields__"):
        return True
    return any(base.__name__ in {"Namespace", "SimpleNamespace"} for base in kind.__mro__)


def fields_of(value: Any) -> dict[str, Any]:
    """Return the fields of a record that have a value."""
    kind = type(value)
    names: Any
    if attrs.has(kind):
        names = [field.name for field in attrs.fields(kind)]
    elif dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    else:
        names = getattr(kind, "__struct_fields__", None) or list(vars(value))
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


def attributes_of(value: Any) -> dict[str, Any]:
    """Return the public attributes of an object that it has of its own, not of its class."""
    names = list(getattr(value, "__dict__", ()))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    return {name: getattr(value, name) for name in names if not name.startswith("_") and hasattr(value, name)}


def settings_of(holder: Any) -> dict[str, Any]:
    """Return what a class or a module of settings says: its public names, but for what it does and what it imported.

    Raises:
        TypeError: It says nothing.
    """
    found: dict[str, Any] = {}
    for kind in reversed(holder.__mro__) if isinstance(holder, type) else [holder]:
        for name, item in vars(kind).items():
            if name.startswith("_") or hasattr(item, "__get__") or isinstance(item, ModuleType):
                continue
            if isinstance(item, type):
                if isinstance(holder, type) and item.__qualname__ == f"{kind.__qualname__}.{name}":
                    found[name] = settings_of(item)
            elif not callable(item) and type(item).__name__ != "_Feature":
                found[name] = item
    if not found:
        raise TypeError(f"config: {holder.__name__} has no settings; was an object of it meant?")
    return found

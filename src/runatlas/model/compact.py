"""Records that are made in C: of a frozen class, attrs sets one field after the other in Python."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, TypeVar, cast, get_type_hints

import attrs
import msgspec
from msgspec.structs import force_setattr

__all__ = ["compact", "fill"]

T = TypeVar("T")


def compact(kind: type[T]) -> type[T]:
    """Return a class of the same fields and methods as a frozen one of attrs, whose objects are made in C.

    It lists its fields as attrs does, so that ``attrs.evolve``, the codec, and all that asks for them take its objects.
    They are not looked at by the garbage collector: they must never be part of a cycle.

    Args:
        kind: A class of ``attrs.frozen``, without a base and without special methods of its own.

    Example:
        >>> @compact
        ... @attrs.frozen
        ... class Point:
        ...     x: int
        ...     y: int = 0
        >>> attrs.evolve(Point(1), y=2)
        Point(x=1, y=2)
    """
    hints = get_type_hints(kind)
    fields = attrs.fields(cast("type[Any]", kind))
    names = {field.name for field in fields}
    methods = {name: value for name, value in vars(kind).items() if name not in names and not name.startswith("__")}
    made = msgspec.defstruct(
        kind.__name__,
        [(field.name, hints[field.name], _default(field)) for field in fields],
        module=kind.__module__,
        namespace={**methods, "__doc__": kind.__doc__, "__attrs_attrs__": fields},
        frozen=True,
        gc=False,
    )
    return cast("type[T]", made)


def _default(field: attrs.Attribute[Any]) -> Any:
    default: Any = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return msgspec.field(default_factory=default.factory)
    return msgspec.NODEFAULT if default is attrs.NOTHING else default


def fill(records: Sequence[Any], name: str, values: Iterable[Any]) -> None:
    """Give records their values of a field: only for who has just made them, since they are frozen.

    Args:
        records: Objects of one class that ``compact`` made.
        name: The field.
        values: The value of each of them.
    """
    deque(map(force_setattr, records, repeat(name), values), maxlen=0)

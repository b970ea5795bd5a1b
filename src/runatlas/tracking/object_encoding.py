"""Objects of any maker, in the form they are stored in.

An object of another library is asked for its ``json()`` when it is tracked: later it may have changed.
"""

from __future__ import annotations

import base64
import binascii
import enum
import os
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Any

import attrs

from runatlas.model import codec
from runatlas.model.series import MEDIA_TYPES, ColumnType
from runatlas.model.text import is_storable, storable
from runatlas.objects.trackable import Encoded, Trackable
from runatlas.tracking.worker import attempt

__all__ = ["Taken", "encode_object", "is_object", "objects_of", "take_object"]

_ITEMS_MAX = 1_000
_SUFFIXES = {"IMAGE": "png", "AUDIO": "wav"}


def is_object(value: Any) -> bool:
    """Whether a value can be tracked as an object: it has a ``json()``."""
    return isinstance(value, Trackable) or callable(getattr(value, "json", None))


def objects_of(value: Any, name: str) -> tuple[Any, ...]:
    """Return the objects of one step: an object alone, or a list of them; none for anything else.

    Raises:
        TypeError: A list holds something else beside objects.
        ValueError: It holds too many.
    """
    if is_object(value):
        return (value,)
    if not isinstance(value, (list, tuple)) or not value or not is_object(value[0]):
        return ()
    if len(value) > _ITEMS_MAX:
        raise ValueError(f"{name}: a step holds at most {_ITEMS_MAX} objects, got {len(value)}")
    for item in value:
        if not is_object(item):
            raise TypeError(f"{name}: a list of objects holds nothing else, got {type(item).__name__}")
    return tuple(value)


@attrs.frozen
class Taken:
    """An object of another library, as it was when it was tracked.

    Attributes:
        text: Its ``json()``; ``""`` if it could not be had.
        problem: Why not.
    """

    text: str
    problem: str = ""


def take_object(value: Any) -> Trackable | Taken:
    """Return what an object is at this moment; ours copied what they were made of already."""
    if isinstance(value, Trackable):
        return value
    text, problem = attempt(partial(_text_of, value))
    return Taken(text or "", problem)


def _text_of(value: Any) -> str:
    plain = value.json()
    if not isinstance(plain, dict):
        raise TypeError(f"json() of {type(value).__name__} returned {type(plain).__name__}, not a dict")
    return _dumped(plain, "json()")


def _dumped(value: dict[str, Any], where: str) -> str:
    """Return a dict as JSON text that every store can hold; arrays and numbers of other libraries become plain ones."""
    try:
        text = codec.dumps(value)
    except (TypeError, ValueError):
        return codec.dumps(as_param(value, where))
    return text if "\\u0000" not in text and is_storable(text) else codec.dumps(as_param(value, where))


def encode_object(value: Trackable | Taken) -> tuple[ColumnType, Encoded]:
    """Return what an object is and the form it is stored in.

    An object that is not ours tells by the ``type`` of its ``json()`` what it is; a type that is not known is kept as
    text.

    Raises:
        TypeError: Its ``json()`` is no JSON object.
        ValueError: Its ``data`` should be base64 and is not.
    """
    if isinstance(value, Trackable):
        return value.column_type, _storable(value.encode())
    plain = codec.loads(value.text)
    name = str(plain.get("type", "")).upper()
    kind = next((known for known in MEDIA_TYPES if known == name), None)
    if kind in {"IMAGE", "AUDIO", "VIDEO"} and isinstance(plain.get("data"), str):
        return kind, _storable(_read_blob(kind, plain))
    if kind is None or kind == "TEXT":
        text = plain.get("data") if kind == "TEXT" else None
        return "TEXT", Encoded(data={"text": text if isinstance(text, str) else value.text}, suffix="txt")
    data = plain["data"] if kind == "FIGURE" and isinstance(plain.get("data"), dict) else plain
    return kind, Encoded(data={key: item for key, item in data.items() if key != "type"}, suffix="json")


def _storable(encoded: Encoded) -> Encoded:
    """Return an object with text that every store can hold."""
    data = None if encoded.data is None else codec.loads(_dumped(encoded.data, "data"))
    meta = codec.loads(_dumped(encoded.meta, "meta"))
    return attrs.evolve(encoded, data=data, meta=meta, caption=storable(str(encoded.caption)))


def _read_blob(kind: str, plain: dict[str, Any]) -> Encoded:
    try:
        payload = base64.b64decode(plain["data"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"data: expected base64 text of an {kind.lower()}: {error}") from error
    suffix = str(plain.get("format") or _SUFFIXES.get(kind, "bin")).lower()
    meta = {key: item for key, item in plain.items() if key not in {"type", "data", "caption"} and item is not None}
    return Encoded(
        payload=payload,
        suffix=suffix if suffix.isalnum() else "bin",
        mime_type=f"{kind.lower()}/{suffix}" if suffix.isalnum() else "application/octet-stream",
        caption=str(plain.get("caption") or ""),
        meta=meta,
    )


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

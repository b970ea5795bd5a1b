"""Objects of any maker, in the form they are stored in.

An object of another library is asked for its ``json()`` when it is tracked: later it may have changed.
"""

from __future__ import annotations

import base64
import binascii
from functools import partial
from typing import Any

import attrs

from runatlas.model import codec
from runatlas.model.series import MEDIA_TYPES, ColumnType
from runatlas.model.text import is_storable, storable
from runatlas.objects.trackable import Encoded, Trackable
from runatlas.tracking.param import as_param
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

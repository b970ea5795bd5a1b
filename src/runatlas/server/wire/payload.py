"""JSON bodies: read with bounds, written fast. What they mean is ``runatlas.model.codec``'s to say."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs
import msgspec

from runatlas.errors import ResponseFormatError, ValidationError
from runatlas.model import codec
from runatlas.model.filters import And, Comparison, Not, Or

__all__ = ["DEPTH_MAX", "decode_payload", "encode_payload", "parse_json"]

T = TypeVar("T")

DEPTH_MAX = 64
"""How deep lists and objects may lie in each other."""

_PLAIN = frozenset({str, int, bool, NoneType})
_TAGGED = frozenset({And, Or, Not, Comparison})


def parse_json(data: bytes) -> Any:
    """Read a JSON document; special floats in free JSON come back as floats.

    Raises:
        ValidationError: It is empty, is not JSON (``NaN`` is not), or lies too deep.
    """
    if not data.strip():
        raise ValidationError("the request needs a JSON body", code=400)
    try:
        value = msgspec.json.decode(data)
        if b'"$float"' in data:
            value = codec.loads(data)
    except RecursionError:
        raise ValidationError(f"the JSON body nests deeper than {DEPTH_MAX} levels", code=400) from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValidationError(f"the body is not JSON: {error}", code=400) from error
    if data.count(b"[") + data.count(b"{") > DEPTH_MAX and _depth_exceeds(value, DEPTH_MAX):
        raise ValidationError(f"the JSON body nests deeper than {DEPTH_MAX} levels", code=400)
    return value


def decode_payload(data: bytes, kind: type[T]) -> T:
    """Read a record of a JSON document.

    Raises:
        ValidationError: 400 when it is no JSON, 422 when it does not fit; the message names the path inside it.
    """
    value = parse_json(data)
    try:
        return codec.decode(value, kind, strict=True)
    except ResponseFormatError as error:
        raise ValidationError(error.message) from error


def encode_payload(value: Any) -> bytes:
    """Write a record, a container of records or plain JSON values, just as ``codec.dumps(codec.encode(value))``.

    Raises:
        TypeError: Something in it is no record and no JSON value.
    """
    if _is_plain(value):
        return msgspec.json.encode(value)
    return codec.dumps(codec.encode(value)).encode()


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [inner for outer in level for inner in _items(outer) if isinstance(inner, (dict, list))]
        if not level:
            return False
    return True


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _is_plain(value: Any) -> bool:
    """Tell whether msgspec writes the value as the codec does: no NaN, no ±Inf, no filter inside."""
    kind: Any = type(value)
    if kind is float:
        return math.isfinite(value)
    if kind in _PLAIN:
        return True
    if kind is dict:
        return _are_plain(value.values())
    if kind is list or kind is tuple:
        return _are_plain(value)
    names = _doubtful_fields(kind)
    return names is not None and all(_is_plain(getattr(value, name)) for name in names)


def _are_plain(values: Collection[Any]) -> bool:
    kinds = set(map(type, values))
    if kinds <= _PLAIN:
        return True
    return all(map(math.isfinite if kinds == {float} else _is_plain, values))


@lru_cache(maxsize=256)
def _doubtful_fields(kind: Any) -> tuple[str, ...] | None:
    """The fields of a record that may hold a float or free JSON; ``None`` for what only the codec can write."""
    if kind in _TAGGED or not attrs.has(kind):
        return None
    hints = get_type_hints(kind)
    return tuple(field.name for field in attrs.fields(kind) if not _surely_plain(hints[field.name]))


def _surely_plain(hint: Any) -> bool:
    if hint in _PLAIN or hint is Ellipsis or get_origin(hint) is Literal:
        return True
    if get_origin(hint) in {Union, UnionType, tuple}:
        return all(map(_surely_plain, get_args(hint)))
    return isinstance(hint, type) and _doubtful_fields(hint) == ()

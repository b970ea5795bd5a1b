"""The binary form of search results: pairs of a path and a value, one after the other.

Every pair is ``u32le key_len, key, u32le val_len, val``. A key is a path: each component is followed by ``FE``, an
integer component is ``FE`` and 8 bytes, big-endian. A value is a type byte and its payload.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

__all__ = ["MEDIA_TYPE", "encode_pair", "encode_tree", "number_array"]

MEDIA_TYPE = "application/octet-stream"

_END = b"\xfe"
_LENGTH = struct.Struct("<I")
_WHOLE = struct.Struct("<q")
_REAL = struct.Struct("<d")
_PLACE = struct.Struct(">q")
_ARRAY = b"\x06"
_EMPTY_OBJECT = b"\x07"


def encode_tree(path: Sequence[str | int], value: Any) -> bytes:
    """Write a value with everything in it.

    Args:
        path: Where it lies.
        value: JSON, with bytes and tuples allowed in it.
    """
    out: list[bytes] = []
    _add(out, b"".join(_component(part) for part in path), value)
    return b"".join(out)


def encode_pair(path: Sequence[str | int], value: Any) -> bytes:
    """Write a single leaf."""
    return _pair(b"".join(_component(part) for part in path), _leaf(value))


def number_array(values: Iterable[float]) -> dict[str, Any]:
    """Make an array of numbers, as the client reads it."""
    column = np.asarray(values, dtype="<f8")
    return {"type": "numpy", "shape": len(column), "dtype": "float64", "blob": column.tobytes()}


def _component(part: str | int) -> bytes:
    if isinstance(part, int):
        return _END + _PLACE.pack(part) + _END
    # The client misreads an empty component.
    return (part or " ").encode("utf-8", "replace") + _END


def _pair(key: bytes, value: bytes) -> bytes:
    return _LENGTH.pack(len(key)) + key + _LENGTH.pack(len(value)) + value


def _add(out: list[bytes], key: bytes, value: Any) -> None:
    if isinstance(value, dict):
        if not value:
            out.append(_pair(key, _EMPTY_OBJECT))
        for name, inner in value.items():
            _add(out, key + _component(name), inner)
    elif isinstance(value, (list, tuple)):
        out.append(_pair(key, _ARRAY))
        for place, inner in enumerate(value):
            _add(out, key + _component(place), inner)
    else:
        out.append(_pair(key, _leaf(value)))


def _leaf(value: Any) -> bytes:
    if value is None:
        return b"\x00"
    if isinstance(value, bool):
        return b"\x01" + bytes([value])
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return b"\x02" + _WHOLE.pack(value)
    if isinstance(value, float):
        return b"\x03" + _REAL.pack(value)
    # A whole number beyond 64 bits travels as text.
    return b"\x05" + value if isinstance(value, bytes) else b"\x04" + str(value).encode("utf-8", "replace")

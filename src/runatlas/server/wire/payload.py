"""JSON bodies, read with bounds. What they mean is ``runatlas.model.codec``'s to say."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from runatlas.errors import ResponseFormatError, ValidationError
from runatlas.model import codec
from runatlas.model.fast_json import NotPlainError, read_known
from runatlas.process.garbage_collector import collector_paused

__all__ = ["DEPTH_MAX", "decode_payload", "nests_deeper", "parse_json"]

T = TypeVar("T")

DEPTH_MAX = 64
"""How deep lists and objects may lie in each other."""

_LARGE = 1 << 16
"""Of how many bytes bodies are that are read the quick way first: imports, and plans of many runs."""

_RECORDS_DEPTH = 16
"""More than how deep free JSON lies in records."""


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
    if data.count(b"[") + data.count(b"{") > DEPTH_MAX and nests_deeper(value):
        raise ValidationError(f"the JSON body nests deeper than {DEPTH_MAX} levels", code=400)
    return value


def decode_payload(data: bytes, kind: type[T]) -> T:
    """Read a record of a JSON document.

    Raises:
        ValidationError: 400 when it is no JSON, 422 when it does not fit; the message names the path inside it.
    """
    if len(data) >= _LARGE:
        with suppress(NotPlainError), collector_paused():
            record, free = read_known(data, kind)
            if not nests_deeper(free, _RECORDS_DEPTH):
                return record
    value = parse_json(data)
    try:
        return codec.decode(value, kind, strict=True)
    except ResponseFormatError as error:
        raise ValidationError(error.message) from error


def nests_deeper(value: Any, more: int = 0) -> bool:
    """Tell whether lists and objects lie in each other deeper than ``DEPTH_MAX``, in so many more."""
    level = [value]
    for _ in range(DEPTH_MAX - more):
        level = [inner for outer in level for inner in _items(outer) if isinstance(inner, (dict, list))]
        if not level:
            return False
    return True


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()

"""JSON bodies, read with bounds. What they mean is ``runatlas.model.codec``'s to say."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from runatlas.errors import ResponseFormatError, ValidationError
from runatlas.model import codec, config_name
from runatlas.model.config_name import nests_deeper
from runatlas.model.fast_json import NotPlainError, read_known
from runatlas.process.garbage_collector import collector_paused

__all__ = ["DEPTH_MAX", "decode_payload", "parse_json"]

T = TypeVar("T")

_RECORDS_DEPTH = 16
"""More than how deep free JSON lies in records."""

DEPTH_MAX = config_name.DEPTH_MAX + _RECORDS_DEPTH
"""How many lists and objects may lie in each other: whatever a run may have can be sent."""

_LARGE = 1 << 16
"""Of how many bytes bodies are that are read the quick way first: imports, and plans of many runs."""


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
    if data.count(b"[") + data.count(b"{") > DEPTH_MAX and nests_deeper(value, DEPTH_MAX):
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
            if not nests_deeper(free, DEPTH_MAX - _RECORDS_DEPTH):
                return record
    value = parse_json(data)
    try:
        return codec.decode(value, kind, strict=True)
    except ResponseFormatError as error:
        raise ValidationError(error.message) from error

"""A run's config as rows that filters and sorts can see: one a leaf, named by its dotted key.

``kind`` tells what the leaf is, and what ``number`` and ``text`` hold:

======== ===================================== ================ ==========================
kind     leaf                                  number           text
======== ===================================== ================ ==========================
``num``  a number, ±Inf too                    it, as a double  its JSON text, ``Infinity``
``nan``  NaN                                   -                ``NaN``
``bool`` true or false                         1 or 0           ``true`` or ``false``
``str``  text                                  -                it
``nstr`` text that is a JSON number            that number      it
``date`` text that is an ISO 8601 date or time Unix ms          it
``null`` null                                  -                -
``json`` a list or an empty object             -                its JSON text
======== ===================================== ================ ==========================

A key of more than 1000 bytes stays in the run's config, but has no row: no index takes it.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import bindparam, delete

from runatlas.errors import ValidationError
from runatlas.model.codec import dumps
from runatlas.model.run_field import instant_ms
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import run_configs
from runatlas.server.store.statement import Connection, member_of

__all__ = ["ConfigRow", "flatten", "number_of", "text_of", "time_of", "write_configs"]

ConfigRow = tuple[str, str, "float | None", "str | None"]
"""``key, kind, number, text``."""

_KEY_BYTES = 1000
_DEPTH = 64
_LARGEST = sys.float_info.max
_NUMBER = re.compile(r"\s*-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\s*", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)


def number_of(text: str) -> float | None:
    """Return the number that a text is, or ``None``.

    Example:
        >>> number_of("1e-3"), number_of("adam")
        (0.001, None)
    """
    return float(text) if _NUMBER.fullmatch(text) else None


def time_of(text: str) -> int | None:
    """Return the Unix milliseconds that a text means as an ISO 8601 date or time, or ``None``."""
    if not _TIME.fullmatch(text):
        return None
    try:
        return instant_ms(text)
    except ValueError:
        return None


def flatten(config: Mapping[str, Any]) -> list[ConfigRow]:
    """Make the rows of a config.

    Raises:
        ValidationError: It has a key that is not text, or nests too deeply.
    """
    found: dict[str, ConfigRow] = {}
    for key, value in _leaves(config, "", 0):
        stored = key.replace("\x00", "\ufffd")
        if len(stored) * 4 <= _KEY_BYTES or len(stored.encode()) <= _KEY_BYTES:
            found[stored] = _row(stored, value)
    return list(found.values())


def _leaves(value: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > _DEPTH:
        raise ValidationError(f"config: it nests more than {_DEPTH} levels deep")
    for key, item in value.items():
        if not isinstance(key, str):
            raise ValidationError(f"config: the key {key!r} is not text")
        if item and isinstance(item, Mapping):
            yield from _leaves(item, f"{prefix}{key}.", depth + 1)
        else:
            yield prefix + key, item


def text_of(value: str | int | float | bool) -> str:
    """Return the text that a config value or a literal is compared as."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def _row(key: str, value: Any) -> ConfigRow:
    if type(value) is float and -_LARGEST <= value <= _LARGEST:
        return key, "num", value, repr(value)
    if isinstance(value, str):
        return _text_row(key, value)
    if isinstance(value, bool):
        return key, "bool", float(value), text_of(value)
    if value is None:
        return key, "null", None, None
    if isinstance(value, (int, float)):
        return _number_row(key, value)
    return key, "json", None, dumps(value)


def _text_row(key: str, value: str) -> ConfigRow:
    text = value.replace("\x00", "\ufffd") if "\x00" in value else value
    if not text[:1].isalpha() and (number := number_of(text)) is not None:
        return key, "nstr", number, text
    if text[:1].isdigit() and (time := time_of(text)) is not None:
        return key, "date", float(time), text
    return key, "str", None, text


def _number_row(key: str, value: int | float) -> ConfigRow:
    if isinstance(value, float) and math.isnan(value):
        return key, "nan", None, text_of(value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    return key, "num", number, text_of(value)


_INSERT = Prepared(
    run_configs.insert().values({name: bindparam(name) for name in ("run_pk", "key", "kind", "number", "text")}),
    *("run_pk", "key", "kind", "number", "text"),
)
_DELETE = delete(run_configs).where(member_of(run_configs.c.run_pk, "runs"))


def write_configs(connection: Connection, configs: Mapping[int, list[ConfigRow]], *, fresh: bool) -> None:
    """Write the rows of some runs' configs.

    Args:
        connection: A write transaction.
        configs: Rows by the run's row id.
        fresh: Whether the runs are new, so that there are no rows to replace.
    """
    if not fresh:
        connection.execute(_DELETE, {"runs": list(configs)})
    _INSERT.run_many(connection, [(run, *row) for run, made in configs.items() for row in made])

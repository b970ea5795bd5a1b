"""A run's config as rows that filters and sorts can see: one a value or section, by its name.

``kind`` tells what it is, and what ``number`` and ``text`` hold:

======== ===================================== ================ ================================
kind     what                                  number           text
======== ===================================== ================ ================================
``num``  a number, ±Inf too                    it, as a double  its JSON text, ``Infinity``
``nan``  NaN                                   -                ``NaN``
``bool`` true or false                         1 or 0           ``true`` or ``false``
``str``  text                                  -                it
``nstr`` text that is a JSON number            that number      it
``date`` text that is an ISO 8601 date or time Unix ms          it
``null`` null                                  -                -
``json`` a list                                its length       ``list_text`` of it
``sect`` a section (an object)                 its keys' number -
======== ===================================== ================ ================================

Names are those of ``runatlas.model.config_name``. One of more than 1000 bytes stays in the run's config, but has no
row: no index takes it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete

from runatlas.model.config_name import list_text, named_values, number_of, text_of, time_of
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import run_configs
from runatlas.server.store.statement import Connection, listing, member_of

__all__ = ["ConfigRow", "as_double", "flatten", "write_configs"]

ConfigRow = tuple[str, str, "float | None", "str | None"]
"""``key, kind, number, text``."""

_KEY_BYTES = 1000
_LARGEST = sys.float_info.max


def flatten(config: Mapping[str, Any]) -> list[ConfigRow]:
    """Make the rows of a config.

    Raises:
        ValidationError: It has a key that is not text.
    """
    return [
        _row(key, value)
        for key, value in named_values(config)
        if len(key) * 4 <= _KEY_BYTES or len(key.encode()) <= _KEY_BYTES
    ]


def as_double(value: int | float) -> float:
    """Return the double next to a number; infinity where there is none."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _row(key: str, value: Any) -> ConfigRow:
    if type(value) is float and -_LARGEST <= value <= _LARGEST:
        return key, "num", value, repr(value)
    if isinstance(value, str):
        return _text_row(key, value)
    if isinstance(value, bool):
        return key, "bool", float(value), text_of(value)
    if isinstance(value, int):
        return key, "num", as_double(value), text_of(value)
    if value is None or isinstance(value, (dict, list, tuple, Mapping)):
        return _whole_row(key, value)
    is_nan = isinstance(value, float) and math.isnan(value)
    return key, *(("nan", None) if is_nan else ("num", as_double(value))), text_of(value)


def _whole_row(key: str, value: Mapping[str, Any] | Sequence[Any] | None) -> ConfigRow:
    if value is None:
        return key, "null", None, None
    if isinstance(value, Mapping):
        return key, "sect", float(len(value)), None
    return key, "json", float(len(value)), list_text(value)


def _text_row(key: str, value: str) -> ConfigRow:
    text = value.replace("\x00", "\ufffd") if "\x00" in value else value
    if not text[:1].isalpha() and (number := number_of(text)) is not None:
        return key, "nstr", as_double(number), text
    if text[:1].isdigit() and (time := time_of(text)) is not None:
        return key, "date", float(time), text
    return key, "str", None, text


_INSERT = Prepared(
    run_configs.insert().values({name: bindparam(name) for name in ("run_pk", "key", "kind", "number", "text")}),
    *("run_pk", "key", "kind", "number", "text"),
)
_DELETE = Prepared(delete(run_configs).where(member_of(run_configs.c.run_pk, "runs")), "runs")


def write_configs(connection: Connection, configs: Mapping[int, list[ConfigRow]], *, fresh: bool) -> None:
    """Write the rows of some runs' configs.

    Args:
        connection: A write transaction.
        configs: Rows by the run's row id.
        fresh: Whether the runs are new, so that there are no rows to replace.
    """
    if not fresh:
        _DELETE.run(connection, listing(connection.dialect, configs))
    _INSERT.run_many(connection, [(run, *row) for run, made in configs.items() for row in made])

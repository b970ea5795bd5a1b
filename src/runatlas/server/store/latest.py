"""The last values of ended runs, all of a run's in one row: what listings read of thousands of runs.

A run gets its row when it ends. From then on whatever changes the series of the run renews its row in the same
transaction, and the rows of series stay what counts: a run without a row, or with one that is damaged, is asked for
its series.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from sqlalchemy import bindparam, delete, insert, literal_column, select

from runatlas.model.codec import dumps, loads
from runatlas.model.series import SCALAR_TYPES
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import run_latest, series
from runatlas.server.store.statement import Connection, listing, member_of, one_of

__all__ = [
    "LATEST_MAX",
    "forget_latest",
    "freeze_latest",
    "freeze_new",
    "latest_problem",
    "pack_latest",
    "read_latest",
    "renew_latest",
]

LATEST_MAX = 1000
"""Runs with more metrics get no row: it would be written anew whenever one of them is."""

_JOINED = Prepared(
    select(series.c.run_pk, series.c.key, series.c.last_value).where(
        member_of(series.c.run_pk, "runs"),
        series.c.context == literal_column("''"),
        one_of(series.c.column_type, SCALAR_TYPES),
        series.c.count > literal_column("0"),
    ),
    "runs",
)
_CHOSEN = member_of(run_latest.c.run_pk, "runs")
_FROZEN = Prepared(select(run_latest.c.run_pk, run_latest.c.data).where(_CHOSEN), "runs")
_HAVE = Prepared(select(run_latest.c.run_pk).where(_CHOSEN), "runs")
_FORGET = Prepared(delete(run_latest).where(_CHOSEN), "runs")
_ADD = Prepared(insert(run_latest).values(run_pk=bindparam("run_pk"), data=bindparam("data")), "run_pk", "data")

_CHECKSUM, _LENGTH, _HEAD = struct.Struct("<I"), struct.Struct("<I"), struct.Struct("<II")


def read_latest(connection: Connection, run_keys: Sequence[int]) -> dict[int, dict[str, float]]:
    """Return the last value of each series without context, by the rows of the runs that have some."""
    found: dict[int, dict[str, float]] = {}
    for run_pk, data in _FROZEN.each(connection, listing(connection.dialect, run_keys)):
        values = _unpack(data)
        if values is not None:
            found[run_pk] = values
    if len(found) < len(run_keys):
        found |= _joined(connection, [key for key in run_keys if key not in found])
    return found


def _joined(connection: Connection, run_keys: Iterable[int]) -> dict[int, dict[str, float]]:
    """Return what ``read_latest`` does, as the rows of series say it."""
    found: dict[int, dict[str, float]] = {}
    for run_pk, key, value in _JOINED.each(connection, listing(connection.dialect, run_keys)):
        values = found.get(run_pk)
        if values is None:
            values = found[run_pk] = {}
        values[key] = math.nan if value is None else value
    return found


def freeze_latest(connection: Connection, run_keys: Collection[int]) -> None:
    """Give runs their rows, as their series are now; the transaction holds the locks of the runs."""
    forget_latest(connection, run_keys)
    joined = _joined(connection, run_keys)
    freeze_new(connection, {key: joined.get(key, {}) for key in run_keys})


def forget_latest(connection: Connection, run_keys: Iterable[int]) -> None:
    """Take rows from runs that go on: to renew them with all that is recorded would cost more than it saves."""
    _FORGET.run(connection, listing(connection.dialect, run_keys))


def freeze_new(connection: Connection, latest: Mapping[int, Mapping[str, float]]) -> None:
    """Give runs that have no rows yet rows of these values."""
    few = ((run_pk, pack_latest(values)) for run_pk, values in latest.items() if len(values) <= LATEST_MAX)
    _ADD.run_many(connection, list(few))


def renew_latest(connection: Connection, run_keys: Iterable[int]) -> None:
    """Bring those rows that runs have up to date with their series, which this transaction changed."""
    if frozen := [key for (key,) in _HAVE.all(connection, listing(connection.dialect, run_keys))]:
        freeze_latest(connection, frozen)


def latest_problem(connection: Connection, run_pk: int) -> str:
    """Say what is wrong with the row of a run, if it has one."""
    for _, data in _FROZEN.all(connection, listing(connection.dialect, [run_pk])):
        values = _unpack(data)
        if values is None:
            return "the row of its last values is damaged; listings read its series instead"
        joined = _joined(connection, [run_pk]).get(run_pk, {})
        if pack_latest(values) != pack_latest(joined):
            return "the row of its last values is not what its series say"
    return ""


def pack_latest(values: Mapping[str, float]) -> bytes:
    """Return last values as a row holds them: a checksum, how long the names are, the names as JSON, the doubles.

    There is one NaN, and no negative zero, as in the rows of series; they are in the order of their names.
    """
    order = sorted(values)
    names = dumps(order).encode()
    doubles = (math.nan if math.isnan(values[name]) else values[name] + 0.0 for name in order)
    rest = _LENGTH.pack(len(names)) + names + struct.pack(f"<{len(values)}d", *doubles)
    return _CHECKSUM.pack(zlib.crc32(rest)) + rest


def _unpack(data: bytes) -> dict[str, float] | None:
    """Read what ``pack_latest`` wrote; ``None`` if it is damaged."""
    try:
        checksum, length = _HEAD.unpack_from(data)
        if zlib.crc32(data[_CHECKSUM.size :]) != checksum:
            return None
        end = _HEAD.size + length
        names, read = _layout(data[_HEAD.size : end])
        return dict(zip(names, read(data, end), strict=True))
    except (struct.error, TypeError, ValueError):
        return None


@lru_cache(maxsize=256)  # runs of a project have the same few
def _layout(text: bytes) -> tuple[tuple[str, ...], Callable[[bytes, int], tuple[float, ...]]]:
    names = tuple(loads(text))
    return names, struct.Struct(f"<{len(names)}d").unpack_from

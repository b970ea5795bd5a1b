"""The last values of ended runs, all of a run's in one row: what listings read of thousands of runs.

A run gets its row when it ends. From then on whatever changes the series of the run renews its row in the same
transaction, and the rows of series stay what counts: a run without a row, or with one that is damaged, is asked for
its series.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from sqlalchemy import bindparam, delete, insert, literal_column, select

from runatlas.model.codec import dumps, loads
from runatlas.model.series import SCALAR_TYPES
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import run_latest, series
from runatlas.server.store.statement import Connection, listing, member_of, one_of

__all__ = [
    "LATEST",
    "LATEST_MAX",
    "forget_latest",
    "freeze_latest",
    "freeze_new",
    "latest_problem",
    "pack_latest",
    "read_latest",
    "renew_latest",
]

LATEST = "(SELECT data FROM run_latest WHERE run_pk = runs.id)"
"""The row of a run, as a column beside its own."""

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


def read_latest(
    connection: Connection, run_keys: Sequence[int], held: Sequence[bytes | None] | None = None
) -> list[dict[str, float]]:
    """Return the last value of each series without context, of runs in their order.

    Args:
        connection: An open transaction.
        run_keys: The runs.
        held: Their rows, ``None`` for a run without one, if they were read with the runs, as ``LATEST`` does.
    """
    if held is None:
        frozen = dict(_FROZEN.all(connection, listing(connection.dialect, run_keys)))
        held = list(map(frozen.get, run_keys))
    found = list(zip(run_keys, _unpack(held), strict=True))
    missing = [key for key, values in found if values is None]
    joined = _joined(connection, missing) if missing else {}
    return [joined.get(key, {}) if values is None else values for key, values in found]


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
        (values,) = _unpack([data])
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


def _unpack(rows: Iterable[bytes | None]) -> Iterator[dict[str, float] | None]:
    """Read what ``pack_latest`` wrote; ``None`` for a row that is not there or is damaged."""
    layouts: dict[int, _Layout] = {}  # by length: runs of a project have the same few
    for data in rows:
        if data is None:
            yield None
            continue
        try:
            layout = layouts.get(len(data))
            if layout is None or not data.startswith(layout[0], _CHECKSUM.size):
                layout = layouts[len(data)] = _layout(data)
            _, names, read = layout
            whole = _CHECKSUM.unpack_from(data)[0] == zlib.crc32(data[_CHECKSUM.size :])
            yield dict(zip(names, read(data), strict=True)) if whole else None
        except (struct.error, TypeError, ValueError):
            yield None


_Layout: TypeAlias = "tuple[bytes, tuple[str, ...], Callable[[bytes], tuple[float, ...]]]"
"""What stands between the checksum and the doubles, the names in it, and how the doubles are read."""


def _layout(data: bytes) -> _Layout:
    _, length = _HEAD.unpack_from(data)
    head = data[_CHECKSUM.size : _HEAD.size + length]
    names = tuple(loads(head[_LENGTH.size :]))
    return head, names, struct.Struct(f"<{_CHECKSUM.size + len(head)}x{len(names)}d").unpack_from

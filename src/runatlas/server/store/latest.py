"""The last values of ended runs, all of a run's in one row: what listings read of thousands of runs.

A run gets its row when it ends. From then on whatever changes the series of the run renews its row in the same
transaction, and the rows of series stay what counts: a run without a row, or with one that is damaged, is asked for
its series. A row is the JSON text that clients read, which most listings only hand on.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress

from sqlalchemy import bindparam, delete, insert, literal_column, select

from runatlas.errors import ResponseFormatError
from runatlas.model.codec import decode_json, encode_json, with_float_texts
from runatlas.model.fast_json import NotPlainError, read_all
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
    "latest_text",
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


def read_latest(
    connection: Connection, run_keys: Sequence[int], held: Sequence[str | None] | None = None
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
    found = list(zip(run_keys, _read_all(held), strict=True))
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
    few = ((run_pk, latest_text(values)) for run_pk, values in latest.items() if len(values) <= LATEST_MAX)
    _ADD.run_many(connection, list(few))


def renew_latest(connection: Connection, run_keys: Iterable[int]) -> list[int]:
    """Bring those rows that runs have up to date with their series, which this transaction changed.

    Returns:
        The runs that have rows.
    """
    frozen = [key for (key,) in _HAVE.all(connection, listing(connection.dialect, run_keys))]
    if frozen:
        freeze_latest(connection, frozen)
    return frozen


def latest_problem(connection: Connection, run_pk: int) -> str:
    """Say what is wrong with the row of a run, if it has one."""
    for _, data in _FROZEN.all(connection, listing(connection.dialect, [run_pk])):
        if _read(data) is None:
            return "the row of its last values is damaged; listings read its series instead"
        if data != latest_text(_joined(connection, [run_pk]).get(run_pk, {})):
            return "the row of its last values is not what its series say"
    return ""


def latest_text(values: Mapping[str, float]) -> str:
    """Return last values as a row holds them: in the order of their names, without a negative zero, as rows of series.

    Example:
        >>> latest_text({"loss": 0.5, "acc": float("nan")})
        '{"acc":"NaN","loss":0.5}'
    """
    said = {name: values[name] + 0.0 for name in sorted(values)}
    return encode_json(said if all(map(math.isfinite, said.values())) else with_float_texts(said)).decode()


def _read_all(held: Sequence[object]) -> Sequence[dict[str, float] | None]:
    """Read many rows at once; ``None`` for each that is not there or is damaged."""
    texts = [data for data in held if isinstance(data, str)]
    with suppress(NotPlainError):
        values = iter(read_all(texts, dict[str, float]))
        return [next(values) if isinstance(data, str) else None for data in held]
    return list(map(_read, held))


def _read(data: object) -> dict[str, float] | None:
    """Read what ``latest_text`` wrote."""
    with suppress(ValueError, ResponseFormatError):
        if isinstance(data, str) and data.startswith("{"):
            return decode_json(data.encode(), dict[str, float])
    return None

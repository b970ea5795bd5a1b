"""The last values of ended runs, all of a run's in its own row: what listings read of thousands of runs.

They are put there when a run ends. From then on whatever changes the series of the run renews them in the same
transaction, and the rows of series stay what counts: a run that has none in its row, or damaged ones, is asked for its
series. They are kept as the JSON text that clients read, which most listings only hand on.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import bindparam, literal_column, select, update

from runatlas.errors import ResponseFormatError
from runatlas.model.codec import decode_json, encode_json, with_float_texts
from runatlas.model.fast_json import NotPlainError, read_all
from runatlas.model.series import SCALAR_TYPES
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import runs, series
from runatlas.server.store.statement import Connection, listing, member_of, one_of

__all__ = [
    "LATEST_MAX",
    "forget_latest",
    "freeze_latest",
    "freeze_new",
    "latest_problem",
    "latest_text",
    "read_latest",
    "renew_latest",
]

LATEST_MAX = 1000
"""Runs with more metrics keep none: they would be written anew whenever one of them is."""

_JOINED = Prepared(
    select(series.c.run_pk, series.c.key, series.c.last_value).where(
        member_of(series.c.run_pk, "runs"),
        series.c.context == literal_column("''"),
        one_of(series.c.column_type, SCALAR_TYPES),
        series.c.count > literal_column("0"),
    ),
    "runs",
)
_FROZEN = select(runs.c.id, runs.c.latest).where(member_of(runs.c.id, "runs"), runs.c.latest.is_not(None))
_READ = Prepared(_FROZEN, "runs")
_HAVE = Prepared(_FROZEN.with_only_columns(runs.c.id), "runs")
# What is kept of the row beside them says nothing of them, and stays.
_WRITE = update(runs).ordered_values((runs.c.latest, bindparam("latest")), (runs.c.shown, runs.c.shown))
_SET = Prepared(_WRITE.where(runs.c.id == bindparam("run_pk")), "latest", "run_pk")
_CLEAR = Prepared(_WRITE.where(member_of(runs.c.id, "runs"), runs.c.latest.is_not(None)), "latest", "runs")


def read_latest(
    connection: Connection, run_keys: Sequence[int], held: Sequence[str | None] | None = None
) -> list[dict[str, float]]:
    """Return the last value of each series without context, of runs in their order.

    Args:
        connection: An open transaction.
        run_keys: The runs.
        held: ``runs.latest`` of each, if they were read with the runs.
    """
    if held is None:
        frozen = dict(_READ.all(connection, listing(connection.dialect, run_keys)))
        held = list(map(frozen.get, run_keys))
    found = _read_all(held)
    missing = [key for key, values in zip(run_keys, found, strict=True) if values is None]
    joined = _joined(connection, missing) if missing else {}
    others = iter(missing)
    return [joined.get(next(others), {}) if values is None else values for values in found] if missing else found


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
    """Keep the last values of runs, as their series are now; the transaction holds the locks of the runs."""
    forget_latest(connection, run_keys)
    joined = _joined(connection, run_keys)
    freeze_new(connection, {key: joined.get(key, {}) for key in run_keys})


def forget_latest(connection: Connection, run_keys: Iterable[int]) -> None:
    """Keep none of runs that go on: to renew them with all that is recorded would cost more than it saves."""
    _CLEAR.run(connection, None, listing(connection.dialect, run_keys))


def freeze_new(connection: Connection, latest: Mapping[int, Mapping[str, float]]) -> None:
    """Keep these last values of runs of which none are kept yet."""
    few = ((latest_text(values), run_pk) for run_pk, values in latest.items() if len(values) <= LATEST_MAX)
    _SET.run_many(connection, list(few))


def renew_latest(connection: Connection, run_keys: Iterable[int]) -> list[int]:
    """Bring what is kept of runs up to date with their series, which this transaction changed.

    Returns:
        The runs of which something is kept.
    """
    frozen = [key for (key,) in _HAVE.all(connection, listing(connection.dialect, run_keys))]
    if frozen:
        freeze_latest(connection, frozen)
    return frozen


def latest_problem(connection: Connection, run_pk: int) -> str:
    """Say what is wrong with the last values of a run and what is kept of them, if anything is."""
    kept = [data for _, data in _READ.all(connection, listing(connection.dialect, [run_pk]))]
    if None in map(_read, kept):
        return "what is kept of its last values is damaged; listings read its series instead"
    try:
        said = latest_text(_joined(connection, [run_pk]).get(run_pk, {}))
    except TypeError:
        return "the last value of one of its series is no number"
    if set(kept) <= {said}:
        return ""
    return "what is kept of its last values is not what its series say; set its state to what it is, to make it anew"


def latest_text(values: Mapping[str, float]) -> str:
    """Return last values as they are kept: in the order of their names, without a negative zero, as rows of series.

    Example:
        >>> latest_text({"loss": 0.5, "acc": float("nan")})
        '{"acc":"NaN","loss":0.5}'
    """
    said = {name: values[name] + 0.0 for name in sorted(values)}
    return encode_json(said if all(map(math.isfinite, said.values())) else with_float_texts(said)).decode()


def _read_all(held: Sequence[object]) -> list[Any]:
    """Read those of many runs at once; ``None`` for each that keeps none, or damaged ones."""
    texts = [data for data in held if isinstance(data, str)]
    with suppress(NotPlainError):
        values: list[Any] = read_all(texts, dict[str, float])
        if len(values) == len(held):
            return values
        following = iter(values)
        return [next(following) if isinstance(data, str) else None for data in held]
    return list(map(_read, held))


def _read(data: object) -> dict[str, float] | None:
    """Read what ``latest_text`` wrote."""
    with suppress(ValueError, ResponseFormatError):
        if isinstance(data, str) and data.startswith("{"):
            return decode_json(data.encode(), dict[str, float])
    return None

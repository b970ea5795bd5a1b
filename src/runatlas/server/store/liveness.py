"""Whether a run that says that it goes on is still heard of.

A RUNNING run whose last word is too long ago reads as CRASHED: nobody wrote that, it is worked out whenever the state
is read, and the next word makes it RUNNING again. Words are what a run records, heartbeats, and being set RUNNING.
"""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, case, func, literal_column

from runatlas.server.store.schema import runs

__all__ = ["STATE", "moment", "state_of"]


class _Moment(threading.local):
    """What this thread's statements go by: they take runs for crashed that were heard of last before a time."""

    horizon_ms: int = 0


moment = _Moment()

_HORIZON: ColumnElement[int] = bindparam("horizon_ms", callable_=lambda: moment.horizon_ms, type_=BigInteger())

STATE: ColumnElement[Any] = case(
    (
        and_(
            runs.c.state == literal_column("'RUNNING'"),
            func.coalesce(runs.c.heartbeat_at_ms, runs.c.created_at_ms) < _HORIZON,
        ),
        literal_column("'CRASHED'"),
    ),
    else_=runs.c.state,
)
"""The state that a run reads as; a prepared statement is given ``moment.horizon_ms`` with its other values."""


def state_of(state: str, heartbeat_at_ms: int | None, created_at_ms: int) -> str:
    """Return the state that a run reads as, of what is stored."""
    heard_ms = created_at_ms if heartbeat_at_ms is None else heartbeat_at_ms
    return "CRASHED" if state == "RUNNING" and heard_ms < moment.horizon_ms else state

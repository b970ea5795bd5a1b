"""Whether a run that says that it goes on is still heard of.

A RUNNING run whose last word is too long ago reads as CRASHED: nobody wrote that, it is worked out whenever the state
is read, and the next word makes it RUNNING again. Words are what a run records, heartbeats, and being set RUNNING.
"""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, case, func, literal_column

from runatlas.server.store.schema import runs

__all__ = ["STATE", "keep_time", "state_of"]

_moment = threading.local()


def keep_time(horizon_ms: int) -> None:
    """Let this thread's statements take runs for crashed that were heard of last before a time."""
    _moment.horizon_ms = horizon_ms


def _horizon_ms() -> int:
    return getattr(_moment, "horizon_ms", 0)


_HORIZON: ColumnElement[int] = bindparam("horizon_ms", callable_=_horizon_ms, type_=BigInteger())

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
"""The state that a run reads as; for statements that SQLAlchemy runs, not for prepared ones."""


def state_of(state: str, heartbeat_at_ms: int | None, created_at_ms: int) -> str:
    """Return the state that a run reads as, of what is stored."""
    heard_ms = created_at_ms if heartbeat_at_ms is None else heartbeat_at_ms
    return "CRASHED" if state == "RUNNING" and heard_ms < _horizon_ms() else state

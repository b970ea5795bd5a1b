"""Statements about requests that carry an idempotency key."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import idempotency
from runatlas.server.store.statement import Connection

__all__ = [
    "RequestRow",
    "claim_request",
    "find_request",
    "finish_request",
    "forget_request",
    "forget_requests",
]


class RequestRow(NamedTuple):
    """A request; ``status`` and ``answer`` are ``None`` while it is running."""

    fingerprint: str
    status: int | None
    answer: bytes | None
    created_at_ms: int


_C = idempotency.c
_THIS = (_C.caller == bindparam("of"), _C.key == bindparam("named"))
_RUNNING = (*_THIS, _C.status.is_(None))
_OLD = (_C.status.is_not(None) & (_C.created_at_ms < bindparam("finished"))) | (
    _C.status.is_(None) & (_C.created_at_ms < bindparam("running"))
)
_CLAIM = Prepared(
    # PostgreSQL's construct compiles to the same words for SQLite.
    insert(idempotency)
    .values({name: bindparam(name) for name in ("caller", "key", "fingerprint", "created_at_ms")})
    .on_conflict_do_nothing(),
    "caller",
    "key",
    "fingerprint",
    "created_at_ms",
)
_FIND = Prepared(select(_C.fingerprint, _C.status, _C.answer, _C.created_at_ms).where(*_THIS), "of", "named")
_FINISH = Prepared(
    update(idempotency).where(*_RUNNING).values(status=bindparam("code"), answer=bindparam("body")),
    "code",
    "body",
    "of",
    "named",
)
_FORGET = Prepared(delete(idempotency).where(*_THIS, _OLD), "of", "named", "finished", "running")
_FORGET_ALL = Prepared(delete(idempotency).where(_OLD), "finished", "running")


def claim_request(connection: Connection, caller: str, key: str, fingerprint: str, now_ms: int) -> bool:
    """Mark a request as running; false when its key is in use."""
    return bool(_CLAIM.run(connection, caller, key, fingerprint, now_ms))


def find_request(connection: Connection, caller: str, key: str) -> RequestRow | None:
    """Find a request by its key."""
    found = _FIND.first(connection, caller, key)
    return RequestRow(*found) if found else None


def finish_request(connection: Connection, caller: str, key: str, status: int, answer: bytes) -> None:
    """Keep the answer of a request that was running."""
    _FINISH.run(connection, status, answer, caller, key)


def forget_request(
    connection: Connection, caller: str, key: str, finished_before_ms: int, running_before_ms: int
) -> None:
    """Forget a request if it is finished and old, or seems to run for so long that nobody runs it any more."""
    _FORGET.run(connection, caller, key, finished_before_ms, running_before_ms)


def forget_requests(connection: Connection, finished_before_ms: int, running_before_ms: int) -> None:
    """Forget all such requests."""
    _FORGET_ALL.run(connection, finished_before_ms, running_before_ms)

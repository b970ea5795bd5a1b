"""Statements about requests that carry an idempotency key."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import delete, select, update

from runatlas.server.store.engine import Store
from runatlas.server.store.schema import idempotency
from runatlas.server.store.statement import Connection, rows

__all__ = ["RequestRow", "claim_request", "find_request", "finish_request", "forget_requests", "release_request"]


class RequestRow(NamedTuple):
    """A request; ``status`` and ``answer`` are ``None`` while it is running."""

    fingerprint: str
    status: int | None
    answer: bytes | None
    created_at_ms: int


_C = idempotency.c


def claim_request(store: Store, connection: Connection, *, caller: str, key: str, fingerprint: str) -> bool:
    """Mark a request as running; false when its key is in use."""
    values = {"caller": caller, "key": key, "fingerprint": fingerprint, "created_at_ms": store.clock()}
    claim = store.insert(idempotency).values(**values).on_conflict_do_nothing()
    return bool(connection.execute(claim).rowcount)


def find_request(connection: Connection, caller: str, key: str) -> RequestRow | None:
    """Find a request by its key."""
    statement = select(_C.fingerprint, _C.status, _C.answer, _C.created_at_ms)
    found = rows(connection, statement.where(_C.caller == caller, _C.key == key))
    return RequestRow(*found[0]) if found else None


def finish_request(connection: Connection, caller: str, key: str, status: int, answer: bytes) -> None:
    """Keep the answer of a request that was running."""
    running = (_C.caller == caller) & (_C.key == key) & _C.status.is_(None)
    connection.execute(update(idempotency).where(running).values(status=status, answer=answer))


def release_request(connection: Connection, caller: str, key: str) -> None:
    """Forget a request that was running, so that it may come again."""
    running = (_C.caller == caller) & (_C.key == key) & _C.status.is_(None)
    connection.execute(delete(idempotency).where(running))


def forget_requests(connection: Connection, finished_before_ms: int, running_before_ms: int) -> None:
    """Forget requests that are finished and old, or seem to run for so long that nobody runs them any more."""
    finished = _C.status.is_not(None) & (_C.created_at_ms < finished_before_ms)
    abandoned = _C.status.is_(None) & (_C.created_at_ms < running_before_ms)
    connection.execute(delete(idempotency).where(finished | abandoned))

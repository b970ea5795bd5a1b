"""Requests that are done once: a repeated one gets the first one's answer."""

from __future__ import annotations

import attrs

from runatlas.errors import ConflictError, ValidationError
from runatlas.server.services.caller import Caller
from runatlas.server.store.engine import Store
from runatlas.server.store.idempotency import (
    claim_request,
    find_request,
    finish_request,
    forget_request,
    forget_requests,
)

__all__ = ["IN_PROGRESS", "Idempotency", "InProgressError", "ReusedKeyError", "StoredAnswer"]

IN_PROGRESS = "idempotency_key_in_progress"
"""The machine-readable code of ``InProgressError``."""

_KEPT_MS = 24 * 3600 * 1000
_RUNNING_MS = 60_000
_SWEEP_MS = 60_000
_KEY_MAX = 200


class InProgressError(ConflictError):
    """The first request of that key is still running; asking again later gets its answer."""

    reason = IN_PROGRESS


class ReusedKeyError(ConflictError):
    """The key came with another request before."""

    reason = "idempotency_key_reused"


@attrs.frozen
class StoredAnswer:
    """What the first request of a key was answered."""

    status: int
    body: bytes


class Idempotency:
    """Which requests were made, by caller and key."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._swept_ms = 0

    def begin(self, caller: Caller, key: str, fingerprint: str) -> StoredAnswer | None:
        """Mark a request as running, or find that it was answered.

        A marker older than a minute is nobody's any more (the process that set it is gone) and is taken over.

        Args:
            caller: Who asks; keys of different callers have nothing to do with each other.
            key: The request's ``Idempotency-Key``.
            fingerprint: A sha256 over method, path and body, in hexadecimal digits.

        Returns:
            The stored answer; ``None`` when the request is to be carried out and then finished, in one transaction.

        Raises:
            InProgressError: The first request is still running.
            ReusedKeyError: The key came with another request before.
            ValidationError: The key is empty or too long.
        """
        if not 1 <= len(key) <= _KEY_MAX or not key.isprintable():
            raise ValidationError(f"Idempotency-Key: use 1 to {_KEY_MAX} printable characters")
        now = self._store.clock()
        with self._store.write() as connection:
            if abs(now - self._swept_ms) >= _SWEEP_MS:
                forget_requests(connection, now - _KEPT_MS, now - _RUNNING_MS)
                self._swept_ms = now
            forget_request(connection, caller.username, key, now - _KEPT_MS, now - _RUNNING_MS)
            if claim_request(connection, caller.username, key, fingerprint, now):
                return None
            found = find_request(connection, caller.username, key)
        if found is not None and found.fingerprint != fingerprint:
            raise ReusedKeyError("Idempotency-Key: it was used with another request before")
        if found is None or found.status is None:
            raise InProgressError("Idempotency-Key: the first request of that key is still running")
        return StoredAnswer(found.status, found.answer or b"")

    def forget(self, caller: Caller, key: str) -> None:
        """Forget a request that was answered: it cannot come again."""
        with self._store.write() as connection:
            forget_request(connection, caller.username, key, self._store.clock() + 1, 0)

    def finish(self, caller: Caller, key: str, status: int, body: bytes) -> None:
        """Keep the answer of a request for 24 hours."""
        with self._store.write() as connection:
            finish_request(connection, caller.username, key, status, body)

"""The rules of ingestion keys: they write to one run, for a while, with the rights of who made them."""

from __future__ import annotations

import secrets
import uuid
from contextlib import suppress

from runatlas.errors import NotFoundError, PermissionDeniedError, StoreError, ValidationError
from runatlas.model.ids import RunPath
from runatlas.model.ingestion_key import (
    INGESTION_KEY_TTL_MAX_MS,
    INGESTION_KEY_TTL_MS,
    IngestionKeyRecord,
    NewIngestionKeyRecord,
)
from runatlas.model.text import check_text
from runatlas.server.services.access import require_run
from runatlas.server.services.caller import Caller
from runatlas.server.services.secret import hash_secret
from runatlas.server.store.engine import Store
from runatlas.server.store.ingestion_key import (
    add_ingestion_key,
    find_key_holder,
    note_ingestion_key_use,
    revoke_ingestion_key,
    run_ingestion_keys,
)

__all__ = ["IngestionKeys"]

_NAME_MAX = 200
_USE_STEP_MS = 60_000


class IngestionKeys:
    """What may be done with ingestion keys."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_ingestion_keys(self, caller: Caller, run: RunPath) -> tuple[IngestionKeyRecord, ...]:
        """List a run's keys, oldest first, revoked and expired ones included; whoever may write to the run may."""
        with self._store.read() as connection:
            found = require_run(connection, caller, run, "write")
            return tuple(run_ingestion_keys(connection, found.id))

    def create_ingestion_key(
        self, caller: Caller, run: RunPath, name: str, *, ttl_ms: int | None = None
    ) -> NewIngestionKeyRecord:
        """Make a key; its secret is shown this once.

        Raises:
            NotFoundError: There is no such run.
            PermissionDeniedError: The caller may not write to it, or has an ingestion key only.
            ValidationError: The name or the life is out of bounds.
        """
        life = INGESTION_KEY_TTL_MS if ttl_ms is None else ttl_ms
        if not 1 <= len(name) <= _NAME_MAX:
            raise ValidationError(f"name: a key's name has 1 to {_NAME_MAX} characters, got {len(name)}")
        if not 1 <= life <= INGESTION_KEY_TTL_MAX_MS:
            raise ValidationError(f"ttl_ms: a key lives 1 to {INGESTION_KEY_TTL_MAX_MS} ms, got {life}")
        check_text(name, "name")
        if caller.run_cuid is not None:
            raise PermissionDeniedError("an ingestion key cannot make more of its kind")
        secret = f"ik_{secrets.token_urlsafe(32)}"
        with self._store.write() as connection:
            found = require_run(connection, caller, run, "write")
            now = self._store.clock()
            record = IngestionKeyRecord(str(uuid.uuid4()), found.cuid, name, now, now + life)
            add_ingestion_key(connection, found.id, caller.user_id, record, hash_secret(secret))
        return NewIngestionKeyRecord(record, secret)

    def revoke_ingestion_key(self, caller: Caller, run: RunPath, key_id: str) -> IngestionKeyRecord:
        """Make a key useless at once; a second call answers the first time.

        Raises:
            NotFoundError: The run has no such key.
        """
        with self._store.write() as connection:
            found = require_run(connection, caller, run, "write")
            if not run_ingestion_keys(connection, found.id, key_id):
                raise NotFoundError(f"run {run} has no ingestion key {key_id!r}")
            revoke_ingestion_key(connection, key_id, self._store.clock())
            return run_ingestion_keys(connection, found.id, key_id)[0]

    def find_by_secret(self, caller: Caller, run: RunPath, secret: str) -> IngestionKeyRecord | None:
        """Return a run's key by its secret, also a revoked or expired one.

        Raises:
            NotFoundError: There is no such run.
        """
        with self._store.read() as connection:
            found = require_run(connection, caller, run, "write")
            holder = find_key_holder(connection, hash_secret(secret))
            if holder is None or holder.run != found.cuid:
                return None
            return run_ingestion_keys(connection, found.id, holder.id)[0]

    def authenticate(self, secret: str) -> Caller | None:
        """Return who made a key, limited to its run; ``None`` for an unknown, expired or revoked one."""
        with self._store.read() as connection:
            holder = find_key_holder(connection, hash_secret(secret))
        now = self._store.clock()
        if holder is None or holder.revoked_at_ms is not None or holder.expires_at_ms <= now:
            return None
        if holder.last_used_at_ms is None or now - holder.last_used_at_ms >= _USE_STEP_MS:
            # As with any key: a store that cannot be written now does not keep readers out.
            with suppress(StoreError), self._store.write(waits=False) as connection:
                note_ingestion_key_use(connection, holder.id, now)
        return Caller(holder.user_id, holder.username, run_cuid=holder.run)

"""Statements about ingestion keys."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select, insert, select, update

from runatlas.model.ingestion_key import IngestionKeyRecord
from runatlas.server.store.schema import ingestion_keys, runs, users
from runatlas.server.store.statement import Connection, rows

__all__ = [
    "KeyHolder",
    "add_ingestion_key",
    "find_key_holder",
    "note_ingestion_key_use",
    "revoke_ingestion_key",
    "run_ingestion_keys",
]


class KeyHolder(NamedTuple):
    """Whose a key is and what it is for."""

    id: str
    expires_at_ms: int
    revoked_at_ms: int | None
    last_used_at_ms: int | None
    user_id: int
    username: str
    run: str


_RECORD: Select[Any] = select(
    ingestion_keys.c.id,
    runs.c.cuid,
    ingestion_keys.c.name,
    ingestion_keys.c.created_at_ms,
    ingestion_keys.c.expires_at_ms,
    ingestion_keys.c.revoked_at_ms,
    ingestion_keys.c.last_used_at_ms,
).join_from(ingestion_keys, runs)


def add_ingestion_key(
    connection: Connection, run_pk: int, user_id: int, record: IngestionKeyRecord, secret_hash: str
) -> None:
    """Insert a key."""
    connection.execute(
        insert(ingestion_keys).values(
            id=record.id,
            run_pk=run_pk,
            user_id=user_id,
            name=record.name,
            secret_hash=secret_hash,
            created_at_ms=record.created_at_ms,
            expires_at_ms=record.expires_at_ms,
        )
    )


def run_ingestion_keys(connection: Connection, run_pk: int, key_id: str | None = None) -> list[IngestionKeyRecord]:
    """Read a run's keys, oldest first, or one of them."""
    statement = _RECORD.where(ingestion_keys.c.run_pk == run_pk)
    if key_id is not None:
        statement = statement.where(ingestion_keys.c.id == key_id)
    statement = statement.order_by(ingestion_keys.c.created_at_ms, ingestion_keys.c.id)
    return [IngestionKeyRecord(*row) for row in rows(connection, statement)]


def revoke_ingestion_key(connection: Connection, key_id: str, now_ms: int) -> None:
    """Make a key useless; the first time stays."""
    chosen = update(ingestion_keys).where(ingestion_keys.c.id == key_id, ingestion_keys.c.revoked_at_ms.is_(None))
    connection.execute(chosen.values(revoked_at_ms=now_ms))


def find_key_holder(connection: Connection, secret_hash: str) -> KeyHolder | None:
    """Find a key by its secret's hash, when its run is not in the trash."""
    statement = (
        select(
            ingestion_keys.c.id,
            ingestion_keys.c.expires_at_ms,
            ingestion_keys.c.revoked_at_ms,
            ingestion_keys.c.last_used_at_ms,
            users.c.id,
            users.c.username,
            runs.c.cuid,
        )
        .select_from(ingestion_keys.join(runs).join(users, users.c.id == ingestion_keys.c.user_id))
        .where(ingestion_keys.c.secret_hash == secret_hash, runs.c.trash_id.is_(None))
    )
    found = rows(connection, statement)
    return KeyHolder(*found[0]) if found else None


def note_ingestion_key_use(connection: Connection, key_id: str, now_ms: int) -> None:
    """Remember when a key was used last."""
    connection.execute(update(ingestion_keys).where(ingestion_keys.c.id == key_id).values(last_used_at_ms=now_ms))

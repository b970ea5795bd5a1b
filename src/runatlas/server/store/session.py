"""Statements about sessions of the pages: of each the hash of its token, whose it is, and when it was used."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import bindparam, delete, select, update

from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import api_keys, sessions, users
from runatlas.server.store.statement import Connection, member_of, rows

__all__ = [
    "HeldSession",
    "SessionRow",
    "add_session",
    "end_sessions",
    "find_session",
    "list_sessions",
    "note_session_use",
    "older_sessions",
    "over_sessions",
    "remove_sessions",
]


class SessionRow(NamedTuple):
    """A session, and whose it is."""

    id: str
    user_id: int
    username: str
    is_root: bool
    created_at_ms: int
    used_at_ms: int


class HeldSession(NamedTuple):
    """A session as its user sees it; ``key_prefix`` is what its key begins with, ``None`` for who had a password."""

    id: str
    browser: str
    key_prefix: str | None
    created_at_ms: int
    used_at_ms: int


_S = sessions.c
_FOUND = Prepared(
    select(_S.id, _S.user_id, users.c.username, users.c.is_root, _S.created_at_ms, _S.used_at_ms)
    .select_from(sessions.join(users, users.c.id == _S.user_id))
    .where(_S.token_hash == bindparam("token_hash")),
    "token_hash",
)
_USED = Prepared(
    update(sessions).where(_S.id == bindparam("named")).values(used_at_ms=bindparam("now")), "now", "named"
)


def find_session(connection: Connection, token_hash: str) -> SessionRow | None:
    """Find a session by the hash of its token."""
    found = _FOUND.first(connection, token_hash)
    return SessionRow(*found) if found else None


def add_session(
    connection: Connection,
    session_id: str,
    user_id: int,
    *,
    key_id: str | None,
    token_hash: str,
    browser: str,
    now_ms: int,
) -> None:
    """Insert a session."""
    values = {"id": session_id, "user_id": user_id, "key_id": key_id, "token_hash": token_hash, "browser": browser}
    connection.execute(sessions.insert().values(**values, created_at_ms=now_ms, used_at_ms=now_ms))


def note_session_use(connection: Connection, session_id: str, now_ms: int) -> None:
    """Note when a session was last used."""
    _USED.run(connection, now_ms, session_id)


def list_sessions(connection: Connection, user_id: int) -> list[HeldSession]:
    """List a user's sessions, the one that was used last first."""
    statement = (
        select(_S.id, _S.browser, api_keys.c.prefix, _S.created_at_ms, _S.used_at_ms)
        .select_from(sessions.outerjoin(api_keys, api_keys.c.id == _S.key_id))
        .where(_S.user_id == user_id)
        .order_by(_S.used_at_ms.desc(), _S.id)
    )
    return [HeldSession(*row) for row in rows(connection, statement)]


def end_sessions(
    connection: Connection,
    user_id: int,
    *,
    session_id: str | None = None,
    key_id: str | None = None,
    but: str | None = None,
) -> int:
    """End sessions of a user, and tell how many.

    Args:
        connection: Inside a transaction.
        user_id: Whose.
        session_id: Only that one.
        key_id: Only those that were begun with that key.
        but: Not that one.
    """
    ended = delete(sessions).where(_S.user_id == user_id)
    if session_id is not None:
        ended = ended.where(_S.id == session_id)
    if key_id is not None:
        ended = ended.where(_S.key_id == key_id)
    if but is not None:
        ended = ended.where(_S.id != but)
    return connection.execute(ended).rowcount


def older_sessions(connection: Connection, user_id: int, newest: str, most: int) -> list[str]:
    """Return the oldest of a user's sessions where there are more than so many; never the newest, whatever it says."""
    others = (_S.user_id == user_id) & (_S.id != newest)
    held = rows(connection, select(_S.id).where(others).order_by(_S.created_at_ms.desc(), _S.id))
    return [name for (name,) in held[most - 1 :]]


def over_sessions(connection: Connection, now_ms: int, idle_ms: int, most_ms: int) -> list[str]:
    """Return the sessions whose time is over: those used or made too long before, or after, now."""
    is_used = _S.used_at_ms.between(now_ms - idle_ms + 1, now_ms + idle_ms - 1)
    is_young = _S.created_at_ms.between(now_ms - most_ms + 1, now_ms + most_ms - 1)
    return [name for (name,) in rows(connection, select(_S.id).where(~(is_used & is_young)))]


def remove_sessions(connection: Connection, names: Collection[str]) -> int:
    """Remove sessions, and tell how many; those that somebody else ends just now are not waited for."""
    chosen = select(_S.id).where(member_of(_S.id, "names")).with_for_update(skip_locked=True)
    return connection.execute(delete(sessions).where(_S.id.in_(chosen)), {"names": list(names)}).rowcount

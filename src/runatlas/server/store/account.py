"""Statements about users and their keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, func, or_, select, text, update

from runatlas.model.account import KeyRecord
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import api_keys, memberships, users, workspaces
from runatlas.server.store.statement import Connection, code_points, contains, rows

__all__ = [
    "KeyRow",
    "UserRow",
    "add_key",
    "add_user",
    "change_user",
    "count_users",
    "display_name",
    "find_key",
    "find_key_by_hash",
    "find_owner",
    "find_user",
    "has_accounts",
    "has_keys",
    "list_keys",
    "list_users",
    "lock_user",
    "make_root",
    "name_is_taken",
    "note_key_use",
    "revoke_key",
]


class UserRow(NamedTuple):
    """A user; a password that is good until some time is there to be exchanged for another one."""

    id: int
    username: str
    name: str
    profile: str
    is_root: bool
    created_at_ms: int
    password_hash: str | None
    password_until_ms: int | None


class KeyRow(NamedTuple):
    """A key and whose it is."""

    id: str
    user_id: int
    username: str
    is_root: bool
    last_used_at_ms: int | None
    revoked_at_ms: int | None


_USER: Select[Any] = select(
    users.c.id,
    users.c.username,
    users.c.name,
    users.c.profile,
    users.c.is_root,
    users.c.created_at_ms,
    users.c.password_hash,
    users.c.password_until_ms,
)
_USER_BY_NAME = _USER.where(users.c.username == bindparam("username"))
_USER_BY_ID = _USER.where(users.c.id == bindparam("user_id"))
_DISPLAY_NAME = Prepared(select(users.c.name).where(users.c.id == bindparam("user_id")), "user_id")
_OWNER = Prepared(text("SELECT id, username FROM users ORDER BY id LIMIT 1"))
_KEY: Select[Any] = select(
    api_keys.c.id,
    api_keys.c.user_id,
    users.c.username,
    users.c.is_root,
    api_keys.c.last_used_at_ms,
    api_keys.c.revoked_at_ms,
).select_from(api_keys.join(users))
_KEY_BY_HASH = _KEY.where(api_keys.c.secret_hash == bindparam("secret_hash"))
_KEY_BY_ID = _KEY.where(api_keys.c.id == bindparam("key_id"))
_HAS_ACCOUNTS = Prepared(
    select(or_(select(api_keys.c.id).exists(), select(users.c.id).where(users.c.password_hash.is_not(None)).exists()))
)


def find_user(connection: Connection, username: str | int) -> UserRow | None:
    """Find a user by name, or by row id."""
    statement, key = (_USER_BY_NAME, "username") if isinstance(username, str) else (_USER_BY_ID, "user_id")
    found = rows(connection, statement, {key: username})
    return UserRow(*found[0]) if found else None


def display_name(connection: Connection, user_id: int) -> str | None:
    """Return a user's display name."""
    found = _DISPLAY_NAME.first(connection, user_id)
    return None if found is None else str(found[0])


def find_owner(connection: Connection) -> tuple[int, str]:
    """Return the row id and the name of the directory's owner: the installation's first user."""
    return tuple(_OWNER.first(connection))


def name_is_taken(connection: Connection, username: str) -> bool:
    """Tell whether a user or a workspace has that name; letters differ by case."""
    found = rows(connection, select(workspaces.c.id).where(workspaces.c.username == username))
    return bool(found or find_user(connection, username))


def add_user(connection: Connection, username: str, password_hash: str | None, now_ms: int) -> UserRow:
    """Insert a user with a personal workspace of the same name."""
    user = users.insert().values(
        username=username, name=username, password_hash=password_hash, is_root=False, created_at_ms=now_ms
    )
    user_id = connection.execute(user.returning(users.c.id)).scalar_one()
    workspace = workspaces.insert().values(
        username=username, name=username, workspace_type="PERSON", created_at_ms=now_ms
    )
    workspace_id = connection.execute(workspace.returning(workspaces.c.id)).scalar_one()
    connection.execute(memberships.insert().values(user_id=user_id, workspace_id=workspace_id, role="OWNER"))
    return UserRow(
        user_id,
        username,
        username,
        "{}",
        is_root=False,
        created_at_ms=now_ms,
        password_hash=password_hash,
        password_until_ms=None,
    )


def change_user(connection: Connection, user_id: int, values: Mapping[str, Any]) -> None:
    """Update columns of a user."""
    connection.execute(update(users).where(users.c.id == user_id).values(**values))


_LOCK_USER = Prepared(
    select(users.c.id).where(users.c.id == bindparam("user_id")).with_for_update(key_share=True), "user_id"
)


def lock_user(connection: Connection, user_id: int) -> None:
    """Keep a user's password, keys and sessions as they are for others until the transaction ends."""
    _LOCK_USER.first(connection, user_id)


def make_root(connection: Connection, user_id: int) -> None:
    """Make a user an administrator."""
    change_user(connection, user_id, {"is_root": True})


def list_users(connection: Connection, search: str | None, after: str | None, limit: int, offset: int) -> list[UserRow]:
    """List users by name."""
    statement = _searched(_USER, search)
    if after is not None:
        statement = statement.where(code_points(users.c.username) > after)
    statement = statement.order_by(code_points(users.c.username)).limit(limit).offset(offset)
    return [UserRow(*row) for row in rows(connection, statement)]


def count_users(connection: Connection, search: str | None) -> int:
    """Count users."""
    return int(connection.scalar(_searched(select(func.count()).select_from(users), search)) or 0)


def _searched(statement: Select[Any], search: str | None) -> Select[Any]:
    if not search:
        return statement
    return statement.where(or_(contains(users.c.username, search), contains(users.c.name, search)))


def has_accounts(connection: Connection) -> bool:
    """Tell whether a key was ever made, or a user has a password."""
    return bool(_HAS_ACCOUNTS.first(connection)[0])


def has_keys(connection: Connection) -> bool:
    """Tell whether a key was ever made."""
    return bool(connection.scalar(select(select(api_keys.c.id).exists())))


def add_key(connection: Connection, user_id: int, record: KeyRecord, secret_hash: str) -> None:
    """Insert a key."""
    connection.execute(
        api_keys.insert().values(
            id=record.id,
            user_id=user_id,
            secret_hash=secret_hash,
            prefix=record.prefix,
            created_at_ms=record.created_at_ms,
        )
    )


def find_key_by_hash(connection: Connection, secret_hash: str) -> KeyRow | None:
    """Find a key by its secret's hash."""
    found = rows(connection, _KEY_BY_HASH, {"secret_hash": secret_hash})
    return KeyRow(*found[0]) if found else None


def find_key(connection: Connection, key_id: str) -> KeyRow | None:
    """Find a key by its id."""
    found = rows(connection, _KEY_BY_ID, {"key_id": key_id})
    return KeyRow(*found[0]) if found else None


def list_keys(connection: Connection, user_id: int) -> list[KeyRecord]:
    """List a user's keys, oldest first."""
    c = api_keys.c
    statement = (
        select(c.id, users.c.username, c.prefix, c.created_at_ms, c.last_used_at_ms, c.revoked_at_ms)
        .select_from(api_keys.join(users))
        .where(c.user_id == user_id)
        .order_by(c.created_at_ms, c.id)
    )
    return [KeyRecord(*row) for row in rows(connection, statement)]


def note_key_use(connection: Connection, key_id: str, now_ms: int) -> None:
    """Note when a key was last used."""
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at_ms=now_ms))


def revoke_key(connection: Connection, key_id: str, now_ms: int) -> None:
    """Make a key useless; one revoked before keeps its time."""
    live = (api_keys.c.id == key_id) & api_keys.c.revoked_at_ms.is_(None)
    connection.execute(update(api_keys).where(live).values(revoked_at_ms=now_ms))

"""The rules of users, passwords and API keys."""

from __future__ import annotations

import logging
import re
import secrets
import string
from contextlib import suppress

import attrs

from runatlas.errors import ConflictError, NotFoundError, PermissionDeniedError, StoreError, ValidationError
from runatlas.model.account import KeyRecord, NewKeyRecord, NewPasswordRecord, ServerRecord, UserPatch, UserRecord
from runatlas.model.codec import dumps, loads
from runatlas.model.ids import new_cuid
from runatlas.model.text import check_text
from runatlas.model.version import VERSION
from runatlas.server.services.access import require_root
from runatlas.server.services.attempts import Attempts
from runatlas.server.services.caller import Caller
from runatlas.server.services.password import PASSWORD_MAX, hash_password, is_password
from runatlas.server.services.secret import hash_secret
from runatlas.server.services.validation import check_fields
from runatlas.server.store.account import (
    UserRow,
    add_key,
    change_user,
    find_key,
    find_key_by_hash,
    find_owner,
    find_user,
    has_accounts,
    has_keys,
    list_keys,
    lock_user,
    make_root,
    note_key_use,
    revoke_key,
)
from runatlas.server.store.engine import Store
from runatlas.server.store.installation import owner_name
from runatlas.server.store.session import end_sessions
from runatlas.server.store.statement import Connection

__all__ = ["Accounts", "require_password", "user_record"]

_ALPHABET = string.ascii_letters + string.digits
_SECRET_LENGTH = 21
_SECRET = re.compile(r"[0-9A-Za-z]{21}")
_PREFIX_LENGTH = 4
_USE_STEP_MS = 60_000
_PASSWORD_MIN = 8
_ONE_TIME_MS = 7 * 24 * 3600 * 1000
_ONE_TIME_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_ONE_TIME_GROUPS, _GROUP_LENGTH = 4, 4
_log = logging.getLogger(__name__)
_PROFILE = ("bio", "institution", "school", "email", "location", "url")


class Accounts:
    """What may be done with users and keys."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._attempts = Attempts()

    def owner(self) -> Caller:
        """Return the directory's owner: the installation's first user, who sees and may do everything."""
        with self._store.read() as connection:
            return Caller(*find_owner(connection), is_root=True, is_owner=True)

    @staticmethod
    def first_user() -> UserRecord:
        """Return whom a store will belong to that is made now by this process."""
        name = owner_name()
        return UserRecord(name, name, is_root=True)

    def has_accounts(self) -> bool:
        """Tell whether users exist, so that a key is needed: a key was ever made, or a user has a password."""
        with self._store.read() as connection:
            return has_accounts(connection)

    def authenticate(self, secret: str) -> Caller | None:
        """Return whose key that is; ``None`` for one that is unknown or revoked."""
        if not _SECRET.fullmatch(secret):
            return None
        with self._store.read() as connection:
            key = find_key_by_hash(connection, hash_secret(secret))
        if key is None or key.revoked_at_ms is not None:
            return None
        now = self._store.clock()
        if key.last_used_at_ms is None or now - key.last_used_at_ms >= _USE_STEP_MS:
            # Whoever reads is not kept waiting for it, nor refused because of it: it is noted the next time.
            with suppress(StoreError), self._store.write(waits=False) as connection:
                note_key_use(connection, key.id, now)
        return Caller(key.user_id, key.username, is_root=bool(key.is_root))

    def authenticate_password(self, username: str, password: str, address: str = "") -> UserRow | None:
        """Return the user of that name and password; ``None`` if there is none.

        Args:
            username: The user's name.
            password: The password.
            address: Where it is tried from; ``""`` if that is not known.

        Raises:
            RateLimitedError: Too many attempts failed of late.
        """
        self._attempts.begin(username, address)
        with self._store.read() as connection:
            user = find_user(connection, username)
        is_right = is_password(password, None if user is None else user.password_hash)
        if user is None or not is_right or self._is_over(user):
            return None
        self._attempts.succeed(username, address)
        return user

    def _is_over(self, user: UserRow) -> bool:
        return user.password_until_ms is not None and user.password_until_ms <= self._store.clock()

    def get_server(self, caller: Caller) -> ServerRecord:
        """Tell what the server is and whether the caller administers it."""
        return ServerRecord("runatlas", VERSION, root=caller.administers, accounts=self.has_accounts())

    def get_user(self, caller: Caller) -> UserRecord:
        """Return the caller."""
        with self._store.read() as connection:
            return user_record(_require_self(connection, caller))

    def update_user(self, caller: Caller, patch: UserPatch) -> UserRecord:
        """Change the caller's own account.

        Raises:
            ValidationError: A text cannot be stored.
        """
        check_fields(patch, ("name", *_PROFILE))
        with self._store.write() as connection:
            user = _require_self(connection, caller)
            profile = loads(user.profile)
            profile |= {name: value for name in _PROFILE if (value := getattr(patch, name)) is not None}
            name = user.name if patch.name is None else patch.name
            change_user(connection, user.id, {"name": name, "profile": dumps(profile)})
            return user_record(user._replace(name=name, profile=dumps(profile)))

    def has_password(self, caller: Caller) -> bool:
        """Tell whether the caller can sign in with a password."""
        with self._store.read() as connection:
            return _require_self(connection, caller).password_hash is not None

    def change_password(self, caller: Caller, old: str, new: str) -> None:
        """Give the caller another password, or a first one; all sessions but the one that asks are over.

        Args:
            caller: Who asks.
            old: The password until now; not looked at where there is none.
            new: The password from now on.

        Raises:
            ConflictError: It was changed meanwhile.
            PermissionDeniedError: ``old`` is not the password.
            RateLimitedError: Too many attempts failed of late.
            ValidationError: ``new`` is too short or too long.
        """
        require_password(new)
        with self._store.read() as connection:
            known = _require_self(connection, caller)
        if known.password_hash is not None:
            self._attempts.begin(caller.username)
            if not is_password(old, known.password_hash) or self._is_over(known):
                raise PermissionDeniedError("that is not the password that you have; nothing was changed")
            self._attempts.succeed(caller.username)
        # Hashing takes long on purpose: nobody waits for the store meanwhile.
        kept = hash_password(new)
        with self._store.write() as connection:
            lock_user(connection, caller.user_id)
            if _require_self(connection, caller).password_hash != known.password_hash:
                raise ConflictError("the password was changed by another request just now; nothing was changed")
            change_user(connection, caller.user_id, {"password_hash": kept, "password_until_ms": None})
            end_sessions(connection, caller.user_id, but=caller.session_id)

    def reset_password(self, caller: Caller, username: str) -> NewPasswordRecord:
        """Put a one-time password in the place of a user's, which was forgotten; all sessions of the user are over.

        Raises:
            NotFoundError: There is no such user.
            PermissionDeniedError: The caller is no administrator.
        """
        require_root(caller)
        with self._store.read() as connection:
            user_id = _require_user(connection, username).id
        groups = (
            "".join(secrets.choice(_ONE_TIME_LETTERS) for _ in range(_GROUP_LENGTH)) for _ in range(_ONE_TIME_GROUPS)
        )
        password = "-".join(groups)
        kept = hash_password(password)
        with self._store.write() as connection:
            lock_user(connection, user_id)
            user = _require_user(connection, username)
            until = self._store.clock() + _ONE_TIME_MS
            change_user(connection, user.id, {"password_hash": kept, "password_until_ms": until})
            end_sessions(connection, user.id)
        _log.warning("%s gave %s a one-time password", caller.username, user.username)
        return NewPasswordRecord(user.username, password, until)

    def create_key(self, caller: Caller, username: str | None = None) -> NewKeyRecord:
        """Make an API key for the caller, or (administrators) for a user.

        The user whose key is the installation's first becomes an administrator: there must be one.

        Raises:
            NotFoundError: There is no such user.
            PermissionDeniedError: It is another user, and the caller is no administrator.
        """
        secret = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
        with self._store.write() as connection:
            user = self._key_holder(connection, caller, username)
            if not has_keys(connection):
                make_root(connection, user.id)
            record = KeyRecord(new_cuid(), user.username, secret[:_PREFIX_LENGTH], self._store.clock())
            add_key(connection, user.id, record, hash_secret(secret))
        return NewKeyRecord(record, secret)

    def list_keys(self, caller: Caller, username: str | None = None) -> tuple[KeyRecord, ...]:
        """List the caller's keys, or (administrators) a user's, oldest first, revoked ones included.

        Raises:
            NotFoundError: There is no such user.
            PermissionDeniedError: It is another user, and the caller is no administrator.
        """
        with self._store.read() as connection:
            return tuple(list_keys(connection, self._key_holder(connection, caller, username).id))

    def revoke_key(self, caller: Caller, key_id: str) -> KeyRecord:
        """Make a key useless at once, and end the sessions that were begun with it; a second call changes nothing.

        Administrators may revoke any.

        Raises:
            NotFoundError: The caller has no such key.
        """
        with self._store.write() as connection:
            key = find_key(connection, key_id)
            if key is None or not (key.user_id == caller.user_id or caller.administers):
                raise NotFoundError(f"there is no key {key_id!r}")
            lock_user(connection, key.user_id)
            revoke_key(connection, key_id, self._store.clock())
            end_sessions(connection, key.user_id, key_id=key_id)
            return next(record for record in list_keys(connection, key.user_id) if record.id == key_id)

    def _key_holder(self, connection: Connection, caller: Caller, username: str | None) -> UserRow:
        if username is None or username == caller.username:
            return _require_self(connection, caller)
        if not caller.administers:
            raise PermissionDeniedError(f"{caller.username} is not an administrator: only those see keys of others")
        return _require_user(connection, username)


def require_password(password: str) -> None:
    """Check that a password that a user chose is one.

    Raises:
        ValidationError: It is too short or too long.
    """
    if not _PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise ValidationError(f"password: use {_PASSWORD_MIN} to {PASSWORD_MAX} characters")


def _require_user(connection: Connection, username: str) -> UserRow:
    found = find_user(connection, check_text(username, "username"))
    if found is None:
        raise NotFoundError(f"there is no user {username!r}")
    return found


def _require_self(connection: Connection, caller: Caller) -> UserRow:
    found = find_user(connection, caller.user_id)
    if found is None:
        raise NotFoundError(f"there is no user {caller.username!r} any more")
    return found


def user_record(user: UserRow) -> UserRecord:
    """Make the record of a user."""
    known = {field.name for field in attrs.fields(UserRecord)}
    profile = {name: value for name, value in loads(user.profile).items() if name in known}
    return UserRecord(user.username, user.name, is_root=bool(user.is_root), created_at_ms=user.created_at_ms, **profile)

"""Sessions of the pages: who signed in with a key or a password goes on with a cookie, until that is ended."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from contextlib import suppress

import attrs

from runatlas.errors import (
    AuthenticationError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    StoreError,
    ValidationError,
)
from runatlas.model.ids import new_cuid
from runatlas.server.services.accounts import Accounts, require_password
from runatlas.server.services.caller import Caller
from runatlas.server.services.password import hash_password
from runatlas.server.services.secret import hash_secret
from runatlas.server.store.account import UserRow, change_user, find_key_by_hash, find_user, lock_user
from runatlas.server.store.engine import Store
from runatlas.server.store.session import (
    HeldSession,
    SessionRow,
    add_session,
    end_sessions,
    find_session,
    list_sessions,
    note_session_use,
    older_sessions,
    over_sessions,
    remove_sessions,
)
from runatlas.server.store.statement import Connection

__all__ = ["SESSIONS_MAX", "SESSION_MS", "OneTimePasswordError", "Session", "Sessions"]

SESSION_MS = 30 * 24 * 3600 * 1000
"""How long a session lasts, however much it is used."""

_IDLE_MS = 14 * 24 * 3600 * 1000
_USE_STEP_MS = 5 * 60_000
SESSIONS_MAX = 50
"""How many sessions a user has; one more ends the oldest."""

_BROWSER_MAX = 60
_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[0-9A-Za-z_-]{43}")
_PURPOSE, _FORM_PURPOSE = b"runatlas page session\x00", b"runatlas form\x00"
_NOBODY = "there is no user of that name and password"


class OneTimePasswordError(AuthenticationError):
    """The password is right, and good for one thing: to choose another one."""


@attrs.frozen
class Session:
    """A session just begun; the only time that its token is told."""

    token: str
    caller: Caller


class Sessions:
    """What may be done with sessions.

    Of a token its hash under the secret of the store is kept: who reads the database has no session, nor who adds rows
    to it, and where the secret is lost all are over. Whatever ends what somebody signed in with ends the sessions in
    the same transaction.
    """

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    def begin(self, secret: str, browser: str = "") -> Session:
        """Begin a session with an API key.

        Args:
            secret: The key.
            browser: What the session is seen in, for its user.

        Raises:
            AuthenticationError: The key is not valid.
            PermissionDeniedError: The store can only be read.
        """
        self._require_writable()
        caller = self._accounts.authenticate(secret)
        if caller is None:
            raise AuthenticationError(_BAD_KEY)
        with self._store.write() as connection:
            lock_user(connection, caller.user_id)
            key = find_key_by_hash(connection, hash_secret(secret))
            if key is None or key.revoked_at_ms is not None:
                raise AuthenticationError(_BAD_KEY)
            return self._add(connection, caller, browser, key.id)

    def begin_with_password(self, username: str, password: str, *, address: str = "", browser: str = "") -> Session:
        """Begin a session with a user's name and password.

        Args:
            username: The user's name.
            password: The password.
            address: Where it is tried from; ``""`` if that is not known.
            browser: What the session is seen in, for its user.

        Raises:
            AuthenticationError: There is no such user, or it is another password.
            OneTimePasswordError: It is there to be exchanged for another one.
            PermissionDeniedError: The store can only be read.
            RateLimitedError: Too many attempts failed of late.
        """
        self._require_writable()
        known = self._accounts.authenticate_password(username, password, address)
        if known is None:
            raise AuthenticationError(_NOBODY)
        if known.password_until_ms is not None:
            raise OneTimePasswordError("this password is good for one sign-in: choose one of your own")
        with self._store.write() as connection:
            return self._add(connection, _require_same(connection, known), browser)

    def choose_password(
        self, username: str, password: str, new: str, *, address: str = "", browser: str = ""
    ) -> Session:
        """Exchange a one-time password for another one, and begin a session; all sessions of before are over.

        Args:
            username: The user's name.
            password: The one-time password.
            new: The password from now on.
            address: Where it is tried from; ``""`` if that is not known.
            browser: What the session is seen in, for its user.

        Raises:
            AuthenticationError: There is no such user, or it is another password, or none that is exchanged.
            ConflictError: It was exchanged meanwhile.
            PermissionDeniedError: The store can only be read.
            RateLimitedError: Too many attempts failed of late.
            ValidationError: ``new`` is too short or too long, or the old one.
        """
        self._require_writable()
        require_password(new)
        known = self._accounts.authenticate_password(username, password, address)
        if known is None or known.password_until_ms is None:
            raise AuthenticationError(_NOBODY)
        if new == password:
            raise ValidationError("password: choose another one than the one you were given")
        # Hashing takes long on purpose: nobody waits for the store meanwhile.
        kept = hash_password(new)
        with self._store.write() as connection:
            caller = _require_same(connection, known)
            change_user(connection, caller.user_id, {"password_hash": kept, "password_until_ms": None})
            end_sessions(connection, caller.user_id)
            return self._add(connection, caller, browser)

    def _require_writable(self) -> None:
        if self._store.is_read_only:
            raise PermissionDeniedError(
                "nobody can sign in here: who serves this store may only read it; programs show their key all the same"
            )

    def _add(self, connection: Connection, caller: Caller, browser: str, key_id: str | None = None) -> Session:
        token, name = secrets.token_urlsafe(_TOKEN_BYTES), new_cuid()
        add_session(
            connection,
            name,
            caller.user_id,
            key_id=key_id,
            token_hash=self._hash(token),
            browser=browser[:_BROWSER_MAX],
            now_ms=self._store.clock(),
        )
        remove_sessions(connection, older_sessions(connection, caller.user_id, name, SESSIONS_MAX))
        return Session(token, attrs.evolve(caller, session_id=name))

    def _hash(self, token: str) -> str:
        return hmac.new(self._store.secret, _PURPOSE + token.encode(), hashlib.sha256).hexdigest()

    def authenticate(self, token: str) -> Caller | None:
        """Return whose session that is; ``None`` for one that is over, or never was."""
        if not _TOKEN.fullmatch(token):
            return None
        hashed = self._hash(token)
        with self._store.read() as connection:
            found = find_session(connection, hashed)
        now = self._store.clock()
        if found is None or not _is_live(found, now):
            return None
        if abs(now - found.used_at_ms) >= _USE_STEP_MS:
            # Whoever reads is not kept waiting for it, nor refused because of it: it is noted the next time.
            with suppress(StoreError), self._store.write(waits=False) as connection:
                note_session_use(connection, found.id, now)
        return Caller(found.user_id, found.username, is_root=bool(found.is_root), session_id=found.id)

    def list_sessions(self, caller: Caller) -> tuple[HeldSession, ...]:
        """List where the caller is signed in, last used first."""
        now = self._store.clock()
        with self._store.read() as connection:
            return tuple(held for held in list_sessions(connection, caller.user_id) if _is_live(held, now))

    def end(self, caller: Caller, session_id: str) -> None:
        """End a session of the caller.

        Raises:
            NotFoundError: The caller has no such session, or it was over already.
        """
        with self._store.write() as connection:
            if not end_sessions(connection, caller.user_id, session_id=session_id):
                raise NotFoundError("you have no such session: it is over already")

    def end_others(self, caller: Caller) -> int:
        """End all sessions of the caller but the one that asks, and tell how many."""
        with self._store.write() as connection:
            lock_user(connection, caller.user_id)
            return end_sessions(connection, caller.user_id, but=caller.session_id)

    def forget_over(self) -> int:
        """Remove the sessions of all users whose time is over, and tell how many."""
        with self._store.read() as connection:
            over = over_sessions(connection, self._store.clock(), _IDLE_MS, SESSION_MS)
        if not over:
            return 0
        with self._store.write() as connection:
            return remove_sessions(connection, over)

    def form_token(self, caller: Caller, credential: str) -> str:
        """Return what a form has to carry: another site cannot know it.

        Args:
            caller: Who is shown the form.
            credential: What the caller came in with; ``""`` where nobody has to show anything.
        """
        said = f"{caller.user_id}.{credential}".encode()
        return hmac.new(self._store.secret, _FORM_PURPOSE + said, hashlib.sha256).hexdigest()


_BAD_KEY = "the API key is not valid; it may have been revoked"


def _is_live(session: SessionRow | HeldSession, now_ms: int) -> bool:
    """Tell whether a session is not over; a clock that was wrong makes none that lasts for ever."""
    return abs(now_ms - session.created_at_ms) < SESSION_MS and abs(now_ms - session.used_at_ms) < _IDLE_MS


def _require_same(connection: Connection, known: UserRow) -> Caller:
    """Keep the user whose password was just looked at, if it is the password still."""
    lock_user(connection, known.id)
    user = find_user(connection, known.id)
    if user is None or user.password_hash != known.password_hash:
        raise ConflictError("the password was changed by another request just now; sign in again")
    return Caller(user.id, user.username, is_root=bool(user.is_root))

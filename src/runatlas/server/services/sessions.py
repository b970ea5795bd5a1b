"""Sessions: a key, or a password, is shown once; what follows carries a signed token that outlives a restart."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import attrs

from runatlas.errors import AuthenticationError
from runatlas.server.services.accounts import Accounts
from runatlas.server.services.caller import Caller
from runatlas.server.services.secret import hash_secret
from runatlas.server.store.account import UserRow, find_key, find_key_by_hash, find_user
from runatlas.server.store.engine import Store

__all__ = ["SESSION_MS", "Session", "Sessions"]

SESSION_MS = 30 * 24 * 3600 * 1000
"""How long a session lasts: clients log in again by themselves a week before its end."""

_PURPOSE = b"runatlas session\x00"
_FORM_PURPOSE = b"runatlas form\x00"
_BY_NAME = "p-"


@attrs.frozen
class Session:
    """A session just begun."""

    token: str
    caller: Caller
    expires_at_ms: int


class Sessions:
    """What may be done with sessions.

    A token names a user and a key, or a password; it is worth nothing once the key is revoked, or the password changed.
    """

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    def begin(self, secret: str) -> Session:
        """Begin a session with an API key.

        Raises:
            AuthenticationError: The key is not valid.
        """
        caller = self._accounts.authenticate(secret)
        with self._store.read() as connection:
            key = find_key_by_hash(connection, hash_secret(secret))
        if caller is None or key is None:
            raise AuthenticationError("the API key is not valid; it may have been revoked")
        return self._issue(caller, key.id)

    def begin_with_password(self, username: str, password: str) -> Session:
        """Begin a session with a user's name and password.

        Raises:
            AuthenticationError: There is no such user, or it is another password.
            RateLimitedError: Too many attempts failed of late.
        """
        caller = self._accounts.authenticate_password(username, password)
        with self._store.read() as connection:
            user = None if caller is None else find_user(connection, caller.user_id)
        if caller is None or user is None:
            raise AuthenticationError("there is no user of that name and password")
        return self._issue(caller, _fingerprint(user))

    def form_token(self, caller: Caller, credential: str) -> str:
        """Return what a form has to carry: another site cannot know it.

        Args:
            caller: Who is shown the form.
            credential: What the caller came in with; ``""`` where nobody has to show anything.
        """
        said = f"{caller.user_id}.{credential}".encode()
        return hmac.new(self._store.secret, _FORM_PURPOSE + said, hashlib.sha256).hexdigest()

    def begin_open(self, caller: Caller) -> Session:
        """Begin a session on a server without accounts, where nobody looks at the token."""
        return self._issue(caller, "")

    def _issue(self, caller: Caller, key_id: str) -> Session:
        expires = self._store.clock() + SESSION_MS
        body = f"{caller.user_id}.{key_id}.{expires}"
        token = base64.urlsafe_b64encode(f"{body}.{self._sign(body)}".encode()).decode().rstrip("=")
        return Session(token, caller, expires)

    def _sign(self, body: str) -> str:
        return hmac.new(self._store.secret, _PURPOSE + body.encode(), hashlib.sha256).hexdigest()

    def authenticate(self, token: str) -> Caller | None:
        """Return whose session that is; ``None`` for one that is forged, over, or whose key was revoked."""
        try:
            text = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)).decode("ascii")
        except (ValueError, binascii.Error):
            return None
        body, _, signature = text.rpartition(".")
        if not hmac.compare_digest(self._sign(body), signature):
            return None
        user_id, proof, expires = body.split(".")
        if int(expires) <= self._store.clock():
            return None
        with self._store.read() as connection:
            if proof.startswith(_BY_NAME):
                return _of_password(find_user(connection, int(user_id)), proof)
            key = find_key(connection, proof)
        if key is None or key.revoked_at_ms is not None:
            return None
        return Caller(key.user_id, key.username, is_root=bool(key.is_root))


def _of_password(user: UserRow | None, proof: str) -> Caller | None:
    if user is None or not hmac.compare_digest(_fingerprint(user), proof):
        return None
    return Caller(user.id, user.username, is_root=bool(user.is_root))


def _fingerprint(user: UserRow) -> str:
    """Tell a password from the one after it, without telling anything of either."""
    return _BY_NAME + hashlib.sha256((user.password_hash or "").encode()).hexdigest()[:32]

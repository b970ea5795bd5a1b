"""What programs that log in go on with: a signed token that outlives a restart, worth what the key is."""

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
from runatlas.server.store.account import find_key, find_key_by_hash
from runatlas.server.store.engine import Store

__all__ = ["Login", "LoginTokens"]

_LOGIN_MS = 30 * 24 * 3600 * 1000
"""How long a token is good: SwanLab's clients log in again by themselves a week before its end."""

_PURPOSE = b"runatlas session\x00"


@attrs.frozen
class Login:
    """A token just made, and whose it is."""

    token: str
    caller: Caller
    expires_at_ms: int


class LoginTokens:
    """What may be done with the tokens of programs.

    A token names a user and a key, and is worth nothing once the key is revoked: whoever holds it had the key.
    """

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    def make(self, secret: str) -> Login:
        """Make a token for who has an API key.

        Raises:
            AuthenticationError: The key is not valid.
        """
        caller = self._accounts.authenticate(secret)
        with self._store.read() as connection:
            key = find_key_by_hash(connection, hash_secret(secret))
        if caller is None or key is None:
            raise AuthenticationError("the API key is not valid; it may have been revoked")
        return self._issue(caller, key.id)

    def make_open(self, caller: Caller) -> Login:
        """Make a token on a server without accounts, where nobody looks at it."""
        return self._issue(caller, "")

    def _issue(self, caller: Caller, key_id: str) -> Login:
        expires = self._store.clock() + _LOGIN_MS
        body = f"{caller.user_id}.{key_id}.{expires}"
        token = base64.urlsafe_b64encode(f"{body}.{self._sign(body)}".encode()).decode().rstrip("=")
        return Login(token, caller, expires)

    def _sign(self, body: str) -> str:
        return hmac.new(self._store.secret, _PURPOSE + body.encode(), hashlib.sha256).hexdigest()

    def authenticate(self, token: str) -> Caller | None:
        """Return whose token that is; ``None`` for one that is forged, over, or whose key was revoked."""
        try:
            text = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)).decode("ascii")
        except (ValueError, binascii.Error):
            return None
        body, _, signature = text.rpartition(".")
        if not hmac.compare_digest(self._sign(body), signature):
            return None
        _, key_id, expires = body.split(".")
        if int(expires) <= self._store.clock():
            return None
        with self._store.read() as connection:
            key = find_key(connection, key_id)
        if key is None or key.revoked_at_ms is not None:
            return None
        return Caller(key.user_id, key.username, is_root=bool(key.is_root))

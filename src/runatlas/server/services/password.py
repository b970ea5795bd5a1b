"""Passwords: kept as argon2id hashes only."""

from __future__ import annotations

import secrets
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["PASSWORD_MAX", "hash_password", "is_password"]

PASSWORD_MAX = 1024
"""How many characters a password has at the most."""


@cache
def _hasher() -> PasswordHasher:
    # Loading argon2 costs 40 ms, which an embedded store, having no passwords, need not pay.
    from argon2 import PasswordHasher  # noqa: PLC0415

    return PasswordHasher()


@cache
def _nobody_s() -> str:
    return hash_password(secrets.token_hex())


def hash_password(password: str) -> str:
    """Return what to keep of a password."""
    return _hasher().hash(password)


def is_password(password: str, kept: str | None) -> bool:
    """Tell whether a password is the one that ``kept`` was made of.

    Where nothing is kept it takes as long: how long an answer takes does not tell which names there are.
    """
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - as above

    try:
        return _hasher().verify(kept or _nobody_s(), password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False

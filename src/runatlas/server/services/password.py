"""Passwords: kept as argon2id hashes only."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["hash_password", "is_password"]


@cache
def _hasher() -> PasswordHasher:
    # Loading argon2 costs 40 ms, which an embedded store, having no passwords, need not pay.
    from argon2 import PasswordHasher  # noqa: PLC0415

    return PasswordHasher()


def hash_password(password: str) -> str:
    """Return what to keep of a password."""
    return _hasher().hash(password)


def is_password(password: str, kept: str) -> bool:
    """Tell whether a password is the one that ``kept`` was made of."""
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - as above

    try:
        return _hasher().verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False

"""Passwords: kept as argon2id hashes only."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from runatlas.errors import RateLimitedError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["PASSWORD_MAX", "hash_password", "is_password"]

PASSWORD_MAX = 1024
"""How many characters a password has at the most."""

_PATIENCE_S = 2.0
_places = threading.BoundedSemaphore(2)
"""Each that is worked out takes 64 MiB and a processor: those who are nobody yet get no more than two of them."""


@cache
def _hasher() -> PasswordHasher:
    # Loading argon2 costs 40 ms, which an embedded store, having no passwords, need not pay.
    from argon2 import PasswordHasher  # noqa: PLC0415

    return PasswordHasher()


@cache
def _nobody_s() -> str:
    return hash_password(secrets.token_hex())


@contextmanager
def _place() -> Iterator[None]:
    if not _places.acquire(timeout=_PATIENCE_S):
        raise RateLimitedError("too many passwords are being tried at once; try again in a moment")
    try:
        yield
    finally:
        _places.release()


def hash_password(password: str) -> str:
    """Return what to keep of a password.

    Raises:
        RateLimitedError: Too many are worked out at once.
    """
    with _place():
        return _hasher().hash(password)


def is_password(password: str, kept: str | None) -> bool:
    """Tell whether a password is the one that ``kept`` was made of.

    Where nothing is kept it takes as long: how long an answer takes does not tell which names there are.

    Raises:
        RateLimitedError: Too many are worked out at once.
    """
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - as above

    known = kept or _nobody_s()
    try:
        with _place():
            return _hasher().verify(known, password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False

"""Passwords in tests: the hashes of them take a thousandth of the work, in all processes that ask for it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from runatlas.server.services import password

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["hash_quickly", "own_hasher"]

own_hasher = password._hasher
"""What makes the hashes where nobody asked for quick ones."""


@cache
def _quick_hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def hash_quickly() -> None:
    """Let this process make and check hashes that are cheap to guess."""
    password._hasher = _quick_hasher
